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

from checkvalve.actuators import gate
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

    def ask(self, method: str, target: str, body: str = "", override: str = "") -> tuple[int, str]:
        """One request as it is written, nothing normalised, with a form as its body; status and body of the answer."""
        line = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        try:
            line.request(method, target, body or None, headers | ({"X-HTTP-Method-Override": override} if override else {}))
            answer = line.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            line.close()

    def leaks(self, method: str, target: str, body: str = "") -> bool:
        """Whether the leaking plugin answered."""
        return '"fine":true' in self.ask(method, target, body)[1]

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
    made.start(prepend=before_php(made.dir))
    try:
        assert pair(made, core.code) == core.site
        yield made
    finally:
        made.stop()


def before_php(directory: Path) -> Path:
    """The file that auto_prepend_file names; empty until a gate is put there."""
    file = directory / "before.php"
    file.write_text("<?php\n")
    return file


@pytest.fixture(scope="package", params=["nginx", "apache", "prepend"])
def standing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, core: FakeCore, site: Site
) -> Iterator[Front]:
    directory: Path = tmp_path_factory.mktemp(request.param)
    server = WebServer(kind=request.param, dir=directory, shop=site.url).start()
    own = FakeCore()
    own.key = core.key
    if server.kind == "prepend":
        server.port = int(site.url.rpartition(":")[2])

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
        if server.kind == "prepend":
            stand_gate(settings, server, site)
        yield Front(server=server, site=site, core=own, settings=settings, state=HostState())
    finally:
        before_php(site.dir)
        server.stop()
        own.stop()


def stand_gate(settings: HostSettings, server: WebServer, site: Site) -> None:
    """The gate before every request, and after it a firewall that was there first."""
    firewall = server.dir / "firewall.php"
    firewall.write_text("<?php header('X-Firewall: awake');\n")
    text = gate.source(
        site=settings.site,
        core_public_key=base64.b64decode(settings.core_public_key),
        file=settings.place.file,
        checkout=settings.checkout,
        chain=firewall,
    )
    server.config.write_text(text)
    (site.dir / "before.php").write_text(text)


@pytest.fixture
def front(standing: Front) -> Iterator[Front]:
    before = standing.tree()
    yield standing
    standing.act(lambda host: host.lift())
    standing.given()
    assert standing.tree() == before, "the files are as they were"
