"""An imported record as it stands in the log: a head that says where it came from, a line break, the bytes as they were."""

from dataclasses import dataclass

import msgspec

from checkvalve.events.errors import EventError
from checkvalve.events.imports.types import Moment, Piece


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`source` names the program and machine it is from, `line` its first line in the file.

    `key` knows the record again (`known.py`), `time` and `within` are its moment (`types.Moment`).
    """

    format: str
    source: str
    site: str
    key: str
    line: int
    zone: str = "UTC"
    time: int | None = None
    within: int | None = None
    day_first: bool | None = None
    columns: tuple[str, ...] = ()
    table: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    head: Head
    raw: bytes

    @property
    def piece(self) -> Piece:
        return Piece(raw=self.raw, number=self.head.line, columns=self.head.columns, table=self.head.table)

    @property
    def moment(self) -> Moment | None:
        return Moment(ms=self.head.time, within_ms=self.head.within) if self.head.time is not None else None


def wrap(imported: Imported) -> bytes:
    return msgspec.json.encode({"import": imported.head}) + b"\n" + imported.raw


class _Outer(msgspec.Struct, frozen=True, kw_only=True):
    head: Head = msgspec.field(name="import")


def unwrap(clear: bytes) -> Imported:
    """EventError when these bytes were not written by `wrap`."""
    outer, _, raw = clear.partition(b"\n")
    try:
        return Imported(head=msgspec.json.decode(outer, type=_Outer).head, raw=raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError("bad_import", "not an imported record of this version") from error
