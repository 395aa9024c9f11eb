"""The append-only log on disk (docs/spec/log.md).

    DIR/log/segments/<first entry>.seg   the records
    DIR/log/leaves                       their RFC 6962 leaf hashes, 32 bytes each: where a mismatch is, not proof
    DIR/log/checkpoint                   the signed tree head
    DIR/keys.db                          the records' keys

Order of a write: keys, records (fdatasync), leaves, checkpoint. After a crash a leaf without a record is dropped and a
torn record is cut (a key without a record opens nothing); a log shorter than its checkpoint is refused, because only
tampering or a lost file explains it.
"""

import asyncio
import errno
import fcntl
import os
import secrets
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.evidence import checkpoint, entry
from checkvalve.evidence.checkpoint import Checkpoint
from checkvalve.evidence.entry import Header, Kind
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import Tree, leaf_hash
from checkvalve.store.recordkeys import RecordKeys
from checkvalve.store.segments import LENGTH, SEGMENT_BYTES, read_segment, segment_name

GROUP_RECORDS = 500


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

    def __init__(self, directory: Path, key: Ed25519PrivateKey, origin: str) -> None:
        self.directory, self.log = directory, directory / "log"
        self._key, self._origin = key, origin
        self._tree = Tree()
        self._places: list[tuple[int, int]] = []  # entry -> (segment's first entry, offset)
        self._lock = threading.Lock()
        self._segment = self._segment_first = self._segment_size = 0
        (self.log / "segments").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._guard = self._lock_directory()
        try:
            self.keys = RecordKeys(directory / "keys.db")
            self._recover()
        except BaseException:
            os.close(self._guard)
            raise

    @classmethod
    def open(cls, directory: Path, *, key: Ed25519PrivateKey, origin: str) -> "Journal":
        return cls(directory, key, origin)

    @property
    def size(self) -> int:
        return len(self._places)

    def close(self) -> None:
        os.close(self._segment)
        os.close(self._leaves)
        self.keys.close()
        os.close(self._guard)

    def append_many(self, drafts: Sequence[Draft]) -> list[int]:
        """Log the drafts; on return they are on disk. All or nothing; StoreBusyError when there is no room."""
        sealed: list[bytes] = []
        keys: list[tuple[str, bytes]] = []
        for d in drafts:
            key_id, key = secrets.token_hex(16), secrets.token_bytes(entry.KEY_BYTES)
            keys.append((key_id, key))
            sealed.append(entry.seal(d.clear, kind=d.kind, source=d.source, seq=d.seq, t=d.t, key_id=key_id, key=key))
        with self._lock:
            try:
                self.keys.put(keys)
                self._write(sealed)
            except Exception as error:
                if _is_full(error):
                    raise StoreBusyError("no room for the log", "free disk space; ingest goes on by itself") from error
                raise
            first = len(self._places) - len(sealed)
        return list(range(first, first + len(sealed)))

    def read(self, number: int) -> Opened:
        parsed = entry.parse(self.record(number))
        key = self.keys.get(parsed.header.key)
        return Opened(number=number, header=parsed.header, clear=entry.unseal(parsed, key) if key else None)

    def record(self, number: int) -> bytes:
        first, offset = self._places[number]
        descriptor = os.open(self.log / "segments" / segment_name(first), os.O_RDONLY)
        try:
            (length,) = LENGTH.unpack(os.pread(descriptor, LENGTH.size, offset))
            return os.pread(descriptor, length, offset + LENGTH.size)
        finally:
            os.close(descriptor)

    def leaf_hashes(self, size: int) -> list[bytes]:
        data = os.pread(self._leaves, 32 * size, 0)
        return [data[i : i + 32] for i in range(0, len(data), 32)]

    def checkpoint(self) -> bytes:
        return (self.log / "checkpoint").read_bytes()

    def erase(self, numbers: Sequence[int]) -> int:
        """Delete the keys of these entries; the log still verifies. Returns how many were readable until now."""
        return self.keys.delete([entry.parse(self.record(n)).header.key for n in numbers])

    # --- writing -----------------------------------------------------------------------------------------------------

    def _write(self, records: Sequence[bytes]) -> None:
        if self._segment_size > SEGMENT_BYTES:
            self._start_segment(len(self._places))
        frames = b"".join(LENGTH.pack(len(r)) + r for r in records)
        tree, leaves = self._tree.copy(), []
        for record in records:
            leaves.append(leaf_hash(record))
            tree.append(leaves[-1])
        try:
            _write_all(self._segment, frames, self._segment_size)
            os.fdatasync(self._segment)
            _write_all(self._leaves, b"".join(leaves), 32 * self._tree.size)
            self._sign(tree)
        except BaseException:
            os.ftruncate(self._segment, self._segment_size)
            os.ftruncate(self._leaves, 32 * self._tree.size)
            raise
        offset = self._segment_size
        for record in records:
            self._places.append((self._segment_first, offset))
            offset += LENGTH.size + len(record)
        self._segment_size, self._tree = offset, tree

    def _sign(self, tree: Tree) -> None:
        note = checkpoint.sign(Checkpoint(origin=self._origin, size=tree.size, root=tree.root()), self._key)
        fresh = self.log / "checkpoint.new"
        with fresh.open("wb") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.log / "checkpoint")

    def _start_segment(self, first: int) -> None:
        os.close(self._segment)
        self._open_segment(first)

    def _open_segment(self, first: int) -> None:
        path = self.log / "segments" / segment_name(first)
        self._segment = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._segment_first, self._segment_size = first, os.fstat(self._segment).st_size
        directory = os.open(path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    # --- opening -----------------------------------------------------------------------------------------------------

    def _lock_directory(self) -> int:
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise JournalError(
                f"another Checkvalve uses {self.directory}", "Stop it, or choose another directory with --data"
            ) from error
        return descriptor

    def _recover(self) -> None:
        self._leaves = os.open(self.log / "leaves", os.O_RDWR | os.O_CREAT, 0o600)
        segments = sorted((self.log / "segments").glob("*.seg"))
        leaves: list[bytes] = []
        for path in segments:
            first = int(path.stem)
            if first != len(self._places):
                raise JournalError(f"entry {len(self._places)} and following are missing", f"{path.name} comes after a gap")
            for offset, record in read_segment(path):
                if isinstance(record, VerificationError):
                    if path is not segments[-1]:
                        raise JournalError(f"{path.name}: {record.what}", "Run `checkvalve evidence verify`")
                    os.truncate(path, offset)  # a write that never was acknowledged
                    break
                self._places.append((first, offset))
                leaves.append(leaf_hash(record))
                self._tree.append(leaves[-1])
        self._open_segment(int(segments[-1].stem) if segments else 0)
        self._check_head()
        stored = os.fstat(self._leaves).st_size
        if stored != 32 * len(leaves):
            _write_all(self._leaves, b"".join(leaves), 0)
            os.ftruncate(self._leaves, 32 * len(leaves))
        self._sign(self._tree)

    def _check_head(self) -> None:
        path = self.log / "checkpoint"
        if not path.exists():
            if self._tree.size:
                raise JournalError("the log has entries but no checkpoint", "Restore log/checkpoint from a backup")
            return
        try:
            head = checkpoint.verify(
                path.read_bytes(), origin=self._origin, public_key=self._key.public_key().public_bytes_raw()
            )
        except VerificationError as error:
            raise JournalError(f"log/checkpoint: {error.what}", "Run `checkvalve evidence verify`") from error
        if head.size > self._tree.size:
            raise JournalError(
                f"the checkpoint covers {head.size} entries, the log has {self._tree.size}",
                "Entries were removed or a file was lost; restore log/ from a backup",
            )


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
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group = self._take()
                drafts = [d for part, _ in group for d in part]
                try:
                    numbers = await loop.run_in_executor(self._writer, self._journal.append_many, drafts)
                except Exception as error:  # each caller decides; the journal rolled itself back
                    for _, future in group:
                        if not future.done():
                            future.set_exception(error)
                    continue
                position = 0
                for part, future in group:
                    if not future.done():
                        future.set_result(numbers[position : position + len(part)])
                    position += len(part)
        finally:
            self._task = None

    def _take(self) -> list[tuple[list[Draft], asyncio.Future[list[int]]]]:
        count = taken = 0
        for part, _ in self._waiting:
            count += len(part)
            taken += 1
            if count >= GROUP_RECORDS:
                break
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return group


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    return "database or disk is full" in str(error)
