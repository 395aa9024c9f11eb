"""Records of others' logs go into the log once, as they were: whether core runs (`web/local.py`) or not."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from checkvalve.engine.errors import EngineError
from checkvalve.engine.imports import PREFIX
from checkvalve.engine.pipeline import Pipeline
from checkvalve.events.errors import EventError
from checkvalve.events.imports.envelope import Imported, unwrap
from checkvalve.events.imports.formats import FORMATS
from checkvalve.store.journal import Draft, GroupCommitter, StoreBusyError
from checkvalve.store.schema import imported, sequences, sites
from checkvalve.store.state import State

MAX_BATCH = 1000
_SOURCE = re.compile(r"import\.[a-z0-9-]{1,30}(?:\.[a-z0-9-]{1,40})?")


def source_of(format_name: str, name: str | None) -> str:
    """How entries of this import are named. EngineError when `name` is not plain."""
    source = f"{PREFIX}{format_name}" + (f".{name}" if name else "")
    if not _SOURCE.fullmatch(source):
        raise EngineError("bad_source", "a source's name has small letters, digits and hyphens, e.g. web1")
    return source


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """`entries`: written now, in the order of the records; `known`: how many were in the log before."""

    entries: list[int]
    known: int


class Importer:
    """One instance an installation, so that two imports at once do not write a record twice."""

    def __init__(self, state: State, committer: GroupCommitter, pipeline: Pipeline) -> None:
        self._state, self._committer, self._pipeline = state, committer, pipeline
        self._lock = asyncio.Lock()

    async def put(self, clears: Sequence[bytes], now_ms: int) -> Put:
        """Log the records (as `envelope.wrap` made them) that are not there yet. Returns once they are digested."""
        records = [(clear, _checked(clear)) for clear in clears]
        async with self._lock:
            fresh = self._fresh(records)
            if not fresh:
                return Put(entries=[], known=len(records))
            try:
                entries = await self._committer.append(self._numbered(fresh, now_ms))
            except StoreBusyError as error:
                raise EngineError("busy", "the log cannot be written now (disk full?)", retry_after=5) from error
            await self._pipeline.digested(entries[-1])
        return Put(entries=entries, known=len(records) - len(fresh))

    def _fresh(self, records: list[tuple[bytes, Imported]]) -> list[tuple[bytes, Imported]]:
        with self._state.read() as db:
            named = {r.head.site for _, r in records}
            missing = named - set(db.scalars(select(sites.c.site).where(sites.c.site.in_(named))))
            known = set(db.scalars(select(imported.c.key).where(imported.c.key.in_([r.head.key for _, r in records]))))
        if missing:
            raise EngineError("which_site", f"there is no shop {min(missing)}; see the console for those there are")
        kept: dict[str, tuple[bytes, Imported]] = {}
        for clear, record in records:
            if record.head.key not in known:
                kept.setdefault(record.head.key, (clear, record))
        return list(kept.values())

    def _numbered(self, fresh: list[tuple[bytes, Imported]], now_ms: int) -> list[Draft]:
        """Drafts with running numbers of their source, so that a lost one would show."""
        drafts = []
        with self._state.read() as db:
            highest = {r.sensor: r.highest for r in db.execute(select(sequences).where(sequences.c.sensor.like(f"{PREFIX}%")))}
        for clear, record in fresh:
            source = record.head.source
            highest[source] = highest.get(source, 0) + 1
            drafts.append(Draft(kind="event", source=source, seq=highest[source], clear=clear, t=now_ms))
        return drafts


def _checked(clear: bytes) -> Imported:
    try:
        found = unwrap(clear)
    except EventError as error:
        raise EngineError("bad_request", error.hint) from error
    head = found.head
    if head.format not in FORMATS or not _SOURCE.fullmatch(head.source) or not re.fullmatch(r"[0-9a-f]{32}", head.key):
        raise EngineError("bad_request", "an imported record names its format, source and key")
    return found
