"""A whole installation on a free port, with a shop and a gateway that speak the wire and can be bent in one line.

The core is the real one. The shop answers as the plugin and the Store API do; the gateway obeys orders and reports leaks.
"""

import asyncio
import base64
import contextlib
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import msgspec
import uvicorn
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.simulators.processes import free_port

from checkvalve.engine.core import Core, open_core
from checkvalve.engine.settings import Settings
from checkvalve.events import signature
from checkvalve.web.app import build_app

PASSWORD = "correct horse battery staple"
PEOPLE: dict[str, tuple[str, ...]] = {
    "owner": ("controller",),
    "lead": ("incident_lead",),
    "admin": ("wordpress_admin",),
    "merchant": ("woocommerce",),
    "engineer": ("ai_engineer",),
    "officer": ("dpo",),
    "speaker": ("communications",),
    "host": ("hoster",),
    "reader": ("auditor",),
    "newcomer": (),
}
SHOP_NAME = "Example Tea House"
READERS = 3  # of a leak; each asks once
ROUTE, PLUGIN = "/shop-assistant/v1/ask", "shop-assistant"


class Sensor:
    """Signs and numbers what it sends, as docs/spec/wire.md says."""

    def __init__(self, core_url: str) -> None:
        self.core_url, self.key, self.number = core_url, Ed25519PrivateKey.generate(), 1
        self.keyid, self.site = "", ""

    async def pair(self, session: aiohttp.ClientSession, code: str, kind: str, **more: Any) -> None:
        public = base64.b64encode(self.key.public_key().public_bytes_raw()).decode()
        body = {"code": code.split("@")[0], "kind": kind, "public_key": public, **more}
        async with session.post(f"{self.core_url}/v1/pair", json=body) as answer:
            answer.raise_for_status()
            given = await answer.json()
        self.keyid, self.site, self.number = given["keyid"], given.get("site", ""), given["next_sequence"]

    async def send(self, session: aiohttp.ClientSession, *events: dict[str, Any]) -> None:
        now = time.time_ns() // 1_000_000
        lines = []
        for i, event in enumerate(events):
            own = {"uid": secrets.token_hex(8), "sequence": self.number + i, "version": "1.8.0"}
            lines.append(msgspec.json.encode({"time": now, **event, "metadata": own | event.get("metadata", {})}))
        body = b"\n".join(lines) + b"\n"
        headers = {
            "content-digest": signature.content_digest(body),
            "checkvalve-sequence": f"{self.number};count={len(lines)}",
        }
        message = signature.Message(method="POST", path="/v1/events", headers=headers)
        headers |= self._sign(message, signature.POST_EVENTS)
        async with session.post(f"{self.core_url}/v1/events", data=body, headers=headers) as answer:
            assert answer.status == 202, await answer.text()
        self.number += len(lines)

    async def get(self, session: aiohttp.ClientSession, path: str) -> Any:
        message = signature.Message(method="GET", path=path, query="", headers={})
        async with session.get(f"{self.core_url}{path}", headers=self._sign(message, signature.GET)) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def _sign(self, message: signature.Message, components: tuple[str, ...]) -> dict[str, str]:
        nonce = secrets.token_urlsafe(16)
        return signature.sign(message, components, key=self.key, keyid=self.keyid, created=int(time.time()), nonce=nonce)


class Shop:
    """`breaks`: the checkout shows a wrong total while the plugin is isolated. `away`: the plugin does not answer.
    `leaky`: the route answers visitors although it was ordered to be blocked.
    """

    def __init__(self, sensor: Sensor) -> None:
        self.sensor, self.breaks, self.away, self.leaky = sensor, True, False, False
        self.orders: dict[str, dict[str, Any]] = {}
        self.released: set[str] = set()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/wp-json/checkvalve/v1/sync", self._sync)
        app.router.add_get("/wp-json/checkvalve/v1/probe", self._probe)
        app.router.add_get("/wp-json/wc/store/v1/cart", self._cart)
        app.router.add_post("/wp-json/wc/store/v1/cart/add-item", self._cart)
        app.router.add_post("/wp-json/wc/store/v1/checkout", self._checkout)
        app.router.add_route("*", f"/wp-json{ROUTE}", self._ask)
        return app

    def _holds(self, action: str) -> bool:
        return any(o["action"] == action and j not in self.released for j, o in self.orders.items())

    async def _sync(self, request: web.Request) -> web.Response:
        if self.away:
            raise web.HTTPServiceUnavailable
        applied, fresh = [], []
        for token in (await request.json())["orders"]:
            order = payload_of(token)
            known = order["jti"] in self.orders
            if not known:
                self.orders[order["jti"]] = order
                fresh.append(order["jti"])
                if order["action"] == "release":
                    self.released.add(order["args"]["jti"])
            applied.append({"jti": order["jti"], "status": "already" if known else "done", "detail": ""})
        if fresh:
            async with aiohttp.ClientSession() as session:
                await self.sensor.send(session, *(outcome_event(jti) for jti in fresh))
        return web.json_response({"applied": applied, "outbox": {"pending": 0, "sent": len(fresh)}})

    async def _probe(self, request: web.Request) -> web.Response:
        more = {"order_status": "cancelled"} if "order" in request.query else {}
        product = {"product_id": 7, "sku": "checkvalve-probe", "price": "100", "currency": "EUR", "minor_unit": 2}
        return web.json_response({**product, "methods": ["cod"], **more})

    async def _cart(self, _request: web.Request) -> web.Response:
        total = "50" if self.breaks and self._holds("isolate_plugin") else "100"
        totals = {"total_price": total, "currency_code": "EUR"}
        return web.json_response({"totals": totals, "payment_methods": ["cod"], "errors": []}, headers={"Cart-Token": "t"})

    async def _checkout(self, _request: web.Request) -> web.Response:
        done = {"order_id": 1000 + len(self.orders), "status": "processing", "payment_result": {"payment_status": "success"}}
        return web.json_response(done)

    async def _ask(self, request: web.Request) -> web.Response:
        if self._holds("block_route") and not self.leaky:  # the plugin refuses a blocked route whatever the method
            return web.json_response({"code": "checkvalve_blocked"}, status=403)
        return web.json_response({"answer": "Hello."}, status=200 if request.method == "POST" else 404)


class House:
    """Runs it all on one event loop in a thread; `do(coroutine)` runs something there and waits."""

    def __init__(self, data: Path, *, paired: bool = True, public_url: str | None = None, name: str = SHOP_NAME) -> None:
        port, shop_port = free_port(), free_port()
        self.url, self.shop_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{shop_port}"
        settings = Settings(data=data, listen=f"127.0.0.1:{port}", public_url=public_url or self.url, sync_seconds=0.5)
        self.core: Core = open_core(settings)
        self.gateway, self.sensor = Sensor(self.url), Sensor(self.url)
        self.shop, self._paired, self._shop_port, self._name = Shop(self.sensor), paired, shop_port, name
        config = uvicorn.Config(
            build_app(self.core), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=2
        )
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="house")
        self._obedient: asyncio.Task[None] | None = None
        self.sessions: dict[str, str] = {}

    def __enter__(self) -> "House":
        self._thread.start()
        end = time.monotonic() + 30
        while not self._server.started:
            assert self._thread.is_alive() and time.monotonic() < end, "core did not start"
            time.sleep(0.02)
        if self._paired:
            self.do(self._pair())
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def add_people(self) -> None:
        for name, roles in PEOPLE.items():
            self.core.accounts.add(name, PASSWORD, roles, self.core.now_ms())

    def leak(self, people: int = 5, *, plugin: str = PLUGIN) -> str:
        """Several customers' data in answers to strangers; returns the case once all of it is in there."""
        before = self._seen()
        self.do(self._leak(people, plugin))
        self.wait(lambda: self._seen() == before + READERS)
        return self.cases()[-1]

    def respond(self, incident: str) -> None:
        """Wait until the playbook has run to its end and the draft stands."""
        self.wait(lambda: self._kinds(incident) >= {"run_finished", "draft_ready"})

    def wait(self, condition: Any, seconds: float = 90) -> Any:
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.05)
        return found

    def cases(self) -> list[str]:
        with self.core.state.read() as db:
            return [r[0] for r in db.exec_driver_sql("select id from incidents order by id")]

    def _seen(self) -> int:
        """How many times exposures came into a case."""
        with self.core.state.read() as db:
            return int(db.exec_driver_sql("select count(*) from transitions where kind = 'exposure_added'").scalar_one())

    def _kinds(self, incident: str) -> set[str]:
        with self.core.state.read() as db:
            return {r[0] for r in db.exec_driver_sql("select kind from transitions where incident = ?", (incident,))}

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _serve(self) -> None:
        runner = web.AppRunner(self.shop.app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._shop_port).start()
        await self._server.serve()
        if self._obedient is not None:
            self._obedient.cancel()
            await asyncio.gather(self._obedient, return_exceptions=True)
        await runner.cleanup()

    async def _pair(self) -> None:
        async with aiohttp.ClientSession() as session:
            code = self.core.pairing.new_code("test", self.core.now_ms())
            rest = {"site_url": self.shop_url, "rest_url": f"{self.shop_url}/wp-json/", "versions": {"wordpress": "6.5.5"}}
            await self.sensor.pair(session, code, "wordpress", name=self._name, **rest)
            code = self.core.pairing.new_code("test", self.core.now_ms())
            await self.gateway.pair(session, code, "gateway", name="gpu-1")
        self._obedient = asyncio.create_task(self._obey())

    async def _obey(self) -> None:
        """The gateway carries out what is in force and says so."""
        done: set[str] = set()
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    config = await self.gateway.get(session, "/v1/gateway/config")
                    fresh = [p for p in map(payload_of, config["orders"]) if p["jti"] not in done]
                    if fresh:
                        await self.gateway.send(session, *(outcome_event(p["jti"]) for p in fresh))
                        done.update(p["jti"] for p in fresh)
                await asyncio.sleep(0.05)

    async def _leak(self, people: int, plugin: str) -> None:
        async with aiohttp.ClientSession() as session:
            login = {"class_uid": 3002, "activity_id": 1, "status_id": 2, "user": {"uid": "customer:3"}}
            await self.sensor.send(session, login)
            for reader in range(READERS):
                now, trace = time.time_ns() // 1_000_000, secrets.token_hex(16)
                found = [
                    {
                        "subject": f"customer:{10 + person}",
                        "category": category,
                        "recipient": f"session:{hashlib.sha256(bytes([reader])).hexdigest()[:32]}",
                        "inference": f"inf-{reader}-{trace[:6]}",
                        "seen_ms": now,
                    }
                    for person in range(people)
                    for category in ("email", "name", "order_number")
                    if (person + reader) % 2 == 0 or category == "email"
                ]
                own = {"site": self.sensor.site, "plugin": plugin, "route": ROUTE, "model": "SmolLM2", "exposures": found}
                event = {"class_uid": 2004, "activity_id": 1, "metadata": {"correlation_uid": trace}}
                await self.gateway.send(session, {**event, "unmapped": {"checkvalve": own}})


def payload_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def outcome_event(jti: str) -> dict[str, Any]:
    outcome = {"jti": jti, "status": "done", "detail": ""}
    return {
        "class_uid": 7001,
        "activity_id": 1,
        "command_uid": jti,
        "unmapped": {"checkvalve": {"outcome": outcome}},
    }


@contextlib.contextmanager
def house(data: Path, *, paired: bool = True, public_url: str | None = None, name: str = SHOP_NAME) -> Iterator[House]:
    with House(data, paired=paired, public_url=public_url, name=name) as built:
        built.add_people()
        yield built


@contextlib.contextmanager
def browser(home: House, name: str | None = None, *, again: bool = False) -> Iterator[httpx2.Client]:
    """A client that says what a browser says on our own pages, logged in as `name`: once an installation, or `again`."""
    headers = {"Origin": home.url, "Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=home.url, headers=headers, timeout=30) as client:
        if name in home.sessions and not again:
            client.cookies.set("checkvalve", home.sessions[name])
        elif name:
            answer = client.post("/login", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
            if not again:
                home.sessions[name] = client.cookies["checkvalve"]
        yield client
