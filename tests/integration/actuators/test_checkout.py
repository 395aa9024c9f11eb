"""The probe believes bodies, not status codes, and a checkout it cannot judge has failed."""

import json
import time

import aiohttp
import pytest
from tests.integration.actuators.fake_shop import FakeShop, cut, endless, says, slow

from checkvalve.actuators import checkout
from checkvalve.actuators.checkout import CheckoutProbe, CheckoutReport
from checkvalve.actuators.wordpress import Shop

CART, ADD, ORDER = "/wc/store/v1/cart", "/wc/store/v1/cart/add-item", "/wc/store/v1/checkout"
PROBE = "/checkvalve/v1/probe"


async def probe(session: aiohttp.ClientSession, shop: Shop, baseline: CheckoutReport | None = None) -> CheckoutReport:
    return await CheckoutProbe(session, lambda site: f"pass-for-{site}").run(shop, baseline)


async def test_a_good_checkout_is_walked_to_the_end_and_cancelled(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    report = await probe(session, fake.shop)
    assert (report.ok, report.why, report.order, report.cancelled) == (True, None, 71, True)
    assert (report.total, report.currency, report.methods) == ("100", "EUR", ["cod", "bacs"])
    assert list(report.steps) == ["probe product", "cart", "add to cart", "checkout", "cancelled"]


async def test_every_request_carries_the_pass_and_the_carts_token(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    await probe(session, fake.shop)
    assert {headers["checkvalve-probe"] for _, _, headers, _ in fake.requests} == {"pass-for-s-test"}
    placed = fake.asked(ORDER)[0]
    assert (placed[2]["cart-token"], placed[2]["nonce"]) == ("cart-1", "nonce-1")
    assert json.loads(placed[3])["billing_address"]["email"] == "checkvalve-probe@example.com"


async def test_a_shop_without_pretty_addresses_is_probed_too(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    assert (await probe(session, fake.plain)).why is None


async def test_a_wrong_total_has_failed_though_everything_answers_200(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.total = "119"
    report = await probe(session, fake.shop)
    assert report.why == "wrong total: 1.19 instead of 1.00 EUR"
    assert not fake.asked(ORDER)


async def test_a_wrong_currency_has_failed(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.currency = "USD"
    assert (await probe(session, fake.shop)).why == "wrong currency: USD instead of EUR"


async def test_a_payment_method_that_went_missing_has_failed(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    baseline = await probe(session, fake.shop)
    fake.methods = ["cod"]
    assert (await probe(session, fake.shop, baseline)).why == "payment methods gone: bacs"
    assert (await probe(session, fake.shop)).ok  # without a baseline nobody knows of bacs


async def test_a_total_that_changed_since_the_baseline_has_failed(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.total = "119"  # with tax, say
    fake.bend[PROBE] = says(json.dumps(fake_info("119")).encode())
    baseline = await probe(session, fake.shop)
    assert baseline.ok
    fake.total = "100"
    assert (await probe(session, fake.shop, baseline)).why == "wrong total: 1.00 instead of 1.19 EUR"


def fake_info(price: str) -> dict[str, object]:
    return {"product_id": 12, "price": price, "currency": "EUR", "order_status": "cancelled"}


async def test_no_method_a_probe_may_use_has_failed(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.methods = ["stripe"]
    assert "offered: stripe" in str((await probe(session, fake.shop)).why)


@pytest.mark.parametrize("status", ["failed", "trash", ""])
async def test_an_order_in_a_bad_state_has_failed(fake: FakeShop, session: aiohttp.ClientSession, status: str) -> None:
    fake.order_status = status
    assert (await probe(session, fake.shop)).why == f"checkout: the order is {status}"


@pytest.mark.parametrize("status", ["failure", "error"])
async def test_a_payment_that_failed_has_failed(fake: FakeShop, session: aiohttp.ClientSession, status: str) -> None:
    fake.payment_status = status
    assert (await probe(session, fake.shop)).why == f"checkout: payment {status}"


async def test_errors_in_the_cart_have_failed(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.cart_errors = [{"code": "woocommerce_rest_cart_item_error", "message": "…"}]
    assert (await probe(session, fake.shop)).why == "add to cart: the cart reports 1 error(s)"


async def test_an_order_that_is_not_cancelled_is_named(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.cancels = False
    report = await probe(session, fake.shop)
    assert report.why == "the probe order 71 was not cancelled; cancel it by hand"
    assert report.order == 71


JUNK = [
    b"",
    b"<!doctype html><p>There has been a critical error on this website.",
    b"<br />\n<b>Warning</b>: Undefined variable $x in functions.php on line 3<br />\n{}",
    b'{"result": "failure", "messages": "<ul class=woocommerce-error></ul>", "refresh": false}',
    b"null",
    b"[]",
    b'"ok"',
    b"7",
    b"{}",
    b"[" * 50_000,
    b"\xff\xfe\x00",
    b'{"totals": [], "order_id": {}, "product_id": null}',
    b'{"totals": {"total_price": "100", "currency_code": "EUR"}, "payment_methods": 7}',
    b'{"order_id": 71, "status": "processing", "payment_result": "no"}',
    b'{"order_id": 71, "status": ["processing"], "payment_result": []}',
    b'{"order_id": "seventy", "status": "processing"}',
]


@pytest.mark.parametrize("route", [PROBE, ADD, ORDER])
@pytest.mark.parametrize("body", JUNK, ids=lambda b: repr(b[:24]))
async def test_a_200_that_is_no_answer_has_failed(
    fake: FakeShop, session: aiohttp.ClientSession, route: str, body: bytes
) -> None:
    fake.bend[route] = says(body)
    report = await probe(session, fake.shop)
    assert not report.ok
    assert report.why


@pytest.mark.parametrize("route", [PROBE, CART, ADD, ORDER])
@pytest.mark.parametrize("status", [302, 401, 403, 404, 409, 500, 502, 503])
async def test_another_status_has_failed_and_is_told_with_its_step(
    fake: FakeShop, session: aiohttp.ClientSession, route: str, status: int
) -> None:
    fake.bend[route] = says(b'{"code": "woocommerce_rest_x"}', status=status, Location="/elsewhere")
    report = await probe(session, fake.shop)
    assert f"the shop answered {status} (woocommerce_rest_x)" in str(report.why)


async def test_a_redirect_is_never_followed(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.bend[ORDER] = says(b"", status=307, Location=f"{fake.origin}/wp-json/stolen")
    assert not (await probe(session, fake.shop)).ok
    assert not fake.asked("/stolen")


@pytest.mark.parametrize("route", [CART, ORDER])
async def test_ten_megabytes_are_not_read(fake: FakeShop, session: aiohttp.ClientSession, route: str) -> None:
    fake.bend[route] = endless
    assert "more than 1 MiB" in str((await probe(session, fake.shop)).why)


async def test_an_answer_cut_in_the_middle_has_failed(fake: FakeShop, session: aiohttp.ClientSession) -> None:
    fake.bend[CART] = cut
    assert "cart: the shop cannot be reached" in str((await probe(session, fake.shop)).why)


async def test_a_slow_shop_has_failed_in_time(
    fake: FakeShop, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout, "SECONDS", 0.5)
    fake.bend[ORDER] = slow
    started = time.monotonic()
    report = await probe(session, fake.shop)
    assert time.monotonic() - started < 3
    assert "0.5 s" in str(report.why)
    assert str(report.why).startswith("checkout:")


@pytest.mark.parametrize("address", ["http://[", "nonsense", "http://127.0.0.1:1/wp-json/", "http://shop.invalid/wp-json/"])
async def test_an_address_without_a_shop_has_failed(session: aiohttp.ClientSession, address: str) -> None:
    report = await probe(session, Shop(site="s-test", rest_url=address))
    assert "probe product: the shop" in str(report.why)


async def test_nobody_there_has_failed(session: aiohttp.ClientSession, nobody: Shop) -> None:
    assert "cannot be reached" in str((await probe(session, nobody)).why)
