"""An exercise that people play, with its pages: both on one event loop, so both end together."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

import uvicorn

from checkvalve.engine import exercise, exercise_report
from checkvalve.engine.exercise import Plan
from checkvalve.engine.exercise_room import Room
from checkvalve.web.app import listening
from checkvalve.web.console.exercise import exercise_app

AFTER_S: Final = 3600.0  # the pages stay for the hot wash


class _Server(uvicorn.Server):
    """Ends when it is told to: Ctrl-C ends the command, and the command both."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where people come in. `opened` gets the facilitator's link, `ended` the kept record, before the hot wash.

    `public_url` None: the address itself. `brisk`: the 20-minute form.
    """

    listen: tuple[str, int]
    public_url: str | None
    brisk: bool
    opened: Callable[[str], None]
    ended: Callable[[dict[str, Any]], None]


def play(plan: Plan, door: Door) -> None:
    """Until the hot wash is over. Ctrl-C ends the pages, and an exercise that is not over leaves no record."""
    asyncio.run(_play(plan, door))


async def _play(plan: Plan, door: Door) -> None:
    sock = listening(*door.listen)
    url = (door.public_url or f"http://{door.listen[0]}:{sock.getsockname()[1]}").rstrip("/")
    room = Room(
        scenario=plan.scenario,
        brisk=door.brisk,
        speed=plan.speed or 1.0,
        wall_s=time.time,
        on_open=lambda opened: door.opened(f"{url}/x/{opened.link('facilitator')}"),
    )
    hosts = {urlsplit(url).hostname or "", door.listen[0]} - {"", "0.0.0.0", "::"}  # noqa: S104
    config = uvicorn.Config(
        exercise_app(room, url, hosts), log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=3
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        record = await exercise.conduct(replace(plan, room=room, players=room))
        kept = exercise_report.keep(plan.home, record)
        room.ended, room.percent = True, record.score.percent
        door.ended(kept)
        await asyncio.wait([serving], timeout=AFTER_S)
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
