"""Witness cosignatures: others who saw that the log only grew sign its checkpoint with the time (C2SP tlog-cosignature, v1)."""

import base64
import binascii
import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from checkvalve.evidence.errors import VerificationError

_COSIGNATURE = b"\x04"
_LINE = "— "
_BYTES = 4 + 8 + 64  # key id, time, signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """`time_s`: when the witness saw it, seconds since 1970 by its clock."""

    name: str
    key_id: bytes
    time_s: int
    signature: bytes


def key_id(name: str, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _COSIGNATURE + public_key).digest()[:4]


def verifier_key(name: str, public_key: bytes) -> str:
    return f"{name}+{key_id(name, public_key).hex()}+{base64.b64encode(_COSIGNATURE + public_key).decode()}"


def parse_verifier_key(text: str) -> tuple[str, bytes]:
    """(name, public key) of `name+id+key`. VerificationError for anything else."""
    try:
        name, short, key = text.strip().split("+", 2)
        raw = base64.b64decode(key, validate=True)
    except ValueError as error:
        raise VerificationError("a witness's key is not in the form name+id+key") from error
    if len(raw) != 33 or raw[:1] != _COSIGNATURE or key_id(name, raw[1:]).hex() != short:
        raise VerificationError("a witness's key does not match its own id")
    return name, raw[1:]


def message(text: str, time_s: int) -> bytes:
    """What a witness signs; `text` is the note's, without signature lines."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def parse(line: str) -> Cosignature:
    """One signature line of a note. VerificationError when it is no cosignature."""
    name, _, encoded = line.removeprefix(_LINE).rstrip("\n").partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError("a cosignature is not base64") from error
    if not line.startswith(_LINE) or not name or len(raw) != _BYTES:
        raise VerificationError("not a line of a cosignature")
    return Cosignature(name=name, key_id=raw[:4], time_s=struct.unpack(">Q", raw[4:12])[0], signature=raw[12:])


def sign(text: str, *, name: str, key: Ed25519PrivateKey, time_s: int) -> str:
    """A witness's line."""
    public = key.public_key().public_bytes_raw()
    raw = key_id(name, public) + struct.pack(">Q", time_s) + key.sign(message(text, time_s))
    return f"{_LINE}{name} {base64.b64encode(raw).decode()}\n"


def verify(text: str, lines: list[str], known: Mapping[str, bytes]) -> list[Cosignature]:
    """Cosignatures over a checkpoint's text by known witnesses (name -> public key); other lines are passed over.

    VerificationError when a known witness's line does not verify.
    """
    found = []
    for line in lines:
        cosignature = parse(line)
        public = known.get(cosignature.name)
        if public is None or cosignature.key_id != key_id(cosignature.name, public):
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(cosignature.signature, message(text, cosignature.time_s))
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(f"the cosignature of {cosignature.name} does not verify") from error
        found.append(cosignature)
    return found
