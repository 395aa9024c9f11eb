"""Uninstall leaves nothing, deactivation ends all orders, the gate closes direct files, the page does what it shows."""

import http.cookiejar
import re
import subprocess
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

import pytest
from tests.integration.plugin.conftest import LEAKY, PLUGIN, Shop, make, pair
from tests.integration.plugin.fake_core import FakeCore, fetch
from tests.simulators.wordpress import Site
from wordpress import build as zip_of

DATABASE = r"""
global $wpdb;
$tables = $wpdb->get_col('SHOW TABLES');
sort($tables);
// WooCommerce brings Jetpack's connection, which writes its own option whenever it likes.
$known   = "option_name NOT LIKE '%transient%' AND option_name NOT LIKE 'jetpack%'";
$options = $wpdb->get_col("SELECT option_name FROM $wpdb->options WHERE $known ORDER BY option_name");
$cron = array();
foreach (_get_cron_array() as $hooks) { $cron = array_merge($cron, array_keys($hooks)); }
sort($cron);
$posts = $wpdb->get_col("SELECT ID FROM $wpdb->posts ORDER BY ID");
$meta = $wpdb->get_col("SELECT meta_id FROM $wpdb->postmeta ORDER BY meta_id");
echo json_encode(compact('tables', 'options', 'cron', 'posts', 'meta'));
"""


def files(site: Site) -> set[str]:
    content = site.root / "wp-content"
    return {str(p.relative_to(content)) for p in content.rglob("*") if "plugins/checkvalve" not in str(p)}


def test_uninstall_leaves_nothing_behind(tmp_path: Path, core: FakeCore) -> None:
    site = make(tmp_path / "shop", LEAKY)
    site.start()
    try:
        fetch(site.rest_url)
        database, disk = site.php_json(DATABASE), files(site)
        site.add_plugin(PLUGIN)
        site.activate("checkvalve/checkvalve.php")
        shop = Shop(site=site, core=core)
        assert pair(site, core.code) == core.site
        shop.drain()
        core.sync(shop.sync_url, [core.order("isolate_plugin", {"plugin": "leaky"})])
        assert site.php_json(DATABASE) != database
        assert files(site) != disk
        site.php(
            "require_once ABSPATH . 'wp-admin/includes/plugin.php'; require_once ABSPATH . 'wp-admin/includes/file.php';"
            "deactivate_plugins('checkvalve/checkvalve.php'); $done = delete_plugins(array('checkvalve/checkvalve.php'));"
            "if (true !== $done) { exit(1); }"
        )
        after = site.php_json(DATABASE)
        assert {kind: sorted(set(after[kind]) ^ set(database[kind])) for kind in database} == {kind: [] for kind in database}
        assert files(site) == disk
        assert fetch(site.rest_url + "leaky/v1/asking")[0] == 200
    finally:
        site.stop()


def test_deactivation_ends_all_orders_and_core_is_told(shop: Shop) -> None:
    shop.core.sync(shop.sync_url, [shop.core.order("isolate_plugin", {"plugin": "leaky"})])
    shop.site.deactivate("checkvalve/checkvalve.php")
    try:
        assert fetch(shop.site.rest_url + "leaky/v1/asking")[0] == 200
        assert not (shop.site.root / "wp-content" / "mu-plugins" / "checkvalve-loader.php").exists()
        assert [e["message"] for e in shop.core.events(6002) if e["app"]["uid"] == "checkvalve"][-1] == "deactivated"
        assert shop.core.events(7001)[-1]["unmapped"]["checkvalve"]["outcome"]["status"] == "lifted"
    finally:
        shop.site.activate("checkvalve/checkvalve.php")


def test_a_plugin_folder_deleted_by_hand_does_not_take_the_shop_with_it(shop: Shop) -> None:
    folder, away = shop.site.plugins / "checkvalve", shop.site.dir / "away"
    folder.rename(away)
    try:
        assert fetch(shop.site.rest_url + "leaky/v1/asking")[0] == 200
    finally:
        away.rename(folder)
        shop.site.php(
            "$active = get_option('active_plugins'); if (!in_array('checkvalve/checkvalve.php', $active)) {"
            "$active[] = 'checkvalve/checkvalve.php'; update_option('active_plugins', $active); }"
        )


def test_the_gate_closes_files_that_are_called_directly(shop: Shop, tmp_path: Path) -> None:
    gate = tmp_path / "gate.php"
    gate.write_text(f"<?php @include '{shop.site.plugins}/checkvalve/gate.php';")
    direct = "/wp-content/plugins/leaky/direct.php"
    shop.core.sync(shop.sync_url, [shop.core.order("isolate_plugin", {"plugin": "leaky"})])
    assert fetch(shop.site.url + direct)[1] == {"raw": "direct file answers"}  # without the gate it is open
    shop.site.stop()
    shop.site.start(prepend=gate)
    try:
        status, body = fetch(shop.site.url + direct)
        assert (status, body["code"]) == (403, "checkvalve_blocked")
        assert fetch(shop.site.rest_url + "leaky/v1/asking")[0] == 404
        shop.site.php("Checkvalve\\Plugin::instance()->desk()->lift_all('test', time());")
        assert fetch(shop.site.url + direct)[1] == {"raw": "direct file answers"}
    finally:
        shop.site.stop()
        shop.site.start()


class Browser:
    """An administrator with a cookie jar."""

    def __init__(self, site: Site, login: str, password: str) -> None:
        self.site = site
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.get("/wp-login.php")  # sets the cookie that WordPress wants to see again
        self.post("/wp-login.php", {"log": login, "pwd": password, "testcookie": "1"})

    def get(self, path: str) -> str:
        with self.opener.open(self.site.url + path, timeout=60) as answer:
            page: str = answer.read().decode()
            return page

    def post(self, path: str, fields: dict[str, str]) -> str:
        with self.opener.open(self.site.url + path, urllib.parse.urlencode(fields).encode(), timeout=60) as answer:
            page: str = answer.read().decode()
            return page


def nonce(page: str, action: str) -> str:
    form = page[page.index(f'value="{action}"') :]
    found = re.search(r'name="_wpnonce" value="([0-9a-f]+)"', form)
    assert found
    return found[1]


def test_an_administrator_pairs_on_the_page_sees_the_orders_and_can_lift_them(shop: Shop) -> None:
    shop.site.php("delete_option('checkvalve_pairing');")
    admin = Browser(shop.site, shop.site.admin.login, shop.site.admin.password)
    page = admin.get("/wp-admin/tools.php?page=checkvalve")
    assert "Pair this shop" in page
    fields = {"action": "checkvalve_pair", "_wpnonce": nonce(page, "checkvalve_pair"), "code": "nonsense"}
    assert "That is not a pairing code" in admin.post("/wp-admin/admin-post.php", fields)
    page = admin.post("/wp-admin/admin-post.php", {**fields, "code": shop.core.code})
    assert f"Core knows this shop as {shop.core.site}" in page
    shop.core.sync(shop.sync_url, [shop.core.order("isolate_plugin", {"plugin": "leaky"})])
    page = admin.get("/wp-admin/tools.php?page=checkvalve")
    assert "One containment order is in force." in page
    assert "leaky/leaky.php" in page
    lift = {"action": "checkvalve_lift", "_wpnonce": nonce(page, "checkvalve_lift")}
    assert "Nothing was lifted" in admin.post("/wp-admin/admin-post.php", lift)
    assert "One order was lifted" in admin.post("/wp-admin/admin-post.php", {**lift, "sure": "yes"})
    assert fetch(shop.site.rest_url + "leaky/v1/asking")[0] == 200


def test_the_page_is_the_administrators_alone_and_keeps_its_secrets(shop: Shop) -> None:
    admin = Browser(shop.site, shop.site.admin.login, shop.site.admin.password)
    page = admin.get("/wp-admin/tools.php?page=checkvalve")
    stored = shop.site.php_json("echo json_encode(get_option('checkvalve_keys'));")
    assert stored["secret_key"] not in page
    assert stored["pseudonym_key"] not in page
    shop.site.php("wp_insert_user(array('user_login' => 'editor', 'user_pass' => 'word', 'role' => 'editor'));")
    editor = Browser(shop.site, "editor", "word")
    with pytest.raises(urllib.error.HTTPError) as refused:
        editor.get("/wp-admin/tools.php?page=checkvalve")
    assert refused.value.code == 403
    refused.value.close()
    with pytest.raises(urllib.error.HTTPError) as refused:
        editor.post("/wp-admin/admin-post.php", {"action": "checkvalve_lift", "sure": "yes"})
    assert refused.value.code == 403
    refused.value.close()


def test_secrets_are_not_autoloaded_and_the_state_directory_is_closed(shop: Shop) -> None:
    autoload = shop.site.php(
        "global $wpdb; echo $wpdb->get_var(\"SELECT autoload FROM $wpdb->options WHERE option_name = 'checkvalve_keys'\");"
    )
    assert autoload in ("no", "off")
    assert "denied" in (shop.site.root / "wp-content" / "checkvalve" / ".htaccess").read_text()


def test_the_zip_is_the_plugin_and_always_the_same(tmp_path: Path) -> None:
    first, second = tmp_path / "a.zip", tmp_path / "b.zip"
    zip_of.build(first)
    zip_of.build(second)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = set(archive.namelist())
    wanted = {f"checkvalve/{p.relative_to(PLUGIN).as_posix()}" for p in PLUGIN.rglob("*") if p.is_file()}
    assert names == wanted
    assert {"checkvalve/checkvalve.php", "checkvalve/uninstall.php", "checkvalve/LICENSE", "checkvalve/data/fold.json"} <= names


def test_every_php_file_is_small_and_parses(tmp_path: Path) -> None:
    for path in PLUGIN.rglob("*.php"):
        assert len(path.read_text().splitlines()) <= 320, path
        done = subprocess.run(["php", "-l", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
