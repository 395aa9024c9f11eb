"""A core process and simulated shops paired with it; people who may order for many shops."""

import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.simulators.fleet import VirtualFleet, wait_until
from tests.wire.core_process import CoreProcess

from checkvalve.cli.main import run
from checkvalve.engine import fleet, offline
from checkvalve.engine.identity import load_identity
from checkvalve.engine.settings import load_settings
from checkvalve.store.state import State, open_state

PASSWORD = "correct horse battery"


@dataclass(slots=True)
class Agency:
    """Core, its shops, and what people say to it on the command line."""

    core: CoreProcess
    shops: VirtualFleet
    state: State

    def say(self, *words: str, exit_code: int = 0) -> dict[str, Any]:
        said, wrong = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
            code = run(["fleet", *words, "--data", str(self.core.data), "--json"])
        assert code == exit_code, wrong.getvalue()
        return json.loads(said.getvalue()) if said.getvalue() else {"error": wrong.getvalue()}

    def order(self, *options: str, below: str = "2.0", by: str = "anna") -> str:
        """Asked for by one person, agreed to by another; its name."""
        words = ("run", "shop-assistant", "--below", below, *options, "--reason", "a hole", "--by", by)
        name: str = self.say(*words)["fleet"]
        assert self.say("approve", name, "--reason", "agreed", "--by", "bert")["status"] == "running"
        return name

    def seen(self, name: str) -> dict[str, Any]:
        with self.state.read() as db:
            return fleet.view(db, name, None)

    def until(self, name: str, *status: str) -> dict[str, Any]:
        wait_until(lambda: self.seen(name)["status"] in status, f"{name} is {status}")
        return self.seen(name)

    def undo(self, name: str) -> dict[str, Any]:
        self.say("undo", name, "--reason", "over", "--by", "bert")
        return self.until(name, "undone")

    def kill(self) -> None:
        assert self.core.server is not None
        os.killpg(self.core.server.pid, signal.SIGKILL)
        self.core.stop()
        self.core.start()

    @property
    def isolated(self) -> int:
        return sum(shop.isolated for shop in self.shops.shops)


@contextlib.contextmanager
def agency(data: Path, count: int) -> Iterator[Agency]:
    """`count` shops; shop n has version 1.9.n of the plugin."""
    core, shops = CoreProcess(data=data).start(), VirtualFleet(count)
    settings = load_settings(data)
    state = open_state(settings.state)
    try:
        shops.adopt(core.url, load_identity(data).core_public, state, lambda number: f"1.9.{number}")
        for name in ("anna", "bert"):
            offline.add_user(settings, name, PASSWORD, ("controller",))
        mine = tuple(shop.sensor.site for shop in shops.shops[1:3])
        offline.add_user(settings, "client", PASSWORD, ("incident_lead",), mine)
        offline.add_user(settings, "watcher", PASSWORD, ("auditor",))
        told = "SELECT count(DISTINCT site) FROM shop_plugins"
        wait_until(lambda: _count(state, told) == count, "every shop has said which plugins it has")
        yield Agency(core=core, shops=shops, state=state)
    finally:
        state.close()
        core.stop()
        shops.stop()


def _count(state: State, query: str) -> int:
    with state.read() as db:
        return int(db.exec_driver_sql(query).scalar_one())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    with agency(tmp_path_factory.mktemp("small") / "data", 24) as made:
        yield made


@pytest.fixture
def whole(small: Agency) -> Iterator[Agency]:
    """The shops as they were: all of them there, and good."""
    for shop in small.shops.shops:
        shop.away = shop.broken = False
        shop.heard.clear()
    yield small
    assert small.isolated == 0, "a test takes back what it ordered"
