"""Every public surface of a plugin under every width of isolation: attacked, and closed; and the checkout, by buying."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from tests.integration.plugin.conftest import Shop
from tests.integration.plugin.test_orders import give, jti
from tests.simulators.shopper import ShopError, Shopper

LEAK = "data of another person"
PLUGIN = "wp-content/plugins/manysided"
CALL = '<?xml version="1.0"?><methodCall><methodName>manysided.ask</methodName><params></params></methodCall>'
BATCH = {"requests": [{"method": "POST", "path": "/manysided/v1/ask"}]}

# surface -> how it is attacked: method, path, body
SURFACES: dict[str, tuple[str, str, object]] = {
    "REST": ("GET", "wp-json/manysided/v1/ask", None),
    "REST, plain address": ("GET", "?rest_route=/manysided/v1/ask", None),
    "REST, in a batch": ("POST", "wp-json/batch/v1", BATCH),
    "admin-ajax": ("POST", "wp-admin/admin-ajax.php", {"action": "manysided"}),
    "admin-post": ("GET", "wp-admin/admin-post.php?action=manysided", None),
    "wc-ajax": ("GET", "?wc-ajax=manysided", None),
    "while plugins load": ("GET", "?manysided=load", None),
    "plugins_loaded": ("GET", "?manysided=plugins_loaded", None),
    "init": ("POST", "", {"manysided": "init"}),
    "init, on the checkout": ("GET", "checkout/?manysided=init", None),
    "load, on the checkout": ("GET", "checkout/?manysided=load", None),
    "wp_loaded, in admin-ajax": ("GET", "wp-admin/admin-ajax.php?action=x&manysided=wp_loaded", None),
    "template_redirect": ("GET", "?manysided=template_redirect", None),
    "an address of its own": ("GET", "?manysided-page=1", None),
    "footer": ("GET", "?manysided=footer", None),
    "feed": ("GET", "?feed=manysided", None),
    "shortcode": ("GET", "many/", None),
    "block": ("GET", "sided/", None),
    "XML-RPC": ("POST", "xmlrpc.php", CALL),
    "direct file": ("GET", f"{PLUGIN}/direct.php", None),
    "direct file that loads WordPress": ("GET", f"{PLUGIN}/loading.php", None),
}
MODES = ("everywhere", "except_checkout", "surface")


def attack(shop: Shop, surface: str) -> httpx2.Response:
    method, path, body = SURFACES[surface]
    url = f"{shop.site.url}/{path}"
    sent = {"json": body} if "json/" in path else {"content" if isinstance(body, str) else "data": body}
    return httpx2.request(method, url, timeout=60, follow_redirects=True, **({} if body is None else sent))  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=MODES)
def isolated(request: pytest.FixtureRequest, fortress: Shop) -> Iterator[Shop]:
    order = fortress.core.order("isolate_plugin", {"plugin": "manysided", "mode": request.param})
    assert give(fortress, order)[0][0] == "done"
    yield fortress
    assert give(fortress, fortress.core.order("release", {"jti": jti(order)}))[0][0] == "done"


@pytest.mark.parametrize("surface", SURFACES)
def test_without_isolation_the_attack_works(fortress: Shop, surface: str) -> None:
    assert LEAK in attack(fortress, surface).text


@pytest.mark.parametrize("surface", SURFACES)
def test_the_surface_is_closed(isolated: Shop, surface: str) -> None:
    answer = attack(isolated, surface)
    assert LEAK not in answer.text
    assert answer.status_code != 500, answer.text[:500]


@pytest.mark.parametrize("by", ["store", "classic"])
@pytest.mark.parametrize("sku", ["beans", "course"])  # physical, virtual
def test_the_checkout_is_open(isolated: Shop, by: str, sku: str) -> None:
    product = int(isolated.site.php(f"echo wc_get_product_id_by_sku('{sku}');"))
    with Shopper(isolated.site.url, by="cookie" if by == "classic" else "token") as shopper:
        if by == "classic":
            bought = shopper.classic(product)
        else:
            shopper.add(product)
            bought = shopper.checkout()
    assert bought.status in ("processing", "success")


def test_its_own_way_to_pay_stays_but_everywhere(isolated: Shop, request: pytest.FixtureRequest) -> None:
    product = int(isolated.site.php("echo wc_get_product_id_by_sku('course');"))
    with Shopper(isolated.site.url) as shopper:
        shopper.add(product)
        if request.node.callspec.params["isolated"] == "everywhere":
            with pytest.raises(ShopError):
                shopper.checkout(payment="manysided")
        else:
            assert shopper.checkout(payment="manysided").status in ("processing", "completed")


def buy(shop: Shop, product: int, turn: int) -> None:
    classic = turn % 2 == 1
    with Shopper(shop.site.url, by="cookie" if classic else "token") as shopper:
        if classic:
            shopper.classic(product)
        else:
            shopper.add(product)
            shopper.checkout()


def test_customers_who_buy_meanwhile_notice_neither_a_step_nor_its_end(fortress: Shop) -> None:
    """Four of them, without a pause, by the Store API and the classic form, through every width and back."""
    product = int(fortress.site.php("echo wc_get_product_id_by_sku('course');"))
    over, bought, failed = threading.Event(), list[int](), list[str]()

    def customer(turn: int) -> None:
        while not over.is_set():
            try:
                buy(fortress, product, turn)
                bought.append(turn)
            except (ShopError, httpx2.HTTPError) as error:
                failed.append(str(error))
            turn += 1

    def more(count: int) -> None:
        """Wait until so many more have bought, or one has failed."""
        enough, end = len(bought) + count, time.monotonic() + 120
        while len(bought) < enough and not failed:
            assert time.monotonic() < end, "nobody buys"
            time.sleep(0.05)

    with ThreadPoolExecutor(4) as pool:
        for number in range(4):
            pool.submit(customer, number)
        try:
            for mode in MODES:
                order = fortress.core.order("isolate_plugin", {"plugin": "manysided", "mode": mode})
                assert give(fortress, order)[0][0] == "done"
                more(4)
                assert give(fortress, fortress.core.order("release", {"jti": jti(order)}))[0][0] == "done"
                more(4)
        finally:
            over.set()
    assert failed == []
    assert len(bought) >= 24
