"""Sealing: rows of digested events move from the state into the archive, small segments become larger ones.

The state keeps the newest rows, of older ones those a case's timeline is made of, and all exposures, because cases grow on
them. Every step may be killed at any moment: what is not listed in the manifest is done again.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import delete, func, select

from checkvalve.engine.identity import Identity
from checkvalve.events import event as ocsf
from checkvalve.store.archive import TABLES, Archive, ArchiveError
from checkvalve.store.asking import rows
from checkvalve.store.schema import cursor, erased, events, exposures, inferences
from checkvalve.store.state import State

log = logging.getLogger("checkvalve.sealing")

SEAL_ENTRIES: Final = 100_000  # a segment, and as many of the newest stay in the state
SEAL_AFTER_MS: Final = 24 * 3_600_000
CHECK_SECONDS: Final = 30.0
TRIM_ROWS: Final = 5_000
# Classes of events that are few and tell a story stay in the state; the flood is kept in the archive alone.
FLOOD: Final = (ocsf.API_ACTIVITY, ocsf.HTTP_ACTIVITY, ocsf.WEB_RESOURCES, ocsf.USER_INVENTORY, ocsf.DETECTION_FINDING)


class Sealer:
    def __init__(
        self, archive: Archive, state: State, now_ms: Callable[[], int], *, segment_entries: int = SEAL_ENTRIES
    ) -> None:
        self._archive, self._state, self._now_ms, self._entries = archive, state, now_ms, segment_entries

    async def run(self) -> None:
        """Seal and merge as needed, until cancelled. A full disk is waited out."""
        while True:
            try:
                while await asyncio.to_thread(self.step):
                    pass
            except Exception:
                log.exception("nothing could be sealed now; it is tried again")
            await asyncio.sleep(CHECK_SECONDS)

    def step(self) -> bool:
        """One piece of work; False when there was none."""
        until = self.due()
        if until:
            self.seal(until)
            return True
        with self._state.read() as db:
            gone = list(db.scalars(select(erased.c.entry)))
        merged = self._archive.merge(self._now_ms(), gone) is not None
        return merged or self._trim() or self._archive.sweep(self._now_ms()) > 0

    def due(self) -> int | None:
        """Up to which entry a segment should be sealed now."""
        first = self._archive.manifest.until
        with self._state.read() as db:
            digested = db.scalar(select(cursor.c.value).where(cursor.c.name == "next_entry")) or 0
            if digested - first >= 2 * self._entries:
                return first + self._entries
            aged = events.c.received_ms < self._now_ms() - SEAL_AFTER_MS
            last: int | None = db.scalar(select(func.max(events.c.entry)).where(events.c.entry >= first, aged))
        return None if last is None else last + 1

    def seal(self, until: int) -> None:
        first = self._archive.manifest.until
        with self._state.read() as db:
            content = {table: rows(db, table, first, until) for table in TABLES}
        self._archive.seal(until, content)
        log.info("entries %d to %d are sealed", first, until - 1)

    def _trim(self) -> bool:
        """Remove some rows from the state that are sealed and that no case shows."""
        shown = select(exposures.c.trace).where(exposures.c.trace.is_not(None))
        told = select(exposures.c.inference)
        until = self._archive.manifest.until
        flood = events.c.class_uid.in_(FLOOD) & (events.c.trace.is_(None) | events.c.trace.not_in(shown))
        some = select(events.c.entry).where(events.c.entry < until, flood).limit(TRIM_ROWS)
        clean = select(inferences.c.id).where(inferences.c.entry < until, inferences.c.id.not_in(told)).limit(TRIM_ROWS)
        with self._state.begin() as db:
            rows_gone = db.execute(delete(events).where(events.c.entry.in_(some))).rowcount
            return rows_gone + db.execute(delete(inferences).where(inferences.c.id.in_(clean))).rowcount > 0


async def keep_sealing(directory: Path, identity: Identity, state: State, now_ms: Callable[[], int]) -> None:
    """Until cancelled. An archive that is not as it was sealed is left alone, and the log goes on without it."""
    try:
        archive = await asyncio.to_thread(Archive, directory, identity.log_key, identity.origin)
    except ArchiveError as error:
        log.error("nothing is sealed: %s", error)
        return
    await Sealer(archive, state, now_ms).run()
