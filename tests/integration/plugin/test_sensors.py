"""What the sensors report of log-ins, users, roles, plugins, REST requests and calls to the model."""

import base64
import json

from tests.integration.plugin.conftest import Shop
from tests.integration.plugin.fake_core import PSEUDONYM_KEY, fetch

from checkvalve.events import jws, pseudonym

MAKE_USER = """
$id = wp_insert_user(array('user_login' => 'mara{n}', 'user_pass' => 'x', 'user_email' => 'mara{n}@example.org',
    'first_name' => 'Mara', 'last_name' => 'Lindqvist', 'role' => 'subscriber'));
"""


def test_log_in_failure_and_log_out_name_the_user_and_never_the_login(shop: Shop) -> None:
    shop.site.php(
        f"wp_signon(array('user_login' => 'owner', 'user_password' => '{shop.site.admin.password}'), false);"
        "wp_authenticate('owner', 'wrong'); wp_authenticate('stranger', 'wrong');"
        "wp_set_current_user(1); wp_logout();"
    )
    shop.drain()
    seen = [(e["activity_id"], e["status_id"], e["user"]["uid"]) for e in shop.core.events(3002)]
    stranger = pseudonym.pseudonym(PSEUDONYM_KEY, "login", "stranger")
    assert seen == [(1, 1, "customer:1"), (1, 2, "customer:1"), (1, 2, stranger), (2, 1, "customer:1")]
    assert b"stranger" not in b"".join(shop.core.lines.values())


def test_a_new_administrator_is_a_user_a_role_taken_and_a_role_given(shop: Shop) -> None:
    user = shop.site.php(
        MAKE_USER.replace("{n}", "1")
        + "(new WP_User($id))->set_role('administrator'); require_once ABSPATH . 'wp-admin/includes/user.php';"
        + "wp_delete_user($id); echo $id;"
    )
    shop.drain()
    assert [(e["activity_id"], e["user"]["uid"]) for e in shop.core.events(3001)] == [
        (1, f"customer:{user}"),
        (6, f"customer:{user}"),
    ]
    roles = [(e["activity_id"], e["privileges"]) for e in shop.core.events(3005) if e["user"]["uid"] == f"customer:{user}"]
    assert (3, ["subscriber"]) in roles
    assert roles[-2:] == [(4, ["subscriber"]), (3, ["administrator"])]


def test_people_are_registered_as_pseudonyms_and_gone_when_deleted(shop: Shop) -> None:
    user = shop.site.php(
        MAKE_USER.replace("{n}", "2")
        + "update_user_meta($id, 'billing_phone', '+49 30 23125007'); update_user_meta($id, 'billing_postcode', '10115');"
        + "update_user_meta($id, 'billing_first_name', 'Mara'); update_user_meta($id, 'billing_last_name', 'Lindqvist');"
        + "echo $id;"
    )
    shop.drain()
    subjects = [e["unmapped"]["checkvalve"]["subject"] for e in shop.core.events(5003)]
    newest = [s for s in subjects if s["ref"] == f"customer:{user}"][-1]
    expected = pseudonym.identifiers(
        PSEUDONYM_KEY, email="mara2@example.org", name="Mara Lindqvist", phone="+49 30 23125007", postcode="10115"
    )
    assert not newest["gone"]
    assert {tuple(pair) for pair in newest["identifiers"]} >= set(expected)
    shop.site.php(f"require_once ABSPATH . 'wp-admin/includes/user.php'; wp_delete_user({user});")
    shop.drain()
    last = shop.core.events(5003)[-1]["unmapped"]["checkvalve"]["subject"]
    assert last == {"ref": f"customer:{user}", "identifiers": [], "gone": True}
    for clear in (b"mara2", b"Lindqvist", b"23125007", b"10115"):
        assert clear not in b"".join(shop.core.lines.values())


def test_plugins_switched_off_and_on_are_reported_with_their_version(shop: Shop) -> None:
    shop.site.deactivate("leaky/leaky.php")
    shop.site.activate("leaky/leaky.php")
    shop.drain()
    seen = [(e["activity_id"], e["app"]) for e in shop.core.events(6002) if e["app"]["uid"] == "leaky/leaky.php"]
    app = {"name": "Leaky assistant", "uid": "leaky/leaky.php", "version": "1.2.3"}
    assert seen == [(7, app), (6, app)]


def test_rest_requests_are_reported_by_pattern_never_by_what_was_in_them(shop: Shop) -> None:
    fetch(shop.site.rest_url + "wp/v2/users/1?search=secret%40example.com")
    fetch(shop.site.rest_url + "nothing/anna.schmidt@example.com")
    shop.drain()
    seen = [(e["api"]["operation"], e["http_response"]["code"]) for e in shop.core.events(6003)]
    assert seen == [("GET /wp/v2/users/(?P<id>[\\d]+)", 200), ("GET /nothing/…", 404)]
    assert b"example.com" not in b"".join(v for n, v in shop.core.lines.items() if n > 2)


def test_a_call_to_the_model_carries_who_asked_and_is_reported(shop: Shop) -> None:
    shop.site.php(f"update_option('leaky_endpoint', 'http://{shop.core.place}/llm/v1/chat/completions');")
    # wp_safe_remote_post refuses private hosts and odd ports unless the plugin lets the gateway's through.
    status, answer = fetch(shop.site.rest_url + "leaky/v1/ask")
    assert (status, answer["choices"][0]["message"]["content"]) == (200, "hello")
    shop.drain()
    call = shop.core.events(4002)[-1]
    assert call["http_request"]["url"] == {"hostname": "127.0.0.1", "path": "/llm/v1/chat/completions"}
    assert (call["http_response"]["code"], call["activity_id"]) == (200, 6)
    assert call["unmapped"]["checkvalve"]["plugin"] == "leaky"
    headers = shop.core.llm_calls[-1]
    context = jws.verify(headers["checkvalve-context"], typ="checkvalve-context+jws", public_key=shop.core.sensor_key or b"")
    assert headers["traceparent"].split("-")[1] == context["trace"] == call["metadata"]["correlation_uid"]
    assert context["plugin"] == "leaky"
    assert context["route"] == "/leaky/v1/ask"
    assert context["requester"] == {"anonymous": True}
    assert context["exp"] - context["iat"] == 120
    assert jws.peek_kid(headers["checkvalve-context"]) == f"wp.{shop.core.site}"


def test_other_servers_see_neither_context_nor_trace(shop: Shop) -> None:
    other = shop.core.place.replace("127.0.0.1", "127.0.0.2")
    shop.site.php(
        "$p = get_option('checkvalve_pairing'); $p['gateway_url'] = 'http://127.0.0.1:9';"
        "update_option('checkvalve_pairing', $p);"
    )
    got = shop.site.php(
        f"echo json_encode(apply_filters('http_request_args', array('headers' => array()), 'http://{other}/'));"
    )
    assert json.loads(got)["headers"] == []
    assert base64.b64encode(PSEUDONYM_KEY).decode() not in got
