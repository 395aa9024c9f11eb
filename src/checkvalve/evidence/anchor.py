"""Anchors: checkpoints that somebody outside has stamped or cosigned, and what they prove of a later tree head.

As files: `<size>.checkpoint`, `<size>.tsr` (time stamp response over the checkpoint's bytes), `<size>.witness`
(cosignature lines), `<size>.proof` (consistency with a later checkpoint, hex, one hash a line).
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from checkvalve.evidence import checkpoint, timestamp, witness
from checkvalve.evidence.checkpoint import Checkpoint
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import consistent

NAME: Final = re.compile(r"(0|[1-9][0-9]{0,18})\.(checkpoint|tsr|witness|proof)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """The first `size` entries were in the log at `time_ms` (UTC), says `by`. `trusted`: by a root or key the reader gave."""

    size: int
    time_ms: int
    by: str
    trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom the reader believes: certificates of time stamping authorities, witnesses by name."""

    roots: tuple[x509.Certificate, ...] = ()
    witnesses: Mapping[str, bytes] | None = None


NOBODY: Final = Trust()


def trust_of(pem: bytes, keys: bytes) -> Trust:
    """From PEM certificates and verifier keys of witnesses, one a line; both may be empty."""
    try:
        lines = keys.decode("utf-8").split()
    except UnicodeDecodeError as error:
        raise VerificationError("the witnesses' keys are not text") from error
    return Trust(
        roots=tuple(timestamp.roots(pem)) if pem.strip() else (),
        witnesses=dict(witness.parse_verifier_key(line) for line in lines),
    )


def verify(
    files: Mapping[str, bytes],
    size: int,
    head: Checkpoint,
    *,
    origin: str,
    public_keys: Sequence[bytes],
    trust: Trust,
    given: Trust,
) -> list[Anchored]:
    """What the anchor of `size` proves of `head`. `public_keys`: the log's, newest first.

    `trust` is the reader's own, `given` came along with the anchor.

    VerificationError when any part of it does not hold.
    """
    note = files.get(f"{size}.checkpoint", b"")
    early = _signed(note, origin, public_keys)
    proof = _proof(files.get(f"{size}.proof", b""))
    if early.size != size or not consistent(early.size, head.size, early.root, head.root, proof):
        raise VerificationError("the stamped checkpoint and this one are not of one log")
    found = []
    if (token := files.get(f"{size}.tsr")) is not None:
        found.append(_stamped(token, note, size, trust, given))
    if (lines := files.get(f"{size}.witness")) is not None:
        found += _witnessed(lines, early, size, trust, given)
    return found


def _signed(note: bytes, origin: str, public_keys: Sequence[bytes]) -> Checkpoint:
    """By the log's key of now or one before it."""
    for public_key in public_keys[1:]:
        with contextlib.suppress(VerificationError):
            return checkpoint.verify(note, origin=origin, public_key=public_key)
    return checkpoint.verify(note, origin=origin, public_key=public_keys[0])


def _stamped(token: bytes, note: bytes, size: int, trust: Trust, given: Trust) -> Anchored:
    if trust.roots:
        stamp, trusted = timestamp.verify(token, note, list(trust.roots)), True
    else:
        stamp, trusted = timestamp.verify(token, note, list(given.roots)), False
    return Anchored(size=size, time_ms=stamp.time_ms, by=f"time stamping authority {stamp.authority}", trusted=trusted)


def _witnessed(lines: bytes, early: Checkpoint, size: int, trust: Trust, given: Trust) -> list[Anchored]:
    try:
        text = lines.decode("utf-8")
    except UnicodeDecodeError as error:
        raise VerificationError("the cosignatures are not text") from error
    known = trust.witnesses if trust.witnesses else given.witnesses or {}
    seen = witness.verify(early.text(), text.splitlines(keepends=True), known)
    by_reader = bool(trust.witnesses)
    return [Anchored(size=size, time_ms=c.time_s * 1000, by=f"witness {c.name}", trusted=by_reader) for c in seen]


def _proof(text: bytes) -> list[bytes]:
    try:
        return [bytes.fromhex(line) for line in text.decode("ascii").split()]
    except ValueError as error:
        raise VerificationError("the consistency proof is not hexadecimal") from error


def proof_text(hashes: list[bytes]) -> bytes:
    return "".join(f"{h.hex()}\n" for h in hashes).encode()
