"""Completeness as a statement: what each sensor sent, what is missing, when nothing was heard of it, what still waits there.

A sensor is *in contact* when it sent something, told of something that happened then, or answered core's call. Between
contacts further apart than SILENCE_MS nobody knows what happened.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.schema import contacts, events, findings, imported, sensor_health, sensors, sequences

SILENCE_MS: Final = 5 * 60_000
BEFORE_PAIRING_MS: Final = 3_600_000  # a window that begins up to so long before a sensor was paired is not called unwatched
MAX_LISTED: Final = 50

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorStatement:
    """One sensor over a window. `received`: how many numbers up to `highest`. `spool_depth`: events that waited in it, as
    it said at `spool_at_ms`. `silences` are within the window, `gaps` are all numbers that never came."""

    sensor: str
    received: int
    highest: int
    gaps: tuple[Span, ...]
    silences: tuple[Span, ...]
    spool_depth: int | None
    dropped: int
    spool_at_ms: int | None
    skew_ms: int | None
    last_contact_ms: int | None

    def as_json(self) -> dict[str, Any]:
        return {
            "sensor": self.sensor,
            "received": self.received,
            "highest": self.highest,
            "gaps": [{"first": a, "last": b} for a, b in self.gaps],
            "silences": [[_utc(a), _utc(b)] for a, b in self.silences],
            "spool": None if self.spool_depth is None else {"depth": self.spool_depth, "dropped": self.dropped},
            "spool_at": _utc(self.spool_at_ms) if self.spool_at_ms else None,
            "clock_skew_ms": self.skew_ms,
            "last_contact": _utc(self.last_contact_ms) if self.last_contact_ms else None,
        }


def in_contact(db: Connection, heard: Mapping[str, Iterable[int]]) -> None:
    """Note that sensors were there at these times (ms, core's clock as far as known)."""
    spans = {sensor: _spans(sorted(times)) for sensor, times in heard.items()}
    earliest = min((of[0][0] for of in spans.values() if of), default=0)
    near = contacts.c.sensor.in_(list(spans)) & (contacts.c.until_ms >= earliest - SILENCE_MS)
    before: dict[str, set[Span]] = {}
    for row in db.execute(select(contacts).where(near)):
        before.setdefault(row.sensor, set()).add((row.since_ms, row.until_ms))
    gone, fresh = [], []
    for sensor, of in spans.items():
        known = before.get(sensor, set())
        now = _joined(known, of)
        gone += [{"of": sensor, "from": since} for since, _ in known - now if since not in dict(now)]
        fresh += [{"sensor": sensor, "since_ms": since, "until_ms": until} for since, until in sorted(now - known)]
    if gone:
        db.execute(delete(contacts).where(contacts.c.sensor == bindparam("of"), contacts.c.since_ms == bindparam("from")), gone)
    if fresh:
        put = upsert(contacts)
        db.execute(
            put.on_conflict_do_update(index_elements=["sensor", "since_ms"], set_={"until_ms": put.excluded.until_ms}), fresh
        )


def _joined(known: Iterable[Span], spans: Iterable[Span]) -> set[Span]:
    """All of them, those joined that are no further apart than SILENCE_MS."""
    joined = set(known)
    for since, until in spans:
        met = {s for s in joined if s[0] <= until + SILENCE_MS and s[1] >= since - SILENCE_MS}
        joined = joined - met | {(min([since, *(m[0] for m in met)]), max([until, *(m[1] for m in met)]))}
    return joined


def _spans(times: Sequence[int]) -> list[Span]:
    spans: list[Span] = []
    for at in times:
        if spans and at - spans[-1][1] <= SILENCE_MS:
            spans[-1] = (spans[-1][0], at)
        else:
            spans.append((at, at))
    return spans


def note_health(db: Connection, sensor: str, at_ms: int, depth: int, dropped: int) -> None:
    """What a sensor said of the events that wait in it."""
    values = {"at_ms": at_ms, "depth": depth, "dropped": dropped}
    statement = upsert(sensor_health).values(sensor=sensor, **values)
    db.execute(statement.on_conflict_do_update(index_elements=["sensor"], set_=values))


def statements(db: Connection, site: str | None, since_ms: int, until_ms: int) -> list[SensorStatement]:
    """Of every sensor that watches the site: its own, all gateways, and logs that were imported."""
    watching = or_(sensors.c.site == site, sensors.c.site.is_(None)) if site else sensors.c.keyid.is_not(None)
    paired = {r.keyid: r for r in db.execute(select(sensors).where(watching).order_by(sensors.c.keyid))}
    brought = db.scalars(select(sequences.c.sensor).where(sequences.c.sensor.startswith("import.")))
    return [_statement(db, name, paired.get(name), since_ms, until_ms) for name in [*paired, *sorted(brought)]]


def _statement(db: Connection, sensor: str, row: Any, since_ms: int, until_ms: int) -> SensorStatement:
    highest = db.scalar(select(sequences.c.highest).where(sequences.c.sensor == sensor)) or 0
    told = select(findings.c.data).where(findings.c.detector == "sequence_gap", findings.c.data["sensor"].as_string() == sensor)
    missing = tuple(sorted((d["first"], d["last"]) for d in db.scalars(told)))
    health = db.execute(select(sensor_health).where(sensor_health.c.sensor == sensor)).first()
    spans = [(c.since_ms, c.until_ms) for c in _contacts(db, sensor)]
    watched = row.paired_ms if row is not None else until_ms
    newest = db.scalar(select(func.max(contacts.c.until_ms))) or 0
    return SensorStatement(
        sensor=sensor,
        received=highest - sum(b - a + 1 for a, b in missing),
        highest=highest,
        gaps=missing[:MAX_LISTED],
        silences=tuple(_holes(spans, since_ms, until_ms, watched, newest))[:MAX_LISTED] if row is not None else (),
        spool_depth=health.depth if health else None,
        dropped=health.dropped if health else 0,
        spool_at_ms=health.at_ms if health else None,
        skew_ms=row.skew_ms if row is not None else None,
        last_contact_ms=spans[-1][1] if spans else None,
    )


def _contacts(db: Connection, sensor: str) -> list[Any]:
    return list(db.execute(select(contacts).where(contacts.c.sensor == sensor).order_by(contacts.c.since_ms)))


def _holes(spans: list[Span], since_ms: int, until_ms: int, watched_ms: int, newest_ms: int) -> list[Span]:
    """What of a window lies between two contacts further apart than SILENCE_MS. `watched_ms`: since when the sensor should have
    been heard; `newest_ms`: the last time that anything at all was heard."""
    holes: list[Span] = []
    reached = watched_ms
    end = max(until_ms, newest_ms)
    for first, last in [*spans, (end, end)]:
        if first - reached > SILENCE_MS and max(reached, since_ms) < min(first, until_ms):
            holes.append((max(reached, since_ms), min(first, until_ms)))
        reached = max(reached, last)
    return holes


def reservations(db: Connection, site: str, found: list[SensorStatement], since_ms: int, until_ms: int) -> list[str]:
    """Where and why the log may not hold everything of this window; none means it is complete."""
    live = [s for s in found if not s.sensor.startswith("import.")]
    said = [f"{s.sensor} was not heard from {_utc(a)} to {_utc(b)}" for s in live for a, b in s.silences]
    said += [
        f"{s.spool_depth} events waited in {s.sensor} at {_utc(s.spool_at_ms)}"
        for s in live
        if s.spool_depth and s.spool_at_ms is not None and s.spool_at_ms < until_ms
    ]
    said += [f"{s.sensor} dropped {s.dropped} events for want of room" for s in live if s.dropped]
    paired = select(func.min(sensors.c.paired_ms), func.count()).where(or_(sensors.c.site == site, sensors.c.site.is_(None)))
    first, count = db.execute(paired).one()
    if not count:
        said.append("no sensor watched this shop: only what was imported is known")
    elif since_ms < first - BEFORE_PAIRING_MS:
        said.append(f"no sensor watched before {_utc(first)}: only what was imported is known of the time before")
    return said


def doubt(db: Connection, entries: Sequence[int]) -> dict[int, int | None]:
    """entry -> how long (ms) after its time it may have happened, for those whose time is not exact. None: any time after."""
    rows = db.execute(select(imported.c.entry, imported.c.within_ms).where(imported.c.entry.in_(entries)))
    return {r.entry: r.within_ms for r in rows}


def skews(db: Connection, entries: Sequence[int]) -> dict[str, int]:
    """sensor -> its clock minus ours, ms, of the sensors of these entries."""
    named = select(events.c.sensor).where(events.c.entry.in_(entries))
    rows = db.execute(select(sensors.c.keyid, sensors.c.skew_ms).where(sensors.c.keyid.in_(named)))
    return {r.keyid: r.skew_ms or 0 for r in rows}


def _utc(ms: int | None) -> str:
    return rfc3339(from_ms(ms or 0))
