"""Events on their way to core: numbered, on disk until acknowledged.

Files of lines `<sequence> <event>`, each file named by its first number; memory holds where lines end, and no line. A line is
handed to the operating system before `append` returns, so a killed gateway loses nothing; it is forced to the disk within a
fraction of a second (`sync`). Holds clear prompts until core has sealed them, so only its owner may read it. A file goes once
core has all of it. When the spool is full, or the disk is, numbers go on and events are dropped: core sees the gap. Another
file keeps the highest number given when no line does, so that none is given twice.
"""

import contextlib
import logging
import os
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

log = logging.getLogger("checkvalve.gateway")

MAX_BYTES: Final = 512 * 1024 * 1024
SEGMENT_BYTES: Final = 16 * 1024 * 1024


def _numbers() -> "array[int]":
    return array("Q")


@dataclass(slots=True, eq=False)
class Segment:
    """One file. Its first `gone` lines are acknowledged; line i ends, with its newline, before byte `ends[i]`."""

    path: Path
    file: int
    numbers: "array[int]" = field(default_factory=_numbers)
    ends: "array[int]" = field(default_factory=_numbers)
    gone: int = 0

    @property
    def size(self) -> int:
        return self.ends[-1] if self.ends else 0

    @property
    def waiting(self) -> int:
        return len(self.numbers) - self.gone

    def batch(self, lines: int, size: int) -> list[tuple[int, bytes]]:
        """The oldest unacknowledged lines with consecutive numbers, at least one. Raises OSError."""
        start = end = self.gone
        base = self.ends[start - 1] if start else 0
        while end < len(self.numbers) and (
            end == start
            or (end - start < lines and self.ends[end] - base <= size and self.numbers[end] == self.numbers[end - 1] + 1)
        ):
            end += 1
        data = os.pread(self.file, self.ends[end - 1] - base, base)
        records = data.split(b"\n")[:-1]
        if len(records) != end - start:
            raise OSError("the spool was changed by somebody else")
        return [(number, record.partition(b" ")[2]) for number, record in zip(self.numbers[start:end], records, strict=True)]


class Spool:
    def __init__(self, directory: Path, next_sequence: int, max_bytes: int = MAX_BYTES) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory, self._max, self._most = directory, max_bytes, min(SEGMENT_BYTES, max_bytes // 8)
        self._highest = os.open(directory / "highest", os.O_RDWR | os.O_CREAT, 0o600)
        known = os.pread(self._highest, 20, 0)
        self._next = max(next_sequence, int(known) + 1 if known.isdigit() else 1)
        self._segments: deque[Segment] = deque()
        self._bytes = 0
        self._unsynced: set[Segment] = set()
        self._kept = 0
        self.dropped = 0
        for path in sorted(directory.glob("spool*")):
            self._load(path)
        self._write_highest(self._next - 1)

    def append(self, encode: Callable[[int], bytes]) -> int | None:
        """Number an event and keep it; `encode(number)` gives its line. None when there is no room for it."""
        number = self._next
        self._next += 1
        record = b"%d %s\n" % (number, encode(number))
        if self._bytes + len(record) > self._max or not self._write(number, record):
            self.dropped += 1
            with contextlib.suppress(OSError):
                self._write_highest(number)
            return None
        return number

    def _write(self, number: int, record: bytes) -> bool:
        """False, and nothing of it in a file, when the disk has no room for all of it."""
        try:
            if not self._segments or self._segments[-1].size >= self._most:
                self._segments.append(self._open(self._directory / f"spool-{number:020d}"))
            segment = self._segments[-1]
            if os.write(segment.file, record) != len(record):
                os.ftruncate(segment.file, segment.size)
                return False
        except OSError:
            return False
        segment.ends.append(segment.size + len(record))
        segment.numbers.append(number)
        self._bytes += len(record)
        self._unsynced.add(segment)
        return True

    def batch(self, lines: int, size: int) -> list[tuple[int, bytes]]:
        """The oldest events with consecutive numbers of one file, at least one if there is any. Raises OSError."""
        return next((s.batch(lines, size) for s in self._segments if s.waiting), [])

    def acknowledge(self, number: int) -> None:
        """Core has everything up to `number`."""
        for segment in self._segments:
            if not segment.numbers or segment.numbers[0] > number:
                break
            segment.gone = max(segment.gone, bisect_right(segment.numbers, number))

    @property
    def spent(self) -> bool:
        """Whether all lines of a file are acknowledged: until it goes, a restart sends them again."""
        return bool(self._segments) and not self._segments[0].waiting and self._segments[0].size > 0

    def keep_highest(self) -> None:
        """Force the highest number given to disk, so that lines may go; blocking. Raises OSError."""
        number = self._next - 1
        self._write_highest(number)
        os.fsync(self._highest)
        self._kept = number

    def empty(self) -> None:
        """Let acknowledged files go whose numbers are no higher than the one that was kept. Raises OSError."""
        while self.spent and self._segments[0].numbers[-1] <= self._kept:
            segment = self._segments.popleft()
            self._unsynced.discard(segment)
            self._bytes -= segment.size
            os.close(segment.file)
            segment.path.unlink()

    def sync(self) -> None:
        """Force to disk what was appended; blocking. Raises OSError and tries again next time."""
        segments, self._unsynced = self._unsynced, set()
        try:
            for segment in segments:
                os.fdatasync(segment.file)
        except OSError:
            self._unsynced |= segments
            raise

    @property
    def depth(self) -> int:
        return sum(s.waiting for s in self._segments)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sync()
        for segment in self._segments:
            os.close(segment.file)
        os.close(self._highest)

    def _write_highest(self, number: int) -> None:
        # In place and always as long, so that it needs no room on a full disk.
        os.pwrite(self._highest, b"%020d" % number, 0)

    def _open(self, path: Path) -> Segment:
        segment = Segment(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600))
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)  # the name of a file is not forced to disk with its lines
        finally:
            os.close(directory)
        return segment

    def _load(self, path: Path) -> None:
        data = path.read_bytes()
        segment = self._open(path)
        for record in data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]:
            number = record.partition(b" ")[0]
            if not number.isdigit():
                break
            segment.numbers.append(int(number))
            segment.ends.append(segment.size + len(record) + 1)
        if rest := data[segment.size :]:  # a line cut by a crash was never complete; more than one is not our doing
            if b"\n" in rest:
                path.with_name(f"damaged-{path.name}").write_bytes(rest)
                log.error("a file of the spool is damaged: what follows line %d is set aside", len(segment.numbers))
            os.ftruncate(segment.file, segment.size)
        if not segment.numbers:
            os.close(segment.file)
            path.unlink()
            return
        self._next = max(self._next, segment.numbers[-1] + 1)
        self._bytes += segment.size
        self._segments.append(segment)
