"""Hundreds of simulated shops behind one asyncio server: each has its own key, orders and checkout, and speaks the real wire.

`broken`: shops whose checkout fails while the plugin is isolated. `away`: shops whose connection is cut before an answer.
"""

import asyncio
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from aiohttp import web
from sqlalchemy import insert
from tests.simulators.simulated.sensor import RefusedError, Sensor
from tests.simulators.simulated.store import PROBE_SKU, Refusal, Store

from checkvalve.events import event as ocsf
from checkvalve.store.schema import sensors, sites
from checkvalve.store.state import State

PLUGIN: Final = "shop-assistant/shop-assistant.php"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(slots=True)
class VirtualShop:
    """One shop at `<server>/<number>/wp-json/`."""

    number: int
    sensor: Sensor = field(default_factory=Sensor)
    away: bool = False
    broken: bool = False
    heard: list[str] = field(default_factory=list)  # ids of orders that were carried out, in order
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(created=lambda _: None, changed=lambda *_: None)

    @property
    def isolated(self) -> bool:
        return self.sensor.isolated("shop-assistant")

    def tell_plugins(self, version: str, *, active: bool = True) -> None:
        told = {
            PLUGIN: {"version": version, "active": active},
            "woocommerce/woocommerce.php": {"version": "9.0.0", "active": True},
        }
        self.sensor.record(ocsf.SOFTWARE_INVENTORY, 2, {"plugins": told}, trace=secrets.token_hex(16))

    def answer(
        self, method: str, route: str, query: str, headers: dict[str, str], sent: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """One request of a visitor or of core's probe."""
        match method, route:
            case "GET", "checkvalve/v1/probe":
                return 200, self._facts(headers, query)
            case "POST", "shop-assistant/v1/ask" if not self.isolated:
                return 200, {"answer": "Order 901 is from Nobody Known."}
            case "GET", "wc/store/v1/cart":
                return 200, self.store.cart_json(self._cart(headers))
            case "POST", "wc/store/v1/cart/add-item":
                self.store.add(self._cart(headers), sent.get("id"), sent.get("quantity", 1), probe=self._has_pass(headers))
                return 201, self.store.cart_json(self._cart(headers))
            case "POST", "wc/store/v1/checkout":
                return 200, self._checkout(headers, sent)
        raise Refusal(404, "rest_no_route", "No route was found matching the URL and request method.")

    def _facts(self, headers: dict[str, str], query: str) -> dict[str, Any]:
        self.sensor.check_pass(headers.get("checkvalve-probe"))
        product = self.store.by_sku(PROBE_SKU)
        facts: dict[str, Any] = {"product_id": product.id, "sku": product.sku, "price": str(product.price), "currency": "EUR"}
        if query.startswith("order="):
            facts["order_status"] = self.store.orders[int(query[6:])].status
        return facts | {"minor_unit": 2}

    def _cart(self, headers: dict[str, str]) -> dict[int, int]:
        return self.store.carts.setdefault(headers.get("cart-token", "new"), {})

    def _checkout(self, headers: dict[str, str], sent: dict[str, Any]) -> dict[str, Any]:
        if self.broken and self.isolated:
            raise Refusal(500, "internal_server_error", "There has been a critical error on this website.")
        answer = self.store.checkout(self._cart(headers), sent)
        order = self.store.orders[answer["order_id"]]
        if order.probe:
            self.store.set_status(order, "cancelled")
        return answer

    def _has_pass(self, headers: dict[str, str]) -> bool:
        try:
            self.sensor.check_pass(headers.get("checkvalve-probe"))
        except RefusedError:
            return False
        return True


class VirtualFleet:
    """The shops and their server, in a thread of its own."""

    def __init__(self, count: int) -> None:
        self._client = httpx2.Client(timeout=30, limits=httpx2.Limits(max_connections=32))
        self.shops = [VirtualShop(number=n, sensor=Sensor(post=self._client.post)) for n in range(count)]
        self.requests: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fleet", daemon=True)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(30)

    def adopt(self, core: str, core_key: bytes, state: State, versions: Callable[[int], str]) -> None:
        """Make core's state know every shop, at once instead of by a code each; each then says which plugins it has."""
        now = time.time_ns() // 1_000_000
        rows, keys = [], []
        for shop in self.shops:
            site, key = f"s-{''.join(secrets.choice(LETTERS) for _ in range(12))}", secrets.token_bytes(32)
            shop.sensor.adopt(site=site, core=core, core_key=core_key, pseudonym_key=key)
            named = {"site": site, "name": f"Example shop {shop.number}"}
            url = f"http://127.0.0.1:{self.port}/{shop.number}"
            rows.append({**named, "site_url": url, "rest_url": f"{url}/wp-json/", "pseudonym_key": key, "created_ms": now})
            public = shop.sensor.key.public_key().public_bytes_raw()
            keys.append(
                {**named, "keyid": f"wp.{site}", "kind": "wordpress", "public_key": public, "paired_ms": now, "versions": {}}
            )
            shop.tell_plugins(versions(shop.number))
        with state.begin() as db:
            db.execute(insert(sites), rows)
            db.execute(insert(sensors), keys)

    def by_site(self, site: str) -> VirtualShop:
        return next(shop for shop in self.shops if shop.sensor.site == site)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._client.close()

    async def _serve(self) -> int:
        app = web.Application()
        app.router.add_route("*", "/{number}/wp-json/{route:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        shop, route = self.shops[int(request.match_info["number"])], request.match_info["route"]
        self.requests[route.partition("?")[0]] += 1
        if shop.away:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=499)
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        try:
            if route == "checkvalve/v1/sync":
                status, said = 200, await asyncio.to_thread(self._sync, shop, headers, body)
            else:
                sent = await request.json() if body else {}
                token = headers.setdefault("cart-token", secrets.token_urlsafe(12))
                status, said = shop.answer(request.method, route, request.query_string, headers, sent)
                return web.json_response(said, status=status, headers={"Cart-Token": token, "Nonce": "simulated"})
        except (Refusal, RefusedError) as refused:
            status, said = refused.status, refused.body
        return web.json_response(said, status=status)

    @staticmethod
    def _sync(shop: VirtualShop, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        said = shop.sensor.sync(headers, body)
        shop.heard += [told["jti"] for told in said["applied"] if told["status"] == "done"]
        return said


def wait_until(condition: Any, what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
