"""A real WordPress behind a real nginx and a real Apache, and the hand that commands them."""

import asyncio
import base64
import hashlib
import http.client
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from tests.integration.plugin.conftest import LEAKY, PLUGIN, make, pair
from tests.integration.plugin.fake_core import FakeCore
from tests.simulators.webservers import WebServer
from tests.simulators.wordpress import Site

from checkvalve.actuators.checkout import CheckoutProbe, CheckoutReport
from checkvalve.actuators.host import Host, HostSettings, HostState
from checkvalve.actuators.host import pair as pair_host
from checkvalve.actuators.wordpress import Shop
from checkvalve.events import jws

T = TypeVar("T")


@dataclass(slots=True)
class Front:
    """One server before the shop, its hand, and the core that the hand asks."""

    server: WebServer
    site: Site
    core: FakeCore
    settings: HostSettings
    state: HostState

    def given(self, *orders: str) -> dict[str, str]:
        """Core says these orders hold; the hand takes its turn. What came of each, by its own words to core."""
        self.core.orders = list(orders)
        before = len(self.core.events(7001))
        self.act(lambda host: host.turn())
        outcomes = [e["unmapped"]["checkvalve"]["outcome"] for e in self.core.events(7001)[before:]]
        return {o["jti"]: f"{o['status']}: {o['detail']}" for o in outcomes}

    def act(self, what: Any) -> Any:
        async def work() -> Any:
            async with aiohttp.ClientSession() as session:
                return await what(Host(self.settings, self.state, lambda _: None, session))

        return asyncio.run(work())

    def order(self, action: str, **args: str) -> str:
        return self.core.order(action, args, hand="webserver")

    def release(self, order: str) -> str:
        jti = jws.verify(order, typ="checkvalve-order+jws", public_key=self.core.public_key)["jti"]
        return self.core.order("release", {"jti": jti}, hand="webserver")

    def ask(self, method: str, target: str, body: str = "", kind: str = "application/x-www-form-urlencoded") -> tuple[int, str]:
        """One request as it is written, nothing normalised; status and body."""
        line = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            line.request(method, target, body=body or None, headers={"Content-Type": kind} if body else {})
            answer = line.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            line.close()

    def leaks(self, method: str, target: str, body: str = "", kind: str = "application/x-www-form-urlencoded") -> bool:
        """Whether the leaking plugin answered."""
        return '"fine":true' in self.ask(method, target, body, kind)[1]

    def buy(self, before: CheckoutReport | None = None) -> CheckoutReport:
        """A test order through the server, as core places one."""
        shop = Shop(site=self.core.site, rest_url=f"{self.server.url}/wp-json/")

        async def work() -> CheckoutReport:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
                return await CheckoutProbe(session, lambda _: self.core.probe_pass()).run(shop, before)

        return run(work())

    def tree(self) -> dict[str, str]:
        """Every file that the server reads, by its digest."""
        files = [self.server.config, *self.server.include.rglob("*")]
        return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.fixture(scope="package")
def core() -> Iterator[FakeCore]:
    made = FakeCore()
    yield made
    made.stop()


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, core: FakeCore) -> Iterator[Site]:
    made = make(tmp_path_factory.mktemp("behind") / "shop", PLUGIN, LEAKY)
    made.start()
    try:
        assert pair(made, core.code) == core.site
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="package", params=["nginx", "apache"])
def standing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, core: FakeCore, site: Site
) -> Iterator[Front]:
    directory: Path = tmp_path_factory.mktemp(request.param)
    server, own = WebServer(kind=request.param, dir=directory, shop=site.url).start(), FakeCore()
    own.key = core.key

    async def work() -> tuple[dict[str, Any], Any]:
        async with aiohttp.ClientSession() as session:
            return await pair_host(session, f"http://{own.place}", own.code.partition("@")[0], site.url, "0")

    try:
        said, key = run(work())
        settings = HostSettings(
            core=f"http://{own.place}",
            site=core.site,
            keyid=said["keyid"],
            private_key=base64.b64encode(key.private_bytes_raw()).decode(),
            core_public_key=said["core_public_key"],
            server=request.param,
            include=str(server.include),
            test=server.test,
            reload=server.reload,
            looks=(f"{server.url}/wp-json/wc/store/v1/cart",),
        )
        yield Front(server=server, site=site, core=own, settings=settings, state=HostState())
    finally:
        server.stop()
        own.stop()


@pytest.fixture
def front(standing: Front) -> Iterator[Front]:
    before = standing.tree()
    yield standing
    standing.act(lambda host: host.lift())
    standing.given()
    assert standing.tree() == before, "the files are as they were"
