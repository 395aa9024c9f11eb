"""Bad input from sensors: refused or recorded as nonsense with one clear reason, and every good event survives it.

"Good" is shown each time: what was sent before, in the same batch and after is in the state, in the log and verifies.
"""

import contextlib
import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.wire.core_process import CoreProcess
from tests.wire.sensor import Sensor


@pytest.fixture
def sensor(core: CoreProcess) -> Iterator[Sensor]:
    """A sensor that has sent one good event and will send another at the end: both must be there."""
    paired = core.pair()
    assert paired.send().status_code == 202
    yield paired
    assert paired.send().status_code == 202
    settled(core)
    assert query(core, "SELECT seq FROM events WHERE sensor = ? ORDER BY seq", paired.keyid) == [
        (n,) for n in range(1, paired.next)
    ]
    assert json.loads(core.run("evidence", "verify", "--json").stdout)["ok"]
    assert core.server is not None
    assert "Traceback" not in core.server.log.read_text("utf-8", "replace")


def query(core: CoreProcess, sql: str, *values: Any) -> list[Any]:
    with sqlite3.connect(core.data / "state.db") as db:
        return db.execute(sql, values).fetchall()


def settled(core: CoreProcess) -> None:
    """Wait until everything that was acknowledged is digested."""
    end = time.monotonic() + 20
    entries = json.loads(core.run("evidence", "verify", "--json").stdout)["entries"]
    while query(core, "SELECT value FROM cursor WHERE name = 'next_entry'") != [(entries,)]:
        assert time.monotonic() < end, "core did not digest its log"
        time.sleep(0.05)


def findings(core: CoreProcess) -> list[tuple[str, str]]:
    settled(core)
    return query(core, "SELECT detector, summary FROM findings ORDER BY entry")


def changed(line: bytes, **values: Any) -> bytes:
    return json.dumps({**json.loads(line), **values}).encode()


def own(line: bytes, **values: Any) -> bytes:
    return changed(line, unmapped={"checkvalve": values})


def refused(answer: httpx2.Response, status: int, code: str) -> None:
    """One stable code and one sentence that tells what to do."""
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert answer.json().keys() == {"error", "hint"}
    assert answer.json()["hint"]


def test_a_truncated_body_is_refused_and_taken_when_it_comes_whole(core: CoreProcess, sensor: Sensor) -> None:
    first, lines = sensor.next, sensor.batch(5)
    body = b"\n".join(lines) + b"\n"
    for cut in (0, 1, len(lines[0]), len(body) // 2, len(body) - 1):
        refused(sensor.post(lines, first, sent=body[:cut]), 400, "bad_digest")
    refused(sensor.post(lines, first, body=body[: len(body) // 2]), 400, "bad_request")  # signed, but not what it announces
    assert sensor.post(lines, first).status_code == 202


def test_a_connection_that_breaks_in_the_middle_leaves_nothing(core: CoreProcess, sensor: Sensor) -> None:
    before = core_entries(core)
    for announced, sent in ((1000, b"x" * 500), (1000, b""), (10**12, b"x" * 1000)):
        with socket.create_connection(("127.0.0.1", core.port)) as raw:
            head = f"POST /v1/events HTTP/1.1\r\nHost: core.example\r\nContent-Length: {announced}\r\n\r\n"
            raw.sendall(head.encode() + sent)
    assert sensor.client.get(f"{core.url}/health").status_code == 200
    assert core_entries(core) == before


def core_entries(core: CoreProcess) -> int:
    entries: int = json.loads(core.run("evidence", "verify", "--json").stdout)["entries"]
    return entries


def test_100_megabytes_are_refused_before_they_are_read(core: CoreProcess, sensor: Sensor) -> None:
    before = memory_kb(core)
    body = b'{"class_uid": 6003}\n' * 5_000_000
    headers = {"content-length": str(len(body)), "connection": "close"}
    with socket.create_connection(("127.0.0.1", core.port)) as raw:
        head = "POST /v1/events HTTP/1.1\r\nHost: core.example\r\n"
        raw.sendall((head + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode())
        said = b""
        while part := raw.recv(65536):
            said += part
    assert said.startswith(b"HTTP/1.1 413")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["error"] == "too_large"

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(body), 1_000_000):
            yield body[start : start + 1_000_000]

    with contextlib.suppress(httpx2.TransportError):  # core may hang up on us before all was sent
        refused(sensor.client.post(f"{core.url}/v1/events", content=chunks()), 413, "too_large")
    assert memory_kb(core) - before < 60_000


def memory_kb(core: CoreProcess) -> int:
    assert core.server is not None
    status = Path(f"/proc/{core.server.pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


NONSENSE = {
    "not UTF-8": b'{"class_uid": 6003, "message": "\xff\xfe"}',
    "nested 10,000 deep": b'{"class_uid": 6003, "activity_id": 1, "a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "objects nested 10,000 deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "cut off": b'{"class_uid": 6003, "activity_id": 1',
    "half a surrogate": b'{"class_uid": 6003, "message": "\\ud800"}',
    "not a number": b'{"class_uid": NaN}',
    "a bomb of digits": b'{"class_uid": ' + b"9" * 100_000 + b"}",
    "a NUL": b"\x00",
    "a list": b"[]",
    "null": b"null",
}


def test_nonsense_is_kept_as_nonsense_and_its_neighbours_as_events(core: CoreProcess, sensor: Sensor) -> None:
    first = sensor.next
    lines = [line for bad in NONSENSE.values() for line in (bad, sensor.event(0))]
    sensor.next += len(lines)
    assert sensor.post(lines, first).json()["acknowledged"] == first + len(lines) - 1
    seen = findings(core)
    assert [d for d, _ in seen] == ["malformed_event"] * len(NONSENSE)
    assert all(len(summary) <= 200 and summary for _, summary in seen)
    good = query(core, "SELECT count(*) FROM events WHERE sensor = ? AND class_uid = 6003 AND seq >= ?", sensor.keyid, first)
    assert good == [(len(NONSENSE),)]


def test_numbers_that_no_clock_or_table_can_hold(core: CoreProcess, sensor: Sensor) -> None:
    first, like = sensor.next, sensor.event(0)
    huge = [
        changed(like, **{name: value})
        for name in ("time", "class_uid", "activity_id")
        for value in (2**63, 2**70, -(2**70), 1e300)
    ]
    lines = [*huge, sensor.event(0)]
    sensor.next += len(lines)
    assert sensor.post(lines, first).status_code == 202
    assert {d for d, _ in findings(core)} <= {"malformed_event", "future_event"}
    assert query(core, "SELECT class_uid FROM events WHERE seq = ?", first + len(lines) - 1) == [(6003,)]


def test_an_event_from_the_future_is_kept_and_remarked(core: CoreProcess, sensor: Sensor) -> None:
    first, now = sensor.next, time.time_ns() // 1_000_000
    lines = [changed(sensor.event(0), time=now + ahead) for ahead in (200_000, 3_600_000, 10**12)]
    sensor.next += len(lines)
    assert sensor.post(lines, first).status_code == 202
    assert [d for d, _ in findings(core)] == ["future_event", "future_event"]


def test_a_leak_is_seen_next_to_anything_a_gateway_may_get_wrong(core: CoreProcess, sensor: Sensor) -> None:
    """A number that cannot be read costs that number, never the exposure."""
    gateway, site = core.pair(kind="gateway"), sensor.keyid.removeprefix("wp.")
    shown = {"subject": "customer:7", "category": "email", "recipient": "anonymous", "inference": "i-1", "seen_ms": 1}
    exposures = [
        {**shown, "subject": f"customer:{n}", "seen_ms": odd} for n, odd in enumerate((2**70, -5, "x", None, [1], 1.5))
    ]
    odd_ones: list[Any] = [None, 1, "x", [], {}, {**shown, "category": ["email"]}, {**shown, "category": "nonsense"}]
    leaks = changed(own(gateway.event(0), site=site, plugin="assistant", exposures=[*odd_ones, *exposures]), class_uid=2004)
    odd_callers: list[tuple[Any, Any]] = [(None, 2**70), ([], "x"), ({"plugin": 5, "requester": []}, [1]), ("x", None)]
    inferences = [
        {"id": f"i-{n}", "completion": "hello", "caller": caller, "ended_ms": odd, "prompt_tokens": odd}
        for n, (caller, odd) in enumerate(odd_callers)
    ]
    lines = [leaks, *(own(gateway.event(0), site=site, inference=i) for i in inferences)]
    assert gateway.post(lines, 1).status_code == 202
    assert {d for d, _ in findings(core)} == {"malformed_event"}
    found = query(core, "SELECT subject FROM exposures WHERE shown ORDER BY subject")
    assert found == [(f"customer:{n}",) for n in range(len(exposures))]
    assert query(core, "SELECT count(*) FROM inferences") == [(len(inferences),)]
    assert query(core, "SELECT count(*) FROM incidents") == [(1,)]


def test_a_refused_batch_leaves_no_trace_in_the_log(core: CoreProcess, sensor: Sensor) -> None:
    before, first = core_entries(core), sensor.next
    lines = [sensor.event(first)]
    refused(sensor.post(lines, first, keyid="wp.s-nobody"), 401, "unknown_sensor")
    refused(sensor.post(lines, first, sent=b"{}\n"), 400, "bad_digest")
    refused(sensor.post(lines, first, sequence="0;count=1"), 400, "bad_request")
    refused(sensor.post([sensor.event(1), *lines], first - 1), 409, "sequence_conflict")
    for header in ("signature", "signature-input", "content-digest", "checkvalve-sequence"):
        for junk in ("", "=", "cv=", "\x7f", "cv=:" + "A" * 9000 + ":", 'cv=("@method");created=x', "cv=();;;", "((((" * 500):
            answer = sensor.client.post(f"{core.url}/v1/events", content=b"{}\n", headers={header: junk})
            assert 400 <= answer.status_code < 500, (header, junk[:20], answer.status_code)
    assert core_entries(core) == before
