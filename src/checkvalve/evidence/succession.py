"""A log's key follows another: each new one is named in a note that the one before signed, so that old keys still lead to it.

The note's text: `checkvalve-succession/1`, the origin, the old and the new verifier key, a line each.
"""

from collections.abc import Iterable
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.evidence.checkpoint import open_note, parse_verifier_key, sign_note, verifier_key
from checkvalve.evidence.errors import VerificationError

FORMAT: Final = "checkvalve-succession/1"


def write(origin: str, old: Ed25519PrivateKey, new: bytes) -> bytes:
    """The note in which the old key names the new one (its public key)."""
    before = verifier_key(origin, old.public_key().public_bytes_raw())
    return sign_note(f"{FORMAT}\n{origin}\n{before}\n{verifier_key(origin, new)}\n", name=origin, key=old)


def read(note: bytes, origin: str) -> tuple[bytes, bytes]:
    """(old, new) public key of a note that the old key signed. VerificationError for anything else."""
    try:
        lines = note.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise VerificationError("a succession note is not text") from error
    if len(lines) < 5 or lines[0] != FORMAT or lines[1] != origin:
        raise VerificationError("not a succession note of this log")
    old, new = parse_verifier_key(lines[2])[1], parse_verifier_key(lines[3])[1]
    text = open_note(note, name=origin, public_key=old)
    if text != f"{FORMAT}\n{origin}\n{verifier_key(origin, old)}\n{verifier_key(origin, new)}\n":
        raise VerificationError("not a succession note of this log")
    return old, new


def successors(notes: Iterable[bytes], origin: str, key: bytes) -> set[bytes]:
    """The key itself and every key that follows from it. VerificationError when a note does not hold."""
    links = [read(note, origin) for note in notes]
    reached = {key}
    while more := {new for old, new in links if old in reached} - reached:
        reached |= more
    return reached


def lineage(notes: Iterable[bytes], origin: str, newest: bytes) -> list[bytes]:
    """The newest key and those before it, newest first."""
    before = {new: old for old, new in (read(note, origin) for note in notes)}
    found = [newest]
    while (older := before.get(found[-1])) is not None and older not in found:
        found.append(older)
    return found
