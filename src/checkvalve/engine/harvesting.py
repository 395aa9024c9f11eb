"""Harvesting: one caller whose answers hold many other people's data, shown to it or held back from it, within a day.

A customer's own questions name nobody else, and a faulty plugin shows one caller a few. A caller is a session, or an account
without one; of those who are neither, nobody can say that they are one. Who goes on asking while orders refuse it counts for
more, once half as many people are known: refusals alone are what every customer of a closed assistant sees.
"""

from typing import Any, Final

from sqlalchemy import Connection, Select, Table, func, select

from checkvalve.engine import sightings
from checkvalve.incidents.case import ANONYMOUS, ExposureRecord
from checkvalve.incidents.sighting import SightingRecord
from checkvalve.store.schema import attempts, exposures, inferences
from checkvalve.store.schema import sightings as seen_before

PEOPLE: Final = 10  # other people's data within the window
REFUSALS: Final = 5  # that count as one more
WINDOW_MS: Final = 24 * 3600 * 1000


def found(db: Connection, fresh: list[ExposureRecord]) -> list[SightingRecord]:
    """Callers of these new records who have asked about too many by now, each told once in a window."""
    callers = {caller: r for r in fresh if (caller := r.session or (r.recipient if r.recipient != ANONYMOUS else None))}
    return [
        sighting
        for caller, record in callers.items()
        if _asked_about(db, caller, record) >= PEOPLE
        and not _told(db, caller, record)
        and sightings.insert(db, sighting := sightings.record(record, "harvesting", caller))
    ]


def refused(db: Connection, inference: ExposureRecord, outcome: Any) -> list[SightingRecord]:
    """The same, when an order refused a caller's request."""
    return found(db, [inference]) if outcome == "refused" else []


def _asked_about(db: Connection, caller: str, record: ExposureRecord) -> int:
    people = _people(db, caller, record)
    if PEOPLE // 2 <= people < PEOPLE:
        return people + _refusals(db, caller, record) // REFUSALS
    return people


def _refusals(db: Connection, caller: str, record: ExposureRecord) -> int:
    whose = (inferences.c.session == caller) | (inferences.c.session.is_(None) & (inferences.c.recipient == caller))
    lately = inferences.c.started_ms.between(record.seen_ms - WINDOW_MS, record.seen_ms)
    asked = (inferences.c.site == record.site) & (inferences.c.outcome == "refused")
    return db.scalar(select(func.count()).select_from(inferences).where(asked, whose, lately)) or 0


def _people(db: Connection, caller: str, record: ExposureRecord) -> int:
    """How many people's data its answers held."""

    def named(table: Table) -> Select[tuple[str]]:
        whose = (table.c.session == caller) | (table.c.session.is_(None) & (table.c.recipient == caller))
        lately = table.c.seen_ms.between(record.seen_ms - WINDOW_MS, record.seen_ms)
        return select(table.c.subject).where(table.c.site == record.site, whose, lately)

    shown = named(exposures).where(exposures.c.shown)
    return db.scalar(select(func.count()).select_from(shown.union(named(attempts)).subquery())) or 0


def _told(db: Connection, caller: str, record: ExposureRecord) -> bool:
    mine = (seen_before.c.site == record.site) & (seen_before.c.kind == "harvesting") & (seen_before.c.what == caller)
    lately = seen_before.c.seen_ms > record.seen_ms - WINDOW_MS
    return db.scalar(select(seen_before.c.inference).where(mine, lately).limit(1)) is not None
