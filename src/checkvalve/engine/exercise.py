"""An exercise: a data space of its own with the real core in it, a made-up shop around it, and what came of it measured.

The directory of an exercise lies in `exercises/` of the installation's data directory and bears a mark. What writes to it is
this module alone; what reads a data directory (`case`, `notice`, `evidence verify`) reads it as any other.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, select

from checkvalve.engine import cases, casework, exercise_log, exercise_shop, paging_rota
from checkvalve.engine.core import Core, open_core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.exercise_clock import Clock
from checkvalve.engine.exercise_director import Director, Postbox
from checkvalve.engine.exercise_hands import HandsInMemory
from checkvalve.engine.exercise_players import Players
from checkvalve.engine.exercise_room import Room
from checkvalve.engine.settings import EXERCISE_MARK, Settings, make_private, write_private
from checkvalve.engine.surroundings import Surroundings, now_ms
from checkvalve.events.event import APPLICATION_LIFECYCLE
from checkvalve.events.pseudonym import Category
from checkvalve.events.site import EXERCISE_SITE
from checkvalve.exercises import world
from checkvalve.exercises.measures import Measures, at_ms, measure
from checkvalve.exercises.scenario import Scenario
from checkvalve.exercises.scoring import Score, score
from checkvalve.exercises.signs import Mark
from checkvalve.exercises.world import World
from checkvalve.incidents.case import Incident
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.schema import incidents, sites, subjects
from checkvalve.store.state import open_state

T = TypeVar("T")
ROTA: Final[dict[str, Any]] = {
    "contacts": {name: {"urls": [f"json://{name}.exercise.invalid"]} for name in ("lead", "owner")},
    "rungs": [{"contacts": ["lead"], "wait_minutes": 10}, {"contacts": ["owner"], "wait_minutes": 10}],
}
SHOP_NAME: Final = "EXERCISE Example Tea House"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`speed` None: as fast as core answers. `home`: the installation whose people must not be in the made-up world.

    `room`: the people who play it, and are its `players`.
    """

    scenario: Scenario
    home: Settings
    players: Players
    seed: int = 1
    speed: float | None = None
    room: Room | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What came of an exercise. Times in ms by its own clock, save `held_ms`, when it was really played."""

    id: str
    directory: Path
    scenario: Scenario
    players: str
    seed: int
    start_ms: int
    end_ms: int
    held_ms: int
    measures: Measures
    score: Score
    marks: tuple[Mark, ...]
    cases: tuple[Incident, ...]
    pages: tuple[tuple[str, str], ...]


def run(plan: Plan) -> Record:
    return asyncio.run(conduct(plan))


async def conduct(plan: Plan) -> Record:
    """From an empty directory to its record. EngineError when a real case is open, or when a real person is in the world."""
    if real := open_cases(plan.home):
        raise EngineError("real_incident", f"{real[0]} is open and real; close it first, exercises wait")
    start = at_ms(plan.scenario.starts)
    chance = random.Random(f"{plan.scenario.id}/{plan.seed}")  # noqa: S311 - the same again for the same seed
    wanted = plan.scenario.world
    lives = world.make(chance, customers=wanted.customers, orders=wanted.orders, languages=wanted.languages, until_ms=start)
    refuse_real_people(plan.home, lives)
    name, directory = _new_directory(plan, start)
    return await _conducted(plan, name, directory, lives, chance, start)


async def _conducted(plan: Plan, name: str, directory: Path, lives: World, chance: random.Random, start: int) -> Record:
    clock, postbox = Clock(start), Postbox()
    with _core(directory, name, clock, postbox, plan.scenario, lives, chance) as (core, shop, gateway):
        await core.start()
        try:
            shop.wire.note(*_alive(shop.site), clock.now_ms())
            await shop.wire.send()
            await gateway.poll()
            if plan.room is not None:
                plan.room.open(core, clock)
            director = Director(
                plan.scenario, core, clock, shop, gateway, plan.players, postbox, chance,
                speed=plan.speed, room=plan.room, real_cases=lambda: open_cases(plan.home),
            )  # fmt: skip
            end = await director.run()
            return _record(plan, name, directory, core, start, end, postbox)
        finally:
            await core.stop()


def _alive(site: str) -> tuple[int, int, dict[str, Any]]:
    return APPLICATION_LIFECYCLE, 0, {"site": site}


@contextmanager
def _core(
    directory: Path, name: str, clock: Clock, postbox: Postbox, scenario: Scenario, lives: World, chance: random.Random
) -> Iterator[tuple[Core, exercise_shop.ShopInMemory, exercise_shop.GatewayInMemory]]:
    hands: list[HandsInMemory] = []

    def made(*given: Any) -> HandsInMemory:
        hands.append(HandsInMemory(*given))
        return hands[0]

    settings = Settings(data=directory)
    surroundings = Surroundings(now_ms=clock.now_ms, hands=made, page=postbox.take, exercise=name)
    paging_rota.install(settings, msgspec.json.encode(ROTA))
    core = open_core(settings, surroundings)
    site = EXERCISE_SITE + f"{chance.getrandbits(48):012x}"
    shops, gateways, key = exercise_shop.register(core, site, SHOP_NAME, clock.now_ms(), lambda: chance.randbytes(32))
    shop = exercise_shop.ShopInMemory(core, site, scenario.ways, lives, shops)
    shop.tell_people(key, clock.now_ms())
    hands[0].shop, hands[0].clock = shop, clock
    yield core, shop, exercise_shop.GatewayInMemory(shop, gateways, directory / "gateway", shops.key)


def _record(plan: Plan, name: str, directory: Path, core: Core, start: int, end: int, postbox: Postbox) -> Record:
    marks, held = exercise_log.marks(core), now_ms()
    with core.state.read() as db:
        known = [
            cases.incident_of(s) for s in db.scalars(select(incidents.c.state).order_by(incidents.c.opened_ms, incidents.c.id))
        ]
        clocks = [(i.id, c.regime, c.clock, c.due_ms) for i in known for c in casework.running_clocks(db, i, end)]
    return Record(
        id=name,
        directory=directory,
        scenario=plan.scenario,
        players=plan.room.players if plan.room else plan.players.name,
        seed=plan.seed,
        start_ms=start,
        end_ms=end,
        held_ms=held,
        measures=measure(marks, clocks, end, real=plan.scenario.real),
        score=score(plan.scenario, marks, end, held),
        marks=tuple(marks),
        cases=tuple(known),
        pages=tuple(postbox.taken),
    )


# --- the real installation -------------------------------------------------------------------------------------------


def open_cases(home: Settings) -> list[str]:
    """Real cases that are not closed."""
    query = select(incidents.c.id).where(incidents.c.open).order_by(incidents.c.id)
    return _rows(home, lambda db: list(db.scalars(query)), [])


def refuse_real_people(home: Settings, lives: World) -> None:
    """EngineError when an identifier of the made-up world stands in the real register: then one of them is somebody's."""

    def shared(db: Connection) -> set[tuple[Category, str]]:
        found: set[tuple[Category, str]] = set()
        for site, key in db.execute(select(sites.c.site, sites.c.pseudonym_key)).all():
            made_up = lives.identifiers(key)
            for ids in db.scalars(select(subjects.c.ids).where(subjects.c.site == site, ~subjects.c.gone)):
                found |= {(c, h) for c, h in ids} & made_up
        return found

    nobody: set[tuple[Category, str]] = set()
    if both := _rows(home, shared, nobody):
        kinds = ", ".join(sorted({category for category, _ in both}))
        raise EngineError(
            "real_people",
            f"{len(both)} identifiers ({kinds}) are both in the made-up world and in your register; use another --seed",
        )


def _rows(home: Settings, ask: Callable[[Connection], T], nothing: T) -> T:
    if not home.has_state:
        return nothing
    state = open_state(home.state)
    try:
        with state.read() as db:
            return ask(db)
    finally:
        state.close()


# --- directories -----------------------------------------------------------------------------------------------------


def _new_directory(plan: Plan, start_ms: int) -> tuple[str, Path]:
    """The next number, claimed by making its directory."""
    root = exercises_dir(plan.home)
    make_private(plan.home.data)
    make_private(root)
    for number in range(len(list(root.iterdir())) + 1, 100_000):
        name = f"EX-{number:04d}"
        try:
            (root / name).mkdir(mode=0o700)
        except FileExistsError:
            continue
        mark = {"exercise": f"EXERCISE {name}", "scenario": plan.scenario.id, "seed": plan.seed, "players": plan.players.name}
        write_private(root / name / EXERCISE_MARK, msgspec.json.encode(mark | {"starts": rfc3339(from_ms(start_ms))}))
        return name, root / name
    raise EngineError("too_many", f"{root} is full; move old exercises away")


def exercises_dir(home: Settings) -> Path:
    return home.data / "exercises"
