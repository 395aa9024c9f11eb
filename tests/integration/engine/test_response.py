"""One leak, answered in order: nothing is acted on before it is in the log, and the log alone tells it all again."""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.integration.engine import log
from tests.integration.engine.scene import Scene, scene, wait
from tests.wire.core_process import CoreProcess

from checkvalve.store.schema import metadata


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A leak that grew while it was being answered, was answered to the end and once more, and core at rest since."""
    with scene(CoreProcess(data=tmp_path_factory.mktemp("answered") / "data")) as staged:
        staged.leak(0, 1)
        staged.leak(1, 2, 3)
        staged.respond()
        staged.leak(4, reader="customer:9")
        wait(lambda: staged.kinds().count("exposure_added") == 3, "the case grows")
        staged.respond()
        staged.core.stop()
        yield staged


def test_the_leak_is_closed_and_its_people_are_counted(answered: Scene) -> None:
    shown = answered.case()
    assert shown is not None
    assert shown["case"]["contained_ms"] is not None
    assert shown["scope"]["confirmed"]["subjects"] == 5
    assert {s["status"] for s in shown["steps"]} == {"done", "waiting"}
    assert [s["kind"] for s in shown["steps"] if s["status"] == "waiting"] == ["manual", "manual"]
    assert answered.shop.sensor.isolated("shop-assistant")
    assert answered.probe_orders
    assert all(o.status == "cancelled" for o in answered.probe_orders)


def test_the_log_from_empty_gives_every_row_again(answered: Scene, tmp_path: Path) -> None:
    before = log.reduced(answered.core.data)
    assert all(before[name] for name in ("incidents", "exposures", "runs", "commands", "orders", "notifications"))
    again = log.replayed(answered.core.data, tmp_path / "copy")
    for name, rows in before.items():
        assert again[name] == rows, name


def test_a_replay_does_nothing_a_second_time(answered: Scene, tmp_path: Path) -> None:
    """Core on a state made anew carries out no command again and writes no second draft."""
    logged = len(log.entries(answered.core.data))
    log.replayed(answered.core.data, tmp_path / "copy")
    probes = len(answered.probe_orders)
    copy = CoreProcess(data=tmp_path / "copy").start()
    time.sleep(1.5)  # the worker looks twice a second
    copy.stop()
    assert len(log.entries(tmp_path / "copy")) == logged
    assert len(answered.probe_orders) == probes


def test_nothing_is_acted_on_before_it_has_an_entry_number(answered: Scene) -> None:
    written = log.entries(answered.core.data)
    decisions = [e for e in written if e.kind == "decision"]
    findings = [e.number for e in written if e.body.get("class_uid") == 2004]
    opened = next(e.number for e in decisions if e.body["type"] == "transition" and e.body["transition"]["kind"] == "opened")
    started = next(
        e.number for e in decisions if e.body["type"] == "transition" and e.body["transition"]["kind"] == "containment_started"
    )
    outcomes = {e.body["outcome"]["command"]: e.number for e in decisions if e.body["type"] == "outcome"}
    issued = {e.body["command"]: e.number for e in decisions if e.body["type"] == "order_issued"}
    shown = answered.case()
    assert shown is not None
    done = [s["id"] for s in shown["steps"] if s["status"] == "done"]
    assert set(outcomes) == set(done)
    for command in done:
        assert findings[0] < opened < outcomes[command]
        assert findings[0] < started < outcomes[command]
    for command, number in issued.items():
        assert started < number < outcomes[command]
    for earlier, later in pairwise(done):  # the next step waits for the word on the one before
        assert outcomes[earlier] < outcomes[later]
        assert outcomes[earlier] < issued.get(later, outcomes[later])


def test_every_transition_is_logged_once_after_what_led_to_it(answered: Scene) -> None:
    written = log.entries(answered.core.data)
    logged = [(e.number, e.body["transition"]) for e in written if e.body.get("type") == "transition"]
    rows = answered.rows("SELECT id, handled_ms FROM transitions ORDER BY id")
    assert sorted(t["id"] for _, t in logged) == [row[0] for row in rows]
    assert all(row[1] is not None for row in rows)
    assert all(max(t["entries"]) < number for number, t in logged)


def test_every_table_is_reduced_from_the_log_or_named_as_kept() -> None:
    assert {*log.KEPT, *log.HEARD} <= set(metadata.tables)
    assert {"incidents", "exposures", "findings", "commands", "orders"} <= set(log.REDUCED)
