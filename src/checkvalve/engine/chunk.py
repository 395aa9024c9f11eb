"""Rows of events, gathered over some entries of the log and written together."""

import hashlib
import logging
from collections.abc import Callable
from traceback import format_tb
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well
from sqlalchemy.exc import OperationalError

from checkvalve.engine import (
    bypass,
    completeness,
    imports,
    observe,
    outside,
    rules,
    trade,
)
from checkvalve.engine.known_people import Registers
from checkvalve.engine.observe import Observed
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event
from checkvalve.events.imports.envelope import Imported, unwrap
from checkvalve.events.imports.types import Moment
from checkvalve.evidence.entry import Header
from checkvalve.store.journal import Opened
from checkvalve.store.schema import events, findings, sensors, sequences

log = logging.getLogger("checkvalve.pipeline")


class Chunk:
    """Rows of events gathered over some entries and written together: most events are nothing but their row."""

    def __init__(
        self, db: Connection, registers: Registers, repeat_key: bytes, highest: dict[str, int], ruled: rules.Ruled
    ) -> None:
        self._db, self._registers, self._repeat_key, self._ruled = db, registers, repeat_key, ruled
        self.sensors = {r.keyid: (r.kind, r.site) for r in db.execute(select(sensors.c.keyid, sensors.c.kind, sensors.c.site))}
        self.highest = dict(highest)  # sequence number of each sensor
        self.moved = False
        self._last_seen: dict[str, int] = {}
        self._rows: list[dict[str, Any]] = []
        self._findings: list[dict[str, Any]] = []
        self._imported: list[tuple[str, int, int | None]] = []
        self._calls: list[bypass.Call] = []
        self._answers: list[dict[str, Any]] = []
        self._sales = trade.Ledger()
        self._outside = outside.Contacts()
        self._contacts: dict[str, set[int]] = {}
        self._heard: dict[str, int] = {}  # of each gateway, the newest time it spoke of

    def observe(self, opened: Opened, clear: bytes) -> Observed:
        if opened.header.source.startswith(imports.PREFIX):
            return self._observe_import(opened, unwrap(clear))
        header, parsed = opened.header, ocsf.parse(clear)
        _, site = self.sensors.get(header.source, ("", None))
        seen = Observed(
            entry=opened.number,
            sensor=header.source,
            seq=header.seq or 0,
            digest=hashlib.blake2b(clear, key=self._repeat_key, digest_size=16).hexdigest(),
            received_ms=header.t,
            site=site or self._named_site(parsed),
            event=parsed,
        )
        if self.kind(seen.sensor) == "wordpress" and seen.seq > self.highest.get(seen.sensor, 0):
            self._sales.note(seen)
            self._outside.note(seen)
        self._add(seen, observe.row(seen) | {"tokens": self._tokens(seen)})
        if isinstance(parsed, Event):
            self._findings += observe.by_rules(seen, self._ruled.get(self.kind(seen.sensor), ()), parsed.body)
        return seen

    def _observe_import(self, opened: Opened, found: Imported) -> Observed:
        """A record of another program's log. Its time may be unknown, and it stays so."""
        header, head = opened.header, found.head
        register = self._registers.get(self._db, head.site)
        key = register.key if register is not None else self._repeat_key
        seen = Observed(
            entry=opened.number,
            sensor=header.source,
            seq=header.seq or 0,
            digest=head.key,
            received_ms=header.t,
            site=head.site if register is not None else None,
            event=imports.event(found, key, header.t),
        )
        tokens = self._registers.blinder(self._db, seen.site, self._repeat_key).tokens(imports.searched(found))
        row = observe.row(seen) | {"tokens": tokens, "time_ms": head.time}
        if isinstance(seen.event, Event) and isinstance(seen.event.body.get("message"), str):
            row["summary"] = seen.event.body["message"][: observe.MAX_TEXT]
        self._add(seen, row, found.moment)
        if fields := rules.web_fields(found):
            self._findings += observe.by_rules(seen, self._ruled[rules.WEB], fields)
        self._imported.append((head.key, opened.number, head.within))
        return seen

    def _add(self, seen: Observed, row: dict[str, Any], moment: Moment | None = None) -> None:
        highest = self.highest.get(seen.sensor, 0)
        self._findings += observe.remarks(seen, highest)
        self._rows.append(row)
        self.highest[seen.sensor] = max(highest, seen.seq)
        self._last_seen[seen.sensor] = seen.received_ms
        self._contacts.setdefault(seen.sensor, set()).add(seen.received_ms)
        if isinstance(seen.event, Event):
            self._contacts[seen.sensor].add(min(seen.event.time, seen.received_ms))
            self._note_health(seen, seen.event.own.get("health"))
        if call := bypass.call_of(seen, moment):
            self._calls.append(call)
        if self.kind(seen.sensor) == "gateway" and isinstance(seen.event, Event):
            self._heard[seen.sensor] = max(seen.event.time, self._heard.get(seen.sensor, 0))
            if answer := bypass.answer_of(seen):
                self._answers.append(answer)

    def _note_health(self, seen: Observed, health: Any) -> None:
        spool = health.get("spool") if isinstance(health, dict) else None
        if not isinstance(spool, dict) or not isinstance(seen.event, Event) or self.kind(seen.sensor) != "gateway":
            return
        depth, dropped = spool.get("depth"), spool.get("dropped")
        if isinstance(depth, int) and isinstance(dropped, int) and 0 <= min(depth, dropped) <= max(depth, dropped) < 2**53:
            completeness.note_health(self._db, seen.sensor, seen.event.time, depth, dropped)

    def kind(self, sensor: str) -> str:
        """wordpress, gateway or import; empty for one that nobody knows."""
        return "import" if sensor.startswith(imports.PREFIX) else self.sensors.get(sensor, ("", None))[0]

    def _named_site(self, parsed: Event | ocsf.Malformed) -> str | None:
        named = parsed.own.get("site") if isinstance(parsed, Event) else None
        return named if isinstance(named, str) and self._registers.get(self._db, named) is not None else None

    def _tokens(self, seen: Observed) -> bytes | None:
        if not isinstance(seen.event, Event):
            return None
        return self._registers.blinder(self._db, seen.site, self._repeat_key).tokens(seen.event.body)

    def undigested(self, entry: int, header: Header, error: Exception) -> None:
        self._findings.append(
            {
                "entry": entry,
                "detector": "undigested_entry",
                "site": None,
                "severity": "high",
                "at_ms": header.t,
                "summary": f"an entry from {header.source} could not be digested ({type(error).__name__})",
                "data": {},
            }
        )

    def store(self) -> None:
        """Write what was gathered, each part in a savepoint of its own: a bug in one keeps the others."""
        self._apart("events", lambda: self._insert(self._rows))
        self._apart("records of imported logs", lambda: imports.remember(self._db, self._imported))
        self._apart("calls of a model", lambda: bypass.note(self._db, self._calls, self._answers, self._heard))
        self._apart("sales", lambda: self._sales.store(self._db))
        self._apart("hosts outside", lambda: self._outside.store(self._db))
        self._apart("contacts", self._store_contacts)
        self._apart("numbers of sensors", self._store_numbers)
        self._apart("findings", self._store_findings)

    def _apart(self, what: str, write: Callable[[], None]) -> None:
        try:
            with self._db.begin_nested():
                write()
        except OperationalError:  # no room, or no database: the whole chunk is tried again
            raise
        except Exception as error:
            where = "".join(format_tb(error.__traceback__))  # not the message: it may quote an event
            log.error("%s could not be stored (%s)\n%s", what, type(error).__name__, where)
            if self._rows:
                newest = self._rows[-1]
                header = Header(v=1, t=newest["received_ms"], kind="event", source=newest["sensor"], seq=newest["seq"], key="")
                self.undigested(newest["entry"], header, error)

    def _store_findings(self) -> None:
        if self._findings:
            self._db.execute(upsert(findings).on_conflict_do_nothing(), self._findings)

    def _store_contacts(self) -> None:
        if heard := {sensor: times for sensor, times in self._contacts.items() if self.kind(sensor) != "import"}:
            completeness.in_contact(self._db, heard)

    def _store_numbers(self) -> None:
        if not self._last_seen:
            return
        seen = update(sensors).where(sensors.c.keyid == bindparam("of")).values(last_seen_ms=bindparam("at_ms"))
        self._db.execute(seen, [{"of": sensor, "at_ms": at_ms} for sensor, at_ms in self._last_seen.items()])
        numbers = upsert(sequences)
        highest = {"highest": numbers.excluded.highest}
        self._db.execute(
            numbers.on_conflict_do_update(index_elements=["sensor"], set_=highest),
            [{"sensor": sensor, "highest": self.highest[sensor]} for sensor in self._last_seen],
        )

    def _insert(self, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        try:
            with self._db.begin_nested():
                self._db.execute(insert(events), rows)
        except OperationalError:
            raise
        except Exception:  # a number that was written twice, a value that no column holds: the others are kept
            for row in rows:
                try:
                    with self._db.begin_nested():
                        self._db.execute(insert(events).values(**row))
                except OperationalError:
                    raise
                except Exception as error:
                    header = Header(v=1, t=row["received_ms"], kind="event", source=row["sensor"], seq=row["seq"], key="")
                    self.undigested(row["entry"], header, error)
