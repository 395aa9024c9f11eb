"""Work for a plugin that is isolated waits, and is done when it is back: nothing lost, nothing twice."""

import json
import time
from collections.abc import Iterator

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.integration.plugin.conftest import Shop
from tests.integration.plugin.test_orders import give, jti

from checkvalve.events import jws


@pytest.fixture
def shop(fortress: Shop) -> Iterator[Shop]:
    fortress.site.php("delete_option('manysided_paid');")
    yield fortress
    fortress.site.php("global $wpdb; $wpdb->query('DELETE FROM ' . Checkvalve\\Tables::name('kept'));")


def isolate(shop: Shop, mode: str = "everywhere") -> str:
    order = shop.core.order("isolate_plugin", {"plugin": "manysided", "mode": mode})
    assert give(shop, order)[0][0] == "done"
    return order


def release(shop: Shop, order: str) -> None:
    assert give(shop, shop.core.order("release", {"jti": jti(order)}))[0][0] == "done"


def due(shop: Shop) -> list[int]:
    """What core is told it may have played."""
    status, answer = shop.core.sync(shop.sync_url)
    assert status == 200
    kept: list[int] = answer["kept"]
    return kept


def play(shop: Shop, number: int, *, key: Ed25519PrivateKey | None = None, **bent: object) -> httpx2.Response:
    payload = {"aud": shop.core.site, "kept": number, "exp": int(time.time()) + 60} | bent
    token = jws.sign(payload, typ="checkvalve-replay+jws", kid="core", key=key or shop.core.key)
    return httpx2.get(shop.site.rest_url + "checkvalve/v1/probe", headers={"Checkvalve-Replay": token}, timeout=60)


def paid(shop: Shop) -> list[str]:
    found: list[str] = shop.site.php_json("echo json_encode(get_option('manysided_paid', array()));")
    return found


def notify(shop: Shop, path: str, text: str) -> int:
    return httpx2.post(f"{shop.site.url}/{path}", content=text, headers={"X-Signature": "s1", "Cookie": "a=b"}).status_code


@pytest.mark.parametrize("mode", ["everywhere", "surface"])
@pytest.mark.parametrize("path", ["?wc-api=manysided", "wc-api/Manysided/", "wp-json/manysided/v1/webhook"])
def test_a_payment_services_call_is_kept_and_played_once_to_the_plugin_as_it_came(shop: Shop, mode: str, path: str) -> None:
    order = isolate(shop, mode)
    assert [notify(shop, path, f'{{"paid": {n}}}') for n in (1, 2)] == [200, 200]
    assert paid(shop) == []
    assert due(shop) == []  # not while it is isolated
    release(shop, order)
    waiting = due(shop)
    assert len(waiting) == 2
    for kept in waiting:
        assert play(shop, kept).status_code == 200
    assert [line.strip() for line in paid(shop)] == ['s1 {"paid": 1}', 's1 {"paid": 2}']
    assert due(shop) == []
    play(shop, waiting[0])  # once more does nothing
    assert len(paid(shop)) == 2


def test_except_checkout_lets_the_payment_services_calls_through(shop: Shop) -> None:
    order = isolate(shop, "except_checkout")
    assert notify(shop, "?wc-api=manysided", "now") == notify(shop, "wp-json/manysided/v1/webhook", "too") == 200
    assert paid(shop) == ["s1 now", "s1 too"]
    release(shop, order)


@pytest.mark.parametrize(
    "bent", [{"aud": "s-222222222222"}, {"exp": 1790000000}, {"kept": "1"}, {"key": Ed25519PrivateKey.generate()}]
)
def test_nobody_but_core_has_a_kept_call_played(shop: Shop, bent: dict[str, object]) -> None:
    order = isolate(shop)
    notify(shop, "?wc-api=manysided", "1")
    release(shop, order)
    [kept] = due(shop)
    play(shop, kept, **bent)  # type: ignore[arg-type]
    assert paid(shop) == []
    assert due(shop) == [kept]


def test_where_there_is_no_room_the_sender_is_told_to_come_again(shop: Shop) -> None:
    order = isolate(shop)
    assert notify(shop, "?wc-api=manysided", "x" * 900_000) == 503
    release(shop, order)
    assert due(shop) == []


def test_a_call_the_plugin_never_took_is_not_kept(shop: Shop) -> None:
    order = isolate(shop)
    assert notify(shop, "?wc-api=somebody-else", "1") == 400
    assert notify(shop, "wp-json/manysided/v1/ask", "1") == 404
    release(shop, order)
    assert due(shop) == []


HOOK = """
$w = new WC_Webhook(); $w->set_name('erp'); $w->set_topic('order.created'); $w->set_status('active');
$w->set_user_id(1); $w->set_secret('s'); $w->set_delivery_url('http://{place}/llm/erp'); echo $w->save();
"""


@pytest.mark.parametrize(("action", "calls"), [("pause_webhooks", 2), ("disable_webhooks", 0)])
def test_paused_webhooks_deliver_when_the_order_ends_and_disabled_ones_do_not(shop: Shop, action: str, calls: int) -> None:
    if shop.site.woocommerce == "real":
        pytest.skip("the real one delivers by the Action Scheduler")
    hook = int(shop.site.php(HOOK.replace("{place}", shop.core.place)))
    order = shop.core.order(action, {"webhook": "127.0.0.1"})
    assert give(shop, order)[0][0] == "done"
    before = len(shop.core.llm_calls)
    for number in (7, 8, 7):
        shop.site.php(f"wc_get_webhook({hook})->process({number});")
    assert len(shop.core.llm_calls) == before
    release(shop, order)
    assert len(shop.core.llm_calls) - before == calls  # the same change is told once
    shop.site.php(f"wc_get_webhook({hook})->process(9);")
    assert len(shop.core.llm_calls) - before == calls + 1
    shop.site.php(f"wc_get_webhook({hook})->delete(true);")


def test_the_shop_hears_of_an_incident_an_order_and_its_end_and_may_add_a_note(shop: Shop) -> None:
    heard = shop.site.dir / "heard"
    listener = shop.site.root / "wp-content" / "mu-plugins" / "listener.php"
    names = ["checkvalve_incident_opened", "checkvalve_order_received", "checkvalve_order_in_force", "checkvalve_order_ended"]
    listener.write_text(
        f"<?php foreach (json_decode('{json.dumps(names)}') as $n) "
        f"{{ add_action($n, function () use ($n) {{ file_put_contents('{heard}', \"$n\\n\", FILE_APPEND); }}); }}"
        "add_filter('checkvalve_containment_plan', fn($plan) => $plan + array('note' => $plan['cost'] ? 'ring the ERP' : ''));"
    )
    try:
        first = shop.core.order("block_route", {"route": "/manysided"}, incident="inc-77")
        second = shop.core.order("block_route", {"route": "/other"}, incident="inc-77")
        told = give(shop, first, second)
        assert [t[1].endswith("The shop notes: ring the ERP") for t in told] == [True, True]
        release(shop, first)
        release(shop, second)
    finally:
        listener.unlink()
    got = heard.read_text().split()
    assert [got.count(name) for name in names] == [1, 4, 2, 2]
    assert got[:3] == names[:3]
