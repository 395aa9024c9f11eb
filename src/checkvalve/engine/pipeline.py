"""Entries of the log, in order, into the state: the reducer. It takes time from the entries and asks nobody anything.

Each entry is reduced in a savepoint: one that cannot be (a bug) becomes a finding and never holds up the next.
"""

import asyncio
import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert as upsert

from checkvalve.detection.register import Register
from checkvalve.engine import cases, decisions, exposures, observe, orders
from checkvalve.engine.changed import Changed
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event
from checkvalve.store.journal import Journal, Opened
from checkvalve.store.schema import cursor, findings, sensors, sites, subjects
from checkvalve.store.state import State

log = logging.getLogger("checkvalve.pipeline")

CHUNK = 200


class Registers:
    """The register of each site, in memory; the table `subjects` is its source."""

    def __init__(self) -> None:
        self._sites: dict[str, Register] = {}

    def load(self, db: Connection) -> None:
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


class Pipeline:
    def __init__(self, journal: Journal, state: State, repeat_key: bytes, changed: Changed) -> None:
        self._journal, self._state, self._repeat_key, self._changed = journal, state, repeat_key, changed
        self.registers = Registers()
        self._position = 0
        self._wake = asyncio.Event()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="digest")

    def catch_up(self) -> None:
        """Digest what is in the log and not yet in the state; before anything else runs."""
        with self._state.begin() as db:
            self._position = db.scalar(select(cursor.c.value).where(cursor.c.name == "next_entry")) or 0
            self.registers.load(db)
        while self._position < self._journal.size:
            self._chunk()

    async def run(self) -> None:
        """Digest as entries come, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._position < self._journal.size:
                    await loop.run_in_executor(self._thread, self._chunk)
                    self._resolve()
                    self._changed.ring()
        finally:
            self._thread.shutdown(wait=True)

    def wake(self) -> None:
        self._wake.set()

    async def digested(self, entry: int) -> None:
        """Wait until the state shows this entry."""
        if entry < self._position:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        self.wake()
        await future

    def _resolve(self) -> None:
        for entry, future in self._waiting:
            if entry < self._position and not future.done():
                future.set_result(None)
        self._waiting = [(e, f) for e, f in self._waiting if not f.done()]

    def _chunk(self) -> None:
        position = self._position
        with self._state.begin() as db:
            for number in range(position, min(self._journal.size, position + CHUNK)):
                self._safely(db, self._journal.read(number))
                position = number + 1
            statement = upsert(cursor).values(name="next_entry", value=position)
            db.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": position}))
        self._position = position

    def _safely(self, db: Connection, opened: Opened) -> None:
        try:
            with db.begin_nested():
                self._reduce(db, opened)
        except Exception as error:  # a bug in a reducer: keep the entry, say so, go on
            log.exception("entry %d could not be digested", opened.number)
            statement = upsert(findings).values(
                entry=opened.number,
                detector="undigested_entry",
                site=None,
                severity="high",
                at_ms=opened.header.t,
                summary=f"an entry from {opened.header.source} could not be digested ({type(error).__name__})",
                data={},
            )
            db.execute(statement.on_conflict_do_nothing())

    def _reduce(self, db: Connection, opened: Opened) -> None:
        if opened.clear is None:
            return  # erased
        if opened.header.kind == "event":
            self._event(db, opened, opened.clear)
        elif opened.header.kind == "decision":
            decision = decisions.parse(opened.clear)
            if decision.type == "order_issued":
                orders.digest_issued(db, decision)
            elif decision.type == "subject_put":
                self._put(db, decision.data["site"], opened.number, decision.data["subject"])
            else:
                cases.digest_decision(db, decision, opened.number)

    def _event(self, db: Connection, opened: Opened, clear: bytes) -> None:
        header = opened.header
        sensor = db.execute(select(sensors.c.kind, sensors.c.site).where(sensors.c.keyid == header.source)).first()
        parsed = ocsf.parse(clear)
        seen = observe.Observed(
            entry=opened.number,
            sensor=header.source,
            seq=header.seq or 0,
            digest=hashlib.blake2b(clear, key=self._repeat_key, digest_size=16).hexdigest(),
            received_ms=header.t,
            site=sensor.site if sensor and sensor.site else self._named_site(db, parsed),
            event=parsed,
        )
        observe.record(db, seen)
        if sensor is None or not isinstance(parsed, Event):
            return
        if parsed.class_uid == ocsf.REMEDIATION_ACTIVITY:
            orders.digest_reported(db, parsed.own, sensor.kind, sensor.site, header.t)
        if seen.site is None:
            return
        # A shop's sensor speaks of its shop, a gateway of inferences: neither can pose as the other.
        if sensor.kind == "wordpress" and parsed.class_uid == ocsf.USER_INVENTORY:
            self._subject(db, seen, parsed)
        elif sensor.kind == "gateway" and parsed.class_uid == ocsf.DETECTION_FINDING:
            cases.absorb(db, exposures.from_finding(db, seen, parsed), opened.number, header.t)
        elif sensor.kind == "gateway" and "inference" in parsed.own:
            register = self.registers.get(db, seen.site)
            if register is not None:
                fresh = exposures.from_inference(db, seen, parsed, register)
                cases.absorb(db, fresh, opened.number, header.t)

    def _named_site(self, db: Connection, parsed: Event | ocsf.Malformed) -> str | None:
        named = parsed.own.get("site") if isinstance(parsed, Event) else None
        if not isinstance(named, str):
            return None
        return db.scalar(select(sites.c.site).where(sites.c.site == named))

    def _subject(self, db: Connection, seen: observe.Observed, parsed: Event) -> None:
        subject = parsed.own.get("subject")
        if not isinstance(subject, dict) or not self._put(db, seen.site or "", seen.entry, subject):
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
