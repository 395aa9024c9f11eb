"""Checking a log: from its bytes and a public key alone, knowing nothing of who wrote it.

Errors are values: malformed input is a finding about the log, never an exception to the caller.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from checkvalve.evidence import checkpoint, entry
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import Tree, leaf_hash

MAX_ERRORS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    entry: int | None
    file: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """`ok` only if every entry is what the signed checkpoint says. `checkpoint` is its text, or what could be read."""

    ok: bool
    entries: int
    checkpoint: str
    errors: tuple[Flaw, ...]
    uncovered: int = 0  # entries after the checkpoint: written, not yet signed (a crash in between)
    key: str = ""
    key_trusted: bool = True


class LogReader(Protocol):
    """The three things a verifier asks for."""

    def checkpoint(self) -> bytes: ...

    def leaves(self) -> bytes:
        """The stored leaf hashes, 32 bytes each."""
        ...

    def records(self) -> Iterator[tuple[str, bytes | VerificationError]]:
        """(file, record) in entry order; a record that cannot be cut out of its file ends the iteration as an error."""
        ...


def verify_log(log: LogReader, *, origin: str, public_key: bytes) -> Verified:
    """Recompute the tree from the records. A mismatch is named by entry and file with the help of the leaf file."""
    errors: list[Flaw] = []
    try:
        head = checkpoint.verify(log.checkpoint(), origin=origin, public_key=public_key)
    except VerificationError as error:
        return Verified(ok=False, entries=0, checkpoint="", errors=(Flaw(entry=None, file="checkpoint", what=error.what),))
    leaves = log.leaves()
    tree, claimed, count = Tree(), Tree(), 0
    signed_root: bytes | None = tree.root() if head.size == 0 else None
    for file, record in log.records():
        if isinstance(record, VerificationError):
            errors.append(Flaw(entry=count, file=file, what=record.what))
            break
        leaf = leaf_hash(record)
        stored = leaves[32 * count : 32 * count + 32]
        if len(errors) < MAX_ERRORS:
            errors += _compare(count, file, record, leaf, stored if count < head.size or stored else leaf)
        tree.append(leaf)
        claimed.append(stored if len(stored) == 32 else leaf)
        count += 1
        if count == head.size:
            signed_root = tree.root()
            if claimed.root() != head.root and signed_root == head.root:
                errors.append(Flaw(entry=None, file="leaves", what="the leaf file does not lead to the signed root"))
    if count < head.size:
        what = f"the checkpoint covers {head.size} entries, only {count} are there"
        errors.append(Flaw(entry=count, file="log", what=what))
    elif signed_root != head.root:
        errors.append(Flaw(entry=None, file="checkpoint", what="the entries do not lead to the signed root"))
    return Verified(
        ok=not errors,
        entries=count,
        checkpoint=head.text(),
        errors=tuple(errors),
        uncovered=max(0, count - head.size),
    )


def _compare(number: int, file: str, record: bytes, leaf: bytes, stored: bytes) -> list[Flaw]:
    flaws = []
    if stored != leaf:
        flaws.append(Flaw(entry=number, file=file, what="the record's bytes are not those that were logged"))
    try:
        entry.parse(record)
    except VerificationError as error:
        flaws.append(Flaw(entry=number, file=file, what=error.what))
    return flaws
