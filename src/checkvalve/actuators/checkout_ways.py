"""Other ways through the checkout than the Store API with virtual goods: physical goods, and the classic form.

Not every shop has them, so a way counts only when it worked before: what worked must still work, for the same money. A refusal
of the classic checkout comes with HTTP 200, so bodies are read. What was paid is what the shop's own order says.
"""

import asyncio
import re
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from checkvalve.actuators.http import Answer, ShopError, request, route_url

SECONDS: Final = 20.0
OFFLINE: Final = ("cod", "bacs", "cheque", "checkvalve_probe")
NONCE: Final = re.compile(r'name="woocommerce-process-checkout-nonce"\s+value="([^"]{1,100})"')
SHIPPING: Final = re.compile(r'name="shipping_method\[0\]"[^>]{0,300}\bvalue="([^"]{1,100})"')
ADDRESS: Final = {
    "first_name": "Checkvalve",
    "last_name": "Probe",
    "address_1": "Musterweg 1",
    "city": "Berlin",
    "postcode": "10115",
    "country": "DE",
    "state": "",
    "email": "checkvalve-probe@example.com",
    "phone": "+493023125000",
}


class BadCheckoutError(Exception):
    """The checkout is not as it should be."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one way. Money in minor units as the shop's order says it; None when there was no order."""

    ok: bool
    why: str | None = None
    total: str | None = None
    shipping: str | None = None
    tax: str | None = None
    currency: str | None = None


def changed(before: dict[str, Way], now: dict[str, Way]) -> str | None:
    """The first way that worked and does not, or takes other money."""
    for name, good in before.items():
        seen = now.get(name)
        if not good.ok:
            continue
        if seen is None or not seen.ok:
            return f"{name}: {seen.why if seen else 'not there any more'}"
        for money in ("total", "shipping", "tax", "currency"):
            if getattr(seen, money) != getattr(good, money):
                return f"{name}: {money} {getattr(seen, money)} instead of {getattr(good, money)}"
    return None


async def walk(session: aiohttp.ClientSession, rest_url: str, headers: dict[str, str], info: dict[str, Any]) -> dict[str, Way]:
    """Every way this shop says it has. Never raises. `info`: the plugin's answer (docs/spec/wire.md, section 10)."""
    ways: dict[str, Way] = {}
    steps = _Ways(session, rest_url, headers, info)
    if type(info.get("physical_id")) is int:
        ways["physical goods"] = await _try(steps.physical())
    if isinstance(info.get("checkout_url"), str):
        ways["classic checkout"] = await _try(steps.classic())
    return ways


async def _try(way: Any) -> Way:
    try:
        async with asyncio.timeout(SECONDS):
            money: dict[str, str] = await way
            return Way(ok=True, **money)
    except BadCheckoutError as error:
        return Way(ok=False, why=str(error)[:300])
    except ShopError as error:
        return Way(ok=False, why=f"the shop {error}")
    except TimeoutError:
        return Way(ok=False, why=f"took longer than {SECONDS:g} s")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Way(ok=False, why=f"an answer not of the agreed form ({error})"[:300])


class _Ways:
    def __init__(self, session: aiohttp.ClientSession, rest_url: str, headers: dict[str, str], info: dict[str, Any]) -> None:
        self._session, self._rest_url, self._headers, self._info = session, rest_url, headers, info
        self._address = ADDRESS | {k: str(v) for k, v in (info.get("address") or {}).items() if k in ADDRESS and v}

    async def physical(self) -> dict[str, str]:
        cart = await self._ask(self._session, "GET", self._route("wc/store/v1/cart"))
        keys = self._headers | {n: cart.headers[n] for n in ("cart-token", "nonce") if n in cart.headers}
        item = {"id": self._info["physical_id"], "quantity": 1}
        added = await self._ask(self._session, "POST", self._route("wc/store/v1/cart/add-item"), headers=keys, json=item)
        methods = [str(m) for m in added.json().get("payment_methods", [])]
        order = {
            "billing_address": self._address,
            "shipping_address": {k: v for k, v in self._address.items() if k != "email"},
            "payment_method": self._method(methods),
            "payment_data": [],
        }
        placed = await self._ask(self._session, "POST", self._route("wc/store/v1/checkout"), headers=keys, json=order)
        return await self._paid(int(placed.json()["order_id"]))

    async def classic(self) -> dict[str, str]:
        page, ajax = str(self._info["checkout_url"]), str(self._info["ajax_url"])
        for url in (page, ajax):  # the pass goes to the shop alone, wherever an answer points
            if URL(url).origin() != URL(self._rest_url).origin():
                raise BadCheckoutError("the checkout's address is not the shop's")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            bought = {"product_id": str(self._info["product_id"]), "quantity": "1"}
            await self._form(browser, ajax + "add_to_cart", bought)
            html = (await self._ask(browser, "GET", page)).body.decode("utf-8", "replace")
            nonce = NONCE.search(html)
            if nonce is None:
                raise BadCheckoutError("the checkout page shows no form")
            fields = {f"billing_{name}": value for name, value in self._address.items()}
            fields |= {"payment_method": self._method(self._info.get("methods", [])), "terms": "1"}
            fields |= {"woocommerce-process-checkout-nonce": nonce[1], "_wp_http_referer": URL(page).path}
            if shipping := SHIPPING.search(html):
                fields["shipping_method[0]"] = shipping[1]
            answer = (await self._form(browser, ajax + "checkout", fields)).json()
            if answer.get("result") != "success":  # with HTTP 200
                raise BadCheckoutError("the shop refused the form")
            return await self._paid(int(answer["order_id"]))

    async def _paid(self, order: int) -> dict[str, str]:
        """What the shop's order says, once it is cancelled."""
        for _ in range(5):
            seen = (await self._ask(self._session, "GET", self._route(f"checkvalve/v1/probe?order={order}"))).json()
            if seen.get("order_status") == "cancelled":
                return {name: str(seen["order"][name]) for name in ("total", "shipping", "tax", "currency")}
            await asyncio.sleep(0.3)
        raise BadCheckoutError(f"the probe order {order} was not cancelled; cancel it by hand")

    async def _form(self, browser: aiohttp.ClientSession, url: str, fields: dict[str, str]) -> Answer:
        headers = self._headers | {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._ask(browser, "POST", url, headers=headers, body=urlencode(fields).encode())

    async def _ask(self, session: aiohttp.ClientSession, method: str, url: str, **sent: Any) -> Answer:
        answer = await request(session, method, url, **({"headers": self._headers} | sent), seconds=SECONDS)
        if answer.status not in (200, 201):
            raise BadCheckoutError(f"the shop answered {answer.status}")
        return answer

    def _route(self, route: str) -> str:
        return route_url(self._rest_url, route)

    @staticmethod
    def _method(offered: list[str]) -> str:
        method = next((m for m in OFFLINE if m in offered), None)
        if method is None:
            raise BadCheckoutError("no payment method that a probe can use is offered")
        return method
