"""What cutting and reading a foreign log gives. One format is one `Format`; `formats.FORMATS` names them all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, BinaryIO

from checkvalve.events.event import Malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One record of a file: `raw` as it stands there, the number of its first line (from 1).

    `columns` and `table` say what a row's values are, for rows of CSV and SQL. `ended`: the end of its line is there, so that
    nothing more of it can come.
    """

    raw: bytes
    number: int
    columns: tuple[str, ...] = ()
    table: str = ""
    ended: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The true time lies between `ms` and `ms + within_ms` (UTC); `within_ms` None: at `ms` or any time after."""

    ms: int
    within_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the file does not say itself.

    `zone`: of local times. `day_first`: how 05/06/2026 is meant. `started_ms`: when a model server that counts from its
    start was started. `written_ms`: when the file was last written, for dates without a year. `hide(category, value)`
    gives a pseudonym.
    """

    zone: tzinfo = UTC
    day_first: bool | None = None
    started_ms: int | None = None
    written_ms: int | None = None
    hide: Callable[[str, str], str] = field(default=lambda _category, _value: "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a record says, in OCSF terms. `unique`: the record names itself (an id, a time), so it can be known again.

    `own` is what `unmapped.checkvalve` holds in an event of a sensor; times in it are UTC ms.
    """

    class_uid: int
    activity_id: int
    moment: Moment | None = None
    unique: bool = False
    trace: str | None = None
    own: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """`cut` never loses a byte that says something; `read` never raises on what a file may hold.

    `followed`: a program writes such a file line by line while it runs. `by_line`: the beginning of a record may read like a
    whole one, so that only the end of its line says that it is whole.
    """

    name: str
    title: str  # as people call the program
    cut: Callable[[BinaryIO], Iterator[Piece]]
    read: Callable[[Piece, Context], Said | Malformed]
    followed: bool = False
    by_line: bool = False
    in_order: bool = False  # records follow each other in time: one without a time came at or after the one before
