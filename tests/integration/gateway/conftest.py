"""A gateway process between a scripted model and a real core, with a register of two people.

A leak makes core close the model to the plugin it went through, so each test calls in the name of a plugin of its own.
"""

import itertools
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.gateway.local import LocalGateway, local_gateway
from tests.integration.gateway.upstream import Upstream
from tests.simulators.processes import Server, free_port
from tests.wire.core_process import CoreProcess, running_core
from tests.wire.sensor import Sensor

from checkvalve.events import jws
from checkvalve.events.pseudonym import identifiers

PEOPLE = {
    "customer:7": {"email": "anna.schmidt@example.de", "name": "Anna Schmidt", "phone": "+49 30 23125123"},
    "customer:8": {"email": "zoe@example.org", "name": "Zoë Łukasiewicz"},
}


@dataclass(slots=True)
class Stack:
    """Everything between the shop's PHP and the model. `site` is the shop, `shop` its plugin's key.

    Inferences and exposures are those after log entry `mark`, so that tests may share one stack.
    """

    core: CoreProcess
    shop: Sensor
    upstream: Upstream
    data: Path
    port: int = field(default_factory=free_port)
    gateway: Server | None = None
    plugin: str = "shop-assistant"
    mark: int = 0

    @property
    def site(self) -> str:
        return self.shop.keyid.removeprefix("wp.")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *more: str) -> None:
        arguments = ["gateway", "--data", str(self.data), "--upstream", self.upstream.url, "--listen", f"127.0.0.1:{self.port}"]
        command = [sys.executable, "-m", "checkvalve.cli", *arguments, *more]
        self.gateway = Server(command, self.url, log=self.data.parent / "gateway.log")
        self.gateway.wait_for("/.checkvalve/health")

    def stop(self) -> None:
        if self.gateway is not None:
            self.gateway.stop()

    def health(self) -> Any:
        return httpx2.get(f"{self.url}/.checkvalve/health").json()

    def wait(self, done: Any, what: str) -> None:
        deadline = time.monotonic() + 20
        while not done():
            assert time.monotonic() < deadline, f"{what} did not happen; gateway: {self.health()}"
            time.sleep(0.05)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.core.data / "state.db", timeout=10) as db:
            return list(db.execute(query))

    def inferences(self, count: int) -> list[tuple[Any, ...]]:
        """(outcome, recipient, plugin, completion_tokens) of every inference, once core has `count` of them."""
        columns = "outcome, recipient, plugin, completion_tokens"
        query = f"SELECT {columns} FROM inferences WHERE entry > {self.mark} ORDER BY entry"
        self.wait(lambda: len(self.rows(query)) >= count, f"inference {count}")
        return self.rows(query)

    def exposures(self) -> set[tuple[str, str, str]]:
        return set(self.rows(f"SELECT subject, category, recipient FROM exposures WHERE shown AND entry > {self.mark}"))

    def context(self, **changes: Any) -> dict[str, str]:
        """The headers that the plugin adds to a call (wire.md, section 7)."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "site": self.site,
            "trace": "a" * 32,
            "plugin": self.plugin,
            "route": "/shop-assistant/v1/ask",
        }
        claims |= {"requester": {"anonymous": True}, "session": "5" * 32, "iat": now, "exp": now + 120, **changes}
        token = jws.sign(claims, typ="checkvalve-context+jws", kid=self.shop.keyid, key=self.shop.key)
        return {"Checkvalve-Context": token, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}


@contextmanager
def running_stack(directory: Path) -> Iterator[Stack]:
    with running_core(directory / "data") as core:
        made = Stack(core=core, shop=core.pair(), upstream=Upstream(), data=directory / "gateway-data")
        _register(made)
        code = json.loads(core.run("pair", "--json").stdout)["code"]
        try:
            made.start("--pair", code, "--name", "gpu-1")
            made.wait(lambda: sum(r["people"] for r in made.health()["registers"]) == len(PEOPLE), "the register")
            yield made
        finally:
            made.stop()
            made.upstream.close()


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """For a test that ends parts of it."""
    with running_stack(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as made:
        yield made


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """The module's stack with nothing of earlier tests to see: all they sent has arrived."""
    shared_stack.wait(lambda: shared_stack.health()["spool"]["depth"] == 0, "an empty spool")
    shared_stack.plugin = f"assistant-{next(_numbers)}"
    shared_stack.mark = shared_stack.rows("SELECT max(entry) FROM events")[0][0]
    shared_stack.upstream.requests.clear()
    shared_stack.upstream.client_gone.clear()
    return shared_stack


_numbers = itertools.count(1)


def _register(stack: Stack) -> None:
    key = stack.rows("SELECT pseudonym_key FROM sites")[0][0]
    shop = stack.shop
    for ref, person in PEOPLE.items():
        own = {"site": stack.site, "subject": {"ref": ref, "identifiers": identifiers(key, **person)}}  # type: ignore[arg-type]
        line = shop.event(shop.next, **own).replace(b'"class_uid":6003', b'"class_uid":5003')
        assert shop.post([line], shop.next).status_code == 202
        shop.next += 1


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalGateway, Upstream]]:
    upstream = Upstream()
    with local_gateway(tmp_path_factory.mktemp("gateway"), upstream.url) as gateway:
        yield gateway, upstream
    upstream.close()


@pytest.fixture
def upstream(running: tuple[LocalGateway, Upstream]) -> Upstream:
    running[1].requests.clear()
    running[1].client_gone.clear()
    return running[1]


@pytest.fixture
def gateway(running: tuple[LocalGateway, Upstream]) -> LocalGateway:
    running[0].release_all()
    running[0].clear()
    return running[0]
