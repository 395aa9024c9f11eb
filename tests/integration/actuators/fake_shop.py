"""A shop over HTTP as the hands see one, that can be bent in one line: `fake.bend["/wc/store/v1/checkout"] = slow`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from checkvalve.actuators.wordpress import Shop

Bend = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeShop:
    """`bend` replaces the answer of a route. `requests`: (method, route, headers in lower case, body) of each."""

    def __init__(self) -> None:
        self.bend: dict[str, Bend] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.total, self.currency, self.methods = "100", "EUR", ["cod", "bacs"]
        self.order_status, self.payment_status = "processing", "success"
        self.cart_errors: list[Any] = []
        self.cancels = True
        self.applied: Any = []
        self._placed = 0
        self._runner = web.AppRunner(self._app(), shutdown_timeout=0.1)

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=2**21)
        app.router.add_route("*", "/{route:.*}", self._answer)
        return app

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.origin = f"http://{host}:{port}"
        self.shop = Shop(site="s-test", rest_url=f"{self.origin}/wp-json/")
        self.plain = Shop(site="s-test", rest_url=f"{self.origin}/?rest_route=/")

    async def stop(self) -> None:
        await self._runner.cleanup()

    def asked(self, route: str) -> list[tuple[str, str, dict[str, str], bytes]]:
        return [r for r in self.requests if r[1] == route]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        route = request.query.get("rest_route") or request.path.removeprefix("/wp-json")
        self.requests.append((request.method, route, {k.lower(): v for k, v in request.headers.items()}, await request.read()))
        if route in self.bend:
            return await self.bend[route](request)
        match route:
            case "/checkvalve/v1/sync":
                return web.json_response({"applied": self.applied, "outbox": {"pending": 3, "sent": 40}})
            case "/checkvalve/v1/probe":
                return web.json_response(self._probe(request))
            case "/wc/store/v1/cart":
                return web.json_response(self._cart("0"), headers={"Cart-Token": "cart-1", "Nonce": "nonce-1"})
            case "/wc/store/v1/cart/add-item":
                return web.json_response(self._cart(self.total), status=201)
            case "/wc/store/v1/checkout":
                self._placed += 1
                payment = {"payment_status": self.payment_status, "payment_details": [], "redirect_url": ""}
                placed = {"order_id": 70 + self._placed, "status": self.order_status, "payment_result": payment}
                return web.json_response(placed)
        return web.json_response({"code": "rest_no_route", "message": "…", "data": {"status": 404}}, status=404)

    def _probe(self, request: web.Request) -> dict[str, Any]:
        info: dict[str, Any] = {"product_id": 12, "sku": "checkvalve-probe", "price": "100", "currency": "EUR", "minor_unit": 2}
        if "order" in request.query:
            info["order_status"] = "cancelled" if self.cancels else "processing"
        return info

    def _cart(self, total: str) -> dict[str, Any]:
        totals = {"total_price": total, "currency_code": self.currency, "currency_minor_unit": 2}
        return {"items": [], "totals": totals, "payment_methods": self.methods, "errors": self.cart_errors}


def says(body: bytes, *, status: int = 200, **headers: str) -> Bend:
    """Answer this, whatever is asked."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def cut(request: web.Request) -> web.StreamResponse:
    """Promises a body and hangs up in the middle of it."""
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b'{"totals":')
    assert request.transport is not None
    request.transport.abort()
    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    try:
        for _ in range(160):
            await answer.write(b"x" * 65_536)
    except ConnectionError:
        pass
    return answer
