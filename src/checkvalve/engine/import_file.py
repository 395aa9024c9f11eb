"""A file of another program into the log: read, keyed, sent in batches to a running core or written by ourselves.

Every record that stands in the file is in the log when this ends, save a last one whose end is not written yet. Ended half way
(an error, kill -9), the same call goes on: records that are in the log already are known again.
"""

import asyncio
import contextlib
import gzip
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import msgspec

from checkvalve.engine.core import now_ms, open_core
from checkvalve.engine.errors import EngineError, JournalError
from checkvalve.engine.identity import load_identity
from checkvalve.engine.importer import source_of
from checkvalve.engine.imports import zone
from checkvalve.engine.local_api import LocalApi
from checkvalve.engine.offline import chosen_site, prepared
from checkvalve.engine.settings import Settings
from checkvalve.events.event import Malformed
from checkvalve.events.imports import aios, solid, wordfence
from checkvalve.events.imports.envelope import Head, Imported, wrap
from checkvalve.events.imports.formats import FORMATS
from checkvalve.events.imports.known import Keyer
from checkvalve.events.imports.types import Context, Format, Moment, Piece, Said

BATCH_RECORDS = 500
BATCH_BYTES = 4 * 1024 * 1024
TRIED = 200  # a file of whose first records none can be read is not of this format

Progress = Callable[[int], None]  # bytes of the file read so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the person asked for. `zone`, `day_first`, `started_ms` as in `events.imports.types.Context`.

    `whole`: nobody writes to the file any more, so its last line is a record even without an end.
    """

    path: Path
    format: str
    site: str | None = None
    name: str | None = None
    zone: str = "UTC"
    day_first: bool | None = None
    started_ms: int | None = None
    whole: bool = False


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of it: `records` in the file, `entries` new in the log, `known` before, `malformed` of the records."""

    format: str
    source: str
    site: str
    records: int = 0
    entries: int = 0
    known: int = 0
    malformed: int = 0
    undated: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    notes: list[str] = field(default_factory=list)


class Target(Protocol):
    """Where batches go."""

    def put(self, clears: list[bytes]) -> tuple[int, int]:
        """(new entries, records known before)."""
        ...


def import_file(settings: Settings, wanted: Wanted, progress: Progress) -> Result:
    """EngineError, with nothing stored, when the file, the format or an option is wrong."""
    reading = reading_of(settings, wanted)
    result = reading.result
    with _opened(wanted, progress) as pieces:
        checked = _checked(reading.format, _ended(pieces, wanted, reading), reading.context)
        records = (reading.record(read.piece, read.said) for read in checked)
        with _target(settings) as target:
            for batch in batches(records):
                new, known = target.put(batch)
                result.entries += new
                result.known += known
    if result.undated:
        result.notes.append(f"{result.undated} records have no time of their own")
    return result


def reading_of(settings: Settings, wanted: Wanted) -> "Reading":
    """EngineError when the format or an option is wrong, or there is no such file."""
    if wanted.format not in FORMATS:
        raise EngineError("bad_format", f"{wanted.format[:40]!r} is not known; known: {', '.join(FORMATS)}")
    source = source_of(wanted.format, wanted.name)
    where = zone(wanted.zone)
    written = _written_ms(wanted.path)
    with prepared(settings) as state:
        site, _ = chosen_site(state, wanted.site)
    return Reading(
        wanted=wanted,
        format=FORMATS[wanted.format],
        context=Context(zone=where, day_first=wanted.day_first, started_ms=wanted.started_ms, written_ms=written),
        keyer=Keyer(load_identity(settings.data).repeat_key, source, site),
        result=Result(format=wanted.format, source=source, site=site),
    )


@dataclass(slots=True, kw_only=True)
class Reading:
    """One file on its way in: what knows its records again and counts them, in their order."""

    wanted: Wanted
    format: Format
    context: Context
    keyer: Keyer
    result: Result
    last: Moment | None = None

    def record(self, piece: Piece, said: Said | Malformed) -> bytes:
        """The next record as it goes into the log."""
        moment = None if isinstance(said, Malformed) else said.moment
        own_time = moment is not None
        if moment is None and self.format.in_order and self.last is not None:
            moment = replace(self.last, within_ms=None)
        self.last = moment or self.last
        self._count(said, moment if own_time else None)
        head = Head(
            format=self.format.name,
            source=self.result.source,
            site=self.result.site,
            key=self.keyer.next(piece.raw, own_time or (not isinstance(said, Malformed) and said.unique)),
            line=piece.number,
            zone=self.wanted.zone,
            time=moment.ms if moment else None,
            within=moment.within_ms if moment else None,
            day_first=self.wanted.day_first,
            columns=piece.columns,
            table=piece.table,
        )
        return wrap(Imported(head=head, raw=piece.raw))

    def _count(self, said: Said | Malformed, own: Moment | None) -> None:
        result = self.result
        result.records += 1
        result.malformed += isinstance(said, Malformed)
        result.undated += own is None
        if own is not None:
            result.first_ms = min(own.ms, result.first_ms or own.ms)
            result.last_ms = max(own.ms, result.last_ms or own.ms)


def _ended(pieces: Iterator[Piece], wanted: Wanted, reading: Reading) -> Iterator[Piece]:
    """Without a last record of which more may come: read now and again when it is whole, it would be two."""
    for piece in pieces:
        form = reading.format
        if piece.ended or wanted.whole or not (form.by_line or isinstance(form.read(piece, reading.context), Malformed)):
            yield piece
        else:
            note = f"line {piece.number} has no end yet and was left out; give the file again later, or with --whole"
            reading.result.notes.append(note)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    piece: Piece
    said: Any


def _checked(form: Format, pieces: Iterator[Piece], context: Context) -> Iterator[_Read]:
    """Each piece with what it says. Refuses a file of whose first records none can be read, before any is stored."""
    held: list[_Read] | None = []
    for piece in pieces:
        read = _Read(piece=piece, said=form.read(piece, context))
        if held is None:
            yield read
            continue
        held.append(read)
        if not isinstance(read.said, Malformed):
            yield from held
            held = None
        elif len(held) == TRIED:
            break
    if held:
        why = held[0].said.reason
        raise EngineError("wrong_format", f"this is no {form.title}: line {held[0].piece.number}: {why}; nothing was stored")


def batches(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record)
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


# --- the file --------------------------------------------------------------------------------------------------------


class _Counting:
    """Tells how far a file was read."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        self._file, self._progress = file, progress

    def step(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            yield piece
            with contextlib.suppress(OSError):
                self._progress(self._file.tell())


@contextmanager
def _opened(wanted: Wanted, progress: Progress) -> Iterator[Iterator[Piece]]:
    """The pieces of the file: plain, gzip, or an SQLite database that has the plugin's tables."""
    form = FORMATS[wanted.format]
    try:
        with wanted.path.open("rb") as file:
            magic = file.read(16)
            file.seek(0)
            if magic == b"SQLite format 3\0":
                yield _database_rows(wanted.path, wanted.format)
                return
            if magic[:2] == b"\x1f\x8b":
                packed = form.cut(gzip.GzipFile(fileobj=file))  # type: ignore[arg-type] # it reads like a file
                yield _Counting(file, progress).step(replace(piece, ended=True) for piece in packed)
            else:
                yield _Counting(file, progress).step(form.cut(file))
    except (OSError, EOFError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else "is damaged or ends too early"
        raise EngineError("no_file", f"{wanted.path}: {what}") from error


def _written_ms(path: Path) -> int:
    try:
        return int(path.stat().st_mtime * 1000)
    except OSError as error:
        raise EngineError("no_file", f"{path}: {error.strerror}") from error


# Format -> tables that are read of a database, and where the details of a row stand.
_ROWS = {
    "wsal": ("wsal_occurrences",),
    "simple-history": ("simple_history",),
    "wordfence": tuple(t.name for t in wordfence.TABLES),
    "solid": tuple(t.name for t in solid.TABLES),
    "aios": tuple(t.name for t in aios.TABLES),
}
_DETAILS = {
    "wsal_occurrences": "SELECT name, value FROM {prefix}wsal_metadata WHERE occurrence_id = ?",
    "simple_history": "SELECT key, value FROM {prefix}simple_history_contexts WHERE history_id = ?",
}


def _database_rows(path: Path, name: str) -> Iterator[Piece]:
    """Rows of the plugin's tables as JSON objects, details under `context`. The database is not written to."""
    if name not in _ROWS:
        raise EngineError("wrong_format", f"{path} is a database; only {', '.join(_ROWS)} are read from one")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            tables = [found for table in _ROWS[name] if (found := _prefixed(db, table, path))]
            if not tables:
                raise EngineError("wrong_format", f"{path} has no table {' or '.join(_ROWS[name])}")
            asked = [(found, f'SELECT * FROM "{"".join(found)}" ORDER BY 1') for found in tables]  # noqa: S608 (letters, see _prefixed)
            rows = (_whole(db, row, *found) for found, sql in asked for row in db.execute(sql))
            yield from (Piece(raw=msgspec.json.encode(row), number=number) for number, row in enumerate(rows, start=1))
    except sqlite3.Error as error:
        raise EngineError("no_file", f"{path}: {error}") from error


def _prefixed(db: sqlite3.Connection, table: str, path: Path) -> tuple[str, str] | None:
    """(prefix, table) as it is spelt there."""
    found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ?", (f"%{table}",)).fetchone()
    if found is None:
        return None
    prefix, spelt = found["name"][: -len(table)], found["name"][-len(table) :]
    if prefix and not prefix.replace("_", "a").isalnum():
        raise EngineError("wrong_format", f"{path} has an unusual table name")
    return prefix, spelt


def _whole(db: sqlite3.Connection, row: sqlite3.Row, prefix: str, table: str) -> dict[str, Any]:
    if table not in _DETAILS:
        return dict(row)
    details = db.execute(_DETAILS[table].format(prefix=prefix), (row["id"],)).fetchall()
    return {**dict(row), "context": {d[0]: d[1] for d in details}}


# --- where it goes ---------------------------------------------------------------------------------------------------


@contextmanager
def _target(settings: Settings) -> Iterator[Target]:
    """A running core if there is one, else the data directory itself."""
    try:
        own = _OwnCore(settings)
    except JournalError:
        api = LocalApi(settings, load_identity(settings.data))
        if not api.answers():
            raise
        try:
            yield RunningCore(api)
        finally:
            api.close()
        return
    try:
        yield own
    finally:
        own.close()


class RunningCore:
    def __init__(self, api: LocalApi) -> None:
        self._api = api

    def put(self, clears: list[bytes]) -> tuple[int, int]:
        answer = self._api.post("/v1/local/import", msgspec.msgpack.encode(clears))
        return int(answer["entries"]), int(answer["known"])


class _OwnCore:
    """Core without its server and without its worker: entries are written and digested, nothing is acted upon."""

    def __init__(self, settings: Settings) -> None:
        self._core = open_core(settings)
        self._core.pipeline.catch_up()
        self._runner = asyncio.Runner()
        self._digesting = self._runner.get_loop().create_task(self._core.pipeline.run())

    def put(self, clears: list[bytes]) -> tuple[int, int]:
        put = self._runner.run(self._core.importer.put(clears, now_ms()))
        return len(put.entries), put.known

    def close(self) -> None:
        self._runner.run(self._stop())
        self._runner.close()
        self._core.close()

    async def _stop(self) -> None:
        await self._core.committer.stop()
        self._digesting.cancel()
        await asyncio.gather(self._digesting, return_exceptions=True)
