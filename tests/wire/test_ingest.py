"""What core does with batches, good and bad: nothing acknowledged is lost, nothing bad stops the good."""

import json
import random
import sqlite3
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.wire.core_process import CoreProcess
from tests.wire.sensor import Sensor


def findings(core: CoreProcess, sensor: Sensor) -> list[tuple[str, str]]:
    """(detector, summary) once core has digested everything it acknowledged."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with sqlite3.connect(core.data / "state.db") as db:
            done = db.execute("SELECT value FROM cursor WHERE name = 'next_entry'").fetchone()
            entries = json.loads(core.run("evidence", "verify", "--json").stdout)["entries"]
            if done and done[0] >= entries:
                return list(db.execute("SELECT detector, summary FROM findings ORDER BY entry"))
        time.sleep(0.1)
    raise AssertionError("core did not digest its log")


def stored(core: CoreProcess, sensor: Sensor) -> list[int]:
    with sqlite3.connect(core.data / "state.db") as db:
        return [r[0] for r in db.execute("SELECT seq FROM events WHERE sensor = ? ORDER BY seq", (sensor.keyid,))]


@pytest.fixture
def sensor(core: CoreProcess) -> Sensor:
    return core.pair()


def test_a_good_batch_is_acknowledged_and_in_the_log(core: CoreProcess, sensor: Sensor) -> None:
    answer = sensor.send(3)
    assert (answer.status_code, answer.json()["acknowledged"]) == (202, 3)
    assert findings(core, sensor) == []
    assert stored(core, sensor) == [1, 2, 3]


def test_the_same_batch_again_is_acknowledged_and_counted_once(core: CoreProcess, sensor: Sensor) -> None:
    lines = sensor.batch(3)
    assert sensor.post(lines, 1).status_code == 202
    again = sensor.post(lines, 1)
    assert (again.status_code, again.json()) == (202, {"acknowledged": 3, "entries": None})
    grown = sensor.post([*lines[1:], *sensor.batch(1)], 2)
    assert (grown.status_code, grown.json()["acknowledged"]) == (202, 4)
    core.stop()
    core.start()
    assert sensor.post(lines, 1).json() == {"acknowledged": 3, "entries": None}
    assert stored(core, sensor) == [1, 2, 3, 4]


def test_a_replayed_number_with_other_content_is_refused_whole(core: CoreProcess, sensor: Sensor) -> None:
    sensor.send(2)
    answer = sensor.post([sensor.event(2), sensor.event(3)], 2)
    assert (answer.status_code, answer.json()["error"]) == (409, "sequence_conflict")
    assert findings(core, sensor) == []
    assert stored(core, sensor) == [1, 2]


def test_a_wrong_signature_is_refused(core: CoreProcess, sensor: Sensor) -> None:
    lines = sensor.batch()
    wrong = sensor.post(lines, 1, key=Ed25519PrivateKey.generate())
    assert (wrong.status_code, wrong.json()["error"]) == (401, "bad_signature")
    unknown = sensor.post(lines, 1, keyid="wp.s-nobody")
    assert (unknown.status_code, unknown.json()["error"]) == (401, "unknown_sensor")
    changed = sensor.post(lines, 1, sent=b"{}\n")
    assert (changed.status_code, changed.json()["error"]) == (400, "bad_digest")
    unsigned = sensor.client.post(f"{core.url}/v1/events", content=b"{}\n")
    assert (unsigned.status_code, unsigned.json()["error"]) == (401, "bad_signature")
    assert sensor.post(lines, 1).status_code == 202


SENSELESS = ("", "0;count=1", "1;count=2", "1", "x;count=1", "-1;count=1", "1;count=1;x", "9" * 30 + ";count=1")


def test_a_batch_with_a_senseless_number_is_refused(sensor: Sensor) -> None:
    for sequence in SENSELESS:
        answer = sensor.post([sensor.event(1)], 1, sequence=sequence)
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_request"), sequence


def test_nonsense_is_stored_as_nonsense_between_good_events(core: CoreProcess, sensor: Sensor) -> None:
    good = sensor.event(1)
    nonsense = [
        b"\xff\xfe not UTF-8",
        b"[" * 10_000 + b"]" * 10_000,
        b'{"class_uid": 6003',
        b"[1, 2]",
        b"{}",
        b'{"class_uid": true, "activity_id": 1, "time": 1, "metadata": {"uid": "x"}}',
        b'{"class_uid": 1e999, "activity_id": 1, "time": 1}',
        b"",
    ]
    answer = sensor.post([good, *nonsense, sensor.event(10)], 1)
    assert (answer.status_code, answer.json()["acknowledged"]) == (202, 10)
    seen = findings(core, sensor)
    assert [d for d, _ in seen] == ["malformed_event"] * len(nonsense)
    assert "invalid UTF-8" in seen[0][1]
    assert "nested deeper" in seen[1][1]
    assert stored(core, sensor) == list(range(1, 11))


def test_a_gap_and_an_event_from_the_future_are_findings(core: CoreProcess, sensor: Sensor) -> None:
    sensor.send()
    future = sensor.event(5).replace(b'"time":', b'"time":9', 1)
    assert sensor.post([future], 5).status_code == 202
    assert findings(core, sensor) == [
        ("future_event", findings(core, sensor)[0][1]),
        ("sequence_gap", "numbers 2 to 4 never arrived"),
    ]


def test_a_body_of_100_megabytes_is_refused_and_the_next_batch_taken(core: CoreProcess, sensor: Sensor) -> None:
    chunk = b"x" * 1_000_000

    def endless() -> "object":
        for _ in range(100):
            yield chunk

    try:
        answer = sensor.client.post(f"{core.url}/v1/events", content=endless())  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    except Exception as error:  # the server may hang up before all was sent; it must not have taken it
        assert "Write" in type(error).__name__ or "Read" in type(error).__name__ or "Protocol" in type(error).__name__
    assert sensor.send().status_code == 202


def test_a_get_needs_a_fresh_signature_and_an_unused_nonce(core: CoreProcess, sensor: Sensor) -> None:
    assert sensor.get("/v1/orders", nonce="once-only-nonce").json()["orders"] == []
    replayed = sensor.get("/v1/orders", nonce="once-only-nonce")
    assert (replayed.status_code, replayed.json()["error"]) == (401, "replayed")
    stale = sensor.get("/v1/orders", created=int(time.time()) - 3600)
    assert (stale.status_code, stale.json()["error"]) == (401, "stale")
    foreign = sensor.get("/v1/gateway/config")
    assert (foreign.status_code, foreign.json()["error"]) == (403, "forbidden")


def test_pairing_codes_work_once_and_guessing_is_braked(core: CoreProcess) -> None:
    code = json.loads(core.run("pair", "--json").stdout)["code"].split("@")[0]
    body = {"code": code, "kind": "gateway", "name": "gpu-2", "public_key": "A" * 43 + "="}
    sensor = core.pair(kind="gateway", name="gpu-1")
    assert sensor.client.post(f"{core.url}/v1/pair", json=body).status_code == 200
    assert sensor.client.post(f"{core.url}/v1/pair", json=body).json()["error"] == "bad_code"
    guesses = [sensor.client.post(f"{core.url}/v1/pair", json=body | {"code": "2222-2222-2222"}) for _ in range(12)]
    assert guesses[-1].status_code == 429
    assert sensor.client.post(f"{core.url}/v1/pair", content=b"[[[").json()["error"] in ("bad_request", "too_many_attempts")


def test_a_second_core_on_the_same_data_refuses(core: CoreProcess) -> None:
    done = core.run("core", "--listen", "127.0.0.1:0")
    assert done.returncode == 2
    assert "another Checkvalve uses" in done.stderr
    assert "Traceback" not in done.stderr


def test_kill_9_at_any_moment_loses_no_acknowledged_event(core: CoreProcess, sensor: Sensor) -> None:
    import os
    import signal

    acknowledged = 0
    chance = random.Random(7)
    for _ in range(8):
        assert core.server is not None
        timer = threading.Timer(chance.uniform(0.05, 0.4), os.killpg, (core.server.pid, signal.SIGKILL))
        timer.start()
        try:
            while True:
                first = sensor.next
                lines = sensor.batch(chance.randint(1, 20))
                answer = sensor.post(lines, first)
                assert answer.status_code == 202
                acknowledged = answer.json()["acknowledged"]
        except (ConnectionError, OSError, Exception) as error:
            if isinstance(error, AssertionError):
                raise
            sensor.next = first
            pending = lines
        timer.join()
        core.stop()
        core.start()
        answer = sensor.post(pending, first)  # the sensor tries again what was not acknowledged
        assert answer.status_code == 202
        acknowledged = answer.json()["acknowledged"]
        sensor.next = acknowledged + 1
    assert findings(core, sensor) == []
    assert stored(core, sensor) == list(range(1, acknowledged + 1))
    assert json.loads(core.run("evidence", "verify", "--json").stdout)["ok"]
