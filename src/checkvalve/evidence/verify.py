"""Checking a log: from its bytes and a public key alone, knowing nothing of who wrote it.

Errors are values: malformed input is a finding about the log, never an exception to the caller.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from checkvalve.evidence import checkpoint, entry
from checkvalve.evidence.anchor import Anchored
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import Tree, leaf_hash, root_of

MAX_ERRORS = 100
BLOCK = 65_536  # leaves hashed at a time; a power of two


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
    anchors: tuple[Anchored, ...] = ()  # who outside says since when entries were in the log


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
    """Recompute the tree from the records; the leaf file helps to name the entry that differs.

    What stands after the signed size is not covered: whole records are counted, a torn one is what a crash leaves.
    """
    try:
        head = checkpoint.verify(log.checkpoint(), origin=origin, public_key=public_key)
    except VerificationError as error:
        return Verified(ok=False, entries=0, checkpoint="", errors=(Flaw(entry=None, file="checkpoint", what=error.what),))
    leaves = log.leaves()
    walk = _walk(log, head.size, leaves)
    errors = walk.flaws
    if walk.count < head.size:
        what = f"the checkpoint covers {head.size} entries, only {walk.count} are there"
        errors.append(Flaw(entry=walk.count, file="log", what=what))
    errors += _attribute(walk, head.root, leaves[: 32 * head.size])
    return Verified(
        ok=not errors,
        entries=walk.count,
        checkpoint=head.text(),
        errors=tuple(errors[:MAX_ERRORS]),
        uncovered=max(0, walk.count - head.size),
    )


@dataclass(slots=True, kw_only=True)
class _Walk:
    """What reading the log up to the signed size showed."""

    count: int
    recomputed: bytes  # root of the records
    unlike: list[tuple[int, str]]  # entries whose leaf is not the stored one
    flaws: list[Flaw]


def _walk(log: LogReader, signed: int, leaves: bytes) -> _Walk:
    tree, count = Tree(), 0
    block: list[bytes] = []
    unlike: list[tuple[int, str]] = []
    flaws: list[Flaw] = []
    for file, record in log.records():
        if isinstance(record, VerificationError):
            if count < signed:
                flaws.append(Flaw(entry=count, file=file, what=record.what))
            break
        if count < signed:
            leaf, stored = leaf_hash(record), leaves[32 * count : 32 * count + 32]
            if leaf != stored and len(unlike) < MAX_ERRORS:
                unlike.append((count, file))
            block.append(leaf)
            if len(block) == BLOCK:
                tree.append(root_of(block))
                block.clear()
            if (what := entry.unreadable(record)) and len(flaws) < MAX_ERRORS:
                flaws.append(Flaw(entry=count, file=file, what=what))
        count += 1
    if block:  # the last block may be short: the tree over blocks has the same form (RFC 6962 section 2.1)
        tree.append(root_of(block))
    return _Walk(count=count, recomputed=tree.root(), unlike=unlike, flaws=flaws)


def _attribute(walk: _Walk, signed: bytes, leaves: bytes) -> list[Flaw]:
    """Which file is wrong: the records, the leaf file, or a checkpoint that neither leads to."""
    if walk.recomputed == signed:
        what = "the stored leaf hash is not that of the record"
        return [Flaw(entry=number, file="leaves", what=what) for number, _ in walk.unlike]
    what = "the record's bytes are not those that were logged"
    flaws = [Flaw(entry=number, file=file, what=what) for number, file in walk.unlike]
    if root_of([leaves[i : i + 32] for i in range(0, len(leaves), 32)]) != signed:
        flaws.append(Flaw(entry=None, file="checkpoint", what="the entries do not lead to the signed root"))
    return flaws
