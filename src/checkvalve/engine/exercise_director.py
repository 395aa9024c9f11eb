"""An exercise as it runs: what happens when its clock gets there, and core that answers until it has nothing left to do."""

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any, Final

from sqlalchemy import exists, select

from checkvalve.engine import cases, casework, decisions, exercise_acts, paging, runs
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.exercise_clock import Clock
from checkvalve.engine.exercise_players import Players
from checkvalve.engine.exercise_room import Acknowledged, Answer, Control, Extra, Room
from checkvalve.engine.exercise_shop import GatewayInMemory, ShopInMemory
from checkvalve.engine.imports import PREFIX
from checkvalve.engine.worker import DRAFT_AFTER
from checkvalve.events import event as ocsf
from checkvalve.events.imports.envelope import Head, Imported, wrap
from checkvalve.exercises.scenario import Condition, Decision, Effect, Inject, Leak, Option, Scenario, Told, span_ms
from checkvalve.incidents.escalation import MARGINS_H
from checkvalve.store.schema import commands, incidents, transitions

HOUR_MS: Final = 3_600_000
CLOSE_MS: Final = 2 * HOUR_MS  # so long the clock moves in small steps
SMALL_MS: Final = 5 * 60_000
UNANSWERED_MS: Final = 15 * 60_000  # a step while pages wait to be acknowledged
TRADE_MS: Final = 6 * HOUR_MS
SETTLE_S: Final = 60.0
LOOK_S: Final = 1.0  # how often real cases are looked for
SLICE_S: Final = 0.25

Step = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Postbox:
    """Where the pages of an exercise end: nobody real is reached."""

    taken: list[tuple[str, str]] = field(default_factory=list)
    unanswered: dict[str, str] = field(default_factory=dict)  # the newest signed link of each title, which names the case

    def take(self, channels: Sequence[str], title: str, body: str) -> list[bool]:
        marked = f"EXERCISE. {title}"
        self.taken.append((marked, f"EXERCISE. Nothing has happened.\n{body}"))
        _, link, rest = body.partition("/ack/")
        if link:
            self.unanswered[marked] = rest.split()[0]
        return [True] * len(channels)

    def waiting(self) -> str:
        """What the oldest page says that nobody acknowledged."""
        title = next(iter(self.unanswered))
        body = next(b for t, b in reversed(self.taken) if t == title)
        return f"{title}. {body.splitlines()[1]}"


class Director:
    def __init__(
        self,
        scenario: Scenario,
        core: Core,
        clock: Clock,
        shop: ShopInMemory,
        gateway: GatewayInMemory,
        players: Players,
        postbox: Postbox,
        chance: random.Random,
        *,
        speed: float | None = None,
        room: Room | None = None,
        real_cases: Callable[[], list[str]] = list,
    ) -> None:
        self._scenario, self._core, self._clock, self._shop, self._gateway = scenario, core, clock, shop, gateway
        self._players, self._postbox, self._chance = players, postbox, chance
        self._speed, self._room, self._real_cases = speed, room, real_cases
        self._start_ms = self._traded_ms = clock.now_ms()
        self._due: list[tuple[int, int, Step]] = []
        self._order = count()
        self._chosen: set[str] = set()
        self._acknowledging = self._over = False
        self._looked = -LOOK_S
        self._fresh_people = iter(chance.sample(range(len(shop.world.people)), len(shop.world.people)))

    async def run(self) -> int:
        """To the end of the scenario, or to where its facilitator ends it; returns its time in ms."""
        end = self._start_ms + span_ms(self._scenario.lasts)
        for inject in self._scenario.injects:
            self._at(self._start_ms + span_ms(inject.at), self._giving(inject))
        for at in (*range(self._start_ms, min(end, self._start_ms + CLOSE_MS), SMALL_MS), end):
            self._at(at, self._nothing)
        polling = asyncio.create_task(self._poll())
        try:
            while self._due and self._due[0][0] <= end and not self._ended:
                if not await self._wait(self._due[0][0]):
                    continue
                at, _, step = heapq.heappop(self._due)
                await step()
                if at >= end or at >= self._traded_ms + TRADE_MS:
                    await self._trade()
                await self._settle()
                self._wake()
                if polling.done():
                    polling.result()  # why the gateway no longer hears
        finally:
            self._over = True
            await asyncio.gather(polling, return_exceptions=True)
        return min(end, self._clock.now_ms())

    @property
    def _ended(self) -> bool:
        return self._room is not None and self._room.ended

    @property
    def _mine(self) -> Any:
        """Cases of this shop that were opened since the scenario began, or are open still."""
        return (incidents.c.site == self._shop.site) & (incidents.c.open | (incidents.c.opened_ms >= self._start_ms))

    def _at(self, at_ms: int, step: Step) -> None:
        heapq.heappush(self._due, (at_ms, next(self._order), step))

    async def _nothing(self) -> None:
        """Time goes on, and core looks at what is due."""

    def _wake(self) -> None:
        """Go there as well when core has something to do by itself: a command, the end of an approval, a margin, a page."""
        now = self._clock.now_ms()
        waiting = commands.c.status.in_(("queued", "waiting")) & (commands.c.kind != "manual")
        with self._core.state.read() as db:
            times = [t for row in db.execute(select(commands).where(waiting)) for t in (row.due_ms, runs.deadline_ms(row)) if t]
            for state in db.scalars(select(incidents.c.state).where(self._mine)):
                clocks = casework.running_clocks(db, cases.incident_of(state), now)
                times += [c.due_ms - m * HOUR_MS for c in clocks if not c.met for m in MARGINS_H]
        if self._postbox.unanswered:
            times.append(now + UNANSWERED_MS)
        at = min((t for t in times if t > now), default=None)
        if at is not None and (not self._due or at < self._due[0][0]):
            self._at(at, self._nothing)

    # --- time --------------------------------------------------------------------------------------------------------

    async def _wait(self, at_ms: int) -> bool:
        """Let the clock get there: at once, or at the speed wished, in which core lives as well. False: first comes another."""
        while True:
            await self._frozen()
            await self._heed()
            if self._ended or self._due[0][0] < at_ms:
                return False
            left = at_ms - self._clock.now_ms()
            if left <= 0 or not self._speed or (self._room is not None and self._room.flies()):
                self._clock.to(at_ms)
                return True
            step = min(left, int(SLICE_S * 1000 * self._speed) or 1)
            await asyncio.sleep(step / 1000 / self._speed)
            self._clock.to(self._clock.now_ms() + step)

    async def _frozen(self) -> None:
        """While a real case is open, nothing happens here: people have something else to do."""
        if monotonic() - self._looked < LOOK_S:
            return
        self._looked = monotonic()
        if not (real := self._real_cases()):
            return
        await self._log("exercise_frozen", cases=real)
        while (real := self._real_cases()) and not self._ended:
            if self._room is not None:
                self._room.frozen = tuple(real)
                await self._led()
            await asyncio.sleep(SLICE_S)
        if self._room is not None:
            self._room.frozen = ()
        await self._log("exercise_resumed")

    # --- people who are there ----------------------------------------------------------------------------------------

    async def _heed(self) -> None:
        """What the people of the room wish; returns when it is not paused."""
        await self._led()
        while self._room is not None and self._room.paused and not self._ended:
            await asyncio.sleep(SLICE_S)
            await self._frozen()
            await self._led()

    async def _led(self) -> None:
        while self._room is not None and (wish := self._room.take()) is not None:
            match wish:
                case Answer():
                    self._at(self._clock.now_ms(), self._choosing(wish.decision, wish.option))
                case Acknowledged():
                    self._at(self._clock.now_ms(), self._acknowledging_all)
                case Extra():
                    self._at(self._clock.now_ms(), self._giving(wish.inject))
                case Control():
                    await self._controlled(self._room, wish)

    async def _controlled(self, room: Room, wish: Control) -> None:
        said = {"pause": "paused", "continue": "continued", "jump": "jumped", "skip": "left_out", "end": "ended"}
        match wish.what:
            case "pause":
                room.paused = True
            case "continue":
                room.paused, room.begun = False, True
            case "jump":
                at = next(i.at for i in self._scenario.injects if i.id == wish.inject)
                room.jump_ms, room.paused, room.begun = self._start_ms + span_ms(at), False, True
            case "skip":
                room.skipped.add(wish.inject)
            case "end":
                room.ended = True
        about = {"inject": wish.inject} if wish.inject else {}
        await self._log(f"exercise_{said[wish.what]}", by="user:facilitator", **about)

    async def _settle(self) -> None:
        """Until core has nothing to do at this time of the clock: it is the same at any speed of the machine."""
        end = monotonic() + SETTLE_S
        while True:
            changed = self._core.changed.watch()
            if not self._busy():
                if not await self._core.pager.look():
                    return
                await self._acknowledge()
            elif monotonic() > end:
                raise EngineError("exercise", f"core did not come to rest within {SETTLE_S:g} s")
            else:
                await self._core.changed.wait(changed, 0.05)

    def _busy(self) -> bool:
        core, now = self._core, self._clock.now_ms()
        working = (commands.c.status == "claimed") | ((commands.c.status == "queued") & (commands.c.due_ms <= now))
        with core.state.read() as db:
            return (
                core.pipeline.position() < core.journal.size
                or bool(db.scalar(select(exists().where(transitions.c.handled_ms.is_(None)))))
                or bool(db.scalar(select(exists().where(working))))
                or bool(casework.undrafted(db, DRAFT_AFTER))
            )

    async def _poll(self) -> None:
        """The gateway hears of every change at once."""
        while not self._over:
            changed = self._core.changed.watch()
            await self._gateway.poll()
            await self._core.changed.wait(changed, SLICE_S)

    # --- injects -----------------------------------------------------------------------------------------------------

    def _giving(self, inject: Inject) -> Step:
        async def step() -> None:
            left_out = self._room is not None and inject.id in self._room.skipped
            if left_out or (inject.when and not self._holds(inject.when)):
                if self._room is not None:
                    self._room.skipped.add(inject.id)
                await self._log("exercise_skipped", inject=inject.id)
                return
            told = {n: getattr(inject, n) for n in ("sender", "to", "means", "text", "expected", "objective")}
            await self._log("exercise_inject", inject=inject.id, **told)
            self._players.told(inject)
            for effect in inject.effects:
                await self._effect(effect)
            if inject.decision is not None:
                await self._settle()
                await self._ask(inject.decision)

        return step

    def _holds(self, when: Condition) -> bool:
        with self._core.state.read() as db:
            states: list[dict[str, Any]] = list(db.scalars(select(incidents.c.state).where(self._mine)))
            heard = (transitions.c.kind == "page_acknowledged") & (transitions.c.at_ms >= self._start_ms)
            acknowledged = bool(db.scalar(select(exists().where(heard))))
        shut = {(w.plugin, w.route) for w in self._scenario.ways if self._shop.closed(w)}
        contained = bool(states) and all(s["contained_ms"] or (s["plugin"], s["route"]) in shut for s in states)
        return (
            (when.chosen is None or when.chosen in self._chosen)
            and when.contained in (None, contained)
            and when.acknowledged in (None, acknowledged)
        )

    async def _ask(self, decision: Decision) -> None:
        reply = await self._players.answers(decision)
        if reply.option is not None and reply.after_ms <= span_ms(decision.within):
            self._at(self._clock.now_ms() + reply.after_ms, self._choosing(decision, reply.option))
        else:
            self._at(self._clock.now_ms() + span_ms(decision.within), self._unanswered(decision))

    def _unanswered(self, decision: Decision) -> Step:
        async def step() -> None:
            if self._room is None or self._room.close(decision.id):
                await self._log("exercise_unanswered", decision=decision.id, role=decision.role)

        return step

    def _choosing(self, decision: Decision, option: Option) -> Step:
        async def step() -> None:
            self._chosen.add(f"{decision.id}.{option.id}")
            by = f"user:{decision.role}"
            await self._log(
                "exercise_decided", by=by, decision=decision.id, option=option.id, role=decision.role, text=option.text
            )
            for act in option.do:
                await self._settle()
                reference = f"EXERCISE-{self._core.surroundings.exercise}"
                if why := await exercise_acts.act(self._core, self._shop.site, act, by, reference):
                    await self._log("exercise_refused", decision=decision.id, why=why)
            for effect in option.effects:
                await self._effect(effect)

        return step

    async def _acknowledge(self) -> None:
        """Somebody will, for all pages that came until then."""
        if self._acknowledging or not self._postbox.unanswered:
            return
        self._acknowledging = True
        after = await self._players.acknowledges(self._postbox.waiting())
        if after is not None:
            self._at(self._clock.now_ms() + after, self._acknowledging_all)

    async def _acknowledging_all(self) -> None:
        tokens = list(self._postbox.unanswered.values())
        self._postbox.unanswered.clear()
        self._acknowledging = False
        for token in tokens:
            await paging.acknowledge(self._core, token)

    # --- the made-up shop --------------------------------------------------------------------------------------------

    async def _effect(self, effect: Effect) -> None:
        if effect.leak is not None:
            await self._leak(effect.leak, effect.leak.times)
        if effect.told is not None:
            await self._told(effect.told)
        if effect.checkout is not None:
            await self._trade()
            self._shop.checkout_closed = effect.checkout == "closed"
            await self._log(f"exercise_checkout_{'closed' if effect.checkout == 'closed' else 'opened'}")
        if effect.shut is not None:
            await self._trade()
            self._shop.shut.add(effect.shut)
            await self._log("exercise_shut", way=effect.shut)
        if effect.traffic is not None:
            await self._trade()
            self._shop.traffic = effect.traffic

    async def _leak(self, leak: Leak, times: int) -> None:
        """Once now, and again as long as it works."""
        people = [p for p in (next(self._fresh_people, None) for _ in range(leak.people)) if p is not None]
        shown = bool(people) and await self._gateway.ask(self._scenario.way(leak.way), people)
        if times > 1 and (shown or times == leak.times):
            self._at(self._clock.now_ms() + span_ms(leak.every), lambda: self._leak(leak, times - 1))

    async def _told(self, told: Told) -> None:
        """Another's log goes the way of an import."""
        way, now = self._scenario.way(told.way), self._clock.now_ms()
        people = [self._shop.world.people[p] for p in (next(self._fresh_people) for _ in range(told.people))]
        key = f"{len(self._postbox.taken) + self._core.journal.size:032x}"
        seen = now - span_ms(told.ago)
        found = [
            {"subject": p.ref, "category": c, "recipient": told.reader, "inference": key, "seen_ms": seen}
            for p in people
            for c in ("email", "name", "address", "order_number")
        ]
        own: dict[str, Any] = {n: v for n, v in (("plugin", way.plugin), ("route", way.route), ("model", way.model)) if v}
        own |= {"site": self._shop.site, "exposures": found, "exercise": f"EXERCISE {self._core.surroundings.exercise}"}
        line = ocsf.encode(
            class_uid=ocsf.DETECTION_FINDING,
            activity_id=1,
            time=seen,
            uid=key,
            sequence=1,
            product="EXERCISE",
            version="exercise",
            own=own,
        )
        head = Head(format="ocsf", source=f"{PREFIX}ocsf.exercise", site=self._shop.site, key=key, line=1, time=seen, within=1)
        await self._core.importer.put([wrap(Imported(head=head, raw=line))], now)

    async def _trade(self) -> None:
        now = self._clock.now_ms()
        if now > self._traded_ms:
            self._shop.trade(self._chance, self._traded_ms, now, self._scenario.world.orders_a_day)
            self._traded_ms = now
            await self._shop.wire.send()

    async def _log(self, kind: str, *, by: str = "core", **data: Any) -> None:
        await self._core.decide([decisions.draft(kind, at_ms=self._clock.now_ms(), by=by, **data)])
