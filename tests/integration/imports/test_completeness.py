"""A scope says for which time it is complete: numbers, gaps, silences and what still waits, sensor by sensor."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.integration.imports.conftest import Installation
from tests.integration.imports.test_bypass import answered, beat, called, tell
from tests.wire.core_process import CoreProcess

from checkvalve.events import event as ocsf
from checkvalve.regimes.deadline import from_ms, rfc3339

MINUTE = 60_000


def now() -> int:
    return time.time_ns() // 1_000_000


def scope(shop: Installation, since: int, until: int, *more: str) -> dict[str, Any]:
    return shop.json("evidence", "scope", "--since", rfc3339(from_ms(since)), "--until", rfc3339(from_ms(until)), *more)


def digested(shop: Installation, sensor: str, highest: int) -> None:
    for _ in range(100):
        if shop.rows(f"SELECT 1 FROM sequences WHERE sensor = '{sensor}' AND highest >= {highest}"):
            return
        time.sleep(0.1)
    raise AssertionError(f"{sensor} was not digested up to {highest}")


def test_what_every_sensor_sent_is_said_and_a_quiet_window_is_complete(shop: Installation, core: CoreProcess) -> None:
    plugin, gateway = core.pair("wordpress"), core.pair("gateway")
    assert plugin.send(3).status_code == 202
    tell(gateway, ocsf.APPLICATION_LIFECYCLE, now(), {"health": {"spool": {"depth": 0, "dropped": 0}}}, 0, message="alive")
    digested(shop, gateway.keyid, 1)
    found = scope(shop, now() - 10 * MINUTE, now())
    assert found["complete"] and found["gaps"] == []
    by_name = {s["sensor"]: s for s in found["sensors"]}
    assert by_name[plugin.keyid]["received"] == by_name[plugin.keyid]["highest"] == 3
    assert by_name[gateway.keyid]["spool"] == {"depth": 0, "dropped": 0}
    assert all(s["silences"] == [] and abs(s["clock_skew_ms"]) < 3000 for s in by_name.values())


def test_missing_numbers_waiting_events_and_a_time_before_the_sensors_are_reservations(
    shop: Installation, core: CoreProcess
) -> None:
    plugin, gateway = core.pair("wordpress"), core.pair("gateway")
    plugin.send(1)
    plugin.next = 5
    plugin.send(1)
    tell(gateway, ocsf.APPLICATION_LIFECYCLE, now(), {"health": {"spool": {"depth": 7, "dropped": 2}}}, 0, message="alive")
    digested(shop, gateway.keyid, 1)
    digested(shop, plugin.keyid, 5)
    found = scope(shop, now() - 48 * 60 * MINUTE, now())
    assert not found["complete"]
    said = "; ".join(found["gaps"])
    assert "numbers 2 to 4 never arrived" in said and f"7 events waited in {gateway.keyid}" in said
    assert f"{gateway.keyid} dropped 2 events" in said and "no sensor watched before" in said
    [own] = [s for s in found["sensors"] if s["sensor"] == plugin.keyid]
    assert own["gaps"] == [{"first": 2, "last": 4}] and own["received"] == 2 and own["highest"] == 5


def test_silence_is_told_with_its_times_and_ends_when_a_spool_brings_what_happened_then(
    shop: Installation, core: CoreProcess
) -> None:
    gateway = core.pair("gateway")
    core.stop()
    start = now() - 60 * MINUTE
    with closing(sqlite3.connect(shop.data / "state.db")) as db, db:
        db.execute("UPDATE sensors SET paired_ms = ?", (start,))
    core.start()
    for minute in (0, 2, 4, 30, 32):
        beat(gateway, start + minute * MINUTE)
    digested(shop, gateway.keyid, 5)
    silences = scope(shop, start, start + 33 * MINUTE)["sensors"][0]["silences"]
    last = [rfc3339(from_ms(start + m * MINUTE)) for m in (32, 33)]  # it was heard again only long after
    assert silences == [[rfc3339(from_ms(start + m * MINUTE)) for m in (4, 30)], last]
    for minute in range(6, 30, 4):
        beat(gateway, start + minute * MINUTE)
    digested(shop, gateway.keyid, 11)
    assert scope(shop, start, start + 33 * MINUTE)["sensors"][0]["silences"] == [last]


def test_a_trace_is_one_story_in_order_with_the_doubt_of_each_time(
    shop: Installation, core: CoreProcess, tmp_path: Path
) -> None:
    plugin, gateway = core.pair("wordpress"), core.pair("gateway")
    site, trace, at = plugin.keyid.removeprefix("wp."), "4bf92f3577b34da6a3ce929d0e0e4707", now()
    called(plugin, 7, at)
    tell(plugin, ocsf.WEB_RESOURCES, at + 700, {"order": {"number": "1042", "total": "5.00", "currency": "EUR"}}, trace=trace)
    answered(gateway, site, 7, at)
    second = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at // 1000 - 1))
    log = tmp_path / "access.log"
    log.write_text(f'203.0.113.7 - - [{second}] "POST /wp-json/chat/v1/ask HTTP/1.1" 200 5 "-" "x" {trace}\n')
    shop.ingest(log, "combined")
    digested(shop, gateway.keyid, 1)
    story = shop.json("evidence", "scope", "--trace", trace)["story"]
    assert (story[0]["kind"], story[0]["source"]) == ("event", "import.combined")
    assert story[0]["within_ms"] == 1000 and {s["within_ms"] for s in story[1:]} == {0}
    assert [s["at_ms"] for s in story] == sorted(s["at_ms"] for s in story)
    assert ([s["kind"] for s in story].count("inference") == 1 and "wc_order" in str(story)) or "1042" in str(story)
    assert all(abs(s["clock_skew_ms"]) < 3000 for s in story)
