"""Who may do what in an exercise that people play, and what its clock does meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from tests.integration.exercises.test_isolation import real_case

from checkvalve.engine import exercise, exercise_room
from checkvalve.engine.core import Core, open_core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.exercise_clock import Clock
from checkvalve.engine.exercise_room import Control, Room
from checkvalve.engine.settings import EXERCISE_MARK, Settings, make_private
from checkvalve.engine.surroundings import Surroundings
from checkvalve.exercises import library
from checkvalve.exercises.scenario import Inject, short_form
from checkvalve.web.console.exercise import exercise_app

SCENARIO = library.shipped("cache-mixup")
HOST = "http://127.0.0.1"
OWN = {"origin": HOST, "sec-fetch-site": "same-origin"}


class Wall:
    """The real time, as links see it."""

    def __init__(self) -> None:
        self.s = 1_795_000_000.0

    def __call__(self) -> float:
        return self.s


def core_of(data: Path) -> Core:
    make_private(data)
    (data / EXERCISE_MARK).write_bytes(msgspec.json.encode({"exercise": "EXERCISE EX-0001"}))
    return open_core(Settings(data=data), Surroundings(exercise="EX-0001"))


def room_of(core: Core, wall: Wall) -> Room:
    room = Room(scenario=SCENARIO, brisk=False, wall_s=wall)
    room.open(core, Clock(1_795_000_000_000))
    room.paused = False
    return room


@pytest.fixture
def core(tmp_path: Path) -> Any:
    opened = core_of(tmp_path / "one")
    yield opened
    opened.close()


@pytest.fixture
async def web(core: Core) -> AsyncIterator[tuple[httpx2.AsyncClient, Room, Wall]]:
    wall = Wall()
    room = room_of(core, wall)
    app = exercise_app(room, HOST, {"127.0.0.1"})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=HOST, headers=OWN) as client:
        yield client, room, wall


Web = tuple[httpx2.AsyncClient, Room, Wall]


async def test_a_link_works_in_this_exercise_alone_and_until_it_expires(web: Web, tmp_path: Path) -> None:
    client, room, wall = web
    other = core_of(tmp_path / "other")
    foreign = room_of(other, wall).link("facilitator")  # of another EX-0001, elsewhere
    other.close()
    mine = room.link("dpo")
    assert (await client.get(f"/x/{mine}")).status_code == 200
    for bad in (foreign, mine[:-4], mine.replace(".", "", 1), "x", "a.b.c"):
        answer = await client.get(f"/x/{bad}")
        assert answer.status_code == 403 and "EXERCISE" in answer.text and "DPO" not in answer.text
    wall.s += 4 * 24 * 3600
    assert (await client.get(f"/x/{mine}")).status_code == 410
    assert (await client.get("/nothing")).status_code == 404


async def test_opening_a_link_takes_no_role_and_every_page_is_marked_and_armoured(web: Web) -> None:
    client, room, _ = web
    for seat in room.seats:
        answer = await client.get(f"/x/{room.link(seat)}")
        assert "EXERCISE EX-0001" in answer.text and "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["refresh"] == "4", "it renews itself"
    assert room.seen == set(), "a program that previews messages opens links as well"
    await client.post(f"/x/{room.link('dpo')}", data={"do": "join"})
    await client.post(f"/x/{room.link('observer')}", data={"do": "join"})
    assert room.seen == {"dpo"}


async def asked(room: Room) -> None:
    """The controller is asked whether there is awareness."""
    room.join("controller")
    await room.answers(next(d for d in SCENARIO.decisions if d.id == "aware"))


async def test_each_seat_does_its_own_and_nothing_else(web: Web) -> None:
    client, room, _ = web
    await asked(room)
    answer = {"do": "answer", "decision": "aware", "option": "now"}

    async def status(seat: str, form: dict[str, str]) -> int:
        return int((await client.post(f"/x/{room.link(seat)}", data=form)).status_code)

    for seat in ("dpo", "incident_lead", "observer", "facilitator"):
        assert await status(seat, answer) == 403, seat
    for seat in ("controller", "observer"):
        for do in ("pause", "continue", "end"):
            assert await status(seat, {"do": do}) == 403
        assert (await client.get(f"/x/{room.link(seat)}/links")).status_code == 403
        assert (await client.post(f"/x/{room.link(seat)}/inject", data={"text": "x", "means": "mail"})).status_code == 403
    assert await status("controller", {**answer, "option": "nothing"}) == 403
    assert await status("controller", {"do": "rm"}) == 400
    assert room.take() is None, "nothing of it is done"
    room.paused = True
    assert await status("controller", answer) == 409
    room.paused = False
    assert await status("controller", answer) == 303
    assert await status("controller", {**answer, "option": "later"}) == 409, "the first answer stands"
    wish = room.take()
    assert isinstance(wish, exercise_room.Answer) and wish.option.id == "now" and room.take() is None
    assert await status("incident_lead", {"do": "acknowledge"}) == 409 and await status("dpo", {"do": "acknowledge"}) == 403
    assert await status("facilitator", {"do": "jump", "inject": "no-such"}) == 409
    foreign = await client.post(f"/x/{room.link('controller')}", data=answer, headers={"origin": "http://evil.example"})
    assert foreign.status_code == 403


@pytest.mark.parametrize(
    "text", ["Call +49 171 1234567", "Mail owner@real-shop.de", "", "x" * (exercise_room.MAX_TEXT + 1)], ids=str.split
)
async def test_an_extra_inject_names_nobody_real_and_is_short(web: Web, text: str) -> None:
    client, room, _ = web
    link = f"/x/{room.link('facilitator')}/inject"
    answer = await client.post(link, data={"text": text, "means": "mail", "sender": "<b>x</b>"})
    assert answer.status_code == 400 and "<b>x" not in answer.text and room.take() is None
    assert (await client.post(link, data={"text": "A call.", "means": "phone"})).status_code == 303
    wish = room.take()
    assert isinstance(wish, exercise_room.Extra) and wish.inject.to == SCENARIO.roles, "to nobody is to everybody"


# --- the clock -------------------------------------------------------------------------------------------------------


def played(home: Settings, room: Room, speed: float = 1.0) -> exercise.Record:
    plan = exercise.Plan(scenario=room.scenario, home=home, players=room, room=room, speed=speed)
    return asyncio.run(asyncio.wait_for(exercise.conduct(plan), 120))


def begun(room: Room) -> None:
    room.control("facilitator", Control(what="continue"))


class Watched(Room):
    """Somebody looks at what is told."""

    seen_inject: Callable[[Inject], None]

    def told(self, inject: Inject) -> None:
        Room.told(self, inject)
        self.seen_inject(inject)


def test_the_short_form_runs_on_when_nobody_has_anything_to_do(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody joined: rules play every role; three days pass in seconds though the clock goes as fast as life."""
    monkeypatch.setattr(exercise_room, "READ_S", 0.0)
    record = played(home, Room(scenario=short_form(SCENARIO), brisk=True, wall_s=Wall(), on_open=begun))
    assert record.score.percent == 100 and record.players == "people: none"


def test_a_question_that_takes_longer_than_its_share_counts_as_unanswered(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exercise_room, "READ_S", 0.0)
    monkeypatch.setattr(exercise_room, "SHORT_S", 1.0)
    room = Room(scenario=short_form(SCENARIO), brisk=True, wall_s=Wall(), on_open=begun)
    room.join("controller")
    record = played(home, room)
    assert {c.decision: c.option for c in record.score.choices}["aware"] is None
    assert record.players == "people: controller" and record.score.percent < 100


def test_a_real_case_freezes_it_and_people_are_sent_away(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is answered meanwhile, the clock stands, and the facilitator may end it all the same."""
    monkeypatch.setattr("checkvalve.engine.exercise_director.LOOK_S", 0.0)
    put = real_case(home)
    room = Watched(scenario=SCENARIO, brisk=False, wall_s=Wall(), speed=2000.0, on_open=begun)
    room.join("controller")
    seen: list[Any] = []

    def look() -> None:
        seen.append((room.frozen, room.clock.now_ms()))
        with pytest.raises(EngineError, match="stands still"):
            room.answer("controller", "aware", "now")

    def on(inject: Inject) -> None:
        if inject.id == "awareness":
            put(True)
            loop = asyncio.get_running_loop()
            loop.call_later(1.0, look)
            loop.call_later(1.5, look)
            loop.call_later(1.6, room.control, "facilitator", Control(what="end"))

    room.seen_inject = on
    record = played(home, room, speed=2000.0)
    assert len(seen) == 2 and all(frozen == ("INC-2026-0001",) for frozen, _ in seen)
    assert seen[0][1] == seen[1][1], "the clock stands"
    kinds = [m.kind for m in record.marks]
    assert kinds.index("frozen") < kinds.index("ended") and record.end_ms < record.start_ms + 2 * 3_600_000
