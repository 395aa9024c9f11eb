"""Digesting has a process of its own: whatever becomes of it or of core, each entry is reduced once, nothing stays behind."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.engine.scene import wait
from tests.wire.core_process import CoreProcess, running_core
from tests.wire.sensor import Sensor

from checkvalve.engine.core import Core, open_core
from checkvalve.engine.digesting import ReducerProcess
from checkvalve.engine.settings import Settings
from checkvalve.events import event as ocsf
from checkvalve.store.journal import Draft
from checkvalve.store.state import open_state

BATCH = 200


def digesting(core: CoreProcess) -> int:
    """The id of the process that digests for this core; 0 while there is none."""
    assert core.server is not None
    for path in Path(f"/proc/{core.server.pid}/task").glob("*/children"):
        for child in path.read_text().split():
            with contextlib.suppress(OSError):
                if b"checkvalve.engine.digesting" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
    return 0


def ended(pid: int) -> bool:
    """Gone, or dead and not yet collected by whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def sent(sensor: Sensor, count: int) -> int:
    """Batches that were acknowledged, until core cannot be reached."""
    done = 0
    with contextlib.suppress(OSError, Exception):
        for _ in range(count):
            first, lines = sensor.next, sensor.batch(BATCH)
            while (answer := sensor.post(lines, first)).status_code == 503:
                time.sleep(0.1)
            assert answer.status_code == 202
            done += BATCH
    return done


def everything_counted_once(core: CoreProcess, sensor: Sensor, count: int) -> None:
    state = open_state(core.data / "state.db")
    try:

        def stored() -> bool:
            with state.read() as db:
                found = db.exec_driver_sql("SELECT count(*), count(DISTINCT seq), max(seq) FROM events").one()
                return tuple(found) == (count, count, count)

        wait(stored, "all of it is digested", 60)
        with state.read() as db:
            assert db.exec_driver_sql("SELECT detector, summary FROM findings").all() == []
    finally:
        state.close()


def test_a_killed_digesting_process_is_replaced_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    with running_core(tmp_path / "data") as core:
        sensor, killed = core.pair(), set[int]()
        for turn in range(1, 4):
            assert sent(sensor, 5) == 5 * BATCH
            wait(lambda killed=killed: digesting(core) not in killed | {0}, "there is one", 30)  # type: ignore[misc]
            killed.add(digesting(core))
            os.kill(digesting(core), signal.SIGKILL)
            assert len(killed) == turn
        assert sent(sensor, 5) == 5 * BATCH
        everything_counted_once(core, sensor, 20 * BATCH)


def test_when_core_alone_is_killed_its_digesting_process_ends_and_the_next_core_goes_on(tmp_path: Path) -> None:
    with running_core(tmp_path / "data") as core:
        sensor, acknowledged = core.pair(), 0
        for _ in range(3):
            acknowledged += sent(sensor, 10)
            left = digesting(core)
            assert left and core.server is not None
            os.kill(core.server.pid, signal.SIGKILL)  # core alone: the other may be in the middle of a chunk
            core.start()
            wait(lambda left=left: ended(left), "the process without a core ends", 30)  # type: ignore[misc]
        assert acknowledged == 30 * BATCH
        everything_counted_once(core, sensor, acknowledged)


def test_a_core_that_stops_leaves_no_process_behind(tmp_path: Path) -> None:
    with running_core(tmp_path / "data") as core:
        pid = digesting(core)
        assert pid and core.server is not None
        os.kill(core.server.pid, signal.SIGTERM)
        wait(lambda: ended(pid), "the digesting process ends with core", 30)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Core]:
    core = open_core(Settings(data=tmp_path / "data"))
    yield core
    core.close()


def line(number: int) -> Draft:
    clear = ocsf.encode(
        class_uid=ocsf.API_ACTIVITY,
        activity_id=2,
        time=number,
        uid=f"{number}",
        sequence=number,
        product="t",
        version="0",
        own={},
    )
    return Draft(kind="event", source="wp.s-aaaaaaaaaaaa", seq=number, clear=clear, t=number)


def test_of_two_reducers_on_one_state_each_entry_meets_one(opened: Core) -> None:
    """As when a core dies, the next begins, and the first one's reducer still has a chunk to come."""
    opened.journal.append_many([line(n) for n in range(1, 31)])
    process = ReducerProcess(opened.settings.state, opened.identity.repeat_key)
    try:
        process.load()
        opened.pipeline.reducer.load()
        late = opened.journal.read_many(0, 10)
        assert process.position == opened.pipeline.position() == 0
        opened.pipeline.reducer.digest(opened.journal.read_many(0, 20))
        process.digest(late)
        assert process.position == 20, "it goes on where the state is"
        process.digest(opened.journal.read_many(20, 10))
        opened.pipeline.reducer.digest(opened.journal.read_many(20, 10))
        assert process.position == opened.pipeline.position() == 30
    finally:
        process.close()
    with opened.state.read() as db:
        assert db.exec_driver_sql("SELECT count(*), count(DISTINCT entry) FROM events").one() == (30, 30)
        assert db.exec_driver_sql("SELECT detector FROM findings").all() == []
