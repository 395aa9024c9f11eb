"""Orders at a real web server before a real shop: the attack is closed, the checkout is open, and nothing is left behind."""

from dataclasses import replace

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.integration.webserver.conftest import Front

ROUTE = "/wp-json/leaky/v1/asking"
# The same route of the leaking plugin, in ways that WordPress and PHP take for the same.
DISGUISED = [
    ("GET", "/?rest_route=/leaky/v1/asking", ""),
    ("GET", "/?rest%5Froute=/leaky/v1/asking", ""),
    ("GET", "/?rest.route=/leaky/v1/asking", ""),
    ("GET", "/?%72est_route=%2Fleaky%2Fv1%2Fasking", ""),
    ("GET", "/?rest[route=/leaky/v1/asking", ""),
    ("GET", "/?+rest_route=/leaky/v1/asking", ""),
    ("GET", "/index.php?a=b&rest_route=/leaky/v1/asking", ""),
    ("GET", "/wp-json/wc/store/v1/cart?rest_route=/leaky/v1/asking", ""),
    ("GET", "//wp-json//leaky/v1/asking", ""),
    ("GET", "/wp-json/%6Ceaky/v1/asking", ""),
    ("GET", "/x/../wp-json/leaky/v1/asking", ""),
    ("POST", "/?_method=GET", "rest_route=/leaky/v1/asking"),
    ("POST", "/?wc-ajax=checkout&_method=GET", "rest_route=/leaky/v1/asking"),
    ("POST", "/checkout/?_method=GET", "rest.route=/leaky/v1/asking"),
]


def test_the_attack_works_before_anything_is_done(front: Front) -> None:
    assert front.leaks("GET", ROUTE)
    worked = [target for method, target, body in DISGUISED if front.leaks(method, target, body)]
    assert len(worked) >= 8  # else these ways of writing it show nothing
    assert any("wc-ajax" in target for target in worked)


@pytest.mark.parametrize(("action", "args"), [("deny_path", {"path": "/wp-json/leaky/"}), ("maintenance", {})])
def test_a_route_is_closed_however_it_is_written_and_the_checkout_is_open(
    front: Front, action: str, args: dict[str, str]
) -> None:
    before = front.buy()
    assert before.ok, before.why
    order = front.order(action, **args)
    assert [word.partition(":")[0] for word in front.given(order).values()] == ["done"]
    assert front.ask("GET", ROUTE)[0] == (403 if action == "deny_path" else 503)
    assert [target for method, target, body in DISGUISED if front.leaks(method, target, body)] == []
    after = front.buy(before)
    assert (after.ok, after.why, after.cancelled) == (True, None, True)
    assert set(after.ways) == set(before.ways)
    front.given(front.release(order))
    assert front.leaks("GET", ROUTE)


def test_read_only_lets_nobody_write_but_customers_and_payment_services(front: Front) -> None:
    before = front.buy()
    front.given(front.order("read_only"))
    assert front.ask("GET", "/")[0] == 200
    for method, target in (
        ("POST", "/wp-login.php"),
        ("POST", "/xmlrpc.php"),
        ("POST", "/wp-admin/admin-ajax.php"),
        ("POST", "/wp-json/batch/v1"),
        ("POST", "/wp-json/leaky/v1/ask"),
        ("PUT", "/wp-json/wp/v2/users/1"),
        ("POST", "/?rest_route=/batch/v1"),
        ("POST", "/wp-json/wc/store/v1/cart?rest_route=/batch/v1"),
        ("POST", "/wp-json/wc/store/v1/../../../batch/v1"),
        ("GET", "/wp-json/batch/v1?_method=POST"),
        ("GET", "/wp-json/wp/v2/users/1?.method=DELETE"),
        ("GET", "/wp-content/uploads/2026/shell.php"),
        ("GET", "/wp-content/uploads/shell.PHP7/x"),
    ):
        assert front.ask(method, target, "a=b" if method != "GET" else "")[0] == 403, target
    assert front.ask("GET", "/wp-json/wp/v2/users/1", override="DELETE")[0] == 403
    for body in ("rest_route=/batch/v1", "rest.route=/batch/v1"):  # a form names another route than the path
        assert front.ask("POST", "/wp-json/wc/store/v1/cart/add-item", body)[0] == 403
    assert front.ask("POST", "/?wc-api=example_gateway", "paid=1")[0] != 403
    assert front.ask("POST", "/wc-api/example_gateway/", "paid=1")[0] != 403
    after = front.buy(before)
    assert (after.ok, after.why) == (True, None)


def test_an_allow_list_keeps_the_office_in_and_everybody_else_out(front: Front) -> None:
    front.given(front.order("allow_list", address="203.0.113.7, 2001:db8::7"))
    assert front.ask("GET", "/wp-login.php")[0] == 403
    assert front.ask("GET", "/wp-admin/users.php")[0] == 403
    assert front.ask("GET", "//wp-admin/./users.php")[0] == 403
    assert front.ask("GET", "/wp-admin/admin-ajax.php")[0] == 400  # visitors' pages ask it; WordPress answered
    here = front.order("allow_list", address="127.0.0.1")
    front.given(front.release(front.core.orders[0]), here)
    assert front.ask("GET", "/wp-login.php")[0] == 200
    assert front.buy().ok


def test_what_would_close_the_checkout_is_taken_back_by_the_hand_itself(front: Front) -> None:
    order = front.order("deny_path", path="/wp-json/wc/")
    (said,) = front.given(order).values()
    assert said.startswith("failed: what the checkout needs answers 403 instead of 200")
    assert front.buy().ok
    assert front.given(order) == {}  # it is not tried again and again
    assert not list(front.server.include.iterdir())


def test_a_configuration_that_the_server_refuses_is_never_loaded(front: Front) -> None:
    other = front.server.include / "zz-broken.conf"
    other.write_text("this is no directive at all\n")
    if front.server.kind == "prepend":  # PHP has no test of its own; whatever the administrator named is asked
        front = replace(front, settings=msgspec.structs.replace(front.settings, test=("/bin/false",)))
    try:
        (said,) = front.given(front.order("read_only")).values()
    finally:
        other.unlink()
    assert said.startswith("failed: the web server: the test of its configuration failed")
    assert front.ask("POST", "/wp-login.php", "log=x")[0] == 200
    assert not list(front.server.include.iterdir())


def test_only_what_core_signed_for_this_shop_and_hand_is_done(front: Front) -> None:
    good = {"path": "/wp-json/leaky/"}
    for order in (
        front.core.order("deny_path", good, hand="webserver", key=Ed25519PrivateKey.generate()),
        front.core.order("deny_path", good, hand="webserver", aud="s-222222222222"),
        front.core.order("deny_path", good),
        front.core.order("deny_path", good, hand="webserver", ttl=-1),
        front.core.order("deny_path", good, hand="webserver", iat=4000000000, exp=4000000600),
        front.order("deny_path", **good)[:-4] + "AAAA",
        "no.order.atall",
    ):
        assert front.given(order) == {}
        assert front.leaks("GET", ROUTE)
    for action, args in (
        ("deny_path", {"path": '/x"; } location / { return 200; }'}),
        ("deny_path", {"path": "/x\nDeny from all"}),
        ("deny_path", {"path": "/a/../wp-json/"}),
        ("allow_list", {"address": "0.0.0.0/0"}),
        ("read_only", {"path": "/"}),
        ("run_command", {"command": "id"}),
    ):
        (said,) = front.given(front.order(action, **args)).values()
        assert said.startswith("refused: "), said
        assert not list(front.server.include.iterdir())


def test_orders_hold_without_core_survive_a_restart_and_end_by_themselves(front: Front) -> None:
    front.given(front.core.order("deny_path", {"path": "/wp-json/leaky/"}, hand="webserver", ttl=600))
    kept = msgspec.json.decode(msgspec.json.encode(front.state), type=type(front.state))
    alone = replace(front, state=kept, settings=msgspec.structs.replace(front.settings, core="http://127.0.0.1:9"))
    assert alone.act(lambda host: host.turn()) is False
    assert not front.leaks("GET", ROUTE)

    async def later(host: object) -> None:
        host._now_s = lambda: 4_000_000_000  # type: ignore[attr-defined]
        await host.enforce()  # type: ignore[attr-defined]

    alone.act(later)
    assert front.leaks("GET", ROUTE)
    assert not list(front.server.include.iterdir())


def test_an_administrator_ends_all_of_it_without_core_and_core_does_not_put_it_back(front: Front) -> None:
    order = front.order("maintenance")
    front.given(order)
    assert front.ask("GET", "/")[0] == 503
    assert len(front.act(lambda host: host.lift())) == 1
    assert front.ask("GET", "/")[0] == 200
    assert list(front.given(order).values()) == ["lifted: an administrator ended it on the host"]
    assert front.ask("GET", "/")[0] == 200
