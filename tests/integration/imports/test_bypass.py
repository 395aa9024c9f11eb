"""Somebody asks the model past the gateway: what the shop's plugin or the model server's own log gives away."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.integration.imports.conftest import Installation
from tests.wire.core_process import CoreProcess
from tests.wire.sensor import Sensor

from checkvalve.events import event as ocsf

NOW = int(datetime(2026, 11, 24, 10, tzinfo=UTC).timestamp() * 1000)
TRACE = "4bf92f3577b34da6a3ce929d0e0e47{:02d}"


def tell(sensor: Sensor, class_uid: int, at_ms: int, own: dict[str, Any], activity: int = 1, **more: Any) -> None:
    first, sensor.next = sensor.next, sensor.next + 1
    fields: dict[str, Any] = {"uid": f"e-{first}", "sequence": first, "product": "test", "version": "0"}
    line = ocsf.encode(class_uid=class_uid, activity_id=activity, time=at_ms, own=own, **fields, **more)
    assert sensor.post([line], first).status_code == 202


def called(shop: Sensor, n: int, at_ms: int = NOW, path: str = "/v1/chat/completions", code: int = 200) -> None:
    """The plugin says that a plugin of the shop had an answer."""
    request = {"http_method": "POST", "url": {"hostname": "127.0.0.1", "path": path}}
    answer = {"http_request": request, "http_response": {"code": code}, "duration": 900}
    tell(shop, ocsf.HTTP_ACTIVITY, at_ms, {"plugin": "chat"}, 6, trace=TRACE.format(n), **answer)


def answered(gateway: Sensor, site: str, n: int | None, at_ms: int = NOW) -> None:
    """The gateway says the same; `n` None: of a caller that it does not know."""
    inference = {"id": f"i-{n}", "request": "{}", "completion": "hello", "started_ms": at_ms - 800, "ended_ms": at_ms - 50}
    own = {"site": site, "inference": {**inference, "outcome": "complete", "caller": None}}
    tell(gateway, ocsf.API_ACTIVITY, at_ms - 800, own, trace=None if n is None else TRACE.format(n))


def beat(gateway: Sensor, at_ms: int) -> None:
    tell(gateway, ocsf.APPLICATION_LIFECYCLE, at_ms, {"health": {}}, 0, message="alive")


def findings(installation: Installation) -> list[tuple[str, str, int]]:
    query = "SELECT detector, summary, json_extract(data, '$.count') FROM findings WHERE detector LIKE 'model_%' ORDER BY at_ms"
    return [(d, s, c) for d, s, c in installation.rows(query)]


def eventually(installation: Installation, count: int) -> list[tuple[str, str, int]]:
    for _ in range(100):
        if len(found := findings(installation)) == count:
            return found
        time.sleep(0.1)
    return findings(installation)


@pytest.fixture
def pair(core: CoreProcess) -> tuple[Sensor, Sensor]:
    return core.pair("wordpress"), core.pair("gateway")


def test_a_call_no_gateway_told_of_is_a_finding_once_the_gateway_was_heard_after_it(
    shop: Installation, pair: tuple[Sensor, Sensor]
) -> None:
    plugin, gateway = pair
    site = plugin.keyid.removeprefix("wp.")
    for n in (1, 2, 3):
        called(plugin, n)
    called(plugin, 4, path="/v1/models")
    called(plugin, 5, code=0)
    answered(gateway, site, 1)
    time.sleep(0.5)
    assert findings(shop) == [], "a gateway that is behind raises no alarm"
    answered(gateway, site, 3)  # late, out of its spool
    beat(gateway, NOW + 61_000)
    [(detector, text, count)] = eventually(shop, 1)
    assert (detector, count) == ("model_bypass", 1) and plugin.keyid in text and "2026-11-24T10:00:00Z" in text
    assert shop.rows("SELECT verdict, count(*) FROM model_calls GROUP BY 1 ORDER BY 1") == [("bypass", 1), ("gateway", 2)]


def test_a_call_whose_context_did_not_verify_is_found_by_its_time(shop: Installation, pair: tuple[Sensor, Sensor]) -> None:
    plugin, gateway = pair
    called(plugin, 1)
    answered(gateway, plugin.keyid.removeprefix("wp."), None)
    beat(gateway, NOW + 61_000)
    for _ in range(100):
        if verdicts := shop.rows("SELECT verdict FROM model_calls WHERE verdict IS NOT NULL"):
            break
        time.sleep(0.1)
    assert verdicts == [("gateway",)] and findings(shop) == []


GIN = '[GIN] 2026/11/24 - 10:00:{s:02d} | 200 |  800ms |       127.0.0.1 | POST     "/api/chat"\n'


def test_a_model_servers_log_shows_what_went_past_the_gateway(
    shop: Installation, pair: tuple[Sensor, Sensor], tmp_path: Path
) -> None:
    plugin, gateway = pair
    site = plugin.keyid.removeprefix("wp.")
    for n, second in enumerate((1, 20, 40)):
        answered(gateway, site, n, NOW + second * 1000)
    beat(gateway, NOW + 3_600_000)
    log = tmp_path / "ollama.log"
    log.write_text("".join(GIN.format(s=s) for s in (1, 10, 20, 21, 30, 40)))
    for _ in range(2):
        shop.ingest(log, "model-server")
    [(_, text, count)] = eventually(shop, 1)
    assert count == 3 and text.startswith("3 answer(s) of a model in the hour from 2026-11-24T10:00:00Z")
    assert shop.rows("SELECT entry FROM model_calls WHERE verdict = 'bypass' ORDER BY started_ms")
    assert shop.rows("SELECT count(DISTINCT gateway_entry) FROM model_calls") == [(3,)]


def test_answers_without_a_time_are_said_to_be_uncomparable(shop: Installation, tmp_path: Path) -> None:
    line = "0.04.058.895 I slot print_timing: id  1 | task {n} |       total time =    2075.06 ms /    40 tokens\n"
    log = tmp_path / "llama.log"
    log.write_text("".join(line.format(n=n) for n in range(4)))
    shop.ingest(log, "model-server")
    [(detector, text, count)] = findings(shop)
    assert (detector, count) == ("model_calls_undated", 4) and "have no time" in text
