"""HTTP message signatures (RFC 9421) with Ed25519, as narrow as docs/spec/wire.md section 3 needs them.

One signature a message, labelled `cv`, over a fixed list of components. Signing and verifying take the time and the
nonce as arguments; whether a nonce was seen before is the caller's to know.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from checkvalve.events.errors import EventError

POST_EVENTS: Final = ("@method", "@path", "content-digest", "checkvalve-sequence")
GET: Final = ("@method", "@path", "@query")
POST_TO_PLUGIN: Final = ("@method", "content-digest", "checkvalve-site")

_INPUT = re.compile(
    r'^cv=(?P<params>\((?P<components>[^()]*)\);created=(?P<created>\d{1,12});nonce="(?P<nonce>[A-Za-z0-9_-]{8,64})"'
    r';keyid="(?P<keyid>[a-z0-9.-]{1,80})";alg="ed25519")$'
)
_SIGNATURE = re.compile(r"^cv=:(?P<b64>[A-Za-z0-9+/=]{86,88}):$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The signed parts of an HTTP request. `query` is without the question mark; header names are lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureInput:
    """What the sender says of its signature, before it is believed."""

    params: str
    components: tuple[str, ...]
    created: int  # seconds since the epoch, sender's clock
    nonce: str
    keyid: str


def content_digest(body: bytes) -> str:
    """RFC 9530 Content-Digest value."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def check_digest(header: str | None, body: bytes) -> None:
    if header is None or not hmac.compare_digest(header.encode("latin-1", "replace"), content_digest(body).encode()):
        raise EventError("bad_digest", "Content-Digest does not match the body; it was changed or cut on the way")


def _base(message: Message, components: tuple[str, ...], params: str) -> bytes:
    """Signature base, RFC 9421 section 2.5."""
    lines = []
    for name in components:
        match name:
            case "@method":
                value = message.method
            case "@path":
                value = message.path or "/"
            case "@query":
                value = "?" + message.query
            case _:
                if name not in message.headers:
                    raise EventError("bad_signature", f"the signed header {name} is missing")
                value = message.headers[name].strip()
        lines.append(f'"{name}": {value}')
    lines.append(f'"@signature-params": {params}')
    return "\n".join(lines).encode("utf-8")


def sign(
    message: Message, components: tuple[str, ...], *, key: Ed25519PrivateKey, keyid: str, created: int, nonce: str
) -> dict[str, str]:
    """The two headers to add."""
    listed = " ".join(f'"{c}"' for c in components)
    params = f'({listed});created={created};nonce="{nonce}";keyid="{keyid}";alg="ed25519"'
    signature = key.sign(_base(message, components, params))
    return {"Signature-Input": f"cv={params}", "Signature": f"cv=:{base64.b64encode(signature).decode()}:"}


def parse_input(headers: Mapping[str, str]) -> SignatureInput:
    found = _INPUT.match(headers.get("signature-input", ""))
    if found is None:
        raise EventError("bad_signature", "Signature-Input is missing or not as in docs/spec/wire.md, section 3")
    components = tuple(c.strip('"') for c in found["components"].split(" ") if c)
    return SignatureInput(
        params=found["params"],
        components=components,
        created=int(found["created"]),
        nonce=found["nonce"],
        keyid=found["keyid"],
    )


def verify(message: Message, given: SignatureInput, required: tuple[str, ...], public_key: bytes) -> None:
    """Raise EventError unless the signature holds over exactly the required components."""
    if given.components != required:
        raise EventError("bad_signature", f"the signature must cover exactly {', '.join(required)}")
    found = _SIGNATURE.match(message.headers.get("signature", ""))
    if found is None:
        raise EventError("bad_signature", "Signature header missing or malformed")
    try:
        signature = base64.b64decode(found["b64"], validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _base(message, required, given.params))
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise EventError("bad_signature", "the signature does not verify with the key known for this sensor") from error
