"""JWS compact serialisation with EdDSA (RFC 7515, RFC 8037): orders, caller contexts, probe passes."""

import base64
import binascii
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from checkvalve.events.errors import EventError

MAX_BYTES = 16_384


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def sign(payload: dict[str, Any], *, typ: str, kid: str, key: Ed25519PrivateKey) -> str:
    header = {"alg": "EdDSA", "kid": kid, "typ": typ}
    signed = f"{_b64(msgspec.json.encode(header))}.{_b64(msgspec.json.encode(payload))}"
    return f"{signed}.{_b64(key.sign(signed.encode()))}"


def peek_kid(token: str) -> str:
    """The key id the token claims; nothing is believed yet."""
    try:
        kid = msgspec.json.decode(_unb64(token.split(".", 1)[0]))["kid"]
    except (ValueError, binascii.Error, KeyError, TypeError, RecursionError) as error:
        raise EventError("bad_token", "not a JWS in compact form") from error
    return str(kid)


def verify(token: str, *, typ: str, public_key: bytes) -> dict[str, Any]:
    """The payload, if alg, typ and signature hold. Expiry is the caller's to check: it has the clock."""
    if len(token) > MAX_BYTES:
        raise EventError("bad_token", "token too long")
    try:
        head, body, signature = token.split(".")
        header = msgspec.json.decode(_unb64(head))
        if not isinstance(header, dict) or header.get("alg") != "EdDSA" or header.get("typ") != typ:
            raise EventError("bad_token", f"expected an EdDSA token of type {typ}")
        Ed25519PublicKey.from_public_bytes(public_key).verify(_unb64(signature), f"{head}.{body}".encode())
        payload = msgspec.json.decode(_unb64(body))
    except (ValueError, binascii.Error, InvalidSignature, RecursionError) as error:
        raise EventError("bad_token", "the token does not verify") from error
    if not isinstance(payload, dict):
        raise EventError("bad_token", "the payload is not an object")
    return payload
