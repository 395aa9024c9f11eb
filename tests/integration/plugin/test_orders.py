"""Containment in a real WordPress: what is done, what is refused, and that everything comes back."""

import json
import secrets
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.integration.plugin.conftest import Shop
from tests.integration.plugin.fake_core import fetch

LEAKY = {"plugin": "leaky/leaky.php"}


def give(shop: Shop, *orders: str) -> list[tuple[str, str]]:
    status, answer = shop.core.sync(shop.sync_url, list(orders))
    assert status == 200, answer
    return [(a["status"], a["detail"]) for a in answer["applied"]]


def jti(order: str) -> str:
    import base64

    body = order.split(".")[1]
    found: str = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["jti"]
    return found


def asking(shop: Shop) -> int:
    return fetch(shop.site.rest_url + "leaky/v1/asking")[0]


@pytest.mark.parametrize("named", ["leaky/leaky.php", "leaky"])
def test_an_isolated_plugin_is_gone_at_the_next_request_and_back_when_released(shop: Shop, named: str) -> None:
    order = shop.core.order("isolate_plugin", {"plugin": named})
    assert give(shop, order)[0][0] == "done"
    assert asking(shop) == 404
    assert fetch(shop.site.url + "/?rest_route=/leaky/v1/asking")[0] == 404
    assert give(shop, order) == [("already", "in force")]
    assert give(shop, shop.core.order("release", {"jti": jti(order)}))[0][0] == "done"
    assert asking(shop) == 200
    assert give(shop, order) == [("already", "released")]
    assert asking(shop) == 200
    shop.drain()
    outcomes = [e["unmapped"]["checkvalve"]["outcome"] for e in shop.core.events(7001)]
    assert [(o["jti"] == jti(order), o["status"]) for o in outcomes] == [(True, "done"), (True, "released"), (False, "done")]


def test_isolation_survives_the_activation_of_another_plugin(shop: Shop) -> None:
    give(shop, shop.core.order("isolate_plugin", LEAKY))
    (shop.site.plugins / "other").mkdir()
    (shop.site.plugins / "other" / "other.php").write_text("<?php /* Plugin Name: Other */")
    shop.site.activate("other/other.php")
    active = shop.site.php_json("echo json_encode(get_option('active_plugins'));")
    assert "leaky/leaky.php" in active
    assert asking(shop) == 404
    shop.site.deactivate("other/other.php")


@pytest.mark.parametrize(
    "path",
    ["wp-json/leaky/v1/ask", "?rest_route=/leaky/v1/ask", "wp-json/LEAKY/v1/Ask/", "?rest_route=/leaky/v1/ask%0A",
     "wp-json//leaky/v1/ask", "index.php?rest_route=/leaky/v1/ask/below"],
)  # fmt: skip
def test_a_blocked_route_answers_403_in_every_spelling(shop: Shop, path: str) -> None:
    give(shop, shop.core.order("block_route", {"route": "/leaky/v1/ask"}))
    status, body = fetch(f"{shop.site.url}/{path}")
    assert status == 403
    assert body["code"] == "checkvalve_blocked"


def test_a_blocked_route_leaves_its_neighbours_open(shop: Shop) -> None:
    give(shop, shop.core.order("block_route", {"route": "/leaky/v1/ask"}))
    assert asking(shop) == 200


def test_orders_end_by_themselves_without_core(shop: Shop) -> None:
    give(shop, shop.core.order("isolate_plugin", LEAKY, ttl=2), shop.core.order("block_route", {"route": "/wp/v2"}, ttl=2))
    assert asking(shop) == 404
    time.sleep(2.5)
    assert asking(shop) == 200
    assert fetch(shop.site.rest_url + "wp/v2/posts")[0] == 200
    shop.drain()
    assert [e["unmapped"]["checkvalve"]["outcome"]["status"] for e in shop.core.events(7001)][-2:] == ["expired", "expired"]
    assert shop.site.php("echo get_option('checkvalve_state');") == ""


def test_work_of_an_isolated_plugin_waits_and_is_done_after_release(shop: Shop) -> None:
    shop.site.php("wp_schedule_single_event(time() + 1, 'leaky_job', array('order 7'));")
    order = shop.core.order("isolate_plugin", LEAKY)
    give(shop, order)
    time.sleep(1.2)
    fetch(shop.site.url + "/wp-cron.php?doing_wp_cron")
    assert shop.site.php("echo get_option('leaky_ran', 0);") == "0"
    assert shop.site.php("echo wp_next_scheduled('leaky_job', array('order 7')) ? 'waits' : 'lost';") == "waits"
    # Somebody else's cron runner takes it off the list all the same: release puts it back.
    shop.site.php("wp_clear_scheduled_hook('leaky_job', array('order 7'));")
    give(shop, shop.core.order("release", {"jti": jti(order)}))
    fetch(shop.site.url + "/wp-cron.php?doing_wp_cron")
    assert shop.site.php("echo get_option('leaky_ran', 0);") == "1"


ACTIONS = "{$wpdb->prefix}actionscheduler_actions"
OURS = f"{ACTIONS} WHERE hook IN ('leaky_job', 'somebody_else')"
MAKE_ACTIONS = (
    f'global $wpdb; $wpdb->query("CREATE TABLE IF NOT EXISTS {ACTIONS} (action_id bigint(20) NOT NULL AUTO_INCREMENT,'
    " hook varchar(191) NOT NULL, status varchar(20) NOT NULL, claim_id bigint(20) NOT NULL DEFAULT 0,"
    f' last_attempt_gmt datetime, PRIMARY KEY (action_id))"); $wpdb->query("DELETE FROM {OURS}");'
)


def test_actions_of_the_action_scheduler_wait_too(shop: Shop) -> None:
    insert = f"INSERT INTO {ACTIONS} (hook, status, last_attempt_gmt) VALUES"
    shop.site.php(
        f"{MAKE_ACTIONS} $wpdb->query(\"{insert} ('leaky_job', 'pending', NULL), ('somebody_else', 'pending', NULL)\");"
    )
    read = f'global $wpdb; echo json_encode($wpdb->get_col("SELECT status FROM {OURS} ORDER BY action_id"));'
    order = shop.core.order("isolate_plugin", LEAKY)
    give(shop, order)
    assert shop.site.php_json(read) == ["cv-held", "pending"]
    shop.site.php(f"global $wpdb; $wpdb->query(\"{insert} ('leaky_job', 'failed', '\" . gmdate('Y-m-d H:i:s') . \"')\");")
    give(shop, shop.core.order("release", {"jti": jti(order)}))
    assert shop.site.php_json(read) == ["pending", "pending", "pending"]
    shop.site.php(f'global $wpdb; $wpdb->query("DELETE FROM {OURS}");')


def test_the_real_action_scheduler_does_the_work_after_release(shop: Shop) -> None:
    if shop.site.woocommerce != "real":
        pytest.skip("the contract double has no Action Scheduler; CHECKVALVE_TEST_WOOCOMMERCE names a real WooCommerce")
    work = "ActionScheduler_QueueRunner::instance()->run('test'); echo get_option('leaky_ran', 0);"
    shop.site.php(MAKE_ACTIONS + "as_schedule_single_action(time() - 5, 'leaky_job', array());")
    order = shop.core.order("isolate_plugin", LEAKY)
    give(shop, order)
    assert shop.site.php(work) == "0"
    shop.site.php("as_schedule_single_action(time() - 5, 'leaky_job', array());")  # fails: nobody is there to do it
    assert shop.site.php(work) == "0"
    give(shop, shop.core.order("release", {"jti": jti(order)}))
    assert shop.site.php(work) == "2"


@pytest.mark.parametrize(
    ("action", "args", "bent", "status", "detail"),
    [
        ("isolate_plugin", {"plugin": "checkvalve/checkvalve.php"}, {}, "refused", "does not isolate itself"),
        ("isolate_plugin", {"plugin": "checkvalve"}, {}, "refused", "does not isolate itself"),
        ("isolate_plugin", {"plugin": "woocommerce/woocommerce.php"}, {}, "refused", "is the checkout"),
        ("isolate_plugin", {"plugin": "absent/absent.php"}, {}, "failed", "is not active in this shop"),
        ("isolate_plugin", {"plugin": "../../x.php"}, {}, "refused", "needs"),
        ("isolate_plugin", {}, {}, "refused", "needs"),
        ("block_route", {"route": "/"}, {}, "refused", "needs"),
        ("block_route", {"route": "/checkvalve/v1"}, {}, "refused", "its own route"),
        ("close_shop", {}, {}, "refused", "knows no action"),
        ("isolate_plugin", LEAKY, {"aud": "s-222222222222"}, "refused", "another site"),
        ("isolate_plugin", LEAKY, {"hand": "gateway"}, "refused", "another hand"),
        ("isolate_plugin", LEAKY, {"exp": 1790000000}, "expired", "expired"),
        ("isolate_plugin", LEAKY, {"iat": 4000000000, "exp": 4000003600}, "refused", "from the future"),
        ("isolate_plugin", LEAKY, {"exp": "soon"}, "refused", "incomplete"),
        ("isolate_plugin", LEAKY, {"jti": ["x"]}, "refused", "no usable id"),
        ("isolate_plugin", LEAKY, {"key": Ed25519PrivateKey.generate()}, "refused", "does not verify"),
    ],
)  # fmt: skip
def test_a_bad_order_is_refused_with_a_clear_reason_and_nothing_happens(
    shop: Shop, action: str, args: dict[str, str], bent: dict[str, object], status: str, detail: str
) -> None:
    [(got, why)] = give(shop, shop.core.order(action, args, **bent))  # type: ignore[arg-type]
    assert got == status
    assert detail in why
    assert asking(shop) == 200


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.e30", "." * 20000])
def test_nonsense_for_an_order_is_refused(shop: Shop, token: str) -> None:
    assert give(shop, token)[0][0] == "refused"


def test_a_forged_order_does_not_use_up_the_id_of_the_real_one(shop: Shop) -> None:
    name = "ord-0123456789abcdef"
    forged = shop.core.order("isolate_plugin", LEAKY, key=Ed25519PrivateKey.generate(), jti=name)
    assert give(shop, forged)[0][0] == "refused"
    assert give(shop, shop.core.order("isolate_plugin", LEAKY, jti=name))[0][0] == "done"
    shop.drain()
    outcomes = [e["unmapped"]["checkvalve"]["outcome"] for e in shop.core.events(7001)]
    assert [(o["jti"], o["status"]) for o in outcomes] == [("unverified", "refused"), (name, "done")]


def test_a_release_that_comes_first_keeps_the_order_from_being_done(shop: Shop) -> None:
    order = shop.core.order("isolate_plugin", LEAKY)
    give(shop, shop.core.order("release", {"jti": jti(order)}))
    assert give(shop, order) == [("already", "released")]
    assert asking(shop) == 200


def test_two_orders_for_one_plugin_both_must_end(shop: Shop) -> None:
    first, second = (shop.core.order("isolate_plugin", LEAKY) for _ in range(2))
    give(shop, first, second)
    give(shop, shop.core.order("release", {"jti": jti(first)}))
    assert asking(shop) == 404
    give(shop, shop.core.order("release", {"jti": jti(second)}))
    assert asking(shop) == 200


@pytest.mark.parametrize("damage", ["rm -f {path}", "printf '{{' > {path}", "printf '%s' '{{\"orders\": []}}' > {path}"])
def test_a_damaged_state_file_is_not_believed_and_is_repaired(shop: Shop, damage: str) -> None:
    import subprocess

    give(shop, shop.core.order("isolate_plugin", LEAKY))
    path = shop.site.root / "wp-content" / "checkvalve" / "state.json"
    subprocess.run(["sh", "-c", damage.format(path=path)], check=True)
    assert asking(shop) == 404
    assert json.loads(path.read_text())["orders"][0]["target"] == "leaky/leaky.php"
    shop.drain()
    assert "state file was missing or changed" in shop.core.events(6002)[-1]["message"]


def test_the_shop_can_veto_but_not_a_release(shop: Shop) -> None:
    veto = shop.site.root / "wp-content" / "mu-plugins" / "veto.php"
    order = shop.core.order("isolate_plugin", LEAKY)
    give(shop, order)
    veto.write_text("<?php add_filter('checkvalve_containment_veto', fn() => 'Black Friday');")
    try:
        assert give(shop, shop.core.order("block_route", {"route": "/leaky"})) == [("refused", "Black Friday")]
        assert give(shop, shop.core.order("release", {"jti": jti(order)}))[0][0] == "done"
    finally:
        veto.unlink()


def test_the_emergency_lever_lifts_all_and_core_is_told(shop: Shop) -> None:
    order = shop.core.order("isolate_plugin", LEAKY)
    give(shop, order, shop.core.order("block_route", {"route": "/leaky/v1/ask"}))
    assert shop.site.php("echo Checkvalve\\Plugin::instance()->desk()->lift_all('by hand', time());") == "2"
    assert asking(shop) == 200
    assert give(shop, order) == [("refused", "an administrator lifted it in the shop")]
    assert {e["unmapped"]["checkvalve"]["outcome"]["status"] for e in shop.core.events(7001)} >= {"lifted"}


def test_orders_are_fetched_when_core_cannot_reach_the_shop(shop: Shop) -> None:
    shop.core.orders = [shop.core.order("isolate_plugin", LEAKY)]
    shop.site.php("do_action('checkvalve_tick');")
    assert asking(shop) == 404


def test_where_php_can_let_a_visitor_go_orders_are_fetched_within_seconds(shop: Shop) -> None:
    """As FastCGI and LiteSpeed do. Core was not heard for a minute: the next visitors bring the order in, each ten seconds."""
    lets_go = shop.site.root / "wp-content" / "mu-plugins" / "lets-go.php"
    lets_go.write_text("<?php if (PHP_SAPI !== 'cli') { function litespeed_finish_request() { return true; } }")

    def remember(what: str) -> None:
        shop.site.php(f"Checkvalve\\Outbox\\Flusher::remember(array({what}, 'tried' => 0, 'not_before' => 0));")

    try:
        order = shop.core.order("isolate_plugin", LEAKY)
        shop.core.orders = [order]
        assert [asking(shop), asking(shop)] == [200, 200]  # core came a moment ago
        remember("'synced' => time() - 61")
        assert [asking(shop), asking(shop)] == [200, 404]  # a visitor's request fetched it
        shop.core.orders = [shop.core.order("release", {"jti": jti(order)})]
        assert [asking(shop), asking(shop)] == [404, 404]  # not asked for at every request
        remember("'fetched' => time() - 10")
        assert [asking(shop), asking(shop)] == [404, 200]
    finally:
        lets_go.unlink()


@pytest.mark.parametrize(
    ("bent", "status", "error"),
    [
        ({"key": Ed25519PrivateKey.generate()}, 401, "bad_signature"),
        ({"keyid": "wp.s-abcdefghijkl"}, 403, "forbidden"),
        ({"created": 1790000000}, 401, "stale"),
        ({"site": "s-222222222222"}, 403, "forbidden"),
        ({"sent_body": b'{"site": "s-abcdefghijkl", "orders": [1]}'}, 400, "bad_digest"),
        ({"body": b"not json"}, 400, "bad_request"),
        ({"body": b"[" * 10000}, 400, "bad_request"),
        ({"body": b"x" * 1_100_000}, 413, "too_large"),
    ],
)  # fmt: skip
def test_a_bad_sync_is_refused_in_one_form(shop: Shop, bent: dict[str, object], status: int, error: str) -> None:
    got, answer = shop.core.sync(shop.sync_url, [], **bent)
    assert (got, answer["error"]) == (status, error)
    assert answer["hint"]


def test_a_replayed_sync_is_refused(shop: Shop) -> None:
    request = shop.core.sync_request(shop.sync_url, [], nonce=secrets.token_urlsafe(16))
    assert fetch(request)[0] == 200
    assert fetch(request)[1]["error"] == "replayed"
    assert fetch(shop.sync_url)[0] == 404  # GET is no route
