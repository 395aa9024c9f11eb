"""Time-based one-time passwords: RFC 6238 with HMAC-SHA-1, six digits, steps of 30 seconds, as authenticator apps have them.

Beside them codes for a lost telephone: each is taken once.
"""

import base64
import hashlib
import hmac
from typing import Final
from urllib.parse import quote

STEP_MS: Final = 30_000
DRIFT: Final = 1  # steps before and after now whose codes are taken: clocks differ, and typing takes time
SECRET_BYTES: Final = 20
RECOVERY_BYTES: Final = 10
RECOVERY_CODES: Final = 8


def encoded(secret: bytes) -> str:
    """Base32 without padding, as apps take it."""
    return base64.b32encode(secret).decode().rstrip("=")


def code(secret: str, step: int, digits: int = 6) -> str:
    """The code of a step (RFC 4226, section 5.3)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, step.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_of(secret: str, typed: str, now_ms: int, last_step: int | None) -> int | None:
    """The step whose code was typed; None for a wrong code and for one that was taken before."""
    given, now, found = typed.replace(" ", "").encode("utf-8", "replace"), now_ms // STEP_MS, None
    for step in range(max(now - DRIFT, 0), now + DRIFT + 1):
        same = hmac.compare_digest(code(secret, step).encode(), given)
        if same and (last_step is None or step > last_step):
            found = step
    return found


def uri(secret: str, name: str) -> str:
    """What an app reads from a picture."""
    return f"otpauth://totp/Checkvalve:{quote(name, safe='')}?secret={secret}&issuer=Checkvalve"


def usable(secret: str) -> bool:
    """Whether it is a secret as `encoded` writes them."""
    try:
        return len(base64.b32decode(secret + "=" * (-len(secret) % 8))) == SECRET_BYTES
    except ValueError:
        return False


def recovery(chance: bytes) -> str:
    """A code for a lost telephone, in groups that can be typed from paper."""
    text = base64.b32encode(chance).decode().lower().rstrip("=")
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def plain(typed: str) -> str:
    """A recovery code as it is compared: however it was grouped or capitalised."""
    return "".join(c for c in typed.lower() if c.isalnum())
