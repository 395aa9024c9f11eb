"""Signed tree heads as C2SP tlog-checkpoint in a C2SP signed note, Ed25519 (c2sp.org/tlog-checkpoint, /signed-note)."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from checkvalve.evidence.errors import VerificationError

_ED25519 = b"\x01"
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")  # decimal, no leading zeroes
_DASH = "— "  # em dash and space open a signature line


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def key_hash(name: str, public_key: bytes) -> bytes:
    """Four bytes that name a key in a signature line."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def verifier_key(name: str, public_key: bytes) -> str:
    """The public key as text, `name+hash+key`, as other C2SP tools read it."""
    return f"{name}+{key_hash(name, public_key).hex()}+{base64.b64encode(_ED25519 + public_key).decode()}"


def parse_verifier_key(text: str) -> tuple[str, bytes]:
    try:
        name, short, key = text.strip().split("+", 2)
        raw = base64.b64decode(key, validate=True)
        expected = key_hash(name, raw[1:]).hex()
    except ValueError as error:
        raise VerificationError("the public key is not in the form name+hash+key") from error
    if len(raw) != 33 or raw[:1] != _ED25519 or expected != short:
        raise VerificationError("the public key does not match its own hash")
    return name, raw[1:]


def sign_note(text: str, *, name: str, key: Ed25519PrivateKey) -> bytes:
    """A signed note; `text` ends with a newline."""
    signature = key_hash(name, key.public_key().public_bytes_raw()) + key.sign(text.encode())
    return f"{text}\n{_DASH}{name} {base64.b64encode(signature).decode()}\n".encode()


def open_note(note: bytes, *, name: str, public_key: bytes) -> str:
    """The text of a note that carries a good signature by this key. The form must be exact: one key, nothing after."""
    try:
        body, _, tail = note.decode("utf-8").rpartition("\n\n")
        if not tail.startswith(f"{_DASH}{name} ") or not tail.endswith("\n") or tail.count("\n") != 1:
            raise VerificationError("the note is not signed by this log")
        encoded = tail.removeprefix(f"{_DASH}{name} ").removesuffix("\n")
        signature = base64.b64decode(encoded, validate=True)
        if base64.b64encode(signature).decode() != encoded:
            raise VerificationError("the signature line is not in canonical form")
        text = body + "\n"
        if signature[:4] != key_hash(name, public_key):
            raise VerificationError("the note was signed with another key")
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature[4:], text.encode())
    except InvalidSignature as error:
        raise VerificationError("the signature does not verify") from error
    except ValueError as error:
        raise VerificationError("not a signed note") from error
    return text


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> bytes:
    return sign_note(checkpoint.text(), name=checkpoint.origin, key=key)


def verify(note: bytes, *, origin: str, public_key: bytes) -> Checkpoint:
    text = open_note(note, name=origin, public_key=public_key)
    lines = text.split("\n")
    if len(lines) < 4 or lines[0] != origin or not _SIZE.fullmatch(lines[1]):
        raise VerificationError("the checkpoint's text is not origin, size, root")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except binascii.Error as error:
        raise VerificationError("the checkpoint's root is not base64") from error
    if len(root) != 32:
        raise VerificationError("the checkpoint's root is not 32 bytes")
    return Checkpoint(origin=origin, size=int(lines[1]), root=root)
