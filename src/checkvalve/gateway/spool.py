"""Events on their way to core: numbered, on disk until acknowledged.

One file of lines `<sequence> <event>`. A line is handed to the operating system before `append` returns, so a killed
gateway loses nothing; it is forced to the disk within a fraction of a second (`sync`). Holds clear prompts until core
has sealed them, so only its owner may read it. When it is full, or the disk is, numbers go on and events are dropped:
core sees the gap. A second file keeps the highest number given when no line does, so that none is given twice.
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 512 * 1024 * 1024


class Spool:
    def __init__(self, directory: Path, next_sequence: int, max_bytes: int = MAX_BYTES) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._max = max_bytes
        self._file = os.open(directory / "spool", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._highest = os.open(directory / "highest", os.O_RDWR | os.O_CREAT, 0o600)
        known = os.pread(self._highest, 20, 0)
        self._next = max(next_sequence, int(known) + 1 if known.isdigit() else 1)
        self._pending: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._dirty = False
        self._kept = 0
        self.dropped = 0
        self._load(directory / "spool")
        self._write_highest(self._next - 1)

    def append(self, encode: Callable[[int], bytes]) -> int | None:
        """Number an event and keep it; `encode(number)` gives its line. None when there is no room for it."""
        number = self._next
        self._next += 1
        line = encode(number)
        record = b"%d %s\n" % (number, line)
        if self._bytes + len(record) > self._max or not self._write(record):
            self.dropped += 1
            with contextlib.suppress(OSError):
                self._write_highest(number)
            return None
        self._bytes += len(record)
        self._dirty = True
        self._pending.append((number, line))
        return number

    def _write(self, record: bytes) -> bool:
        """False, and nothing of it in the file, when the disk has no room for all of it."""
        try:
            if os.write(self._file, record) == len(record):
                return True
            os.ftruncate(self._file, self._bytes)
        except OSError:
            pass
        return False

    def batch(self, lines: int, size: int) -> list[tuple[int, bytes]]:
        """The oldest events with consecutive numbers, at least one if there is any."""
        found: list[tuple[int, bytes]] = []
        total = 0
        for number, line in self._pending:
            if found and (len(found) >= lines or total + len(line) > size or number != found[-1][0] + 1):
                break
            found.append((number, line))
            total += len(line) + 1
        return found

    def acknowledge(self, number: int) -> None:
        """Core has everything up to `number`."""
        while self._pending and self._pending[0][0] <= number:
            self._pending.popleft()

    @property
    def spent(self) -> bool:
        """Whether all its lines are acknowledged: until they go, a restart sends them again."""
        return not self._pending and self._bytes > 0

    def keep_highest(self) -> None:
        """Force the highest number given to disk, so that lines may go; blocking. Raises OSError."""
        number = self._next - 1
        self._write_highest(number)
        os.fsync(self._highest)
        self._kept = number

    def empty(self) -> None:
        """Let acknowledged lines go, if no number was given since `keep_highest`."""
        if self.spent and self._kept == self._next - 1:
            os.ftruncate(self._file, 0)
            self._bytes = 0

    def sync(self) -> None:
        """Force to disk what was appended; blocking. Raises OSError and tries again next time."""
        if self._dirty:
            self._dirty = False
            try:
                os.fdatasync(self._file)
            except OSError:
                self._dirty = True
                raise

    @property
    def depth(self) -> int:
        return len(self._pending)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sync()
        os.close(self._file)
        os.close(self._highest)

    def _write_highest(self, number: int) -> None:
        # In place and always as long, so that it needs no room on a full disk.
        os.pwrite(self._highest, b"%020d" % number, 0)

    def _load(self, path: Path) -> None:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            os.ftruncate(self._file, whole)  # a line cut by a crash was never complete
        for record in data[:whole].split(b"\n")[:-1]:
            head, _, line = record.partition(b" ")
            if head.isdigit():
                self._next = max(self._next, int(head) + 1)
                self._pending.append((int(head), line))
        self._bytes = whole
