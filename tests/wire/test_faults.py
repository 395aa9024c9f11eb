"""What happens to sensors' events when the disk is full, and when a shop that was cut off for a week comes back.

The disk is a small file system of its own, so that the kernel says "no space left" wherever core writes.
"""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.wire.core_process import CoreProcess, running_core
from tests.wire.sensor import Sensor

SIZE = 32 * 1024 * 1024
WEEK_MS = 7 * 24 * 3_600_000
OUTBOX = 60_000
BATCH = 500


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of SIZE bytes."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root; what the log does without it: tests/integration/journal/test_full_disk.py")
    where = tmp_path / "data"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "none", where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", where], check=True)


def wait(until: Callable[[], object], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def stored(core: CoreProcess, sensor: Sensor) -> tuple[int, int, int]:
    """How many events of the sensor there are, how many numbers, and the highest."""
    with sqlite3.connect(core.data / "state.db", timeout=30) as db:
        query = "SELECT count(*), count(DISTINCT seq), max(seq) FROM events WHERE sensor = ?"
        count, numbers, highest = db.execute(query, (sensor.keyid,)).fetchone()
    return count, numbers, highest


def verified(core: CoreProcess) -> int:
    said = json.loads(core.run("evidence", "verify", "--json").stdout)
    assert said["ok"], said["errors"]
    return int(said["entries"])


def no_findings(core: CoreProcess) -> bool:
    with sqlite3.connect(core.data / "state.db", timeout=30) as db:
        return db.execute("SELECT detector, summary FROM findings").fetchall() == []


def fill(directory: Path, leave: int) -> Path:
    ballast = directory / "ballast"
    free = os.statvfs(directory)
    with ballast.open("wb") as file:
        file.write(bytes(max(0, free.f_bavail * free.f_frsize - leave)))
    return ballast


def test_on_a_full_disk_sensors_are_asked_to_wait_reading_goes_on_and_so_does_ingest_once_there_is_room(small: Path) -> None:
    with running_core(small) as core:
        sensor = core.pair()
        assert sensor.send(100).status_code == 202
        acknowledged = 100
        ballast = fill(small, leave=1_500_000)
        for _ in range(200):
            first, lines = sensor.next, sensor.batch(100)
            answer = sensor.post(lines, first)
            if answer.status_code != 202:
                break
            acknowledged += 100
        assert (answer.status_code, answer.json()["error"]) == (503, "busy")
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert sensor.client.get(f"{core.url}/health").status_code == 200
        assert sensor.get("/v1/orders").status_code == 200
        assert verified(core) == acknowledged, "what was refused left no entry"
        for _ in range(3):
            assert sensor.post(lines, first).status_code == 503
        ballast.unlink()
        wait(lambda: sensor.post(lines, first).status_code == 202, "ingest goes on by itself")
        assert sensor.send(100).status_code == 202
        acknowledged += 200
        wait(lambda: stored(core, sensor) == (acknowledged,) * 3, "all of it is digested, once")
        assert verified(core) == acknowledged
        assert no_findings(core)


def outbox(sensor: Sensor) -> Iterator[tuple[int, list[bytes]]]:
    """A week of a shop's events in batches: (first number, lines)."""
    began = time.time_ns() // 1_000_000 - WEEK_MS
    for first in range(1, OUTBOX + 1, BATCH):
        when = (b'"time":%d' % (began + n * WEEK_MS // OUTBOX) for n in range(first, first + BATCH))
        yield first, [re.sub(rb'"time":\d+', at, line, count=1) for line, at in zip(sensor.batch(BATCH), when, strict=True)]


def delivered(sensor: Sensor, first: int, lines: list[bytes]) -> None:
    while (answer := sensor.post(lines, first)).status_code == 503:
        time.sleep(min(1.0, float(answer.headers["retry-after"])))
    assert (answer.status_code, answer.json()["acknowledged"]) == (202, first + len(lines) - 1)


def test_a_weeks_outbox_delivered_at_once_is_counted_once_although_core_is_killed_and_batches_come_twice(
    tmp_path: Path,
) -> None:
    with running_core(tmp_path / "data") as core:
        sensor = core.pair()
        for first, lines in outbox(sensor):
            delivered(sensor, first, lines)
            if first % 20_000 == 1 + 10_000:  # the acknowledgement may not have reached the shop: it sends again
                assert core.server is not None
                os.killpg(core.server.pid, signal.SIGKILL)
                core.start()
                delivered(sensor, first, lines)
        again = sensor.post(lines, first)
        assert again.json() == {"acknowledged": OUTBOX, "entries": None}
        wait(lambda: stored(core, sensor) == (OUTBOX,) * 3, "all of it is digested, once")
        assert verified(core) == OUTBOX
        assert no_findings(core)
