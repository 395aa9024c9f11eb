"""With a shop: orders are reported, guests are registered, and the checkout can be probed without a trace."""

import urllib.request
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.integration.plugin.conftest import Shop
from tests.integration.plugin.fake_core import PSEUDONYM_KEY, fetch
from tests.simulators.shopper import ADDRESS, EMAIL, ShopError, Shopper

from checkvalve.events import pseudonym

GUEST = "guest:" + pseudonym.pseudonym(PSEUDONYM_KEY, "email", EMAIL)[:12]


def probe(shop: Shop, pass_: str | None = None, query: str = "") -> tuple[int, dict[str, Any]]:
    headers = {"Checkvalve-Probe": shop.core.probe_pass() if pass_ is None else pass_}
    return fetch(urllib.request.Request(shop.site.rest_url + "checkvalve/v1/probe" + query, headers=headers))


def goods(shop: Shop) -> int:
    """A product of the shop that anybody may buy."""
    return int(shop.site.php("echo wc_get_product_id_by_sku('beans');"))


def test_a_guests_order_is_reported_and_the_guest_is_registered(shop: Shop) -> None:
    with Shopper(shop.site.url) as guest:
        guest.add(goods(shop))
        order = guest.checkout()
    shop.drain()
    orders = [e["unmapped"]["checkvalve"]["order"] for e in shop.core.events(6001)]
    assert orders[0]["number"] == str(order.id)
    assert [o["probe"] for o in orders] == [False] * len(orders)
    assert ("pending", "processing") in [(o.get("from"), o.get("to")) for o in orders]
    subject = [e["unmapped"]["checkvalve"]["subject"] for e in shop.core.events(5003)][-1]
    expected = pseudonym.identifiers(
        PSEUDONYM_KEY,
        email=EMAIL,
        name=f"{ADDRESS['first_name']} {ADDRESS['last_name']}",
        phone=ADDRESS["phone"],
        address=ADDRESS["address_1"],
        postcode=ADDRESS["postcode"],
        order_numbers=(str(order.id),),
    )
    assert subject["ref"] == GUEST
    assert {tuple(pair) for pair in subject["identifiers"]} >= set(expected)
    raw = b"".join(shop.core.lines.values())
    assert not [clear for clear in (EMAIL, ADDRESS["last_name"], ADDRESS["address_1"]) if clear.encode() in raw]


def test_pairing_registers_everybody_who_ordered_before(shop: Shop) -> None:
    with Shopper(shop.site.url) as guest:
        guest.add(goods(shop))
        order = guest.checkout(email="earlier@example.net")
    shop.core.lines.clear()
    assert shop.pair() == shop.core.site
    shop.drain()
    subjects = {s["ref"]: s for s in (e["unmapped"]["checkvalve"]["subject"] for e in shop.core.events(5003))}
    ref = "guest:" + pseudonym.pseudonym(PSEUDONYM_KEY, "email", "earlier@example.net")[:12]
    assert "customer:1" in subjects
    number = pseudonym.pseudonym(PSEUDONYM_KEY, "order_number", str(order.id))
    assert ["order_number", number] in subjects[ref]["identifiers"]


def test_a_guest_who_registers_is_one_person(shop: Shop) -> None:
    with Shopper(shop.site.url) as guest:
        guest.add(goods(shop))
        order = guest.checkout(email="later@example.net")
    user = shop.site.php(
        "echo wp_insert_user(array('user_login' => 'later', 'user_pass' => 'x', 'user_email' => 'later@example.net'));"
    )
    shop.drain()
    subjects = {s["ref"]: s for s in (e["unmapped"]["checkvalve"]["subject"] for e in shop.core.events(5003))}
    ref = "guest:" + pseudonym.pseudonym(PSEUDONYM_KEY, "email", "later@example.net")[:12]
    number = pseudonym.pseudonym(PSEUDONYM_KEY, "order_number", str(order.id))
    assert subjects[ref]["gone"]
    assert ["order_number", number] in subjects[f"customer:{user}"]["identifiers"]


def test_the_probe_buys_the_hidden_product_and_leaves_nothing_open(shop: Shop) -> None:
    status, facts = probe(shop)
    assert status == 200, facts
    assert (facts["sku"], facts["price"], facts["currency"], facts["minor_unit"]) == ("checkvalve-probe", "100", "EUR", 2)
    assert "cod" in facts["methods"]
    mail = shop.site.mail
    with Shopper(shop.site.url, headers={"Checkvalve-Probe": shop.core.probe_pass()}) as core:
        totals = core.add(facts["product_id"])["totals"]
        assert (totals["total_price"], totals["currency_code"]) == ("100", "EUR")
        order = core.checkout(payment=facts["methods"][0], email="probe@example.com")
    assert order.status in ("processing", "on-hold")
    assert order.body["payment_result"]["payment_status"] == "success"
    assert probe(shop, query=f"?order={order.id}")[1]["order_status"] == "cancelled"
    assert shop.site.mail == mail
    shop.drain()
    mine = [e["unmapped"]["checkvalve"]["order"] for e in shop.core.events(6001)]
    assert mine
    assert {(o["number"], o["probe"]) for o in mine} == {(str(order.id), True)}
    assert [(o.get("to"), o.get("deleted")) for o in mine][-2:] == [("cancelled", None), (None, "for good")]
    nobody = "guest:" + pseudonym.pseudonym(PSEUDONYM_KEY, "email", "probe@example.com")[:12]
    assert nobody not in str(shop.core.events(5003))


# Rows that an order leaves: itself, its notes, its lines, its meta, its figures. What expires by itself is left out.
TRACES = r"""
global $wpdb;
$all  = array();
$like = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '{$wpdb->prefix}%'";
$own  = '/transient|^cron$|^checkvalve_|session|^wc_|action_scheduler/';
foreach ($wpdb->get_col($like) as $table) {
    if (preg_match('/checkvalve|actionscheduler|sessions|_mysql|rate_limit/', $table)) {
        continue;
    }
    $rows = $wpdb->get_results("SELECT * FROM $table", ARRAY_A);
    if (false !== strpos($table, 'options')) {
        $rows = array_filter($rows, fn($r) => !preg_match($own, $r['option_name']));
    }
    foreach ($rows as $row) {
        $all[$table][] = md5(serialize($row));
    }
}
echo json_encode($all);
"""


def probed(shop: Shop) -> int:
    """The id of a probe order that is cancelled and not read yet."""
    facts = probe(shop)[1]
    with Shopper(shop.site.url, headers={"Checkvalve-Probe": shop.core.probe_pass()}) as core:
        core.add(facts["product_id"])
        order = core.checkout(payment=facts["methods"][0], email="probe@example.com")
    assert shop.site.php(f"echo wc_get_order({order.id})->get_status();") == "cancelled"
    return order.id


def test_core_has_read_the_probe_order_and_nothing_of_it_is_left(shop: Shop) -> None:
    """Not in the list of orders, not in its notes, reports or stock; and no event says that a real order came or went."""
    probe(shop, query=f"?order={probed(shop)}")  # the hidden products are made, and were bought before
    before, mail = shop.site.php_json(TRACES), shop.site.mail
    assert "wp_posts" in before and "wp_options" in before
    order = probed(shop)
    told = probe(shop, query=f"?order={order}")[1]
    assert (told["order_status"], told["order"]["total"]) == ("cancelled", "100")
    assert probe(shop, query=f"?order={order}")[0] == 404
    after = shop.site.php_json(TRACES)
    assert [t for t in {*before, *after} if set(after.get(t, ())) != set(before.get(t, ()))] == []
    assert shop.site.mail == mail
    assert shop.site.php("echo get_option('checkvalve_probe_open', 'none');") == "none"
    shop.drain()
    assert {e["unmapped"]["checkvalve"]["order"]["probe"] for e in shop.core.events(6001)} == {True}
    placed = [e for e in shop.core.events(6003) if e["api"]["operation"] == "POST /wc/store/v1/checkout"]
    assert [e["unmapped"]["checkvalve"].get("probe") for e in placed] == [True, True]


def test_a_probe_order_of_which_core_never_asked_is_removed_by_itself(shop: Shop) -> None:
    order = probed(shop)
    shop.site.php(f"update_option('checkvalve_probe_open', array({order} => time() - 61), false);")
    mail = shop.site.mail
    shop.drain()
    assert shop.site.php(f"echo wc_get_order({order}) ? 'there' : 'gone';") == "gone"
    assert shop.site.php("echo get_option('checkvalve_probe_open', 'none');") == "none"
    assert shop.site.mail == mail


def test_nobody_sees_or_buys_the_probe_product_without_a_pass(shop: Shop) -> None:
    product = probe(shop)[1]["product_id"]
    with Shopper(shop.site.url) as visitor, pytest.raises(ShopError):
        visitor.add(product)
    page = fetch(shop.site.url + "/?s=checkvalve")[1]["raw"]
    assert "Checkvalve probe" not in page
    assert "Checkvalve probe" not in fetch(shop.site.url + "/?feed=rss2&post_type=product")[1]["raw"]


@pytest.mark.parametrize(
    ("bent", "error"),
    [
        ({"aud": "s-222222222222"}, "forbidden"),
        ({"exp": 1790000000}, "stale"),
        ({"key": Ed25519PrivateKey.generate()}, "bad_token"),
    ],
)
def test_a_bad_pass_opens_nothing(shop: Shop, bent: dict[str, Any], error: str) -> None:
    status, answer = probe(shop, shop.core.probe_pass(**bent))
    assert status in (401, 403)
    assert answer["error"] == error
    product = probe(shop)[1]["product_id"]
    with (
        Shopper(shop.site.url, headers={"Checkvalve-Probe": shop.core.probe_pass(**bent)}) as visitor,
        pytest.raises(ShopError),
    ):
        visitor.add(product)


def test_the_probe_route_tells_nothing_of_a_real_order(shop: Shop) -> None:
    with Shopper(shop.site.url) as guest:
        guest.add(goods(shop))
        order = guest.checkout()
    assert probe(shop, query=f"?order={order.id}")[0] == 404


def test_the_checkout_works_while_a_plugin_is_isolated(shop: Shop) -> None:
    shop.core.sync(shop.sync_url, [shop.core.order("isolate_plugin", {"plugin": "leaky"})])
    with Shopper(shop.site.url) as guest:
        guest.add(goods(shop))
        assert guest.checkout().status == "processing"
