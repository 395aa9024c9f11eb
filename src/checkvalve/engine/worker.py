"""The worker: takes transitions and commands as they become due, does the I/O, and logs what came of it.

A command is claimed by a conditional UPDATE and worked on only if exactly one row changed. Before it is carried out, every
transition that led to it is an entry of the log; those that came later (a flood of exposures) never hold it up.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import select, update

from checkvalve.actuators.http import ShopError
from checkvalve.actuators.wordpress import Shop
from checkvalve.engine import cases, casework, completeness, decisions, runs
from checkvalve.engine.changed import Changed
from checkvalve.engine.hands import Again, Decide, Hands
from checkvalve.engine.orders import OrderBook
from checkvalve.engine.settings import Settings
from checkvalve.playbooks.types import Outcome
from checkvalve.store.schema import commands, sensors, sites, transitions
from checkvalve.store.state import State

log = logging.getLogger("checkvalve.worker")

CONTACT_MS = 60_000
IDLE_SECONDS = 0.5
TRANSITIONS_AT_ONCE = 500
RETRY_MS = 1000
MAX_RETRY_MS = 30_000
DRAFT_AFTER = ("sighting_added", "contained", "containment_failed", "run_finished", "aware_set", "late_reason_set")
REGIME = "gdpr_art33"


class Worker:
    def __init__(
        self,
        state: State,
        hands: Hands,
        orders: OrderBook,
        decide: Decide,
        settings: Settings,
        changed: Changed,
        now_ms: Callable[[], int],
    ) -> None:
        self._state, self._hands, self._orders, self._decide = state, hands, orders, decide
        self._settings, self._changed, self._now_ms = settings, changed, now_ms
        self._tasks: set[asyncio.Task[None]] = set()
        self._noted: dict[str, tuple[int, int]] = {}  # of each shop, when it answered and what waited in it
        self._loops: list[asyncio.Task[None]] = []
        self._drafts_due = True  # a stop may have come between a change and its draft
        self.shops: dict[str, str | None] = {}  # site -> why it cannot be reached, None when it can

    async def start(self) -> None:
        await self._hands.start()
        with self._state.begin() as db:  # what was under way when we died is tried again: commands are idempotent
            db.execute(update(commands).where(commands.c.status == "claimed").values(status="queued"))
        self._loops = [asyncio.create_task(self._work()), asyncio.create_task(self._keep_in_touch())]

    async def stop(self) -> None:
        for task in [*self._loops, *self._tasks]:
            task.cancel()
        await asyncio.gather(*self._loops, *self._tasks, return_exceptions=True)
        await self._hands.stop()

    async def _work(self) -> None:
        while True:
            changed = self._changed.watch()
            try:
                if await self._log_transitions():
                    self._drafts_due = True
                await self._end_overdue()
                self._start_commands()
                if self._drafts_due:
                    self._drafts_due = not await self._write_drafts()
            except Exception:  # the worker must outlive any one case
                log.exception("the worker stumbled")
                await asyncio.sleep(IDLE_SECONDS)
            await self._changed.wait(changed, IDLE_SECONDS)

    # --- transitions -------------------------------------------------------------------------------------------------

    async def _log_transitions(self) -> bool:
        """Each change of a case becomes an entry, and is handled once that is digested. Whether there were any."""
        query = select(transitions).where(transitions.c.handled_ms.is_(None)).limit(TRANSITIONS_AT_ONCE)
        with self._state.read() as db:
            rows = db.execute(query.order_by(transitions.c.at_ms, transitions.c.incident, transitions.c.position)).all()
        drafts = [
            decisions.draft(
                "transition",
                at_ms=row.at_ms,
                by=row.by,
                transition={"id": row.id, "incident": row.incident, "kind": row.kind, "entries": row.entries, "data": row.data},
            )
            for row in rows
        ]
        if drafts:
            await self._decide(drafts)
        return bool(drafts)

    async def _write_drafts(self) -> bool:
        """A new draft for each case that changed since its last; False when one could not be made."""
        with self._state.read() as db:
            due = casework.undrafted(db, DRAFT_AFTER)
        good = True
        for incident in due:
            try:
                await self.write_draft(incident)
            except Exception:  # one case's draft does not hold up another's
                log.exception("no draft for %s", incident)
                good = False
        return good

    async def write_draft(self, incident: str, regime: str = REGIME) -> int | None:
        """Prepare and log a new version of a draft; its version number, or None if there is no such case."""
        with self._state.read() as db:
            notification = casework.prepare(db, incident, regime, self._now_ms())
            case = cases.load(db, incident)
        if notification is None or case is None:
            return None
        draft = decisions.draft("draft", at_ms=self._now_ms(), notification=notification.as_json(), saw=case.positions)
        await self._decide([draft])
        return notification.version

    # --- commands ----------------------------------------------------------------------------------------------------

    async def _end_overdue(self) -> None:
        """Commands whose time is up while nobody carries them out, and approvals that nobody gave."""
        query = select(commands).where(commands.c.status.in_(("queued", "waiting")), commands.c.kind != "manual")
        with self._state.read() as db:
            rows = db.execute(query.order_by(commands.c.position)).all()
        now = self._now_ms()
        late = [_late(row) for row in rows if (ends_ms := runs.deadline_ms(row)) is not None and ends_ms <= now]
        if late:
            await self._decide([decisions.draft("outcome", at_ms=now, outcome=msgspec.to_builtins(o)) for o in late])

    def _start_commands(self) -> None:
        due = (commands.c.status == "queued") & (commands.c.due_ms <= self._now_ms())
        unlogged = select(transitions.c.id).where(
            transitions.c.incident == commands.c.incident,
            transitions.c.handled_ms.is_(None),
            transitions.c.at_ms <= commands.c.created_ms,
        )
        query = select(commands).where(due, ~unlogged.exists()).order_by(commands.c.position)
        with self._state.read() as db:
            rows = db.execute(query).all()
        for row in rows:
            with self._state.begin() as db:
                mine = db.execute(
                    update(commands)
                    .where(commands.c.id == row.id, commands.c.status == "queued")
                    .values(status="claimed", attempts=row.attempts + 1)
                )
            if mine.rowcount == 1:
                task = asyncio.create_task(self._carry_out(row))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, row: Any) -> None:
        ends_ms = runs.deadline_ms(row)
        limit = asyncio.timeout(None if ends_ms is None else max(0, ends_ms - self._now_ms()) / 1000)
        try:
            async with limit:
                result = await self._hands.carry_out(row)
        except Exception as error:  # a bug in a hand is a failed command, not a stuck case
            if limit.expired():
                result = _late(row)
            else:
                log.exception("command %s failed", row.id)
                result = Outcome(command=row.id, status="failed", detail=f"internal error ({type(error).__name__})")
        if isinstance(result, Again):
            self._later(row, result)
            return
        await self._decide([decisions.draft("outcome", at_ms=self._now_ms(), outcome=msgspec.to_builtins(result))])

    def _later(self, row: Any, again: Again) -> None:
        pause = min(RETRY_MS * 2**row.attempts, MAX_RETRY_MS)
        with self._state.begin() as db:
            db.execute(
                update(commands)
                .where(commands.c.id == row.id)
                .values(
                    status="queued",
                    due_ms=min(self._now_ms() + pause, again.until_ms),
                    outcome={"status": "retrying", "detail": again.why, "until_ms": again.until_ms},
                )
            )
        self._changed.ring()

    # --- shops -------------------------------------------------------------------------------------------------------

    async def _keep_in_touch(self) -> None:
        """Show each shop its orders in force and let it empty its outbox, again and again."""
        while True:
            with contextlib.suppress(Exception):
                with self._state.read() as db:
                    paired = select(sensors.c.site).where(sensors.c.kind == "wordpress")
                    rows = db.execute(select(sites.c.site, sites.c.rest_url).where(sites.c.site.in_(paired))).all()
                await asyncio.gather(*(self._touch(Shop(site=r.site, rest_url=r.rest_url)) for r in rows))
            await asyncio.sleep(self._settings.sync_seconds)

    async def _touch(self, shop: Shop) -> None:
        try:
            synced = await self._hands.wordpress.sync(shop, self._orders.in_force(shop.site, "wordpress", self._now_ms()))
            self.shops[shop.site] = None
            self._note_contact(f"wp.{shop.site}", synced.pending)
        except ShopError as error:
            self.shops[shop.site] = str(error)

    def _note_contact(self, sensor: str, pending: int) -> None:
        """A shop answered and said how many events wait in it. Written when that changed, or now and then."""
        now, (at_ms, before) = self._now_ms(), self._noted.get(sensor, (0, -1))
        if pending != before or now - at_ms > CONTACT_MS:
            with self._state.begin() as db:
                completeness.in_contact(db, {sensor: [now]})
                completeness.note_health(db, sensor, now, pending, 0)
            self._noted[sensor] = now, pending


def _late(row: Any) -> Outcome:
    """What becomes of a command when its time is up. An approval falls back on what the playbook says."""
    if row.kind != "approval":
        return Outcome(command=row.id, status="timeout", detail=f"not done within {row.data['timeout_ms'] / 1000:g} s")
    agreed = row.data["default"] == "approve"
    said = "done all the same" if agreed else "not done"
    detail = f"nobody answered within {row.data['timeout_s']} s as {row.data['role']}; {said}, as the playbook says"
    return Outcome(command=row.id, status="done" if agreed else "timeout", detail=detail)
