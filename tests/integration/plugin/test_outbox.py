"""Events arrive signed, in sequence, and none is lost, whatever core does."""

import concurrent.futures
import time
import urllib.request

from tests.integration.plugin.conftest import Shop, pair
from tests.integration.plugin.fake_core import fetch

FAIL_LOG_IN = "wp_authenticate('nobody-{n}', 'wrong');"


def fail_log_ins(shop: Shop, count: int) -> None:
    shop.site.php("".join(FAIL_LOG_IN.replace("{n}", str(n)) for n in range(count)))


def test_pairing_tells_core_who_the_shop_is_and_reports_itself(shop: Shop) -> None:
    assert shop.core.pair_request["kind"] == "wordpress"
    assert shop.core.pair_request["site_url"] == shop.site.url
    assert shop.core.pair_request["rest_url"] == shop.site.rest_url
    assert shop.core.pair_request["versions"]["wordpress"]
    assert [e["message"] for e in shop.core.events(6002)] == ["paired"]


def test_a_wrong_code_is_refused_with_the_reason_and_changes_nothing(shop: Shop) -> None:
    before = shop.site.php("echo Checkvalve\\Settings::keyid();")
    assert "the code is wrong" in shop.pair(f"2222-2222-2222@{shop.core.place}")
    assert "not a pairing code" in shop.pair("hello")
    assert "could not be reached" in shop.pair("2222-2222-2222@127.0.0.1:9")
    assert shop.site.php("echo Checkvalve\\Settings::keyid();") == before


def test_numbers_have_no_gap_and_no_repetition_under_parallel_requests(shop: Shop) -> None:
    url = shop.site.rest_url + "leaky/v1/asking"
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert {status for status, _ in pool.map(fetch, [url] * 30)} == {200}
    shop.drain()
    assert sorted(shop.core.lines) == list(range(1, len(shop.core.lines) + 1))
    assert len([e for e in shop.core.events(6003) if e["api"]["operation"] == "GET /leaky/v1/asking"]) == 30


def test_core_that_refuses_or_cuts_the_answer_loses_nothing_and_gets_nothing_twice_under_new_numbers(shop: Shop) -> None:
    shop.core.answer_with = 503
    fail_log_ins(shop, 3)
    _, answer = shop.core.sync(shop.sync_url)
    assert answer["outbox"] == {"pending": 3, "sent": 0}
    shop.core.answer_with, shop.core.drop_answer = None, True
    shop.core.sync(shop.sync_url)
    shop.core.drop_answer = False
    shop.drain()
    assert len(shop.core.events(3002)) == 3
    assert shop.core.refusals == []  # the same lines under the same numbers, byte for byte
    assert sorted(shop.core.lines) == list(range(1, len(shop.core.lines) + 1))


def test_a_batch_that_core_finds_too_large_is_split(shop: Shop) -> None:
    shop.core.most_lines = 2
    fail_log_ins(shop, 7)
    shop.drain()
    assert len(shop.core.events(3002)) == 7


def test_numbers_go_on_after_the_outbox_was_emptied_and_when_core_knows_higher_ones(shop: Shop) -> None:
    highest = max(shop.core.lines)
    fail_log_ins(shop, 1)
    shop.drain()
    assert max(shop.core.lines) == highest + 1
    shop.core.answer_with = 503
    fail_log_ins(shop, 1)
    shop.site.php("(new Checkvalve\\Outbox\\Outbox())->number();")
    shop.core.answer_with = None
    shop.core.next_sequence = 100  # the shop came back from a backup: it gave these numbers before
    assert pair(shop.site, shop.core.code) == shop.core.site
    shop.drain()
    assert sorted(n for n in shop.core.lines if n > highest + 1)[0] == 100
    assert shop.core.refusals == []


def test_a_full_outbox_counts_what_it_drops_and_the_gap_shows(shop: Shop) -> None:
    shop.core.answer_with = 503
    shop.site.php(
        "add_filter('checkvalve_outbox_limit', fn() => 3);" + "".join(FAIL_LOG_IN.replace("{n}", str(n)) for n in range(9))
    )
    shop.core.answer_with = None
    shop.drain()
    arrived = len(shop.core.events(3002))
    assert 3 <= arrived < 9
    notice = [e["message"] for e in shop.core.events(6002) if "not kept" in e.get("message", "")]
    assert notice == [f"the outbox was full; {9 - arrived} events were not kept"]
    numbers = sorted(shop.core.lines)
    assert numbers[-1] - len(numbers) == 9 - arrived


def test_a_page_request_does_not_wait_for_a_core_that_hangs(shop: Shop) -> None:
    import socket

    with socket.socket() as deaf:  # accepts, never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        shop.site.php(
            "$p = get_option('checkvalve_pairing');"
            f"$p['core_url'] = 'http://127.0.0.1:{deaf.getsockname()[1]}'; update_option('checkvalve_pairing', $p);"
        )
        started = time.monotonic()
        status, _ = fetch(shop.site.rest_url + "leaky/v1/asking")
        assert status == 200
        assert time.monotonic() - started < 2


def test_a_fault_in_a_sensor_never_reaches_the_shop_and_is_counted(shop: Shop) -> None:
    shop.site.php(
        "add_action('checkvalve_event', function () { throw new TypeError('a listener of somebody else'); });"
        "wp_authenticate('nobody', 'wrong'); echo 'alive';"
    )
    faults = shop.site.php_json("echo json_encode(get_option('checkvalve_sensor_faults'));")
    assert faults["Checkvalve\\Sensors\\LogIns"]["count"] == 1


def test_the_trace_of_the_web_server_in_front_is_kept(shop: Shop) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    for header, value in (("traceparent", f"00-{trace}-b7ad6b7169203331-01"), ("X-Request-Id", trace[::-1])):
        fetch(urllib.request.Request(shop.site.rest_url + "leaky/v1/asking", headers={header: value}))
    fetch(urllib.request.Request(shop.site.rest_url + "leaky/v1/asking", headers={"traceparent": "00-" + "0" * 32 + "-x"}))
    shop.drain()
    traces = [e["metadata"]["correlation_uid"] for e in shop.core.events(6003)]
    assert traces[:2] == [trace, trace[::-1]]
    assert traces[2] not in (trace, "0" * 32)
