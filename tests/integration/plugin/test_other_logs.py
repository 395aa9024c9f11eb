"""Logs of other plugins, live: what their hooks and tables say is told, without their sentences; a log that can no longer be
followed is told of as well.

In CI the five plugins are doubles of their documented shape (`fixtures/logs`). With CHECKVALVE_TEST_SECURITY_PLUGINS naming a
directory, those that are in it are the real ones; only what bends a double's own code is left out then.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.plugin.conftest import HERE, PLUGIN, RESET, Shop, make
from tests.integration.plugin.fake_core import PSEUDONYM_KEY, FakeCore
from tests.simulators.wordpress import Site

from checkvalve.events import pseudonym

REAL = os.environ.get("CHECKVALVE_TEST_SECURITY_PLUGINS")
LOGS = HERE / "fixtures" / "logs"
FOLDERS = ("wordfence", "better-wp-security", "all-in-one-wp-security-and-firewall", "wp-security-audit-log", "simple-history")
NAMES = {"wordfence", "solid", "aios", "wsal", "simple-history"}


def source(folder: str) -> Path:
    real = Path(REAL or "/nowhere") / folder
    return real if real.is_dir() else LOGS / folder


doubles_only = pytest.mark.skipif(REAL is not None, reason="bends the doubles' own code")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = make(tmp_path_factory.mktemp("logs") / "shop", PLUGIN, *map(source, FOLDERS))
    site.start()
    yield site
    site.stop()


@pytest.fixture
def shop(watched: Site, core: FakeCore) -> Iterator[Shop]:
    """Paired; no sensor may have failed in it when the test ends."""
    watched.php(RESET)
    made = Shop(site=watched, core=core)
    assert made.pair() == core.site
    made.drain()
    yield made
    assert watched.php("echo json_encode(get_option('checkvalve_sensor_faults'));") == "false"


def logged(shop: Shop) -> list[dict[str, Any]]:
    shop.drain()
    return [e for e in shop.core.events(0) if "log" in e["unmapped"]["checkvalve"]]


def said(shop: Shop, name: str) -> list[tuple[str, str | None]]:
    """(event, user) of one log's records."""
    found = [e for e in logged(shop) if e["unmapped"]["checkvalve"]["log"]["name"] == name]
    return [(e["unmapped"]["checkvalve"]["log"]["event"], e.get("user", {}).get("uid")) for e in found]


def sources(shop: Shop) -> list[dict[str, Any]]:
    shop.drain()
    return [
        e["unmapped"]["checkvalve"]["log_source"] for e in shop.core.events(0) if "log_source" in e["unmapped"]["checkvalve"]
    ]


def test_each_log_that_can_be_followed_is_told_once_with_its_version(shop: Shop) -> None:
    found = sources(shop)
    assert {(s["name"], s["state"]) for s in found} == {(n, "followed") for n in NAMES}, found
    assert len(found) == len(NAMES) and all(s["version"] for s in found)


def test_a_failed_log_in_is_told_by_every_activity_log_and_the_name_typed_stays_in_the_shop(shop: Shop) -> None:
    shop.site.php("wp_authenticate('owner', 'wrong'); wp_authenticate('stranger@example.org', 'wrong');")
    stranger = pseudonym.pseudonym(PSEUDONYM_KEY, "login", "stranger@example.org")
    assert said(shop, "aios") == [("failed_login", "customer:1"), ("failed_login", stranger)]
    assert {e for e, _ in said(shop, "wsal")} == {"1002 user failed-login", "1003 system failed-login"}
    keys = [e for e, _ in said(shop, "simple-history")]
    assert keys == ["SimpleUserLogger user_login_failed", "SimpleUserLogger user_unknown_login_failed"]
    assert b"stranger" not in b"".join(shop.core.lines.values())


def test_wordfence_lockouts_and_blocks_are_told_with_the_address_as_a_pseudonym(shop: Shop) -> None:
    shop.site.php(
        "wfBlock::createIP('used the name mara@example.org', '203.0.113.9', 60);"
        "wordfence::lockOutIP('203.0.113.10', 'wrong password of mara@example.org');"
    )
    events = logged(shop)
    found = {e["unmapped"]["checkvalve"]["log"]["event"]: e["src_endpoint"]["uid"] for e in events}
    told = [e for e in found if e.startswith("block created")]
    assert told and found[told[0]] == pseudonym.pseudonym(PSEUDONYM_KEY, "ip", "203.0.113.9")
    assert found["loginLockout"] == pseudonym.pseudonym(PSEUDONYM_KEY, "ip", "203.0.113.10")
    assert not [w for w in (b"mara", b"203.0.113") if w in b"".join(shop.core.lines.values())]


def test_solid_security_is_told_by_module_and_code_without_what_the_code_names(shop: Shop) -> None:
    shop.site.php("ITSEC_Log::add_warning('brute_force', 'invalid-login::user-1::mara@example.org', array('x' => 'mara'));")
    (event,) = [e for e in logged(shop) if e["unmapped"]["checkvalve"]["log"]["event"] == "brute_force invalid-login"]
    log = event["unmapped"]["checkvalve"]["log"]
    assert (log["name"], log["level"]) == ("solid", "warning") and int(log["id"]) > 0
    assert b"mara" not in b"".join(shop.core.lines.values())


ROWS = """
global $wpdb;
$ip = str_repeat("\\0", 10) . "\\xff\\xff" . inet_pton('203.0.113.9');
$wpdb->insert("{$wpdb->base_prefix}wflogins", array('hitID' => 0, 'ctime' => 1790000000.25, 'fail' => 1,
    'action' => 'loginFailInvalidUsername', 'username' => 'mara@example.org', 'userID' => 0, 'IP' => $ip, 'UA' => 'x'));
foreach (array('', 'blocked:waf', 'loginOK') as $action) {
    $wpdb->insert("{$wpdb->base_prefix}wfhits", array('attackLogTime' => 0, 'ctime' => 1790000001.5, 'IP' => $ip,
        'statusCode' => 403, 'isGoogle' => 0, 'userID' => 0, 'newVisit' => 0, 'action' => $action,
        'URL' => 'https://shop.example/?q=mara@example.org'));
}
$wpdb->insert("{$wpdb->base_prefix}wfissues", array('time' => 1790000002, 'lastUpdated' => 1790000002, 'status' => 'new',
    'type' => 'file', 'severity' => 100, 'ignoreP' => 'x', 'ignoreC' => 'x', 'shortMsg' => 'mara', 'longMsg' => 'mara',
    'data' => 'mara'));
echo $wpdb->last_error;
"""


def test_rows_that_wordfence_writes_without_a_hook_are_told_once_with_their_own_time(shop: Shop) -> None:
    shop.drain()  # the first look only remembers where the tables end
    assert shop.site.php(ROWS) == ""
    events = logged(shop)
    assert logged(shop) == events, "told once"
    found = [(e["unmapped"]["checkvalve"]["log"]["event"], e["time"]) for e in events]
    assert found == [
        ("wflogins loginFailInvalidUsername", 1790000000250),
        ("wfhits blocked:waf", 1790000001500),
        ("wfissues scan found file", 1790000002000),
    ]
    assert events[1]["src_endpoint"]["uid"] == pseudonym.pseudonym(PSEUDONYM_KEY, "ip", "203.0.113.9")
    assert "requester" not in events[0]["unmapped"]["checkvalve"], "nobody in this request did it"
    assert not [w for w in (b"mara", b"203.0.113") if w in b"".join(shop.core.lines.values())]


def test_a_request_that_still_runs_is_read_once_it_is_settled_and_none_is_passed_over(shop: Shop) -> None:
    """Wordfence writes a hit when a request begins and says later what became of it."""
    shop.drain()
    put = (
        '$put = function ($ctime, $action) { global $wpdb; $wpdb->insert("{$wpdb->base_prefix}wfhits", array('
        " 'attackLogTime' => 0, 'ctime' => $ctime, 'IP' => '', 'statusCode' => 403, 'isGoogle' => 0, 'userID' => 0,"
        " 'newVisit' => 0, 'URL' => '', 'action' => $action)); return $wpdb->insert_id; };"
    )
    running = shop.site.php(put + "echo $put(time(), ''); $put(time() - 600, 'blocked:waf');")
    assert said(shop, "wordfence") == []
    hits = '"{$wpdb->base_prefix}wfhits"'
    shop.site.php(
        f"global $wpdb; $wpdb->update({hits}, array('action' => 'blocked:wordfence', 'ctime' => time() - 90),"
        f" array('id' => {running}));"
    )
    assert [e for e, _ in said(shop, "wordfence")] == ["wfhits blocked:wordfence", "wfhits blocked:waf"]


def test_a_table_that_began_anew_is_told_and_read_from_its_start(shop: Shop) -> None:
    shop.site.php(ROWS)
    shop.drain()
    shop.site.php(
        "$p = get_option('checkvalve_log_places'); $p['wflogins'] += 1000; update_option('checkvalve_log_places', $p);"
    )
    assert ["wflogins began anew"] in [s.get("missing") for s in sources(shop)]
    assert "wflogins loginFailInvalidUsername" in [e for e, _ in said(shop, "wordfence")]


@doubles_only
def test_a_new_version_without_the_hook_and_a_lost_table_are_told(shop: Shop) -> None:
    main = shop.site.plugins / "better-wp-security" / "better-wp-security.php"
    before = main.read_text()
    try:
        main.write_text(before.replace("itsec_log_add", "itsec_logged").replace("Version: 10.0.3", "Version: 11.0"))
        shop.site.php('global $wpdb; $wpdb->query("DROP TABLE {$wpdb->base_prefix}wfissues");')
        touched = shop.site.plugins / "wordfence" / "wordfence.php"
        os.utime(touched, (1, 1))
        changed = {s["name"]: (s["version"], s["missing"]) for s in sources(shop) if s["state"] == "changed"}
        assert changed == {"solid": ("11.0", ["itsec_log_add"]), "wordfence": ("8.1.4", ["wfissues"])}
        assert len(sources(shop)) == len(NAMES) + 2, "told once, however often it is looked at"
    finally:
        main.write_text(before)
        shop.site.deactivate("wordfence/wordfence.php")
        shop.site.activate("wordfence/wordfence.php")


@doubles_only
def test_arguments_that_a_hook_is_not_known_to_have_are_told_once_a_day(shop: Shop) -> None:
    shop.site.php(
        "for ($n = 0; $n < 3; $n++) { do_action('wsal_logged_alert', array('new shape'));"
        " do_action('simple_history/log/inserted', 7, 8); do_action('aiowps_record_event', 'x', 'text'); }"
    )
    changed = [(s["name"], s["missing"]) for s in sources(shop) if s["state"] == "changed"]
    assert changed == [
        ("wsal", ["wsal_logged_alert"]),
        ("simple-history", ["simple_history/log/inserted"]),
        ("aios", ["aiowps_record_event"]),
    ]
    assert not logged(shop)


@doubles_only
def test_a_security_plugin_that_is_switched_off_is_told(shop: Shop) -> None:
    shop.site.deactivate("simple-history/index.php")
    try:
        assert {"name": "simple-history", "state": "off"} in sources(shop)
    finally:
        shop.site.activate("simple-history/index.php")


@doubles_only
def test_the_firewalls_own_events_keep_their_time(shop: Shop) -> None:
    shop.site.php(
        "AIOS_Double::firewall(array(array('event_type' => 'rule_triggered', 'level' => 'warning', 'username' => false,"
        " 'ip' => '203.0.113.9', 'created' => 1790000000, 'details' => '{}')));"
        "AIOS_Double::lock('203.0.113.*', 'owner');"
    )
    events = [e for e in logged(shop) if e["unmapped"]["checkvalve"]["log"]["name"] == "aios"]
    assert [(e["unmapped"]["checkvalve"]["log"]["event"]) for e in events] == ["rule_triggered", "lockout"]
    assert events[0]["time"] == 1790000000000 and events[1]["user"]["uid"] == "customer:1"
