"""A gateway without core: the proxy on a real socket with its own control, spool and register; orders signed as by core."""

import asyncio
import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.events import jws
from checkvalve.events.pseudonym import identifiers
from checkvalve.gateway.app import uvloop_factory
from checkvalve.gateway.control import Control
from checkvalve.gateway.inventory import Inventory
from checkvalve.gateway.operator import Operator, listen
from checkvalve.gateway.proxy import Proxy
from checkvalve.gateway.recorder import Recorder
from checkvalve.gateway.servers import Servers
from checkvalve.gateway.settings import Routing
from checkvalve.gateway.spool import Spool
from checkvalve.gateway.upkeep import Upkeep

SITE = "s-aaaaaaaaaaaa"
PEOPLE: dict[str, dict[str, Any]] = {
    "customer:7": {"email": "anna.schmidt@example.de", "name": "Anna Schmidt"},
    "customer:8": {"email": "zoe@example.org", "name": "Zoë Łukasiewicz"},
}


class LocalGateway:
    def __init__(self, directory: Path, upstream: str, routing: Routing, core: Ed25519PrivateKey) -> None:
        self.core, self._shop = core, Ed25519PrivateKey.generate()
        self._tokens: list[str] = []
        self._numbers = iter(range(1, 10**6))
        self._uids = iter(range(10**6))
        self.spool = Spool(directory / "spool", 1)
        servers = Servers(upstream, routing, directory)
        self.directory, self._caches = directory, routing.cache
        self.control = Control(directory, self.core.public_key().public_bytes_raw(), servers.all)
        self.control.apply_config(self._config(), int(time.time()))
        rows = [
            {"rev": rev, "ref": ref, "ids": identifiers(bytes(32), **person)}
            for rev, (ref, person) in enumerate(PEOPLE.items(), start=1)
        ]
        self.control.apply_register(SITE, rows)
        self.proxy = Proxy(
            servers=servers,
            keys=routing.key,
            control=self.control,
            recorder=Recorder(self.spool, lambda: f"uid-{next(self._uids)}"),
            health=lambda: {"status": "ok"},
            new_id=lambda: f"id-{next(self._uids)}",
            limits=routing.limits,
        )
        self.port = 0
        self.loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _config(self) -> dict[str, Any]:
        shop = base64.b64encode(self._shop.public_key().public_bytes_raw()).decode()
        site = {"pseudonym_key": base64.b64encode(bytes(32)).decode(), "contexts": {"wp." + SITE: shop}}
        return {"sites": {SITE: site}, "orders": self._tokens, "register": {}, "version": str(len(self._tokens))}

    def context(self, **changes: Any) -> dict[str, str]:
        now = int(time.time())
        claims = {"site": SITE, "plugin": "chat", "route": "/ask", "session": "5", "iat": now, "exp": now + 120, **changes}
        token = jws.sign(claims, typ="checkvalve-context+jws", kid="wp." + SITE, key=self._shop)
        return {"Checkvalve-Context": token}

    def order(self, action: str, **args: str) -> str:
        """Sign an order and have it in force; returns its id."""
        self.apply(action, **args)
        return self._newest

    def apply(self, action: str, **args: str) -> list[tuple[str, str, str]]:
        """What the gateway reports of an order: (id, status, detail)."""
        now = int(time.time())
        jti = f"ord-{next(self._numbers)}"
        payload = {"jti": jti, "iss": "core", "aud": SITE, "iat": now, "exp": now + 600, "hand": "gateway"}
        payload |= {"action": action, "args": args}
        self._tokens = [*self._tokens, jws.sign(payload, typ="checkvalve-order+jws", kid="core", key=self.core)]
        self._newest = jti
        reports: list[tuple[str, str, str]] = self.run(lambda: self.control.apply_config(self._config(), now))
        return reports

    def release_all(self) -> None:
        for jti in [o.jti for o in self.control.orders.values() if o.action != "release"]:
            self.order("release", jti=jti)

    async def serve(self, tls: ssl.SSLContext | None, started: Callable[[], None], stop: asyncio.Event) -> None:
        self.loop = asyncio.get_running_loop()
        server = await self.loop.create_server(self.proxy.protocol, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        recorder = self.proxy.recorder
        async with aiohttp.ClientSession() as session:
            inventory = Inventory(session)
            operator = await listen(self.directory, Operator(self.proxy, inventory, recorder.switched).answer)
            upkeep = Upkeep(self.proxy, self.control, inventory, self._caches, recorder.order)
            keeping = self.loop.create_task(upkeep.run())
            started()
            await stop.wait()
            keeping.cancel()
            operator.close()
        server.close()
        for connection in list(self.proxy.connections):
            connection.cut_now()
        self.proxy.later.catch_up(10)
        self.proxy.pool.close()
        await asyncio.sleep(0)

    def run(self, call: Callable[[], Any]) -> Any:
        """Call it in the gateway's own thread."""
        assert self.loop is not None
        done: Future[Any] = Future()
        self.loop.call_soon_threadsafe(lambda: done.set_result(call()))
        return done.result(10)

    def events(self, kind: str, count: int = 1) -> list[Any]:
        """`unmapped.checkvalve.<kind>` of every event that has it, once there are `count`."""
        deadline = time.monotonic() + 10
        while True:
            found = [own[kind] for event in self._lines() if kind in (own := event["unmapped"]["checkvalve"])]
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    def lines(self, count: int) -> list[Any]:
        """Every event, once there are `count`."""
        deadline = time.monotonic() + 10
        while len(found := self._lines()) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return found

    def _lines(self) -> list[Any]:
        return [json.loads(line) for _, line in self.run(lambda: self.spool.batch(10_000, 10**9))]

    def clear(self) -> None:
        self.run(lambda: self.spool.acknowledge(10**9))


@contextmanager
def local_gateway(
    directory: Path,
    upstream: str,
    *,
    routing: Routing | None = None,
    core: Ed25519PrivateKey | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[LocalGateway]:
    """`core` is the key of an earlier one whose directory this is."""
    gateway = LocalGateway(directory, upstream, routing or Routing(), core or Ed25519PrivateKey.generate())
    started = threading.Event()
    stop = asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop_factory()) as runner:
            runner.run(gateway.serve(tls, started.set, stop))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield gateway
    finally:
        assert gateway.loop is not None
        gateway.loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        gateway.spool.close()
