"""Entries of the log into the state: the reducer. It takes time from the entries and asks nobody anything.

Each entry is reduced in a savepoint: one that cannot be (a bug) becomes a finding and never holds up the next. The state says
which entry is next, and a chunk that begins elsewhere changes nothing: of two reducers on one state, each entry meets one.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from traceback import format_tb
from typing import Any, Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.detection.canaries import store_of
from checkvalve.detection.register import Register
from checkvalve.engine import (
    cases,
    decisions,
    exposures,
    fleet_log,
    harvesting,
    holds,
    letters,
    live_watch,
    mixups,
    observe,
    orders,
    reviews,
    rules,
    shop_plugins,
    sightings,
    staffing,
    watching,
    widths,
)
from checkvalve.engine.chunk import Chunk
from checkvalve.engine.known_people import Registers
from checkvalve.engine.observe import Observed
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event
from checkvalve.store.journal import Opened
from checkvalve.store.schema import answers, cursor, erased, sequences
from checkvalve.store.state import State

log = logging.getLogger("checkvalve.pipeline")

FOLLOWED = (
    ocsf.EMAIL_ACTIVITY,
    ocsf.REMEDIATION_ACTIVITY,
    ocsf.USER_INVENTORY,
    ocsf.SOFTWARE_INVENTORY,
    ocsf.DETECTION_FINDING,
)  # more than a row follows from these
NEXT_ENTRY: Final = select(cursor.c.value).where(cursor.c.name == "next_entry")


class OvertakenError(Exception):
    """Another reducer has digested these entries."""


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

    def _safely(self, db: Connection, chunk: Chunk, opened: Opened) -> None:
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

    def _concerns(self, chunk: Chunk, seen: Observed) -> bool:
        """Whether more follows from an event than its row."""
        parsed = seen.event
        if not isinstance(parsed, Event) or not chunk.kind(seen.sensor):
            return False
        return parsed.class_uid in FOLLOWED or "inference" in parsed.own

    def _event(self, db: Connection, chunk: Chunk, seen: Observed) -> None:
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
