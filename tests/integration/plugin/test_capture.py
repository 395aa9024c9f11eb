"""Nothing happens unseen: what the sensors tell of credentials, options, themes, files, exports, cron, requests, mail, trade,
reads and models; and that no password, code, address or value of an option leaves the shop."""

import base64
import hashlib
import http.server
import json
import re
import shutil
import threading
import urllib.error
import urllib.parse
import urllib.request
import xmlrpc.client
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.plugin.conftest import Shop
from tests.integration.plugin.fake_core import fetch
from tests.integration.plugin.test_lifecycle import Browser

ME = "wp_set_current_user(1); "
ORDER = """
$o = wc_create_order(); $o->add_product(wc_get_product(wc_get_product_id_by_sku('beans')), 1);
$o->set_address(array('first_name' => 'Mara', 'last_name' => 'Lindqvist', 'email' => 'mara.capture@example.org'), 'billing');
$o->calculate_totals(); $o->update_status('completed');
"""


def told(shop: Shop, class_uid: int, *, drain: bool = True) -> list[dict[str, Any]]:
    if drain:
        shop.drain()
    return shop.core.events(class_uid)


def own(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event["unmapped"]["checkvalve"]
    return found


def entities(shop: Shop, kind: str) -> list[tuple[int, str]]:
    return [(e["activity_id"], e["entity"]["uid"]) for e in told(shop, 3004) if e["entity"]["type"] == kind]


def sent(shop: Shop) -> bytes:
    return b"".join(shop.core.lines.values())


def browser(shop: Shop) -> Browser:
    return Browser(shop.site, shop.site.admin.login, shop.site.admin.password)


def test_an_application_password_is_made_used_mistaken_and_deleted(shop: Shop) -> None:
    password = shop.site.application_password("owner", "reporting")
    url = shop.site.rest_url + "wp/v2/users/me"
    for given in (password, password, "wrong wrong"):
        basic = base64.b64encode(f"owner:{given}".encode()).decode()
        fetch(urllib.request.Request(url, headers={"Authorization": f"Basic {basic}"}))
    shop.site.php("WP_Application_Passwords::delete_all_application_passwords(1);")
    assert [activity for activity, _ in entities(shop, "application password")] == [1, 4]
    log_ins = [(e["status_id"], e["user"]["uid"]) for e in told(shop, 3002) if e.get("auth_protocol") == "application password"]
    assert log_ins == [(1, "customer:1"), (2, "customer:1")]  # the second use within the hour is no news
    assert password.encode() not in sent(shop)


def test_a_password_asked_for_reset_and_changed_and_a_new_address(shop: Shop) -> None:
    user = shop.site.php(
        "$id = wp_insert_user(array('user_login' => 'reset', 'user_pass' => 'first-one', 'user_email' => 'reset@example.org'));"
        "retrieve_password('reset'); reset_password(get_userdata($id), 'second-one'); echo $id;"
    )
    shop.site.php(f"wp_update_user(array('ID' => {user}, 'user_pass' => 'third-one'));")
    shop.site.php(f"wp_update_user(array('ID' => {user}, 'user_email' => 'stolen@example.net'));")
    shop.site.php(f"require_once ABSPATH . 'wp-admin/includes/user.php'; wp_delete_user({user});")
    seen = [(e["activity_id"], e["activity_name"]) for e in told(shop, 3001) if "activity_name" in e]
    assert seen == [
        (99, "password reset asked for"),
        (4, "password reset"),
        (3, "password changed"),
        (99, "e-mail address changed"),
    ]
    assert not [clear for clear in (b"first-one", b"second-one", b"third-one", b"stolen") if clear in sent(shop)]


def test_options_that_matter_are_told_by_name(shop: Shop) -> None:
    shop.site.php(
        "update_option('users_can_register', '1');"
        "update_option('woocommerce_bacs_settings', array('account' => 'DE00 SECRET'));"
        "update_option('admin_email', 'taken.over@example.net'); update_option('some_counter', time());"
        "update_option('users_can_register', '0'); update_option('admin_email', 'owner@example.com');"
    )
    assert [uid for _, uid in entities(shop, "option")] == [
        "users_can_register",
        "woocommerce_bacs_settings",
        "admin_email",
        "users_can_register",
        "admin_email",
    ]
    first = next(e for e in told(shop, 3004, drain=False) if e["entity"]["uid"] == "users_can_register")
    assert own(first)["option"] == {"from": "0", "to": "1"}
    assert b"SECRET" not in sent(shop)
    assert b"taken.over" not in sent(shop)


INSTALLER = """
foreach (array("class-wp-upgrader", "file", "plugin", "misc") as $f) { require_once ABSPATH . "wp-admin/includes/$f.php"; }
add_filter("filesystem_method", function () { return "direct"; });
wp_set_current_user(1);
$up = new Plugin_Upgrader(new Automatic_Upgrader_Skin());
"""


def archive(directory: Path, version: str) -> Path:
    path = directory / f"walked-in-{version}.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("walked-in/walked-in.php", f"<?php\n/* Plugin Name: Walked in\nVersion: {version} */")
    return path


def test_a_plugin_is_installed_updated_and_removed(shop: Shop, tmp_path: Path) -> None:
    """By WordPress's own installer, out of an archive on disk."""
    try:
        shop.site.php(
            INSTALLER
            + f"$up->install('{archive(tmp_path, '1.0')}');"
            + f"$up->install('{archive(tmp_path, '1.1')}', array('overwrite_package' => true));"
            + "do_action('upgrader_process_complete', $up, array('type' => 'plugin', 'action' => 'update',"
            + " 'plugins' => array('walked-in/walked-in.php')));"  # as the updater says it
            + "delete_plugins(array('walked-in/walked-in.php'));"
        )
    finally:
        shutil.rmtree(shop.site.plugins / "walked-in", ignore_errors=True)
    seen = [(e["activity_id"], e["app"]["version"]) for e in told(shop, 6002) if e["app"]["uid"] == "walked-in/walked-in.php"]
    assert seen == [(1, "1.0"), (1, "1.1"), (8, "1.1"), (2, "1.1")]


def test_a_theme_is_switched_and_removed(shop: Shop) -> None:
    themes = shop.site.root / "wp-content" / "themes"
    for name in ("plain", "other"):
        (themes / name).mkdir()
        (themes / name / "style.css").write_text(f"/*\nTheme Name: {name.title()}\nVersion: 1.0\n*/")
        (themes / name / "index.php").write_text("<?php // Silence.")
    before = shop.site.php("echo get_stylesheet();")
    shop.site.php("switch_theme('other');")
    shop.site.php(
        f"switch_theme('{before}');"
        'foreach (array("theme", "file") as $f) { require_once ABSPATH . "wp-admin/includes/$f.php"; }'
        "delete_theme('other'); delete_theme('plain');"
    )
    seen = [(e["activity_id"], e["app"]["uid"]) for e in told(shop, 6002) if e["app"]["uid"].startswith("theme:")]
    assert (6, "theme:other") in seen
    assert seen[-4:] == [(7, "theme:other"), (6, f"theme:{before}"), (2, "theme:other"), (2, "theme:plain")]


def test_a_file_edited_in_wp_admin_is_told_with_both_hashes(shop: Shop) -> None:
    direct = shop.site.plugins / "leaky" / "direct.php"
    before = direct.read_bytes()
    admin = browser(shop)
    page = admin.get("/wp-admin/plugin-editor.php?plugin=leaky%2Fleaky.php&file=leaky%2Fdirect.php")
    nonce = re.search(r'name="nonce" value="([0-9a-f]+)"', page)
    assert nonce
    fields = {"action": "edit-theme-plugin-file", "nonce": nonce[1], "file": "leaky/direct.php", "plugin": "leaky/leaky.php"}
    try:
        admin.post("/wp-admin/admin-ajax.php", {**fields, "newcontent": "<?php echo 'changed';"})
        after = direct.read_bytes()
        admin.post("/wp-admin/admin-ajax.php", {**fields, "nonce": "0", "newcontent": "<?php echo 'refused';"})
    finally:
        direct.write_bytes(before)
    assert after == b"<?php echo 'changed';"
    edits = told(shop, 1001)
    assert [(e["activity_id"], e["status_id"], e["file"]["path"]) for e in edits] == [
        (3, 1, "plugins/leaky/direct.php"),
        (3, 2, "plugins/leaky/direct.php"),
    ]
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in (("before", before), ("after", after))}
    assert own(edits[0])["file"] == digests
    assert own(edits[0])["requester"] == {"ref": "customer:1"}


def test_a_file_outside_is_not_hashed(shop: Shop) -> None:
    admin = browser(shop)
    for file in ("../../wp-config.php", "leaky/../../../wp-config.php", "absent.php"):
        fields = {"action": "edit-theme-plugin-file", "file": file, "plugin": "leaky/leaky.php", "newcontent": "x"}
        admin.post("/wp-admin/admin-ajax.php", fields)
    assert told(shop, 1001) == []


def test_exports_and_erasures_are_told_without_whose(shop: Shop) -> None:
    admin = browser(shop)
    admin.get("/wp-admin/export.php?download=true&content=posts")
    shop.site.php(
        ME + "require_once ABSPATH . 'wp-admin/includes/privacy-tools.php';"
        "$id = wp_create_user_request('subject@example.org', 'export_personal_data');"
        "do_action('wp_privacy_personal_data_export_file_created', '/x', 'u', '/y', $id, '/z');"
        "do_action('wp_privacy_personal_data_erased', $id);"
    )
    seen = [(e["activity_id"], own(e)["data"]["what"]) for e in told(shop, 6005)]
    assert [s for s in seen if "export" in s[1] or "erasure" in s[1]] == [
        (1, "content export: post"),
        (1, "personal data export"),
        (7, "personal data erasure"),
    ]
    assert b"subject@" not in sent(shop)


def test_a_new_cron_hook_is_told_once_and_so_is_its_run(shop: Shop) -> None:
    for _ in range(2):
        shop.site.php("wp_schedule_single_event(time() - 1, 'leaky_job', array(wp_rand()));")
        fetch(shop.site.url + "/wp-cron.php?doing_wp_cron")
    jobs = [(e["activity_id"], e["job"]["name"]) for e in told(shop, 1006)]
    assert jobs.count((1, "leaky_job")) == 1
    assert jobs.count((6, "leaky_job")) == 1
    assert "checkvalve_tick" not in [name for _, name in jobs]


def test_ajax_is_told_by_action_caller_and_outcome(shop: Shop) -> None:
    admin = browser(shop)
    shop.drain()
    with pytest.raises(urllib.error.HTTPError) as refused:
        admin.post("/wp-admin/admin-ajax.php", {"action": "jane@example.com"})
    refused.value.close()
    admin.post("/wp-admin/admin-ajax.php", {"action": "heartbeat"})
    admin.post("/wp-admin/admin-ajax.php", {"action": "dismiss-wp-pointer", "pointer": "x"})
    fetch(shop.site.url + "/?wc-ajax=nonsense-of-a-visitor")
    calls = [(e["api"]["operation"], own(e)["requester"]) for e in told(shop, 6003) if ":" in e["api"]["operation"]]
    me = {"ref": "customer:1"}
    assert calls[:2] == [("POST admin-ajax:…", me), ("POST admin-ajax:dismiss-wp-pointer", me)]
    assert b"jane@" not in sent(shop)


def test_xml_rpc_is_told_by_method_and_never_with_its_arguments(shop: Shop) -> None:
    server = xmlrpc.client.ServerProxy(shop.site.url + "/xmlrpc.php")
    assert server.wp.getProfile(1, "owner", shop.site.admin.password)
    with pytest.raises(xmlrpc.client.Fault):
        server.wp.getProfile(1, "owner", "guessed-wrong")
    operations = [e["api"]["operation"] for e in told(shop, 6003)]
    assert "XMLRPC wp.getProfile" in operations
    assert [e["status_id"] for e in told(shop, 3002)][-1] == 2
    assert not [c for c in (b"guessed-wrong", shop.site.admin.password.encode()) if c in sent(shop)]


def test_a_mail_that_failed_is_told_without_to_whom(shop: Shop) -> None:
    shop.site.php(
        "add_action('phpmailer_init', function ($m) { $m->isSMTP(); $m->Host = '127.0.0.1'; $m->Port = 9; });"
        "wp_mail(array('mara@example.org', 'b@example.org'), 'Hello', 'text');"
    )
    failed = told(shop, 4009)
    assert [(e["status_id"], own(e)["mail"]) for e in failed] == [(2, {"recipients": 2})]
    assert b"mara@" not in sent(shop)


def test_a_payment_that_a_gateway_confirms(shop: Shop) -> None:
    shop.site.php(ORDER.replace("$o->update_status('completed');", "") + "$o->save(); $o->payment_complete('TX-SECRET');")
    paid = [own(e)["order"] for e in told(shop, 6001) if "paid" in own(e)["order"]]
    assert len(paid) == 1 and paid[0]["number"]
    assert b"TX-SECRET" not in sent(shop)


def test_a_refund_and_a_deleted_order(shop: Shop) -> None:
    number = shop.site.php(
        ORDER + "wc_create_refund(array('order_id' => $o->get_id(), 'amount' => '5.00')); echo $o->get_id();"
    )
    shop.site.php(f"wc_get_order({number})->delete(true);")
    changes = [(e["activity_id"], own(e)["order"]) for e in told(shop, 6001)]
    refunds = [order for activity, order in changes if "refund" in order and activity == 3]
    assert [(r["number"], float(r["refund"])) for r in refunds] == [(number, 5.0)]
    assert [order["deleted"] for activity, order in changes if activity == 4] == ["for good"]


def test_coupons_are_told_by_worth_and_not_by_code(shop: Shop) -> None:
    coupon = shop.site.php(
        "$c = new WC_Coupon(); $c->set_code('formara10'); $c->set_amount('10');"
        "$c->set_discount_type('percent'); echo $c->save();"
    )
    shop.site.php(f"$c = new WC_Coupon({coupon}); $c->set_amount('100'); $c->save(); $c->delete(true);")
    assert entities(shop, "coupon") == [(1, coupon), (3, coupon), (4, coupon)]
    worth = [own(e)["coupon"] for e in told(shop, 3004, drain=False) if e["entity"]["type"] == "coupon" and "coupon" in own(e)]
    assert worth == [{"amount": "10", "kind": "percent"}, {"amount": "100", "kind": "percent"}]
    assert b"formara10" not in sent(shop)


def test_stock_and_downloads(shop: Shop) -> None:
    product = shop.site.php(
        "$p = wc_get_product(wc_get_product_id_by_sku('cup')); wc_update_product_stock($p, 77); echo $p->get_id();"
    )
    shop.site.php(f"do_action('woocommerce_download_product', 'buyer@example.org', 'wc_order_x', {product}, 0, 'd1', 1042);")
    assert entities(shop, "stock") == [(3, product)]
    assert {"what": "download", "product": product, "order": "1042"} in [own(e).get("data") for e in told(shop, 6005)]
    assert b"buyer@" not in sent(shop)


@pytest.fixture
def receiver() -> Iterator[str]:
    """A server that takes webhooks; its address has a secret in it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook/token-of-somebody"
    server.shutdown()
    server.server_close()


def test_a_webhook_is_told_when_made_and_when_it_delivers(shop: Shop, receiver: str) -> None:
    port = receiver.split(":")[2].split("/")[0]
    anywhere = (
        "add_filter('http_request_host_is_external', '__return_true');"
        f"add_filter('http_allowed_safe_ports', fn($p) => array_merge($p, array({port})));"
    )
    hook = shop.site.php(
        ME + anywhere + f"$w = new WC_Webhook(); $w->set_name('x'); $w->set_user_id(1); $w->set_topic('order.created');"
        f"$w->set_secret('very-secret'); $w->set_delivery_url('{receiver}'); $w->set_status('active'); $id = $w->save();"
        + ORDER
        + "wc_get_webhook($id)->deliver($o->get_id()); wc_get_webhook($id)->delete(true); echo $id;"
    )
    assert (1, hook) in entities(shop, "webhook")
    assert entities(shop, "webhook")[-1] == (4, hook)
    delivered = [e for e in told(shop, 4002) if "webhook" in own(e)]
    assert [(e["http_request"]["url"]["hostname"], e["http_response"]["code"]) for e in delivered] == [("127.0.0.1", 200)]
    assert own(delivered[0])["webhook"]["topic"] == "order.created"
    assert not [clear for clear in (b"token-of-somebody", b"very-secret") if clear in sent(shop)]


def test_api_keys_made_changed_and_deleted_are_told_although_no_hook_fires(shop: Shop) -> None:
    table = "global $wpdb; $t = $wpdb->prefix . 'woocommerce_api_keys';"
    row = (
        "array('user_id' => 1, 'description' => 'x', 'permissions' => 'read', 'consumer_key' => 'hash',"
        " 'consumer_secret' => 'cs_quiet', 'truncated_key' => 'abcdefg')"
    )
    key = shop.site.php(f"{table} $wpdb->insert($t, {row}); echo $wpdb->insert_id;")
    shop.site.php(f"{table} $wpdb->update($t, array('permissions' => 'read_write'), array('key_id' => {key}));")
    shop.site.php(f"{table} $wpdb->update($t, array('last_access' => '2026-11-25 01:00:00'), array('key_id' => {key}));")
    shop.site.php(f"{table} $wpdb->delete($t, array('key_id' => {key}));")
    assert entities(shop, "WooCommerce API key") == [(1, key), (3, key), (4, key)]
    permissions = [own(e)["key"]["permissions"] for e in told(shop, 3004, drain=False) if "key" in own(e)]
    assert permissions == ["read", "read_write", "read_write"]
    assert b"cs_quiet" not in sent(shop)


def test_the_use_of_an_api_key_is_told_once_an_hour(shop: Shop) -> None:
    shop.site.php("for ($i = 0; $i < 3; $i++) { apply_filters('woocommerce_disable_rest_api_access_log', false, 5, 1); }")
    uses = [e for e in told(shop, 3002) if e.get("auth_protocol") == "WooCommerce API key"]
    assert [(e["user"]["uid"], own(e)["key"]) for e in uses] == [("customer:1", "5")]


def test_reads_of_orders_and_users_are_counted(shop: Shop) -> None:
    shop.site.php(ORDER + ORDER)
    password = shop.site.application_password("owner", "reads")
    basic = {"Authorization": "Basic " + base64.b64encode(f"owner:{password}".encode()).decode()}
    shop.drain()

    def get(path: str, headers: dict[str, str] | None = None) -> int:
        return fetch(urllib.request.Request(shop.site.rest_url + path, headers=headers or {}))[0]

    assert get("wc/v3/orders?per_page=2", basic) == 200
    assert get("wc/v3/orders?per_page=2") == 401
    assert get("wp/v2/users?context=edit", basic) == 200
    assert get("wp/v2/users/1") == 200
    shop.site.php(
        ME + ORDER + "for ($i = 0; $i < 2; $i++) { apply_filters('woocommerce_admin_order_buyer_name', 'Mara', $o); }"
    )
    reads = [(e["activity_id"], own(e)["data"], own(e)["requester"]) for e in told(shop, 6005)]
    me = {"ref": "customer:1"}
    assert reads[0] == (8, {"what": "orders", "count": 2, "via": "rest"}, me)
    assert (reads[1][1]["what"], reads[1][2]) == ("users", me)
    assert reads[2:] == [(1, {"what": "orders", "count": 1, "via": "admin"}, me)]
    shop.site.php("WP_Application_Passwords::delete_all_application_passwords(1);")


def test_the_list_of_users_in_wp_admin_is_a_read_of_as_many(shop: Shop) -> None:
    admin = browser(shop)
    shop.drain()
    page = admin.get("/wp-admin/users.php")
    shown = len(re.findall(r"<tr id='user-\d+'", page))
    assert shown >= 1
    reads = [own(e)["data"] for e in told(shop, 6005)]
    assert reads == [{"what": "users", "count": shown, "via": "admin"}]


def test_the_list_of_orders_in_wp_admin_is_a_read_of_as_many(shop: Shop) -> None:
    if shop.site.woocommerce != "real":
        pytest.skip("the contract double has no list of orders; CHECKVALVE_TEST_WOOCOMMERCE names a real WooCommerce")
    order = shop.site.php(ORDER + "echo $o->get_id();")
    admin = browser(shop)
    shop.drain()
    page = admin.get("/wp-admin/admin.php?page=wc-orders")
    shown = len(set(re.findall(r'<tr id="order-(\d+)"', page)))
    assert shown >= 1
    admin.get(f"/wp-admin/admin.php?page=wc-orders&action=edit&id={order}")
    reads = [own(e)["data"] for e in told(shop, 6005)]
    assert reads == [{"what": "orders", "count": shown, "via": "admin"}, {"what": "orders", "count": 1, "via": "admin"}]


def test_a_call_to_a_model_past_the_gateway_is_told(shop: Shop) -> None:
    shop.site.php(
        "add_filter('pre_http_request', fn() => array('response' => array('code' => 200), 'headers' => array(), 'body' => '{}',"
        " 'cookies' => array()), 10);"
        "foreach (array('http://127.0.0.1:11434/api/chat', 'https://llm.example.com/v1/chat/completions',"
        " 'https://www.example.com/v1/orders') as $u) {"
        " do_action('http_api_debug', wp_remote_post($u), 'response', 'x', array('method' => 'POST'), $u); }"
    )
    calls = [(e["http_request"]["url"]["hostname"], own(e).get("direct")) for e in told(shop, 4002)]
    assert calls == [("127.0.0.1", True), ("llm.example.com", True)]


def test_ai_client_abilities_tools_and_ai_engine_are_told_by_name(shop: Shop) -> None:
    shop.site.php(
        """
        $model = new class { function metadata() { return new class { function getId() { return 'tiny-1'; } }; } };
        $usage = new class { function getPromptTokens() { return 12; } function getCompletionTokens() { return 3; } };
        $event = new class($model, $usage) {
            public $m; public $u;
            function __construct($m, $u) { $this->m = $m; $this->u = $u; }
            function getModel() { return $this->m; }
            function getResult() { $u = $this->u; return new class($u) { public $u; function __construct($u) { $this->u = $u; }
                function getTokenUsage() { return $this->u; } }; }
        };
        do_action('wp_ai_client_before_generate_result', $event);
        do_action('wp_ai_client_after_generate_result', $event);
        do_action('wp_before_execute_ability', 'woocommerce/orders-query', array('email' => 'mara@example.org'));
        do_action('wp_after_execute_ability', 'woocommerce/orders-query', array(), array(1, 2, 3));
        apply_filters('mcp_adapter_pre_tool_call', array('email' => 'mara@example.org'), 'woocommerce-orders-list', null, null);
        $query = (object) array('model' => 'llama3', 'message' => 'who is mara@example.org');
        apply_filters('mwai_ai_query', $query);
        apply_filters('mwai_ai_reply', (object) array('usage' => array('prompt_tokens' => 5), 'result' => 'mara'), $query);
        """
    )
    calls = {e["api"]["operation"]: own(e).get("ai") for e in told(shop, 6003)}
    assert calls == {
        "ai-client ask": {"model": "tiny-1"},
        "ai-client answer": {"model": "tiny-1", "prompt_tokens": 12, "completion_tokens": 3},
        "ability begins woocommerce/orders-query": None,
        "ability woocommerce/orders-query": {"count": 3},
        "mcp tool woocommerce-orders-list": None,
        "ai-engine ask": {"model": "llama3"},
        "ai-engine answer": {"prompt_tokens": 5},
    }
    assert b"mara" not in sent(shop)


def test_no_sensor_failed_in_all_this(shop: Shop) -> None:
    """Runs last: what went wrong in a sensor of any test above would have been counted in this very shop."""
    admin = browser(shop)
    for path in ("/wp-admin/", "/wp-admin/options-general.php", "/wp-admin/plugins.php", "/wp-admin/edit.php", "/?s=x", "/"):
        admin.get(path)
    assert json.loads(shop.site.php("echo json_encode(get_option('checkvalve_sensor_faults'));")) is False


def test_the_manual_names_every_hook_and_no_other(shop: Shop) -> None:
    """docs/plugin.md is read by people who must know what runs in their shop; it is held to the table in the code."""
    table = shop.site.php_json("echo json_encode(Checkvalve\\Sensors\\Switchboard::HOOKS);")
    manual = (Path(__file__).parents[3] / "docs" / "plugin.md").read_text()
    section = manual[manual.index("| sensor | hook |") : manual.index("Calls to the gateway get")]
    hooks = {hook for listed in table.values() for hook in listed}
    named = set(
        re.findall(r"`([a-z_./-]+)`", "".join(row.split("|")[2] for row in section.splitlines() if row.startswith("|")))
    )
    elsewhere = {"shutdown", "wp_loaded", "template_redirect", "query", "http_request_args", "rest_dispatch_request"}
    elsewhere |= {"wflogins", "wfhits", "wfissues"}  # tables
    assert hooks - named == set()
    assert named - hooks - elsewhere == set()
