"""What the real shop and the simulated one have in common: the same tests, over HTTP alone."""

import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.conftest import ASSISTANT, HERE, make_shop
from tests.integration.plugin.conftest import pair
from tests.integration.plugin.fake_core import PSEUDONYM_KEY, FakeCore, fetch
from tests.simulators import shop_data
from tests.simulators.shop_data import Person
from tests.simulators.shopper import ShopError, Shopper
from tests.simulators.simulated import SimulatedShop

from checkvalve.events import jws
from checkvalve.events.pseudonym import identifiers


@dataclass
class AnyShop:
    """A paired shop, whichever it is, and the core it is paired with."""

    url: str
    core: FakeCore
    people: list[Person]
    product: Callable[[str], int]

    @property
    def rest_url(self) -> str:
        return self.url + "/wp-json/"

    def sync(self, *orders: str, **bent: Any) -> tuple[int, dict[str, Any]]:
        return self.core.sync(self.rest_url + "checkvalve/v1/sync", list(orders), **bent)

    def ask(self, question: str) -> httpx2.Response:
        return httpx2.post(self.rest_url + "shop-assistant/v1/ask", json={"question": question}, timeout=60)


def _simulated(core: FakeCore) -> Iterator[AnyShop]:
    shop = SimulatedShop()
    people = shop.load(customers=2, guests=1, orders=4)
    shop.use_model(f"http://{core.place}/llm", "any")
    shop.pair(core.code)
    yield AnyShop(url=shop.url, core=core, people=people, product=lambda sku: shop.store.by_sku(sku).id)
    shop.stop()


def _wordpress(core: FakeCore, directory: Path) -> Iterator[AnyShop]:
    site = make_shop(directory, HERE.parent / "wordpress" / "checkvalve", ASSISTANT).start()
    people = shop_data.load(site, customers=2, guests=1, orders=4)
    site.php(f"update_option('shop_assistant_endpoint', 'http://{core.place}/llm/v1');")
    assert pair(site, core.code) == core.site
    skus = "$s = array('beans', 'cup', 'course');"
    ids: dict[str, int] = site.php_json(
        skus + "echo wp_json_encode(array_combine($s, array_map('wc_get_product_id_by_sku', $s)));"
    )
    yield AnyShop(url=site.url, core=core, people=people, product=ids.__getitem__)
    site.stop()


@pytest.fixture(scope="module", params=["wordpress", "simulated"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyShop]:
    core = FakeCore()
    directory = tmp_path_factory.mktemp("any") / "shop"
    yield from _simulated(core) if request.param == "simulated" else _wordpress(core, directory)
    core.stop()


def test_goods_cost_what_they_say_and_are_bought(shop: AnyShop) -> None:
    with Shopper(shop.url) as shopper:
        cart = shopper.add(shop.product("beans"))
        bought = shopper.checkout()
        assert shopper.cart()["items_count"] == 0
    assert (cart["totals"]["total_price"], cart["totals"]["currency_code"]) == ("2890", "EUR")
    assert bought.status == "processing"
    assert bought.body["payment_result"]["payment_status"] == "success"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"payment": "nope"}, 400, "rest_invalid_param"),
        ({"email": "nope"}, 400, "rest_invalid_param"),
        ({"address": {"last_name": ""}}, 400, "woocommerce_rest_invalid_address"),
        (
            {"address": {"country": "JP", "state": "JP13", "postcode": "100-0001"}},
            400,
            "woocommerce_rest_invalid_shipping_option",
        ),
    ],
)
def test_a_checkout_that_cannot_be_is_refused_with_a_code(
    shop: AnyShop, change: dict[str, Any], status: int, code: str
) -> None:
    with Shopper(shop.url) as shopper:
        shopper.add(shop.product("cup"))
        with pytest.raises(ShopError) as refused:
            shopper.checkout(**change)
    assert (refused.value.status, refused.value.body["code"]) == (status, code)


def test_an_empty_cart_and_a_cart_without_a_token_are_refused(shop: AnyShop) -> None:
    with Shopper(shop.url) as shopper:
        shopper.cart()
        with pytest.raises(ShopError) as empty:
            shopper.checkout()
        bare = shopper.http.post("/wp-json/wc/store/v1/cart/add-item", json={"id": shop.product("cup"), "quantity": 1})
    assert (empty.value.status, empty.value.body["code"]) == (409, "woocommerce_rest_cart_empty")
    assert (bare.status_code, bare.json()["code"]) == (401, "woocommerce_rest_missing_nonce")


def test_everybody_is_told_to_core_as_pseudonyms(shop: AnyShop) -> None:
    _drain(shop)
    told = {e["unmapped"]["checkvalve"]["subject"]["ref"]: e for e in shop.core.events(5003)}
    for person in shop.people:
        found = identifiers(PSEUDONYM_KEY, email=person.email, name=person.name, order_numbers=person.order_numbers)
        guest = "guest:" + found[0][1][:12]
        subject = told[person.ref or guest]["unmapped"]["checkvalve"]["subject"]
        assert {tuple(pair) for pair in subject["identifiers"]} >= set(found)


def test_an_order_is_told_as_created_and_as_changed(shop: AnyShop) -> None:
    with Shopper(shop.url) as shopper:
        shopper.add(shop.product("course"))
        bought = shopper.checkout()
    _drain(shop)
    told = [e for e in shop.core.events(6001) if e["web_resources"][0]["uid"] == str(bought.id)]
    assert 1 in [e["activity_id"] for e in told]
    last = told[-1]["unmapped"]["checkvalve"]["order"]
    assert (last["to"], last["total"], last["currency"], last["probe"]) == ("processing", "49.00", "EUR", False)


def test_the_probe_buys_the_hidden_product_and_its_order_is_cancelled(shop: AnyShop) -> None:
    headers = {"Checkvalve-Probe": shop.core.probe_pass()}
    status, facts = fetch(urllib.request.Request(shop.rest_url + "checkvalve/v1/probe", headers=headers))
    assert status == 200
    assert (facts["sku"], facts["price"], facts["currency"]) == ("checkvalve-probe", "100", "EUR")
    with Shopper(shop.url) as stranger, pytest.raises(ShopError) as refused:
        stranger.add(facts["product_id"])
    assert refused.value.body["code"] == "woocommerce_rest_product_not_purchasable"
    with Shopper(shop.url, headers=headers) as shopper:
        assert shopper.add(facts["product_id"])["totals"]["total_price"] == "100"
        bought = shopper.checkout()
    path = f"{shop.rest_url}checkvalve/v1/probe?order={bought.id}"
    assert fetch(urllib.request.Request(path, headers=headers))[1]["order_status"] == "cancelled"
    assert fetch(path)[0] == 403


def test_a_call_to_the_model_says_who_asked_by_which_plugin_and_route(shop: AnyShop) -> None:
    shop.core.llm_calls.clear()
    assert shop.ask("What is in my order?").json()["answer"] == "hello\nhello\nhello"
    headers = shop.core.llm_calls[0]
    claims = jws.verify(headers["checkvalve-context"], typ="checkvalve-context+jws", public_key=shop.core.sensor_key or b"")
    assert (claims["plugin"], claims["route"], claims["requester"]) == (
        "shop-assistant",
        "/shop-assistant/v1/ask",
        {"anonymous": True},
    )
    assert headers["traceparent"].split("-")[1] == claims["trace"]


@pytest.mark.parametrize(("most", "status", "answer"), [(2, 200, "hello\nhello"), (0, 502, None)])
def test_the_assistant_answers_what_it_has_when_the_model_is_closed_midway(
    shop: AnyShop, most: int, status: int, answer: str | None
) -> None:
    shop.core.llm_calls.clear()
    shop.core.llm_most = most
    try:
        said = shop.ask("What is in my order?")
    finally:
        shop.core.llm_most = None
    assert (said.status_code, said.json().get("answer")) == (status, answer)


@pytest.mark.parametrize(
    ("action", "args", "status"),
    [
        ("isolate_plugin", {"plugin": "shop-assistant/shop-assistant.php"}, 404),
        ("block_route", {"route": "/shop-assistant/v1/ask"}, 403),
    ],
)
def test_an_order_closes_the_assistant_alone_until_it_is_released(
    shop: AnyShop, action: str, args: dict[str, Any], status: int
) -> None:
    order = shop.core.order(action, args)
    done = shop.sync(order)[1]["applied"]
    assert [told["status"] for told in done] == ["done"]
    assert shop.sync(order)[1]["applied"][0]["status"] == "already"
    assert shop.ask("What is in my order?").status_code == status
    with Shopper(shop.url) as shopper:
        shopper.add(shop.product("cup"))
        assert shopper.checkout().status == "processing"
    assert shop.sync(shop.core.order("release", {"jti": done[0]["jti"]}))[1]["applied"][0]["status"] == "done"
    assert shop.ask("What is in my order?").status_code == 200
    _drain(shop)
    outcomes = [e["unmapped"]["checkvalve"]["outcome"]["jti"] for e in shop.core.events(7001)]
    assert done[0]["jti"] in outcomes


def test_what_is_not_from_core_is_refused(shop: AnyShop) -> None:
    assert shop.sync(sent_body=b'{"site": "s-abcdefghijkl", "orders": []} ')[1]["error"] == "bad_digest"
    assert shop.sync(created=1_000_000_000)[1]["error"] == "stale"
    assert shop.sync(key=Ed25519PrivateKey.generate())[1]["error"] == "bad_signature"
    assert shop.sync(nonce="0123456789abcdef")[0] == 200
    assert shop.sync(nonce="0123456789abcdef")[1]["error"] == "replayed"
    other_site = shop.core.order("block_route", {"route": "/wc/store/v1/checkout"}, aud="s-other")
    assert shop.sync(other_site)[1]["applied"][0]["status"] == "refused"
    expired = shop.core.order("block_route", {"route": "/wc/store/v1/checkout"}, ttl=-5)
    assert shop.sync(expired)[1]["applied"][0]["status"] == "expired"


def _drain(shop: AnyShop) -> None:
    for _ in range(30):
        if shop.sync()[1]["outbox"]["pending"] == 0:
            return
    raise AssertionError("the outbox does not get empty")
