"""The append-only log on disk (docs/spec/log.md).

    DIR/log/segments/<first entry>.seg   the records
    DIR/log/leaves                       their RFC 6962 leaf hashes, 32 bytes each: where a mismatch is, not proof
    DIR/log/checkpoint                   the signed tree head
    DIR/keys.db                          the records' keys

Order of a write: keys, records (fdatasync), leaves, checkpoint. Opening hashes every record again. What the checkpoint
covers must lead to its root, or the log is refused and not touched: only tampering or a lost file explains a difference.
What comes after was never acknowledged: whole records that open with their key are kept, from the first other one on it
is cut. The leaf file follows from the records and is written anew where it differs.
"""

import asyncio
import errno
import fcntl
import os
import secrets
import sqlite3
import threading
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.evidence import checkpoint, entry
from checkvalve.evidence.checkpoint import Checkpoint
from checkvalve.evidence.entry import Header, Kind
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import EMPTY_ROOT, Tree, leaf_hash
from checkvalve.store.recordkeys import KeysError, RecordKeys
from checkvalve.store.segments import LENGTH, MAX_RECORD, SEGMENT_BYTES, read_segment, segment_name

GROUP_RECORDS = 500  # written in less than 10 ms
RECENT_BYTES = 16 * 1024 * 1024  # clear bytes of the newest entries kept for their reader
_DAMAGED = "Copy the directory as it is, run `checkvalve evidence verify`, then restore log/ from a backup"


class JournalError(Exception):
    """The log cannot be opened or written. `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. {hint}")
        self.hint = hint


class StoreBusyError(JournalError):
    """Nothing was written; trying again later may work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be logged. `t` in ms since the epoch, `seq` the sensor's number."""

    kind: Kind
    source: str
    seq: int | None
    clear: bytes
    t: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An entry read back; `clear` is None once its key was erased."""

    number: int
    header: Header
    clear: bytes | None


class Journal:
    """One writer a directory (flock). Appending is for one thread at a time, reading for any."""

    def __init__(self, directory: Path, key: Ed25519PrivateKey, origin: str, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.directory, self.log = directory, directory / "log"
        self._key, self._origin, self._segment_bytes = key, origin, segment_bytes
        self._tree = Tree()
        self._offsets = array("Q")  # of each entry within its segment
        self._firsts: list[int] = []  # first entry of each segment
        self._lock = threading.Lock()
        self._segment = self._leaves = -1
        self._segment_size = 0
        self._recent: deque[tuple[int, Draft, str]] = deque()  # newest entries: number, content, key id
        self._recent_bytes = 0
        (self.log / "segments").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._guard = self._lock_directory()
        try:
            self.keys = self._open_keys()
            try:
                self._recover()
            except BaseException:
                self.keys.close()
                raise
        except BaseException:
            self._close_files()
            raise

    @classmethod
    def open(cls, directory: Path, *, key: Ed25519PrivateKey, origin: str, segment_bytes: int = SEGMENT_BYTES) -> "Journal":
        """JournalError when another process has it, or when it is not the log its checkpoint speaks of."""
        return cls(directory, key, origin, segment_bytes)

    @property
    def size(self) -> int:
        return len(self._offsets)

    def close(self) -> None:
        self.keys.close()
        self._close_files()

    def _close_files(self) -> None:
        for descriptor in (self._segment, self._leaves, self._guard):
            if descriptor >= 0:
                os.close(descriptor)
        self._segment = self._leaves = self._guard = -1

    def append_many(self, drafts: Sequence[Draft]) -> list[int]:
        """Log the drafts; on return they are on disk. All or nothing; StoreBusyError when there is no room now."""
        first = self.size
        keys = _fresh_keys(first, len(drafts))
        sealed = [
            entry.seal(d.clear, kind=d.kind, source=d.source, seq=d.seq, t=d.t, key_id=key_id, key=key)
            for d, (key_id, key) in zip(drafts, keys, strict=True)
        ]
        if any(len(s) > MAX_RECORD for s in sealed):
            raise JournalError(f"a record of {max(map(len, sealed))} bytes", f"The log takes up to {MAX_RECORD}")
        with self._lock:
            try:
                self.keys.put(keys)
                self._write(sealed)
            except Exception as error:
                self.keys.discard(key_id for key_id, _ in keys)
                if _is_full(error):
                    raise StoreBusyError("no room for the log", "free disk space; ingest goes on by itself") from error
                raise
            self._remember(first, drafts, keys)
        return list(range(first, first + len(sealed)))

    def _remember(self, first: int, drafts: Sequence[Draft], keys: Sequence[tuple[str, bytes]]) -> None:
        for number, (d, (key_id, _)) in enumerate(zip(drafts, keys, strict=True), start=first):
            self._recent.append((number, d, key_id))
            self._recent_bytes += len(d.clear)
        while self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= len(self._recent.popleft()[1].clear)

    def read(self, number: int) -> Opened:
        parsed = entry.parse(self.record(number))
        key = self.keys.get(parsed.header.key)
        return Opened(number=number, header=parsed.header, clear=entry.unseal(parsed, key) if key else None)

    def read_many(self, first: int, count: int) -> list[Opened]:
        """Up to `count` entries from `first` on, in order. The newest come from memory, as they were written."""
        with self._lock:
            held = list(islice(self._recent, *self._held(first, count)))
            end = min(first + count, held[0][0] if held else self.size)
        parsed = [entry.parse(record) for record in self._records(first, end)]
        keys = self.keys.get_many([p.header.key for p in parsed])
        opened = [
            Opened(number=n, header=p.header, clear=entry.unseal(p, keys[p.header.key]) if p.header.key in keys else None)
            for n, p in enumerate(parsed, start=first)
        ]
        return [*opened, *(_opened(*r) for r in held)]

    def _held(self, first: int, count: int) -> tuple[int, int]:
        """Where entries first … first + count - 1 are in `_recent`."""
        oldest = self._recent[0][0] if self._recent else self.size
        return max(0, first - oldest), max(0, first + count - oldest)

    def record(self, number: int) -> bytes:
        if not 0 <= number < self.size:
            raise IndexError(f"no entry {number} in a log of {self.size}")
        return next(self._records(number, number + 1))

    def _records(self, first: int, until: int) -> Iterator[bytes]:
        """The records of entries first … until - 1, each segment opened once."""
        number = first
        while number < until:
            place = bisect_right(self._firsts, number)
            end = min(until, self._firsts[place] if place < len(self._firsts) else until)
            descriptor = os.open(self.log / "segments" / segment_name(self._firsts[place - 1]), os.O_RDONLY)
            try:
                for offset in self._offsets[number:end]:
                    (length,) = LENGTH.unpack(os.pread(descriptor, LENGTH.size, offset))
                    yield os.pread(descriptor, min(length, MAX_RECORD), offset + LENGTH.size)
            finally:
                os.close(descriptor)
            number = end

    def checkpoint(self) -> bytes:
        return (self.log / "checkpoint").read_bytes()

    def erase(self, numbers: Sequence[int]) -> int:
        """Delete the keys of these entries; the log still verifies. Returns how many were readable until now.

        StoreBusyError: nothing was erased. JournalError: erased, but a copy may stand until it is done again.
        """
        ids = [entry.parse(self.record(n)).header.key for n in numbers]
        with self._lock:
            self._recent.clear()
            self._recent_bytes = 0
        try:
            return self.keys.delete(ids)
        except KeysError as error:
            raise JournalError(str(error), error.hint) from error
        except sqlite3.OperationalError as error:
            raise StoreBusyError(f"keys.db cannot be written ({error})", "Free disk space and erase again") from error

    # --- writing -----------------------------------------------------------------------------------------------------

    def _write(self, records: Sequence[bytes]) -> None:
        if self._segment_size > self._segment_bytes:
            self._open_segment(self.size)
        frames = b"".join(LENGTH.pack(len(r)) + r for r in records)
        leaves = [leaf_hash(record) for record in records]
        tree = self._tree.copy()
        for leaf in leaves:
            tree.append(leaf)
        note = self._note(tree)
        try:
            _write_all(self._segment, frames, self._segment_size)
            os.fdatasync(self._segment)
            _write_all(self._leaves, b"".join(leaves), 32 * self._tree.size)
            self._publish(note)
        except BaseException:
            if self.checkpoint() == note:  # an interrupt right after the checkpoint's rename: the group is in
                self._adopt(records, tree)
            else:
                os.ftruncate(self._segment, self._segment_size)
                os.ftruncate(self._leaves, 32 * self._tree.size)
            raise
        self._adopt(records, tree)

    def _adopt(self, records: Sequence[bytes], tree: Tree) -> None:
        for record in records:
            self._offsets.append(self._segment_size)
            self._segment_size += LENGTH.size + len(record)
        self._tree = tree

    def _note(self, tree: Tree) -> bytes:
        return checkpoint.sign(Checkpoint(origin=self._origin, size=tree.size, root=tree.root()), self._key)

    def _publish(self, note: bytes) -> None:
        """Replace the checkpoint. Its name is not synced: after a power cut an older one just covers less."""
        fresh = self.log / "checkpoint.new"
        with fresh.open("wb") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.log / "checkpoint")

    def _open_segment(self, first: int) -> None:
        """Go on in the segment that begins with entry `first`; the one before stays open should this fail."""
        path = self.log / "segments" / segment_name(first)
        segment = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _sync_directory(path.parent)
        except BaseException:
            os.close(segment)
            raise
        if self._segment >= 0:
            os.close(self._segment)
        self._segment, self._segment_size = segment, os.fstat(segment).st_size
        if first not in self._firsts[-1:]:
            self._firsts.append(first)

    # --- opening -----------------------------------------------------------------------------------------------------

    def _lock_directory(self) -> int:
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise JournalError(
                f"another Checkvalve uses {self.directory}", "Stop it, or choose another directory with --data"
            ) from error
        return descriptor

    def _open_keys(self) -> RecordKeys:
        path = self.directory / "keys.db"
        if not path.exists() and any((self.log / "segments").glob("*.seg")):
            raise JournalError("keys.db is missing, so no entry of the log can be read", "Restore it from a backup")
        try:
            return RecordKeys(path)
        except KeysError as error:
            raise JournalError(str(error), error.hint) from error

    def _recover(self) -> None:
        head = self._head()
        self._leaves = os.open(self.log / "leaves", os.O_RDWR | os.O_CREAT, 0o600)
        stored = _read_all(self._leaves)
        leaves, torn = self._replay(head)
        if self.size < head.size:
            raise JournalError(
                f"the checkpoint covers {head.size} entries, the log has {self.size}",
                "Entries were removed or a file was lost; restore log/ from a backup",
            )
        if torn is not None:
            path, length = torn
            os.truncate(path, length)  # writes that never were acknowledged
        self._open_segment(self._firsts[-1] if self._firsts else 0)
        if stored != leaves:
            _write_all(self._leaves, leaves, 0)
            os.ftruncate(self._leaves, len(leaves))
        if self._tree.size != head.size or not (self.log / "checkpoint").exists():
            self._publish(self._note(self._tree))
            _sync_directory(self.log)
            _sync_directory(self.directory)

    def _replay(self, head: Checkpoint) -> tuple[bytes, tuple[Path, int] | None]:
        """Hash every record. Returns the leaves, and where the last segment has to be cut (nothing is cut here)."""
        leaves = bytearray()
        paths = sorted((self.log / "segments").glob("*.seg"))
        for path in paths:
            if path.name != segment_name(self.size):
                raise JournalError(
                    f"log/segments/{path.name} does not go on where the log ends, at entry {self.size}", _DAMAGED
                )
            self._firsts.append(self.size)
            for offset, record in read_segment(path):
                whole = isinstance(record, bytes) and (self.size < head.size or self._opens(record))
                if not isinstance(record, bytes) or not whole:
                    if self.size < head.size or path is not paths[-1]:
                        what = record.what if isinstance(record, VerificationError) else f"no readable record at byte {offset}"
                        raise JournalError(f"log/segments/{path.name}, entry {self.size}: {what}", _DAMAGED)
                    return bytes(leaves), (path, offset)
                self._offsets.append(offset)
                leaf = leaf_hash(record)
                leaves += leaf
                self._tree.append(leaf)
                if self.size == head.size and self._tree.root() != head.root:
                    self._refuse_changed(bytes(leaves))
        return bytes(leaves), None

    def _opens(self, record: bytes) -> bool:
        """Whether a record beyond the checkpoint came to disk whole: keys are there before it."""
        try:
            parsed = entry.parse(record)
            key = self.keys.get(parsed.header.key)
            return key is not None and entry.unseal(parsed, key) is not None
        except VerificationError:
            return False

    def _refuse_changed(self, leaves: bytes) -> None:
        stored = _read_all(self._leaves)
        numbers = range(len(leaves) // 32)
        first = next((n for n in numbers if leaves[32 * n : 32 * n + 32] != stored[32 * n : 32 * n + 32]), None)
        where = f"entry {first} was changed" if first is not None else "entries were changed"
        raise JournalError(f"the log is not what its checkpoint signed: {where}", _DAMAGED)

    def _head(self) -> Checkpoint:
        path = self.log / "checkpoint"
        if not path.exists():
            if any(p.stat().st_size for p in (self.log / "segments").glob("*.seg")):
                raise JournalError("the log has entries but no checkpoint", "Restore log/checkpoint from a backup")
            return Checkpoint(origin=self._origin, size=0, root=EMPTY_ROOT)
        try:
            return checkpoint.verify(
                path.read_bytes(), origin=self._origin, public_key=self._key.public_key().public_bytes_raw()
            )
        except VerificationError as error:
            raise JournalError(f"log/checkpoint: {error.what}", _DAMAGED) from error


class GroupCommitter:
    """Appends from many tasks in groups: what arrives while a group is being written makes the next one."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[tuple[list[Draft], asyncio.Future[list[int]]]] = []
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._task: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        while self._task is not None:
            await asyncio.wait([self._task])
            await asyncio.sleep(0)
        self._writer.shutdown(wait=True)

    async def append(self, drafts: list[Draft]) -> list[int]:
        """Entry numbers, once on disk."""
        if not drafts:
            return []
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._waiting.append((drafts, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._commit(self._take())
        finally:
            self._task = None

    async def _commit(self, group: list[tuple[list[Draft], asyncio.Future[list[int]]]]) -> None:
        """Write a group and tell its callers. Each caller decides about an error; the journal rolled itself back."""
        drafts = [d for part, _ in group for d in part]
        try:
            numbers = await asyncio.get_running_loop().run_in_executor(self._writer, self._journal.append_many, drafts)
        except Exception as error:
            if len(group) > 1 and not isinstance(error, StoreBusyError):
                for one in group:  # the fault is in one caller's records: the others are written without them
                    await self._commit([one])
                return
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        position = 0
        for part, future in group:
            if not future.done():
                future.set_result(numbers[position : position + len(part)])
            position += len(part)

    def _take(self) -> list[tuple[list[Draft], asyncio.Future[list[int]]]]:
        count = taken = 0
        for part, _ in self._waiting:
            count += len(part)
            taken += 1
            if count >= GROUP_RECORDS:
                break
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return group


def _fresh_keys(first: int, count: int) -> list[tuple[str, bytes]]:
    """(id, key) for entries from `first` on. Ids that grow keep the key database's writes together."""
    size = entry.KEY_BYTES + 8
    chance = secrets.token_bytes(count * size)
    parts = (chance[i : i + size] for i in range(0, count * size, size))
    return [(f"{first + n:016x}{part[:8].hex()}", part[8:]) for n, part in enumerate(parts)]


def _opened(number: int, draft: Draft, key_id: str) -> Opened:
    header = Header(v=1, t=draft.t, kind=draft.kind, source=draft.source, seq=draft.seq, key=key_id)
    return Opened(number=number, header=header, clear=draft.clear)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _read_all(descriptor: int) -> bytes:
    size, parts, offset = os.fstat(descriptor).st_size, [], 0
    while offset < size and (part := os.pread(descriptor, size - offset, offset)):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_full(error: BaseException) -> bool:
    """No room, or the key database is not writable now (SQLite says "disk I/O error" for some full disks)."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return isinstance(error, sqlite3.OperationalError)
