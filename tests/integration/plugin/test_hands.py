"""Every hand in a real WordPress: what it closes is closed, and after its release the shop is byte for byte what it was."""

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.integration.plugin.conftest import Shop
from tests.integration.plugin.test_matrix import LEAK, attack
from tests.integration.plugin.test_orders import give, jti

from checkvalve.playbooks.executable import ACTIONS

PEOPLE = r"""
$made = array();
foreach (array('clerk' => 'editor', 'deputy' => 'administrator') as $login => $role) {
    $made[$login] = wp_insert_user(array(
        'user_login' => $login, 'user_pass' => "pass of $login", 'role' => $role, 'user_email' => "$login@example.com"));
}
$secret = wp_generate_password(40, false);
$GLOBALS['wpdb']->insert($GLOBALS['wpdb']->prefix . 'woocommerce_api_keys', array(
    'user_id' => 1, 'description' => 'partner', 'permissions' => 'read', 'consumer_key' => wc_api_hash("ck_$secret"),
    'consumer_secret' => "cs_$secret", 'truncated_key' => substr("ck_$secret", -7)));
$training = wp_get_upload_dir()['basedir'] . '/training';
wp_mkdir_p($training);
file_put_contents("$training/index.json", 'training data of the shop');
echo json_encode(array('secret' => $secret, 'key' => (string) $GLOBALS['wpdb']->insert_id) + $made);
"""
# Ours, the SQLite driver's, and the carts of visitors.
DATABASE_ONLY_OURS = re.compile(r"checkvalve_|^sqlite_|^_wp_sqlite|_mysql_data_types|global_variables|_woocommerce_sessions$")
# What visits write by themselves, the attacks of these tests included.
VOLATILE = re.compile(
    r"transient|recently_edited|checkvalve_(lock|flush|contact|sensor|backfill|dropped|people|register)|^jetpack|^action_scheduler_lock"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The shop with people in it: `boss` and `clerk` are logged in; `password` is the clerk's application password."""

    shop: Shop
    boss: httpx2.Client
    clerk: httpx2.Client
    password: str
    secret: str
    key: str

    @property
    def url(self) -> str:
        return self.shop.site.url

    def dump(self) -> dict[str, Any]:
        """All rows of all tables but Checkvalve's own, and every file of wp-content by its bytes."""
        with sqlite3.connect(f"file:{self.shop.site.dir}/database/shop.sqlite?mode=ro", uri=True) as db:
            names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            tables = {
                n: [repr(r) for r in db.execute(f'SELECT * FROM "{n}"')] for n in names if not DATABASE_ONLY_OURS.search(n)
            }
        tables["wp_options"] = [row for row in tables["wp_options"] if not VOLATILE.search(row.split("'")[1])]
        content = self.shop.site.root / "wp-content"
        files = {str(p): p.read_bytes() for p in content.rglob("*") if p.is_file() and "/plugins/" not in str(p)}
        return {name: sorted(rows) for name, rows in tables.items()} | {"files": files}


def log_in(url: str, login: str, password: str) -> httpx2.Client:
    client = httpx2.Client(base_url=url, timeout=60)
    client.get("/wp-login.php")
    client.post("/wp-login.php", data={"log": login, "pwd": password, "wp-submit": "Log In", "testcookie": "1"})
    return client


@pytest.fixture(scope="module")
def known(fortress: Shop) -> Iterator[Known]:
    site = fortress.site
    made = site.php_json(PEOPLE)
    boss, clerk = log_in(site.url, "owner", site.admin.password), log_in(site.url, "clerk", "pass of clerk")
    password = site.application_password("clerk")
    known = Known(shop=fortress, boss=boss, clerk=clerk, password=password, secret=made["secret"], key=made["key"])
    for client in (boss, clerk):  # what a first visit writes is written
        for page in ("", "profile.php", "export.php", "plugin-install.php"):
            client.get(f"/wp-admin/{page}")
    by_password(known), by_key(known), ask_model(known)
    yield known
    boss.close()
    clerk.close()


def open_to(surface: str) -> Callable[[Known], bool]:
    return lambda known: LEAK in attack(known.shop, surface).text


def page(who: str, path: str, shows: str, method: str = "GET") -> Callable[[Known], bool]:
    def see(known: Known) -> bool:
        client: httpx2.Client = getattr(known, who)
        answer = client.request(method, path, data={"nothing": "1"} if method == "POST" else None)
        return shows in answer.text and "checkvalve_blocked" not in answer.text

    return see


def authenticates(login: str, password: str) -> Callable[[Known], bool]:
    code = f"$u = wp_authenticate('{login}', '{password}'); echo is_wp_error($u) ? $u->get_error_code() : 'in';"
    return lambda known: known.shop.site.php(code) == "in"


def by_password(known: Known) -> bool:
    return httpx2.get(f"{known.url}/wp-json/wp/v2/users/me", auth=("clerk", known.password)).status_code == 200


def by_key(known: Known) -> bool:
    """As WooCommerce decides over TLS, which the test site does not speak."""
    keys = f"$_SERVER['PHP_AUTH_USER'] = 'ck_{known.secret}'; $_SERVER['PHP_AUTH_PW'] = 'cs_{known.secret}';"
    asks = "$_SERVER['HTTPS'] = 'on'; $_SERVER['REQUEST_URI'] = '/wp-json/wc/v3/orders';"
    return known.shop.site.php(keys + asks + "echo (int) apply_filters('determine_current_user', false);") == "1"


def ask_model(known: Known) -> bool:
    call = f"wp_remote_post('http://{known.shop.core.place}/llm/v1/chat/completions', array('body' => '{{}}'))"
    return known.shop.site.php(f"$a = {call}; echo is_wp_error($a) ? 'stopped' : 'asked';") == "asked"


def clerk_is_in(known: Known) -> bool:
    return known.clerk.get("/wp-admin/profile.php").status_code == 200 and authenticates("clerk", "pass of clerk")(known)


def training(known: Known) -> bool:
    return "training data" in httpx2.get(f"{known.url}/wp-content/uploads/training/index.json").text


# action, arguments -> whether what it closes is open
HANDS: list[tuple[str, dict[str, str], Callable[[Known], bool]]] = [
    ("isolate_plugin", {"plugin": "manysided"}, open_to("REST")),
    ("block_route", {"route": "/manysided/v1"}, open_to("REST, in a batch")),
    ("block_ajax", {"action": "manysided"}, open_to("admin-ajax")),
    ("block_ajax", {"action": "manysided"}, open_to("admin-post")),
    ("block_wc_ajax", {"action": "manysided"}, open_to("wc-ajax")),
    ("block_shortcode", {"shortcode": "manysided"}, open_to("shortcode")),
    ("block_block", {"block": "manysided/block"}, open_to("block")),
    ("block_path", {"path": "wp-content/plugins/manysided/direct.php"}, open_to("direct file")),
    ("block_path", {"path": "/wp-content/plugins/manysided"}, open_to("direct file that loads WordPress")),
    ("patch_request", {"method": "*", "path": "*", "parameter": "manysided", "pattern": "^(in)it$"}, open_to("init")),
    ("withdraw_path", {"path": "wp-content/uploads/training"}, training),
    ("withdraw_path", {"path": "wp-content/uploads/training/index.json"}, training),
    ("disable_user", {"user": "clerk"}, clerk_is_in),
    ("force_password_reset", {"user": "clerk"}, authenticates("clerk", "pass of clerk")),
    ("force_password_reset", {"role": "editor"}, authenticates("clerk", "pass of clerk")),
    ("force_password_reset", {"everybody": "yes", "spare": "owner"}, authenticates("deputy", "pass of deputy")),
    ("disable_application_passwords", {"everybody": "yes"}, by_password),
    ("disable_api_keys", {"key": "*"}, by_key),
    ("freeze_exports", {}, page("boss", "/wp-admin/export.php?download=1&content=post", "<rss")),
    ("freeze_file_editing", {}, page("boss", "/wp-admin/plugin-editor.php", 'id="template"')),
    ("freeze_plugin_installation", {}, page("boss", "/wp-admin/plugin-install.php?tab=upload", "pluginzip")),
    ("read_only_admin", {}, page("boss", "/wp-admin/options-general.php", "", "POST")),
    ("stop_llm", {}, ask_model),
]


@pytest.mark.parametrize(("action", "args", "is_open"), HANDS, ids=[f"{a}-{n}" for n, (a, _, _) in enumerate(HANDS)])
def test_it_closes_and_undo_leaves_the_shop_byte_for_byte(
    known: Known, action: str, args: dict[str, str], is_open: Callable[[Known], bool]
) -> None:
    shop = known.shop
    assert is_open(known)
    before = known.dump()
    order = shop.core.order(action, args)
    assert give(shop, order)[0] == ("done", give_detail(shop, order))
    try:
        assert not is_open(known)
        assert give(shop, order) == [("already", "in force")]
    finally:
        assert give(shop, shop.core.order("release", {"jti": jti(order)}))[0][0] == "done"
    assert is_open(known)
    after = known.dump()
    assert {n: set(after[n]) ^ set(before[n]) for n in before if after[n] != before[n]} == {}
    assert after.keys() == before.keys()


def give_detail(shop: Shop, order: str) -> str:
    """What the plugin said of the order when it came, from its own event."""
    shop.drain()
    outcomes = [e["unmapped"]["checkvalve"]["outcome"] for e in shop.core.events(7001)]
    return str(next(o["detail"] for o in outcomes if o["jti"] == jti(order)))


def test_forged_altered_misaddressed_late_and_replayed_orders_of_every_hand_are_refused(known: Known) -> None:
    shop = known.shop
    before = known.dump()
    for action, names in ACTIONS["wordpress"].items():
        args = next(
            (a for name, a, _ in HANDS if name == action), {"webhook": "*"} if "webhooks" in action else {"user": "clerk"}
        )
        args = args if names else {}
        good = shop.core.order(action, args)
        head, body, signature = good.split(".")
        bad = {
            "forged": shop.core.order(action, args, key=Ed25519PrivateKey.generate()),
            "altered": f"{head}.{body[:-4]}{'AAAA' if body[-4:] != 'AAAA' else 'BBBB'}.{signature}",
            "misaddressed": shop.core.order(action, args, aud="s-222222222222"),
            "of another hand": shop.core.order(action, args, hand="gateway"),
            "late": shop.core.order(action, args, exp=int(time.time()) - 1),
            "with more than it takes": shop.core.order(action, {**args, "x": "y"}),
        }
        *refused, released, replayed = give(shop, *bad.values(), shop.core.order("release", {"jti": jti(good)}), good)
        for name, (status, _) in zip(bad, refused, strict=True):
            assert status == ("expired" if name == "late" else "refused"), (action, name)
        assert released[0] == "done"
        assert replayed == ("already", "released"), action  # replayed after its end
    assert shop.site.php("echo get_option('checkvalve_state');") == ""
    assert known.dump() == before


@pytest.mark.parametrize(
    ("action", "args", "why"),
    [
        ("disable_user", {"user": "nobody-here"}, "no such user"),
        ("disable_user", {"role": "editor"}, "takes no role"),
        ("revoke_sessions", {}, "exactly one of"),
        ("revoke_sessions", {"user": "clerk", "role": "editor"}, "exactly one of"),
        ("force_password_reset", {"role": "wizard"}, "no such role"),
        ("block_ajax", {"action": "checkvalve_lift"}, "emergency lever"),
        ("block_ajax", {}, "needs"),
        ("block_shortcode", {"shortcode": "a\nb"}, "needs"),
        ("block_path", {"path": "wp-content"}, "only what lies|holds more"),
        ("block_path", {"path": "wp-content/plugins"}, "holds more"),
        ("block_path", {"path": "wp-content/plugins/checkvalve"}, "its own files"),
        ("block_path", {"path": "../keys.json"}, "no such file"),
        ("withdraw_path", {"path": "wp-config.php"}, "only what lies in wp-content"),
        ("withdraw_path", {"path": "wp-content/uploads"}, "holds more"),
        ("withdraw_path", {"path": "wp-content/plugins/manysided"}, "isolated, not moved"),
        ("withdraw_path", {"path": "wp-content/checkvalve/state.json"}, "no such file|its own files"),
        ("withdraw_path", {"path": "wp-content/uploads/absent"}, "no such file"),
        ("patch_request", {"method": "*", "path": "*", "parameter": "*", "pattern": "x"}, "close the shop"),
        ("patch_request", {"method": "*", "path": "/", "parameter": "*", "pattern": "x"}, "needs a path"),
        ("patch_request", {"method": "*", "path": "*", "parameter": "q", "pattern": "("}, "no regular expression"),
        ("disable_api_keys", {"key": "9999"}, "no such WooCommerce API key"),
        ("isolate_plugin", {"plugin": "manysided", "mode": "a bit"}, "the mode is one of"),
    ],
)
def test_an_order_that_would_harm_or_says_nothing_is_refused_with_the_reason(
    known: Known, action: str, args: dict[str, str], why: str
) -> None:
    before = known.dump()
    [(status, detail)] = give(known.shop, known.shop.core.order(action, args))
    assert status in ("refused", "failed")
    assert re.search(why, detail), detail
    assert known.dump() == before


def test_one_administrator_can_always_log_in(known: Known) -> None:
    shop = known.shop
    first = shop.core.order("disable_user", {"user": "deputy"})
    assert give(shop, first)[0][0] == "done"
    try:
        status, detail = give(shop, shop.core.order("disable_user", {"user": "owner"}))[0]
        assert (status, "no administrator would be left" in detail) == ("refused", True)
        assert authenticates("owner", shop.site.admin.password)(known)
    finally:
        give(shop, shop.core.order("release", {"jti": jti(first)}))
    assert authenticates("deputy", "pass of deputy")(known)


def test_revoked_sessions_are_over_for_all_but_the_one_to_spare_and_never_come_back(known: Known) -> None:
    shop = known.shop
    deputy = log_in(known.url, "deputy", "pass of deputy")
    assert deputy.get("/wp-admin/profile.php").status_code == 200
    order = shop.core.order("revoke_sessions", {"everybody": "yes", "spare": "deputy"})
    assert give(shop, order)[0][0] == "done"
    assert known.clerk.get("/wp-admin/profile.php").status_code == 302
    give(shop, shop.core.order("release", {"jti": jti(order)}))
    assert known.clerk.get("/wp-admin/profile.php").status_code == 302
    assert deputy.get("/wp-admin/profile.php").status_code == 200
    deputy.close()
    for client, login, password in ((known.boss, "owner", shop.site.admin.password), (known.clerk, "clerk", "pass of clerk")):
        client.post("/wp-login.php", data={"log": login, "pwd": password, "testcookie": "1"})
        assert client.get("/wp-admin/profile.php").status_code == 200  # nobody is locked out


def test_a_new_password_is_taken_while_the_old_one_is_not(known: Known) -> None:
    shop = known.shop
    order = shop.core.order("force_password_reset", {"user": "deputy"})
    give(shop, order)
    try:
        assert not authenticates("deputy", "pass of deputy")(known)
        shop.site.php("reset_password(get_user_by('login', 'deputy'), 'pass of deputy');")
        assert authenticates("deputy", "pass of deputy")(known)
    finally:
        give(shop, shop.core.order("release", {"jti": jti(order)}))


def test_read_only_leaves_reading_the_lever_and_the_customers(known: Known) -> None:
    shop = known.shop
    order = shop.core.order("read_only_admin", {})
    give(shop, order)
    try:
        assert known.boss.get("/wp-admin/profile.php").status_code == 200
        made = httpx2.post(f"{known.url}/wp-json/wp/v2/posts", json={"title": "x"}, auth=("clerk", known.password))
        assert (made.status_code, made.json()["code"]) == (403, "checkvalve_blocked")
        asked = known.boss.get("/wp-admin/tools.php?page=checkvalve").text
        nonce = re.search(r'value="checkvalve_lift">\s*<input type="hidden" id="_wpnonce" name="_wpnonce" value="(\w+)"', asked)
        assert nonce
        lift = {"action": "checkvalve_lift", "_wpnonce": nonce[1], "sure": "yes"}
        known.boss.post("/wp-admin/admin-post.php", data=lift)
        assert shop.site.php("echo get_option('checkvalve_state');") == ""
    finally:
        give(shop, shop.core.order("release", {"jti": jti(order)}))


@pytest.mark.parametrize(
    "sent",
    [
        {"method": "GET", "url": "/wp-json/manysided/v1/ask?q=%252e%252e%252fetc"},
        {"method": "GET", "url": "/?rest_route=/manysided/v1/ask&q=../etc"},
        {"method": "POST", "url": "/wp-json/manysided/v1/ask", "data": {"q": "../etc"}},
        {"method": "POST", "url": "/wp-json/manysided/v1/ask", "json": {"deep": {"q": ["../etc"]}}},
        {"method": "POST", "url": "/wp-json/MANYSIDED//v1/ask/", "json": {"q": "../etc"}},
    ],
)
def test_a_virtual_patch_is_not_passed_by_spelling(known: Known, sent: dict[str, Any]) -> None:
    shop = known.shop
    args = {"method": "*", "path": "/wp-json/manysided/v1/ask", "parameter": "q", "pattern": r"\.\./"}
    order = shop.core.order("patch_request", args)
    give(shop, order)
    try:
        assert httpx2.request(**{**sent, "url": known.url + sent["url"]}).status_code == 403
        assert LEAK in httpx2.get(f"{known.url}/wp-json/manysided/v1/ask?q=harmless").text
        batch = {"requests": [{"method": "POST", "path": "/manysided/v1/ask", "body": {"q": "../etc"}}]}
        assert LEAK not in httpx2.post(f"{known.url}/wp-json/batch/v1", json=batch).text
    finally:
        give(shop, shop.core.order("release", {"jti": jti(order)}))


def test_one_api_key_is_closed_by_what_the_settings_show_of_it(known: Known) -> None:
    shop = known.shop
    order = shop.core.order("disable_api_keys", {"key": f"…{known.secret[-7:]}"})
    assert give(shop, order)[0] == ("done", f"the WooCommerce API key is not taken: key {known.key}")
    try:
        assert not by_key(known)
    finally:
        give(shop, shop.core.order("release", {"jti": jti(order)}))


def test_a_withdrawn_file_is_not_put_over_something_new(known: Known) -> None:
    shop = known.shop
    file = shop.site.root / "wp-content/uploads/training/index.json"
    order = shop.core.order("withdraw_path", {"path": "wp-content/uploads/training/index.json"})
    give(shop, order)
    assert not file.exists()
    file.write_text("new")
    give(shop, shop.core.order("release", {"jti": jti(order)}))
    shop.drain()
    said = [e["unmapped"]["checkvalve"]["outcome"]["detail"] for e in shop.core.events(7001)]
    kept = re.search(r"it is kept in (\S+)", next(d for d in said if "something lies in its place" in d))
    assert file.read_text() == "new"
    assert kept
    file.unlink()
    shop.site.php(f"rename('{kept[1]}', '{file}');")
    assert training(known)


def test_caches_of_every_kind_are_emptied(known: Known) -> None:
    shop = known.shop
    mark = shop.site.dir / "purged"
    listener = shop.site.root / "wp-content" / "mu-plugins" / "cache.php"
    names = json.dumps(["litespeed_purge_all", "checkvalve_purge_caches"])
    listener.write_text(
        f"<?php foreach (json_decode('{names}') as $n) "
        f"{{ add_action($n, function () use ($n) {{ file_put_contents('{mark}', \"$n \", FILE_APPEND); }}); }}"
    )
    try:
        order = shop.core.order("purge_caches", {})
        assert give(shop, order)[0][0] == "done"
    finally:
        listener.unlink()
        give(shop, shop.core.order("release", {"jti": jti(order)}))
    assert mark.read_text().split() == ["litespeed_purge_all", "checkvalve_purge_caches"]


def test_stopping_the_models_says_no_wherever_wordpress_and_plugins_ask(known: Known) -> None:
    shop = known.shop
    asks = (
        "echo json_encode(array(apply_filters('wp_ai_client_prevent_prompt', false, null),"
        "apply_filters('wp_supports_ai', true),"
        "is_string(apply_filters('mwai_ai_allowed', true, null, null)),"
        "is_wp_error(apply_filters('wp_pre_execute_ability', null, 'x', null, null)),"
        "is_wp_error(apply_filters('mcp_adapter_pre_tool_call', array(), 'x', null, null))));"
    )
    route = f"{known.url}/wp-json/mwai-ui/v1/chats/submit"
    assert shop.site.php_json(asks) == [False, True, False, False, False]
    order = shop.core.order("stop_llm", {})
    give(shop, order)
    try:
        assert shop.site.php_json(asks) == [True, False, True, True, True]
        assert httpx2.post(route).json()["code"] == "checkvalve_blocked"
    finally:
        give(shop, shop.core.order("release", {"jti": jti(order)}))
    one = shop.core.order("stop_llm", {"plugin": "some-assistant"})  # of one plugin, the others go on asking
    give(shop, one)
    try:
        assert shop.site.php_json(asks) == [False, True, False, False, False]
        assert ask_model(known)
    finally:
        give(shop, shop.core.order("release", {"jti": jti(one)}))
