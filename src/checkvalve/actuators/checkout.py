"""The probe of the checkout: one real Store API checkout of a hidden product, cancelled again (docs/spec/wire.md, section 10).

What counts is what the bodies say: an order in a paid or payable state, the expected total and currency, and no payment
method gone since the baseline. A page that answers 200 with a failure has failed. Physical goods and the classic form are
walked too, where the shop has them (`checkout_ways`).
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

import aiohttp
import msgspec

from checkvalve.actuators.checkout_ways import ADDRESS, OFFLINE, BadCheckoutError, Way, changed
from checkvalve.actuators.checkout_ways import walk as walk_ways
from checkvalve.actuators.http import Answer, ShopError, request, route_url
from checkvalve.actuators.wordpress import Shop

SECONDS: Final = 20.0
GOOD_STATUS: Final = ("processing", "on-hold", "completed", "pending", "cancelled")


class CheckoutReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe saw. `ms` per step; money in minor units of `currency`. `why` says what is wrong, if anything."""

    ok: bool
    why: str | None
    steps: dict[str, int]
    total: str | None = None
    currency: str | None = None
    paid: str | None = None  # the total as people write it
    methods: list[str] = []
    order: int | None = None
    cancelled: bool = False
    ways: dict[str, Way] = {}  # other ways through the checkout that the shop has


class CheckoutProbe:
    """`new_pass(site)` gives a fresh signed pass for one probe."""

    def __init__(self, session: aiohttp.ClientSession, new_pass: Callable[[str], str]) -> None:
        self._session, self._new_pass = session, new_pass

    async def run(self, shop: Shop, baseline: CheckoutReport | None) -> CheckoutReport:
        """Never raises: a checkout that cannot be probed is one that has failed."""
        walk = _Walk(self._session, shop, self._new_pass(shop.site))
        why: str | None = None
        ways: dict[str, Way] = {}
        try:
            async with asyncio.timeout(SECONDS):
                await walk.go(baseline)
            ways = await walk.others()
            why = changed(baseline.ways, ways) if baseline else None
        except BadCheckoutError as error:
            why = str(error)
        except ShopError as error:
            why = f"{walk.at}: the shop {error}"
        except TimeoutError:
            why = f"{walk.at}: took longer than {SECONDS:g} s"
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            why = f"{walk.at}: an answer not of the agreed form ({error})"[:300]
        return CheckoutReport(
            ok=why is None,
            why=why,
            steps=walk.steps,
            total=walk.total,
            currency=walk.currency,
            paid=walk.paid,
            methods=walk.methods,
            order=walk.order,
            cancelled=walk.cancelled,
            ways=ways,
        )


class _Walk:
    """One customer's way through the shop."""

    def __init__(self, session: aiohttp.ClientSession, shop: Shop, probe_pass: str) -> None:
        self._session, self._shop = session, shop
        self._pass, self._headers = probe_pass, {"Checkvalve-Probe": probe_pass}
        self._info: dict[str, Any] = {}
        self.at = "start"
        self.steps: dict[str, int] = {}
        self.total: str | None = None
        self.currency: str | None = None
        self.paid: str | None = None
        self.methods: list[str] = []
        self.order: int | None = None
        self.cancelled = False

    async def others(self) -> dict[str, Way]:
        """Ways besides this one; a shop that knows of none has none."""
        started = monotonic()
        ways = await walk_ways(self._session, self._shop.rest_url, {"Checkvalve-Probe": self._pass}, self._info)
        if ways:
            self.steps["other ways"] = round((monotonic() - started) * 1000)
        return ways

    async def go(self, baseline: CheckoutReport | None) -> None:
        self._info = info = (await self._ask("probe product", "GET", "checkvalve/v1/probe", good=(200,))).json()
        cart = await self._ask("cart", "GET", "wc/store/v1/cart", good=(200,))
        for name in ("cart-token", "nonce"):
            if name in cart.headers:
                self._headers[name] = cart.headers[name]
        item = {"id": info["product_id"], "quantity": 1}
        added = await self._ask("add to cart", "POST", "wc/store/v1/cart/add-item", json=item, good=(200, 201))
        self._read_cart(added.json(), info, baseline)
        method = next((m for m in OFFLINE if m in self.methods), None)
        if method is None:
            raise BadCheckoutError(
                f"no payment method that a probe can use is offered; offered: {', '.join(self.methods) or 'none'}"
            )
        order: dict[str, Any] = {
            "billing_address": ADDRESS,
            "shipping_address": ADDRESS,
            "payment_method": method,
            "payment_data": [],
        }
        placed = await self._ask("checkout", "POST", "wc/store/v1/checkout", json=order, good=(200, 201))
        self._read_order(placed.json())
        await self._see_cancelled()

    async def _ask(self, step: str, method: str, route: str, *, good: tuple[int, ...], json: Any = None) -> Answer:
        self.at = step
        started = monotonic()
        url = route_url(self._shop.rest_url, route)
        try:
            answer = await request(self._session, method, url, headers=self._headers, json=json, seconds=SECONDS)
        finally:
            self.steps[step] = round((monotonic() - started) * 1000)
        if answer.status not in good:
            body = answer.json() if b"{" in answer.body[:1] else {}
            code = body.get("code", "no code") if isinstance(body, dict) else "no code"
            raise BadCheckoutError(f"{step}: the shop answered {answer.status} ({str(code)[:80]})")
        return answer

    def _read_cart(self, cart: dict[str, Any], info: dict[str, Any], baseline: CheckoutReport | None) -> None:
        totals = cart["totals"]
        self.total, self.currency = str(totals["total_price"]), str(totals["currency_code"])
        self.methods = [str(m) for m in cart.get("payment_methods", [])]
        if cart.get("errors"):
            raise BadCheckoutError(f"add to cart: the cart reports {len(cart['errors'])} error(s)")
        expected = (baseline.total if baseline else None) or str(info["price"])
        self.paid = f"{_money(self.total, totals.get('currency_minor_unit'))} {self.currency}"
        if self.total != expected:
            said, due = (_money(t, totals.get("currency_minor_unit")) for t in (self.total, expected))
            raise BadCheckoutError(f"wrong total: {said} instead of {due} {self.currency}")
        currency = baseline.currency if baseline else info["currency"]
        if self.currency != currency:
            raise BadCheckoutError(f"wrong currency: {self.currency} instead of {currency}")
        if baseline and (lost := sorted(set(baseline.methods) - set(self.methods))):
            raise BadCheckoutError(f"payment methods gone: {', '.join(lost)}")

    def _read_order(self, placed: dict[str, Any]) -> None:
        self.order = int(placed["order_id"])
        payment = placed.get("payment_result") or {}
        if payment.get("payment_status") not in (None, "success", "pending"):
            raise BadCheckoutError(f"checkout: payment {str(payment.get('payment_status'))[:40]}")
        if placed["status"] not in GOOD_STATUS:
            raise BadCheckoutError(f"checkout: the order is {str(placed['status'])[:40]}")

    async def _see_cancelled(self) -> None:
        for _ in range(5):
            seen = await self._ask("cancelled", "GET", f"checkvalve/v1/probe?order={self.order}", good=(200,))
            if seen.json().get("order_status") == "cancelled":
                self.cancelled = True
                return
            await asyncio.sleep(0.3)
        raise BadCheckoutError(f"the probe order {self.order} was not cancelled; cancel it by hand")


def _money(total: str, minor_unit: Any) -> str:
    """A total as people write it; as the shop wrote it when it is none. `minor_unit`: decimals of the currency."""
    digits = minor_unit if isinstance(minor_unit, int) and 0 <= minor_unit <= 4 else 2
    return f"{int(total) / 10**digits:.{digits}f}" if total.isascii() and total.isdigit() and len(total) < 16 else total[:40]
