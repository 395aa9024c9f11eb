"""Hosting as it is: a directory that cannot be written, a database that says no, caches, plain permalinks, a password in
front, no WooCommerce, a network of sites."""

import base64
import re
import shutil
import sqlite3
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.plugin.conftest import LEAKY, PAIR, PLUGIN, Shop, pair
from tests.integration.plugin.fake_core import FakeCore, fetch
from tests.integration.plugin.test_orders import asking, give, jti
from tests.simulators.processes import free_port
from tests.simulators.wordpress import Site, build

ISOLATE = {"plugin": "leaky/leaky.php"}
STATE_REPORTS = "state file was missing or changed"


def state_reports(shop: Shop) -> int:
    shop.drain()
    return len([e for e in shop.core.events(6002) if STATE_REPORTS in e.get("message", "")])


@pytest.fixture
def no_state_directory(shop: Shop) -> Iterator[Path]:
    """wp-content/checkvalve cannot be made: a file is in its place (root may write everywhere, so no permission helps)."""
    directory = shop.site.root / "wp-content" / "checkvalve"
    shutil.rmtree(directory)
    directory.write_text("")
    yield directory
    directory.unlink()
    shop.site.php("Checkvalve\\Orders\\StateFile::prepare();")


def test_without_a_writable_directory_orders_hold_by_the_database(shop: Shop, no_state_directory: Path) -> None:
    order = shop.core.order("isolate_plugin", ISOLATE)
    assert give(shop, order)[0][0] == "done"
    assert shop.site.php("echo get_option('checkvalve_state');") == "database"
    assert [asking(shop) for _ in range(4)] == [404] * 4
    assert state_reports(shop) == 0  # nobody changed anything
    assert give(shop, shop.core.order("release", {"jti": jti(order)}))[0][0] == "done"
    assert asking(shop) == 200


def test_a_directory_that_can_be_written_again_gets_the_state_file_back(shop: Shop, no_state_directory: Path) -> None:
    give(shop, shop.core.order("isolate_plugin", ISOLATE))
    no_state_directory.unlink()
    give(shop)
    assert (no_state_directory / "state.json").is_file()
    assert len(shop.site.php("echo get_option('checkvalve_state');")) == 64
    assert asking(shop) == 404
    shutil.rmtree(no_state_directory)
    no_state_directory.write_text("")


def test_an_option_out_of_a_stale_cache_opens_nothing(shop: Shop) -> None:
    give(shop, shop.core.order("isolate_plugin", ISOLATE))
    shop.site.php("update_option('checkvalve_state', '');")
    assert [asking(shop), asking(shop)] == [404, 404]
    assert state_reports(shop) == 1


def test_option_and_file_gone_together_are_put_back_at_the_next_contact(shop: Shop) -> None:
    give(shop, shop.core.order("isolate_plugin", ISOLATE))
    (shop.site.root / "wp-content" / "checkvalve" / "state.json").unlink()
    shop.site.php("delete_option('checkvalve_state');")
    give(shop)
    assert asking(shop) == 404


def test_a_state_that_is_damaged_again_and_again_is_told_once_an_hour(shop: Shop) -> None:
    give(shop, shop.core.order("isolate_plugin", ISOLATE))
    for _ in range(3):
        (shop.site.root / "wp-content" / "checkvalve" / "state.json").write_text("{}")
        assert asking(shop) == 404
    assert state_reports(shop) == 1


def test_an_order_the_database_did_not_keep_is_not_called_done(shop: Shop) -> None:
    broken = shop.site.root / "wp-content" / "mu-plugins" / "broken.php"
    broken.write_text("<?php add_filter('query', fn($q) => preg_match('/^INSERT INTO \\S+checkvalve_orders/', $q) ? '' : $q);")
    try:
        assert give(shop, shop.core.order("block_route", {"route": "/leaky/v1/ask"}))[0][0] == "failed"
        assert give(shop, shop.core.order("isolate_plugin", ISOLATE))[0][0] == "failed"
        assert asking(shop) == 200
    finally:
        broken.unlink()


def test_a_lost_outbox_is_shown_counted_and_made_again(shop: Shop) -> None:
    log = shop.site.dir / "debug.log"
    before = log.stat().st_size if log.exists() else 0
    shop.site.php("global $wpdb; $wpdb->query('DROP TABLE ' . Checkvalve\\Tables::name('outbox'));")
    assert asking(shop) == 200
    lines = shop.site.php_json("echo json_encode(Checkvalve\\Health::lines(new Checkvalve\\Outbox\\Outbox(), time()));")
    assert ["Outbox", "warn"] in [line[:2] for line in lines]
    faults = shop.site.php_json("echo json_encode(get_option('checkvalve_sensor_faults'));")
    assert faults["Checkvalve\\Sensors\\RestRequests"]["count"] >= 1
    assert "INSERT INTO" not in (log.read_text()[before:] if log.exists() else "")
    shop.site.php("do_action('checkvalve_tick');")
    assert shop.site.php_json("echo json_encode(Checkvalve\\Tables::missing());") == []


def test_what_any_visitor_can_cause_leaves_room_for_the_rest(shop: Shop) -> None:
    limit = shop.site.root / "wp-content" / "mu-plugins" / "limit.php"
    limit.write_text("<?php add_filter('checkvalve_outbox_limit', fn() => 10);")
    shop.core.answer_with = 503
    try:
        for _ in range(14):
            asking(shop)
        shop.site.php("wp_insert_user(array('user_login' => 'late', 'user_pass' => 'x'));")
    finally:
        limit.unlink()
        shop.core.answer_with = None
    shop.drain()
    assert len(shop.core.events(6003)) == 8
    assert len(shop.core.events(3001)) == 1


def test_methods_and_paths_that_a_visitor_made_up_stay_in_the_shop(shop: Shop) -> None:
    made_up = {"X-HTTP-Method-Override": "JANE@EXAMPLE.COM" * 20}
    fetch(urllib.request.Request(shop.site.rest_url + "leaky/v1/asking", headers=made_up, method="POST"))
    code = "$_SERVER['REQUEST_URI'] = '/unsubscribe/jane@example.com/%6Aane/ok?x'; echo Checkvalve\\Caller::route();"
    assert shop.site.php(code) == "/unsubscribe/…/…/ok"
    shop.drain()
    assert "OTHER /leaky/v1/…" in [e["api"]["operation"] for e in shop.core.events(6003)]
    assert b"JANE" not in b"".join(shop.core.lines.values())


@pytest.mark.parametrize(
    "where", ["someone@core.example.com", "localhost:x@core.example.com", "core.example.com/?a=b", "core.example.com/#x"]
)
def test_an_address_that_hides_another_is_no_pairing_code(shop: Shop, where: str) -> None:
    assert shop.pair(f"K7QM-2XPD-9FHR@{where}").startswith("bad_code: ")


def test_a_broken_route_pattern_is_refused_instead_of_called_done(shop: Shop) -> None:
    status, detail = give(shop, shop.core.order("block_route", {"route": "/leaky/v1/(?P<id>[0-9"}))[0]
    assert (status, "no pattern" in detail) == ("refused", True)


def test_plain_permalinks(shop: Shop) -> None:
    shop.site.php("update_option('permalink_structure', ''); flush_rewrite_rules(false);")
    rest = shop.site.url + "/?rest_route=/"
    try:
        assert shop.pair() == shop.core.site
        assert shop.core.pair_request["rest_url"].endswith("?rest_route=/")
        status, answer = shop.core.sync(rest + "checkvalve/v1/sync", [shop.core.order("isolate_plugin", ISOLATE)])
        assert (status, answer["applied"][0]["status"]) == (200, "done")
        assert fetch(rest + "leaky/v1/asking")[0] == 404
        probe = urllib.request.Request(rest + "checkvalve/v1/probe", headers={"Checkvalve-Probe": shop.core.probe_pass()})
        assert fetch(probe)[1]["sku"] == "checkvalve-probe"
    finally:
        shop.site.php("update_option('permalink_structure', '/%postname%/'); flush_rewrite_rules(false);")


def test_a_password_in_front_of_the_shop_does_not_keep_core_out(shop: Shop) -> None:
    """HTTP Basic of the web server reaches WordPress too, which takes it for an application password."""
    basic = "Basic " + base64.b64encode(b"stage:door").decode()
    request = shop.core.sync_request(shop.sync_url, [shop.core.order("isolate_plugin", ISOLATE)])
    request.add_header("Authorization", basic)
    status, answer = fetch(request)
    assert (status, answer["applied"][0]["status"]) == (200, "done")
    headers = {"Checkvalve-Probe": shop.core.probe_pass(), "Authorization": basic}
    assert fetch(urllib.request.Request(shop.site.rest_url + "checkvalve/v1/probe", headers=headers))[0] == 200


def test_a_site_without_woocommerce(tmp_path: Path, core: FakeCore) -> None:
    site = build(tmp_path / "site", plugins=[PLUGIN, LEAKY], woocommerce=None).start()
    try:
        shop = Shop(site=site, core=core)
        assert shop.pair() == core.site
        shop.drain()
        assert site.php("echo Checkvalve\\People\\Register::stage();") == "done"
        assert [e["unmapped"]["checkvalve"]["subject"]["ref"] for e in core.events(5003)] == ["customer:1"]
        assert give(shop, core.order("isolate_plugin", ISOLATE))[0][0] == "done"
        assert asking(shop) == 404
        probe = urllib.request.Request(site.rest_url + "checkvalve/v1/probe", headers={"Checkvalve-Probe": core.probe_pass()})
        assert fetch(probe)[0] == 404
        assert site.php("echo json_encode(get_option('checkvalve_sensor_faults'));") == "false"
    finally:
        site.stop()


NETWORK = """
global $wpdb;
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/network.php';
foreach ($wpdb->tables('ms_global') as $name => $table) { $wpdb->$name = $table; }
install_network();
$done = populate_network(1, '{domain}', 'owner@example.com', 'Network', '/', false);
if (is_wp_error($done)) { fwrite(STDERR, $done->get_error_message()); exit(1); }
"""
CONSTANTS = """
define( 'MULTISITE', true );
define( 'SUBDOMAIN_INSTALL', false );
define( 'DOMAIN_CURRENT_SITE', '{domain}' );
define( 'PATH_CURRENT_SITE', '/' );
define( 'SITE_ID_CURRENT_SITE', 1 );
define( 'BLOG_ID_CURRENT_SITE', 1 );
"""
SECOND = """
$id = wpmu_create_blog('{domain}', '/second/', 'Second', 1);
if (is_wp_error($id)) { fwrite(STDERR, $id->get_error_message()); exit(1); }
global $wpdb;
$wpdb->update($wpdb->blogs, array('domain' => '{domain}'), array('blog_id' => $id)); // WordPress drops the colon of a port
clean_blog_cache($id);
switch_to_blog($id);
update_option('permalink_structure', '');
update_option('home', 'http://{domain}/second'); update_option('siteurl', 'http://{domain}/second');
require_once ABSPATH . 'wp-admin/includes/plugin.php';
activate_plugin('leaky/leaky.php'); activate_plugin('checkvalve/checkvalve.php');
echo $id;
"""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Site]:
    """Two sites in one WordPress, / and /second/."""
    site = build(tmp_path / "network", plugins=[PLUGIN, LEAKY], woocommerce=None)
    port = free_port()
    domain = f"127.0.0.1:{port}"
    (site.dir / "site-url").write_text(f"http://{domain}")
    site.php(NETWORK.replace("{domain}", domain))
    config = site.root / "wp-config.php"
    text = re.sub(r"^define\( 'WP_(HOME|SITEURL)'.*\n", "", config.read_text(), flags=re.MULTILINE)
    config.write_text(text.replace("$table_prefix", CONSTANTS.replace("{domain}", domain) + "$table_prefix"))
    home = f"update_option('home', 'http://{domain}'); update_option('siteurl', 'http://{domain}');"
    site.php(home)
    assert site.php(SECOND.replace("{domain}", domain)) == "2"
    site.start(port)
    yield site
    site.stop()


def on_second(code: str) -> str:
    return "switch_to_blog(2);" + code


def test_in_a_network_each_site_is_a_shop_of_its_own(network: Site) -> None:
    cores = [FakeCore(), FakeCore()]
    cores[1].site = "s-bbbbbbbbbbbb"
    second = network.url + "/second/?rest_route=/"
    try:
        assert pair(network, cores[0].code) == cores[0].site
        assert network.php(on_second(f"$code = '{cores[1].code}';" + PAIR)) == cores[1].site
        status, answer = cores[1].sync(second + "checkvalve/v1/sync", [cores[1].order("isolate_plugin", ISOLATE)])
        assert (status, answer["applied"][0]["status"]) == (200, "done")
        status, answer = cores[0].sync(
            network.rest_url + "checkvalve/v1/sync", [cores[0].order("block_route", {"route": "/wp/v2"})]
        )
        assert answer["applied"][0]["status"] == "done"
        for _ in range(2):
            assert fetch(network.rest_url + "leaky/v1/asking")[0] == 200
            assert fetch(second + "leaky/v1/asking")[0] == 404
            assert fetch(network.rest_url + "wp/v2/posts")[0] == 403
            assert fetch(second + "wp/v2/posts")[0] == 200
        names = sorted(path.name for path in (network.root / "wp-content" / "checkvalve").glob("*.json"))
        assert names == ["state-1.json", "state-2.json"]
        # The administrator of one site is not the network's.
        user = "$id = wp_insert_user(array('user_login' => 'one', 'user_pass' => 'x', 'role' => 'administrator'));"
        may = "foreach (array('manage_options', Checkvalve\\Admin\\Page::capability()) as $c) { echo (int) user_can($id, $c); }"
        assert network.php(on_second(user + may)) == "10"
        # An order of another site's core means nothing here.
        assert cores[0].sync(second + "checkvalve/v1/sync")[0] in (401, 403)
        # Somebody switches the plugin off on the first site: the second stays contained.
        network.deactivate("checkvalve/checkvalve.php")
        assert fetch(network.rest_url + "wp/v2/posts")[0] == 200
        assert fetch(second + "leaky/v1/asking")[0] == 404
        assert {e["unmapped"]["checkvalve"]["site"] for e in cores[1].events()} <= {cores[1].site}
        network.php(
            "define('WP_UNINSTALL_PLUGIN', 'checkvalve/checkvalve.php'); require WP_PLUGIN_DIR . '/checkvalve/uninstall.php';"
        )
        left = "SELECT name FROM sqlite_master WHERE name LIKE '%checkvalve%'"
        with sqlite3.connect(network.dir / "database" / "shop.sqlite") as database:
            assert database.execute(left).fetchall() == []
        assert not (network.root / "wp-content" / "checkvalve").exists()
        assert fetch(second + "leaky/v1/asking")[0] == 200
    finally:
        for core in cores:
            core.stop()
