"""Entries of the log, in order, into the state: the reducer. It takes time from the entries and asks nobody anything.

Each entry is reduced in a savepoint: one that cannot be (a bug) becomes a finding and never holds up the next. The state says
which entry is next, and a chunk that begins elsewhere changes nothing: of two reducers on one state, each entry meets one.
`Pipeline` reads the log and feeds a reducer, in this process or in one of its own (`digesting.py`).
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from traceback import format_tb
from typing import Any, Final, Protocol

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well
from sqlalchemy.exc import OperationalError

from checkvalve.detection.canaries import store_of
from checkvalve.detection.register import Register
from checkvalve.engine import (
    bypass,
    cases,
    completeness,
    decisions,
    exposures,
    fleet_log,
    harvesting,
    holds,
    imports,
    letters,
    live_watch,
    mixups,
    observe,
    orders,
    outside,
    reviews,
    rules,
    shop_plugins,
    sightings,
    staffing,
    trade,
    watching,
    widths,
)
from checkvalve.engine.changed import Changed
from checkvalve.engine.observe import Observed
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event
from checkvalve.events.imports.envelope import Imported, unwrap
from checkvalve.events.imports.types import Moment
from checkvalve.evidence.blind import Blinder
from checkvalve.evidence.entry import Header
from checkvalve.store.journal import Journal, Opened
from checkvalve.store.schema import answers, cursor, erased, events, findings, sensors, sequences, sites, subjects
from checkvalve.store.state import State

log = logging.getLogger("checkvalve.pipeline")

CHUNK = 500
FOLLOWED = (
    ocsf.EMAIL_ACTIVITY,
    ocsf.REMEDIATION_ACTIVITY,
    ocsf.USER_INVENTORY,
    ocsf.SOFTWARE_INVENTORY,
    ocsf.DETECTION_FINDING,
)  # more than a row follows from these
PACE_SECONDS = 0.02  # between the starts of two small chunks; an event after a pause is digested at once
STUMBLE_SECONDS = 1.0
NEXT_ENTRY: Final = select(cursor.c.value).where(cursor.c.name == "next_entry")


class Registers:
    """The register of each site, in memory; the table `subjects` is its source."""

    def __init__(self) -> None:
        self._sites: dict[str, Register] = {}
        self._blinders: dict[str | None, Blinder] = {}

    def load(self, db: Connection) -> None:
        self._sites.clear()
        for row in db.execute(select(sites.c.site, sites.c.pseudonym_key)):
            self._sites[row.site] = Register(row.pseudonym_key)
        for row in db.execute(select(subjects).order_by(subjects.c.rev)):
            if row.site in self._sites:
                self._sites[row.site].put(row.ref, [(c, h) for c, h in row.ids], row.rev)

    def get(self, db: Connection, site: str) -> Register | None:
        if site not in self._sites:
            key = db.scalar(select(sites.c.pseudonym_key).where(sites.c.site == site))
            if key is None:
                return None
            self._sites[site] = Register(key)
        return self._sites[site]

    def keys(self, db: Connection) -> list[bytes]:
        """The pseudonym key of each site."""
        found = (self.get(db, site) for site in db.scalars(select(sites.c.site)))
        return [register.key for register in found if register is not None]

    def blinder(self, db: Connection, site: str | None, otherwise: bytes) -> Blinder:
        """The blind index of a site; under the key `otherwise` for events of no known site."""
        if site not in self._blinders:
            register = self.get(db, site) if site else None
            self._blinders[site] = Blinder(otherwise if register is None else register.key)
        return self._blinders[site]


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


class OvertakenError(Exception):
    """Another reducer has digested these entries."""


class Reduces(Protocol):
    """`position`: the entry that is digested next. `digest`: whether more came of the entries than rows of events, or that
    cannot be said; it leaves the state as it was when it raises. Entries that do not begin at the state's position change
    nothing but `position`."""

    registers: Registers
    position: int

    def load(self) -> None: ...
    def digest(self, entries: Sequence[Opened]) -> bool: ...
    def close(self) -> None: ...


class Pipeline:
    """Feeds a reducer with what is in the log."""

    def __init__(self, journal: Journal, reducer: Reduces, changed: Changed) -> None:
        self.reducer = reducer
        self._journal, self._changed = journal, changed
        self._pace = 0.0  # seconds an entry
        self._wake = asyncio.Event()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="digest")

    @property
    def registers(self) -> Registers:
        return self.reducer.registers

    def catch_up(self) -> None:
        """Digest what is in the log and not yet in the state; before anything else runs."""
        self.reducer.load()
        while self.position() < self._journal.size:
            self._chunk()

    async def run(self) -> None:
        """Digest as entries come, until cancelled."""
        loop = asyncio.get_running_loop()
        started = 0.0
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while (waiting := self._journal.size - self.position()) > 0:
                    if waiting < CHUNK:  # a stream of single events: several make one chunk
                        await asyncio.sleep(max(0.0, started + PACE_SECONDS - monotonic()))
                    started = monotonic()
                    try:
                        moved = await loop.run_in_executor(self._thread, self._chunk)
                    except Exception:  # a full disk: nothing of the chunk was kept, it is tried again
                        log.exception("entries from %d on cannot be digested now", self.position())
                        await asyncio.sleep(STUMBLE_SECONDS)
                        continue
                    self._resolve()
                    if moved:
                        self._changed.ring()
        finally:
            self._thread.shutdown(wait=True)

    def position(self) -> int:
        """The entry that is digested next."""
        return self.reducer.position

    def behind(self) -> float:
        """Seconds until what is in the log now will be digested, by the pace of the last chunks."""
        return (self._journal.size - self.position()) * self._pace

    def wake(self) -> None:
        self._wake.set()

    async def digested(self, entry: int) -> None:
        """Wait until the state shows this entry."""
        if entry < self.position():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        self.wake()
        await future

    def _resolve(self) -> None:
        for entry, future in self._waiting:
            if entry < self.position() and not future.done():
                future.set_result(None)
        self._waiting = [(e, f) for e, f in self._waiting if not f.done()]

    def _chunk(self) -> bool:
        """Digest some entries. Whether more may have come of them than rows of events: only then the worker looks."""
        started = monotonic()
        entries = self._journal.read_many(self.position(), CHUNK)
        moved = self.reducer.digest(entries)
        pace = (monotonic() - started) / max(len(entries), 50)  # a few entries say little: most of their time is the commit
        self._pace += (pace - self._pace) * 0.2
        return moved


class Reducer:
    """The reducer in this process."""

    def __init__(self, state: State, repeat_key: bytes, data: Path | None = None) -> None:
        """`data`: where the user's own rules are, and what staff may be shown."""
        self._state, self._repeat_key = state, repeat_key
        self._ruled = rules.load(data).ruled()
        self._staff = staffing.load(data)
        self.registers = Registers()
        self.position = 0
        self._highest: dict[str, int] = {}  # of each sensor, as digested

    def load(self) -> None:
        with self._state.begin() as db:
            self.position = db.scalar(NEXT_ENTRY) or 0
            self._highest = {r.sensor: r.highest for r in db.execute(select(sequences))}
            self.registers.load(db)

    def close(self) -> None:
        """Nothing to let go of: the state is whoever's opened it."""

    def digest(self, entries: Sequence[Opened]) -> bool:
        try:
            return self._digest(entries)
        except OvertakenError:
            self.load()
            return True

    def _digest(self, entries: Sequence[Opened]) -> bool:
        first, until = entries[0].number, entries[-1].number + 1
        with self._state.begin() as db:
            if (db.scalar(NEXT_ENTRY) or 0) != first:
                raise OvertakenError
            chunk = Chunk(db, self.registers, self._repeat_key, self._highest, self._ruled)
            for opened in entries:
                self._safely(db, chunk, opened)
            chunk.store()
            statement = upsert(cursor).values(name="next_entry", value=until)
            db.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": until}))
        self.position, self._highest = until, chunk.highest
        return chunk.moved

    def _safely(self, db: Connection, chunk: "Chunk", opened: Opened) -> None:
        try:
            if opened.clear is None:
                return  # erased
            if opened.header.kind == "event":
                seen = chunk.observe(opened, opened.clear)
                if not self._concerns(chunk, seen):
                    return
                chunk.moved = True
                with db.begin_nested():
                    self._event(db, chunk, seen)
            elif opened.header.kind == "decision":
                chunk.moved = True
                with db.begin_nested():
                    self._decision(db, opened, decisions.parse(opened.clear))
        except Exception as error:  # a bug in a reducer: keep the entry, say so, go on
            where = "".join(format_tb(error.__traceback__))  # not the message: it may quote the entry
            log.error("entry %d could not be digested (%s)\n%s", opened.number, type(error).__name__, where)
            chunk.undigested(opened.number, opened.header, error)

    def _decision(self, db: Connection, opened: Opened, decision: decisions.Decision) -> None:
        if decision.type == "order_issued":
            orders.digest_issued(db, decision)
        elif decision.type == "erased":
            values = [{"entry": n} for n in decision.data["entries"]]
            db.execute(upsert(erased).on_conflict_do_nothing(), values)
            db.execute(delete(answers).where(answers.c.entry.in_(decision.data["entries"])))
        elif decision.type == letters.TYPE:
            letters.digest_asked(db, decision)
        elif decision.type in fleet_log.TYPES:
            fleet_log.digest(db, decision, opened.number)
        elif decision.type in holds.TYPES:
            holds.digest(db, decision, opened.number)
        elif decision.type in reviews.TYPES:
            reviews.digest(db, decision, opened.number)
        elif decision.type == watching.TYPE:
            watching.digest(db, decision, opened.number)
        elif decision.type == live_watch.TYPE:
            live_watch.digest(db, decision, opened.number)
        elif decision.type == widths.TYPE:
            widths.digest(db, decision)
        elif decision.type == "subject_put":
            self._put(db, decision.data["site"], opened.number, decision.data["subject"])
        else:
            cases.digest_decision(db, decision, opened.number)

    def _concerns(self, chunk: "Chunk", seen: Observed) -> bool:
        """Whether more follows from an event than its row."""
        parsed = seen.event
        if not isinstance(parsed, Event) or not chunk.kind(seen.sensor):
            return False
        return parsed.class_uid in FOLLOWED or "inference" in parsed.own

    def _event(self, db: Connection, chunk: "Chunk", seen: Observed) -> None:
        kind, parsed = chunk.kind(seen.sensor), seen.event
        assert isinstance(parsed, Event)
        if parsed.class_uid == ocsf.REMEDIATION_ACTIVITY and kind != "import":
            orders.digest_reported(db, parsed.own, *chunk.sensors[seen.sensor], seen.received_ms)
        if seen.site is None:
            return
        # A shop's sensor speaks of its shop, a gateway (or a log of a model) of inferences: neither can pose as the other.
        if kind == "wordpress" and parsed.class_uid in (ocsf.EMAIL_ACTIVITY, ocsf.REMEDIATION_ACTIVITY):
            letters.digest_event(db, seen, parsed)
        elif kind == "wordpress" and parsed.class_uid == ocsf.USER_INVENTORY:
            self._subject(db, seen, parsed)
        elif kind == "wordpress" and parsed.class_uid == ocsf.SOFTWARE_INVENTORY:
            if not shop_plugins.digest(db, seen, parsed):
                observe.finding(db, seen, "malformed_event", "medium", "an inventory that is none")
        elif kind in ("gateway", "import") and parsed.class_uid == ocsf.DETECTION_FINDING:
            self._finding(db, seen, parsed, act=kind == "gateway")
        elif kind in ("gateway", "import") and "inference" in parsed.own:
            register = self.registers.get(db, seen.site)
            if register is not None:
                self._inference(db, seen, parsed, register, act=kind == "gateway")

    def _finding(self, db: Connection, seen: Observed, parsed: Event, *, act: bool) -> None:
        shown = exposures.from_finding(db, seen, parsed, self._staff)
        cases.absorb(db, shown, seen.entry, seen.received_ms, act=act)
        observe.told(db, seen, parsed)
        kept = sightings.withheld(db, seen, parsed)
        fresh = sightings.from_finding(db, seen, parsed) + harvesting.found(db, shown + kept)
        cases.sight(db, fresh, seen.entry, seen.received_ms, act=act)
        cases.prevented(db, kept)

    def _inference(self, db: Connection, seen: Observed, parsed: Event, register: Register, *, act: bool) -> None:
        whole = exposures.from_inference(db, seen, parsed, register, self._staff)
        if whole is not None:
            sightings.steering(db, seen, parsed)
            cases.absorb(db, whole.exposures, seen.entry, seen.received_ms, act=act)
            fresh = sightings.from_scan(db, whole.findings, whole.like) + mixups.found(db, seen, whole)
            fresh += harvesting.found(db, whole.exposures)
            fresh += harvesting.refused(db, whole.like, parsed.own["inference"].get("outcome"))
            mixups.remember(db, whole)
            cases.sight(db, fresh, seen.entry, seen.received_ms, act=act)

    def _subject(self, db: Connection, seen: Observed, parsed: Event) -> None:
        subject = parsed.own.get("subject")
        if (
            not isinstance(subject, dict)
            or store_of(str(subject.get("ref")))
            or not self._put(db, seen.site or "", seen.entry, subject)
        ):
            observe.finding(db, seen, "malformed_event", "medium", "a register event without a person")

    def _put(self, db: Connection, site: str, entry: int, subject: dict[str, Any]) -> bool:
        rev = entry + 1  # the log starts at entry 0, and rev 0 means that nothing was seen
        kept = observe.put_subject(db, site, rev, subject)
        register = self.registers.get(db, site)
        if kept is None or register is None:
            return False
        ref, ids, _ = kept
        register.put(ref, [(c, h) for c, h in ids], rev)
        return True
