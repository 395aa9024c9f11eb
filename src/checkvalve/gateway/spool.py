"""Events on their way to core: numbered, on disk until acknowledged.

One file of lines `<sequence> <event>`. A line is handed to the operating system before `append` returns, so a killed
gateway loses nothing; it is forced to the disk within a fraction of a second (`sync`). Holds clear prompts until core
has sealed them, so only its owner may read it. When it is full, numbers go on and events are dropped: core sees the gap.
"""

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from checkvalve.gateway.settings import write_private

MAX_BYTES: Final = 512 * 1024 * 1024


class Spool:
    def __init__(self, directory: Path, next_sequence: int, max_bytes: int = MAX_BYTES) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._acked_file = directory / "acknowledged"
        self._max = max_bytes
        self.acknowledged = self._read_acknowledged()
        self._next = max(next_sequence, self.acknowledged + 1)
        self._file = os.open(directory / "spool", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._pending: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._dirty = False
        self.dropped = 0
        self._load(directory / "spool")

    def append(self, encode: Callable[[int], bytes]) -> int | None:
        """Number an event and keep it; `encode(number)` gives its line. None when the spool is full."""
        number = self._next
        self._next += 1
        line = encode(number)
        record = b"%d %s\n" % (number, line)
        if self._bytes + len(record) > self._max:
            self.dropped += 1
            return None
        try:
            written = os.write(self._file, record)
            if written != len(record):
                os.ftruncate(self._file, self._bytes)
                raise OSError("short write")
        except OSError:
            self.dropped += 1
            return None
        self._bytes += len(record)
        self._dirty = True
        self._pending.append((number, line))
        return number

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
        while self._pending and self._pending[0][0] <= number:
            self._pending.popleft()
        if number > self.acknowledged:
            self.acknowledged = number
        if not self._pending and self._bytes:
            # The number is kept before the lines go, so that none is ever given twice.
            write_private(self._acked_file, str(max(self.acknowledged, self._next - 1)).encode())
            os.ftruncate(self._file, 0)
            self._bytes = 0

    def sync(self) -> None:
        """Force to disk what was appended; blocking."""
        if self._dirty:
            self._dirty = False
            os.fdatasync(self._file)

    @property
    def depth(self) -> int:
        return len(self._pending)

    def close(self) -> None:
        self.sync()
        os.close(self._file)

    def _read_acknowledged(self) -> int:
        text = self._acked_file.read_text() if self._acked_file.exists() else ""
        return int(text) if text.isdigit() else 0

    def _load(self, path: Path) -> None:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            os.ftruncate(self._file, whole)  # a line cut by a crash was never complete
        for record in data[:whole].split(b"\n")[:-1]:
            head, _, line = record.partition(b" ")
            if head.isdigit():
                self._next = max(self._next, int(head) + 1)
                if int(head) > self.acknowledged:
                    self._pending.append((int(head), line))
        self._bytes = whole
