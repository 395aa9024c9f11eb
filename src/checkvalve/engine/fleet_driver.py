"""Carries out one order for many shops: one shop, ten per cent, all; each between two checkouts of its own.

A stage goes on while no more of its shops fail than was agreed to. A shop whose checkout fails after the order, and did not
before, gets it taken back at once. A shop that does not answer is set aside, another takes its place, and it is asked
again until the order ends. What is done for a shop follows from the log, so a core that died goes on where it was: ids of
orders come from the fleet and the shop, and the shop does each once.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any, Final

import msgspec
from sqlalchemy import select

from checkvalve.actuators.checkout import CheckoutReport
from checkvalve.actuators.http import ShopError
from checkvalve.actuators.wordpress import Shop
from checkvalve.engine import decisions, fleet_log, runs
from checkvalve.engine.changed import Changed
from checkvalve.engine.fleet_log import FAILED, OPEN, Fleet, FleetShop, arguments, stage_sizes
from checkvalve.engine.hands import Decide, Hands
from checkvalve.engine.orders import OrderBook, jti_of
from checkvalve.store.journal import Draft
from checkvalve.store.schema import sites
from checkvalve.store.state import State

log = logging.getLogger("checkvalve.fleet")

AT_ONCE: Final = 24  # shops
IDLE_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 5.0  # until a shop that was away is asked again
NAMED: Final = 5  # shops named in the word why it stopped


class FleetDriver:
    def __init__(
        self, state: State, hands: Hands, orders: OrderBook, decide: Decide, changed: Changed, now_ms: Callable[[], int]
    ) -> None:
        self._state, self._hands, self._orders, self._decide = state, hands, orders, decide
        self._changed, self._now_ms = changed, now_ms
        self._driving: dict[str, asyncio.Task[None]] = {}
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        tasks = [t for t in (self._watching, *self._driving.values()) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        """Each fleet is driven by one task."""
        while True:
            changed = self._changed.watch()
            with contextlib.suppress(Exception):
                with self._state.read() as db:
                    found = fleet_log.active(db)
                self._driving = {f: t for f, t in self._driving.items() if not t.done()}
                for fleet in [f for f in found if f not in self._driving]:
                    self._driving[fleet] = asyncio.create_task(self._drive(fleet))
            await self._changed.wait(changed, IDLE_SECONDS)

    async def _drive(self, name: str) -> None:
        try:
            while self._now_ms() < (fleet := self._fleet(name)).until_ms:
                if fleet.status == "running":
                    await self._stage(fleet)
                elif not await self._undo(fleet):
                    return
            if fleet.status != "stopped":  # every order of it has ended by itself
                await self._say("fleet_ended", fleet, status="done" if fleet.status == "running" else "undone")
        except Exception:  # one fleet's bug is not another's; it is taken up again
            log.exception("%s stumbled", name)
            await asyncio.sleep(AGAIN_SECONDS)

    # --- stages ------------------------------------------------------------------------------------------------------

    async def _stage(self, fleet: Fleet) -> None:
        """Work on the stage that the fleet is in until it is through, has failed, or was stopped."""
        wanted = stage_sizes(len(self._shops(fleet)))[fleet.stage - 1]
        tasks: set[asyncio.Task[None]] = set()
        queue = self._queue(fleet)
        try:
            while True:
                fleet, rows = self._fleet(fleet.id), self._shops(fleet)
                mine = [s for s in rows if s.stage == fleet.stage and s.status not in OPEN]
                failed = [s for s in mine if s.status in FAILED]
                going = fleet.status == "running" and self._now_ms() < fleet.until_ms
                too_many = len(failed) > allowed(fleet, wanted)
                while going and not too_many and queue and len(tasks) < min(AT_ONCE, wanted - len(mine)):
                    tasks.add(asyncio.create_task(self._shop(fleet, queue.popleft())))
                if not tasks:
                    break
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not going:
            return
        if too_many:
            await self._say("fleet_stopped", fleet, why=_failures(fleet, failed))
        elif not any(s.status in OPEN for s in rows):
            await self._say("fleet_ended", fleet, status="done")
        elif len(mine) >= wanted and fleet.stage < len(fleet_log.STAGES):
            await self._say("fleet_stage", fleet, stage=fleet.stage + 1)
        else:  # the others do not answer
            await asyncio.sleep(AGAIN_SECONDS)

    def _queue(self, fleet: Fleet) -> "deque[FleetShop]":
        """What a dead core left half done comes first; a shop that was away comes last."""
        order = {"ordered": 0, "releasing": 0, "pending": 1, "away": 2}
        waiting = [s for s in self._shops(fleet) if s.status in order]
        return deque(sorted(waiting, key=lambda s: order[s.status]))

    # --- one shop ----------------------------------------------------------------------------------------------------

    async def _shop(self, fleet: Fleet, row: FleetShop) -> None:
        shop = self._address(row.site)
        command = f"{fleet.id}.{row.site}"
        try:
            if row.status in ("pending", "away"):
                row = await self._begin(fleet, row, shop, command)
            if row.status == "ordered":
                row = await self._contain(fleet, row, shop, command)
            if row.status == "releasing":
                await self._take_back(fleet, row, shop, command)
        except ShopError as error:
            if row.status == "pending":  # one that was begun stays as it is, and is gone on with
                await self._note(fleet, row, "away", f"the shop {error}")

    async def _begin(self, fleet: Fleet, row: FleetShop, shop: Shop, command: str) -> FleetShop:
        """See that the shop answers and what its checkout is; then give the order, both in one breath of the log."""
        with self._state.read() as db:
            if runs.at_site(db, row.site):
                raise ShopError("has a playbook under way")  # two would meet at the checkout
        await self._hands.wordpress.sync(shop, self._orders.in_force(shop.site, "wordpress", self._now_ms()))
        before = await self._hands.probe_shop(shop, None)
        terms = fleet.terms
        made = self._orders.make(
            command=command,
            incident=fleet.id,
            site=row.site,
            hand="wordpress",
            action=terms.action,
            args=arguments(terms, row.plugin),
            ttl_s=max(60, (fleet.until_ms - self._now_ms()) // 1000),
            now_ms=self._now_ms(),
        )
        issued = decisions.draft("order_issued", at_ms=self._now_ms(), **made)
        return await self._note(fleet, row, "ordered", "", seen={"before": msgspec.to_builtins(before)}, also=issued)

    async def _contain(self, fleet: Fleet, row: FleetShop, shop: Shop, command: str) -> FleetShop:
        started = monotonic()
        status, detail = await self._sync(shop, command)
        if status not in ("done", "already"):
            return await self._note(fleet, row, "refused", detail)
        seen = {"contain_ms": _since(started)}
        before = msgspec.convert(row.seen["before"], CheckoutReport)
        after = await self._hands.probe_shop(shop, before if before.ok else None)
        if after.ok or not before.ok:  # what failed before we touched anything did not fail by our doing
            why = "" if after.ok else f"the checkout had failed before: {before.why}"
            return await self._note(fleet, row, "contained", why, seen=seen)
        failed = monotonic()
        row = await self._release(fleet, row, command, after.why or "the checkout failed")
        return await self._take_back(fleet, row, shop, command, failed)

    async def _take_back(
        self, fleet: Fleet, row: FleetShop, shop: Shop, command: str, failed: float | None = None
    ) -> FleetShop:
        await self._sync(shop, command + ".release")
        seen = {} if failed is None else {"rollback_ms": _since(failed)}
        mended = await self._hands.probe_shop(shop, None)
        why = row.why if mended.ok else f"{row.why}; taken back, and the checkout still fails: {mended.why}"
        return await self._note(fleet, row, "rolled_back", why, seen=seen)

    # --- undo --------------------------------------------------------------------------------------------------------

    async def _undo(self, fleet: Fleet) -> bool:
        """Take back every order; of a stopped fleet those after which nobody saw the checkout. Whether there is more to do."""
        undoing = fleet.status == "undoing"
        taken = (*OPEN, "contained") if undoing else ("ordered", "releasing")
        left = [s for s in self._shops(fleet) if s.status in taken]
        if left:
            limit = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(self._undo_one(fleet, row, limit) for row in left))
            if any(s.status in taken for s in self._shops(fleet)):
                await asyncio.sleep(AGAIN_SECONDS)
        elif undoing:
            await self._say("fleet_ended", fleet, status="undone")
        return bool(left)

    async def _undo_one(self, fleet: Fleet, row: FleetShop, limit: asyncio.Semaphore) -> None:
        command = f"{fleet.id}.{row.site}"
        async with limit:
            if self._orders.get(jti_of(command)) is None:
                await self._note(fleet, row, "undone", "it was never ordered")
                return
            if row.status != "releasing":
                row = await self._release(fleet, row, command, row.why)
            with contextlib.suppress(ShopError):  # it is in the set in force, which the shop is shown until it answers
                await self._sync(self._address(row.site), command + ".release")
                await self._note(fleet, row, "undone", row.why)

    # --- the log and the state ---------------------------------------------------------------------------------------

    async def _release(self, fleet: Fleet, row: FleetShop, command: str, why: str) -> FleetShop:
        """From now on the order does not hold, whoever dies."""
        made = self._orders.make(
            command=command + ".release",
            incident=fleet.id,
            site=row.site,
            hand="wordpress",
            action="release",
            args={"jti": jti_of(command)},
            ttl_s=max(60, (fleet.until_ms - self._now_ms()) // 1000),
            now_ms=self._now_ms(),
        )
        issued = decisions.draft("order_issued", at_ms=self._now_ms(), **made)
        return await self._note(fleet, row, "releasing", why, also=issued)

    async def _sync(self, shop: Shop, command: str) -> tuple[str, str]:
        """Show the shop one order; what it says came of it."""
        jti = jti_of(command)
        synced = await self._hands.wordpress.sync(shop, [self._orders.get(jti).jws])
        return synced.applied.get(jti, ("failed", "the plugin said nothing of this order"))

    async def _note(
        self,
        fleet: Fleet,
        row: FleetShop,
        status: str,
        why: str,
        *,
        seen: dict[str, Any] | None = None,
        also: Draft | None = None,
    ) -> FleetShop:
        stage = 0 if status == "away" else fleet.stage if fleet.status == "running" else row.stage
        values: dict[str, Any] = {"site": row.site, "status": status, "why": why[:400], "seen": seen or {}, "stage": stage}
        said = decisions.draft("fleet_shop", at_ms=self._now_ms(), fleet=fleet.id, **values)
        await self._decide([said] if also is None else [said, also])
        return replace(row, status=status, why=values["why"], seen={**row.seen, **values["seen"]}, stage=stage)

    async def _say(self, what: str, fleet: Fleet, **data: Any) -> None:
        await self._decide([decisions.draft(what, at_ms=self._now_ms(), fleet=fleet.id, **data)])

    def _fleet(self, name: str) -> Fleet:
        with self._state.read() as db:
            found = fleet_log.load(db, name)
        if found is None:
            raise LookupError(name)
        return found

    def _shops(self, fleet: Fleet) -> list[FleetShop]:
        with self._state.read() as db:
            return fleet_log.shops(db, fleet.id)

    def _address(self, site: str) -> Shop:
        with self._state.read() as db:
            return Shop(site=site, rest_url=str(db.scalar(select(sites.c.rest_url).where(sites.c.site == site))))


def allowed(fleet: Fleet, size: int) -> int:
    """How many shops of a stage of this size may fail: of the first none."""
    return 0 if fleet.stage == 1 else int(size * fleet.terms.tolerated / 100)


def _failures(fleet: Fleet, failed: list[FleetShop]) -> str:
    named = "; ".join(f"{s.site}: {s.why}" for s in failed[:NAMED])
    more = f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    return f"stage {fleet.stage}: {len(failed)} of its shops failed: {named}{more}"[:1500]


def _since(started: float) -> int:
    return round((monotonic() - started) * 1000)
