"""The hands in a real WordPress with the plugin: probe, block a route, see it closed, take it back."""

import contextlib
import json
import secrets
import time
from collections.abc import Iterator

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert
from tests.integration.plugin.conftest import LEAKY, MANYSIDED, PLUGIN, make, pair
from tests.integration.plugin.fake_core import FakeCore
from tests.simulators.wordpress import Site

from checkvalve.actuators.checkout import CheckoutProbe, CheckoutReport
from checkvalve.actuators.verify import route_is_closed
from checkvalve.actuators.wordpress import Shop, WordPressHand
from checkvalve.cli.main import run
from checkvalve.engine.errors import EngineError
from checkvalve.engine.identity import load_identity
from checkvalve.engine.roles import roles
from checkvalve.engine.settings import Settings, save_settings
from checkvalve.events import jws
from checkvalve.store.schema import sensors, sites
from checkvalve.store.state import open_state

ROUTE = "/leaky/v1/ask"


@pytest.fixture(scope="module")
def core() -> Iterator[FakeCore]:
    made = FakeCore()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, core: FakeCore) -> Iterator[Site]:
    made = make(tmp_path_factory.mktemp("hands") / "shop", PLUGIN, LEAKY, MANYSIDED)
    made.start()
    try:
        assert pair(made, core.code) == core.site
        yield made
    finally:
        made.stop()


async def probe(
    session: aiohttp.ClientSession, site: Site, core: FakeCore, baseline: CheckoutReport | None = None
) -> CheckoutReport:
    shop = Shop(site=core.site, rest_url=site.rest_url)
    return await CheckoutProbe(session, lambda _: core.probe_pass()).run(shop, baseline)


async def apply(session: aiohttp.ClientSession, site: Site, core: FakeCore, order: str) -> str:
    hand = WordPressHand(session, core.key, lambda: int(time.time()), lambda: secrets.token_urlsafe(16))
    synced = await hand.sync(Shop(site=core.site, rest_url=site.rest_url), [order], seconds=30)
    jti = jws.verify(order, typ="checkvalve-order+jws", public_key=core.public_key)["jti"]
    return synced.applied[jti][0]


async def test_a_real_checkout_is_good_again_and_again(session: aiohttp.ClientSession, site: Site, core: FakeCore) -> None:
    first = await probe(session, site, core)
    assert (first.ok, first.why, first.cancelled) == (True, None, True)
    second = await probe(session, site, core, first)
    assert (second.ok, second.total, second.methods) == (True, first.total, first.methods)
    assert second.order != first.order


async def test_without_a_good_pass_the_probe_says_so(session: aiohttp.ClientSession, site: Site, core: FakeCore) -> None:
    shop = Shop(site=core.site, rest_url=site.rest_url)
    report = await CheckoutProbe(session, lambda _: "no.good.pass").run(shop, None)
    assert str(report.why).startswith("probe product: the shop answered 40")


async def test_a_route_is_blocked_seen_closed_and_opened_again_with_the_checkout_open(
    session: aiohttp.ClientSession, site: Site, core: FakeCore
) -> None:
    shop = Shop(site=core.site, rest_url=site.rest_url)
    before = await probe(session, site, core)
    assert not (await route_is_closed(session, shop, ROUTE))[0]
    order = core.order("block_route", {"route": ROUTE})
    assert await apply(session, site, core, order) == "done"
    assert await route_is_closed(session, shop, ROUTE) == (True, "POST was answered 403, GET was answered 403")
    assert (await probe(session, site, core, before)).why is None
    assert await apply(session, site, core, order) == "already"
    jti = jws.verify(order, typ="checkvalve-order+jws", public_key=core.public_key)["jti"]
    assert await apply(session, site, core, core.order("release", {"jti": jti})) == "done"
    assert not (await route_is_closed(session, shop, ROUTE))[0]


async def test_blocking_the_checkout_is_seen_by_the_probe(session: aiohttp.ClientSession, site: Site, core: FakeCore) -> None:
    order = core.order("block_route", {"route": "/wc/store/v1/checkout"})
    assert await apply(session, site, core, order) == "done"
    jti = jws.verify(order, typ="checkvalve-order+jws", public_key=core.public_key)["jti"]
    broken = await probe(session, site, core)
    await apply(session, site, core, core.order("release", {"jti": jti}))
    assert broken.why == "checkout: the shop answered 403 (checkvalve_blocked)"
    assert (await probe(session, site, core)).ok


@pytest.mark.parametrize(("width", "borne"), [("surface", True), ("except_checkout", True), ("everywhere", False)])
async def test_every_width_closes_the_way_and_the_probe_says_which_the_checkout_bears(
    session: aiohttp.ClientSession, site: Site, core: FakeCore, width: str, borne: bool
) -> None:
    """The plugin also takes payments: not loaded at all, its way to pay is gone."""
    shop, route = Shop(site=core.site, rest_url=site.rest_url), "/manysided/v1/ask"
    before = await probe(session, site, core)
    assert not (await route_is_closed(session, shop, route))[0]
    order = core.order("isolate_plugin", {"plugin": "manysided", "mode": width})
    assert await apply(session, site, core, order) == "done"
    try:
        closed, seen = await route_is_closed(session, shop, route)
        report = await probe(session, site, core, before)
    finally:
        jti = jws.verify(order, typ="checkvalve-order+jws", public_key=core.public_key)["jti"]
        assert await apply(session, site, core, core.order("release", {"jti": jti})) == "done"
    assert closed, seen
    assert (report.ok, report.why) == (borne, None if borne else "payment methods gone: manysided")
    assert (await probe(session, site, core, before)).ok


async def test_calls_that_came_for_an_isolated_plugin_are_played_by_the_sync_after_its_release(
    session: aiohttp.ClientSession, site: Site, core: FakeCore
) -> None:
    paid = "echo implode('|', (array) get_option('manysided_paid', array()));"
    order = core.order("isolate_plugin", {"plugin": "manysided"})
    assert await apply(session, site, core, order) == "done"
    for number in (1, 2):
        async with session.post(f"{site.url}/?wc-api=manysided", data=f"paid {number}", headers={"X-Signature": "s"}) as kept:
            assert kept.status == 200
    assert site.php(paid) == ""
    jti = jws.verify(order, typ="checkvalve-order+jws", public_key=core.public_key)["jti"]
    assert await apply(session, site, core, core.order("release", {"jti": jti})) == "done"
    assert site.php(paid) == "s paid 1|s paid 2"


@contextlib.contextmanager
def shop_code(site: Site, code: str) -> Iterator[None]:
    """PHP that somebody has added to the shop."""
    file = site.root / "wp-content" / "mu-plugins" / "added.php"
    file.write_text(f"<?php {code}")
    try:
        yield
    finally:
        file.unlink()


async def test_physical_goods_and_the_classic_form_are_walked_too(
    session: aiohttp.ClientSession, site: Site, core: FakeCore
) -> None:
    ways = (await probe(session, site, core)).ways
    assert {name: (way.ok, way.why) for name, way in ways.items()} == {
        "physical goods": (True, None),
        "classic checkout": (True, None),
    }
    assert (ways["physical goods"].total, ways["physical goods"].shipping) == ("590", "490")
    assert (ways["classic checkout"].total, ways["classic checkout"].currency) == ("100", "EUR")


REFUSED = "add_action('woocommerce_after_checkout_validation', fn($d, $e) => $e->add('no', 'Not today.'), 10, 2);"
DEARER = """add_action('woocommerce_checkout_create_order', fn($o) => $o->set_total(9));
add_action('woocommerce_store_api_checkout_update_order_meta', fn($o) => $o->set_total(9));"""


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (REFUSED, "classic checkout: the shop refused the form"),
        (DEARER, "total 900 instead of"),
    ],
)
async def test_a_way_that_worked_and_does_not_or_takes_other_money_has_failed(
    session: aiohttp.ClientSession, site: Site, core: FakeCore, code: str, why: str
) -> None:
    before = await probe(session, site, core)
    with shop_code(site, code):
        report = await probe(session, site, core, before)
        assert why in str(report.why)
        assert (await probe(session, site, core)).ok  # without a baseline nobody knows that it ever worked
    assert (await probe(session, site, core, before)).why is None


async def test_probes_leave_no_mail_and_no_open_order_and_the_stock_as_it_was(
    session: aiohttp.ClientSession, site: Site, core: FakeCore
) -> None:
    quantity = "fn($s) => wc_get_product(wc_get_product_id_by_sku($s))->get_stock_quantity()"
    stock = f"echo implode(',', array_map({quantity}, array('beans', 'cup')));"
    still_open = "fn($o) => 'cancelled' !== $o->get_status() && Checkvalve\\Probe\\ProbeProduct::is_in($o)"
    open_ones = f"echo count(array_filter(wc_get_orders(array('limit' => -1)), {still_open}));"
    before, mail = site.php(stock), site.mail
    assert (await probe(session, site, core)).ok
    assert (site.php(open_ones), site.php(stock), site.mail) == ("0", before, mail)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, site: Site, core: FakeCore) -> Settings:
    """A data directory that knows the shop, with the key the shop was paired with."""
    data = tmp_path_factory.mktemp("roles") / "data"
    load_identity(data)
    (data / "keys" / "core.key").write_bytes(core.key.private_bytes_raw())
    made = Settings(data=data)
    state = open_state(made.state)
    with state.begin() as db:
        shop = {"site": core.site, "name": "shop", "rest_url": site.rest_url, "site_url": site.url}
        db.execute(insert(sites).values(**shop, pseudonym_key=b"", created_ms=1))
        sensor = {"keyid": "wp.x", "kind": "wordpress", "site": core.site, "name": "shop"}
        db.execute(insert(sensors).values(**sensor, public_key=b"", paired_ms=1, versions={}))
    state.close()
    return made


async def test_the_role_map_tells_what_the_checkout_needs_and_the_narrowest_step_that_leaves_it_open(
    settings: Settings, site: Site
) -> None:
    found = await roles(settings, None, [])
    assert found["ways"] == {"store api": True, "physical goods": True, "classic checkout": True}
    by_name = {row["plugin"]: row for row in found["plugins"]}
    assert by_name.keys() >= {"leaky/leaky.php", "manysided/manysided.php"}
    assert (by_name["leaky/leaky.php"]["depends"], by_name["leaky/leaky.php"]["steps"]) == (False, ["surface", "everywhere"])
    needed = by_name["manysided/manysided.php"]
    assert (needed["depends"], needed["breaks"]) == (True, "payment methods gone: manysided")
    assert needed["steps"] == ["surface", "except_checkout"]
    assert site.php("echo get_option('checkvalve_state');") == ""  # nothing was ever in force


def test_a_plugin_that_is_assessed_can_be_tried_in_the_shop(
    settings: Settings, core: FakeCore, capsys: pytest.CaptureFixture[str]
) -> None:
    save_settings(settings)
    assert run(["plugin", "assess", str(LEAKY), "--try", "--json", "--data", str(settings.data)]) == 0
    found = json.loads(capsys.readouterr().out)
    tried = found["tried"]
    assert (tried["site"], tried["plugin"], tried["depends"]) == (core.site, "leaky/leaky.php", False)
    assert tried["steps"] == found["isolation"]["safe"] == ["surface", "everywhere"]
    assert run(["plugin", "assess", str(LEAKY), "--try", "--site", "s-other", "--data", str(settings.data)]) == 2
    assert "no such paired shop" in capsys.readouterr().err


async def test_a_trial_touches_no_visitor_and_nobody_but_core_can_make_one(
    session: aiohttp.ClientSession, site: Site, core: FakeCore
) -> None:
    trial = {"plugin": "leaky/leaky.php", "mode": "everywhere"}
    passes = {
        core.probe_pass(trial=trial): 404,
        core.probe_pass(): 200,
        core.probe_pass(trial=trial, key=Ed25519PrivateKey.generate()): 200,
        core.probe_pass(trial=trial, aud="s-222222222222"): 200,
        core.probe_pass(trial=trial, exp=1790000000): 200,
        core.probe_pass(trial={"plugin": "woocommerce/woocommerce.php", "mode": "everywhere"}): 200,
        core.probe_pass(trial={"plugin": "leaky/leaky.php", "mode": ["x"]}): 200,
    }
    for token, status in passes.items():
        async with session.get(site.rest_url + "leaky/v1/asking", headers={"Checkvalve-Probe": token}) as answer:
            assert answer.status == status
    async with session.get(site.rest_url + "leaky/v1/asking") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(("named", "only", "why"), [("s-other", [], "no such paired shop"), (None, ["absent"], "absent")])
async def test_what_cannot_be_tried_is_said(settings: Settings, named: str | None, only: list[str], why: str) -> None:
    with pytest.raises(EngineError, match=why):
        await roles(settings, named, only)
