"""Segment files: uint32 length (big-endian) and record, one after the other. Reading never trusts a length."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from checkvalve.evidence.errors import VerificationError

LENGTH = struct.Struct(">I")
MAX_RECORD = 64 * 1024 * 1024
SEGMENT_BYTES = 64 * 1024 * 1024


def segment_name(first_entry: int) -> str:
    return f"{first_entry:016d}.seg"


def read_segment(path: Path) -> Iterator[tuple[int, bytes | VerificationError]]:
    """(offset, record) pairs; a torn or senseless frame ends the iteration as an error value."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        offset = 0
        while offset < end:
            head = file.read(LENGTH.size)
            length = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else MAX_RECORD + 1
            record = file.read(length) if length <= min(MAX_RECORD, end - offset) else b""
            if len(record) != length or not length:
                yield offset, VerificationError(f"no whole record at byte {offset}")
                return
            yield offset, record
            offset += LENGTH.size + length


class LogFiles:
    """The files of a log directory, as `evidence.verify.LogReader` wants them."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def checkpoint(self) -> bytes:
        return _read(self._log / "checkpoint")

    def leaves(self) -> bytes:
        return _read(self._log / "leaves")

    def records(self) -> Iterator[tuple[str, bytes | VerificationError]]:
        expected = 0
        for path in sorted((self._log / "segments").glob("*.seg")):
            name = f"segments/{path.name}"
            if path.name != segment_name(expected):
                yield (
                    name,
                    VerificationError(f"a segment is missing before this one; expected {segment_name(expected)}"),
                )
                return
            try:
                for _, record in read_segment(path):
                    yield name, record
                    expected += 1
            except OSError as error:
                yield name, VerificationError(f"cannot be read: {error.strerror}")
                return


def _read(path: Path) -> bytes:
    """The file's bytes; none when it is missing or no file, which no signature and no leaf allows."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
