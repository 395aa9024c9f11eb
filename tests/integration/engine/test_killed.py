"""Core dies in the middle of a response: it goes on where it was, and nothing is done twice."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine import log
from tests.integration.engine.scene import Scene, scene, wait
from tests.wire.core_process import CoreProcess

from checkvalve.engine import decisions
from checkvalve.engine.core import open_core
from checkvalve.engine.settings import Settings


def kill(core: CoreProcess) -> None:
    assert core.server is not None
    os.killpg(core.server.pid, signal.SIGKILL)
    core.stop()


def done(staged: Scene, kind: str, count: int) -> Any:
    return staged.steps().count((kind, "done")) >= count


@pytest.mark.parametrize("moments", [(("checkpoint", 1), ("probe", 1), ("order", 1)), (("order", 2), ("verify_closed", 1))])
def test_a_killed_core_goes_on_and_does_nothing_twice(tmp_path: Path, moments: tuple[tuple[str, int], ...]) -> None:
    core = CoreProcess(data=tmp_path / "data")
    with scene(core) as staged:
        staged.leak(0, 1, 2)
        for kind, count in moments:
            wait(lambda kind=kind, count=count: done(staged, kind, count), f"{kind} is done")  # type: ignore[misc]
            kill(core)
            core.start()
        shown = staged.respond()
        core.stop()
        assert shown["case"]["contained_ms"] is not None
        assert {s["status"] for s in shown["steps"]} == {"done", "waiting"}
        nothing_twice(staged, shown, len(moments))
        before = log.reduced(core.data)
        assert log.replayed(core.data, tmp_path / "copy") == before


def nothing_twice(staged: Scene, shown: dict[str, Any], kills: int) -> None:
    written = log.entries(staged.core.data)
    transitions = [e.body["transition"]["id"] for e in written if e.body.get("type") == "transition"]
    orders = staged.rows("SELECT jti, hand, reported FROM orders")
    shop = [e.body["unmapped"]["checkvalve"]["outcome"]["jti"] for e in written if shop_outcome(e)]
    steps = [s["kind"] for s in shown["steps"]]
    assert len(transitions) == len(set(transitions))
    assert len(orders) == steps.count("order") == 2
    assert sorted(shop) == sorted(jti for jti, hand, _ in orders if hand == "wordpress")
    assert len(staged.gateway.done) == 1
    assert {reported for _, _, reported in orders} == {"done"}
    # A probe that was under way when core died is walked again; its order is cancelled like any other.
    assert steps.count("probe") <= len(staged.probe_orders) <= steps.count("probe") + kills
    assert {o.status for o in staged.probe_orders} == {"cancelled"}


def shop_outcome(entry: log.Logged) -> bool:
    return entry.source.startswith("wp.") and entry.body.get("class_uid") == 7001


def test_a_draft_that_a_kill_prevented_is_written_after_the_restart(tmp_path: Path) -> None:
    """The change is logged, the draft is not: what is missing is seen from the state, not from memory."""
    core = CoreProcess(data=tmp_path / "data")
    with scene(core) as staged:
        staged.leak(0)
        staged.respond()
        core.stop()
        last = staged.rows("SELECT max(version) FROM notifications")[0][0]
        cut_after_last_change(core.data)
        core.start()
        wait(lambda: staged.rows("SELECT max(version) FROM notifications")[0][0] == last + 1, "the draft is made up for")
        core.stop()
        core.start()
        core.stop()
        assert staged.rows("SELECT max(version) FROM notifications") == [(last + 1,)]


def cut_after_last_change(data: Path) -> None:
    """Awareness is set and logged as a change of the case, and there core dies."""
    core = open_core(Settings(data=data))
    try:
        core.pipeline.catch_up()
        with core.state.read() as db:
            case, opened = db.exec_driver_sql("SELECT id, opened_ms FROM incidents").one()
        aware = decisions.draft("aware_set", at_ms=opened + 1, by="user:test", incident=case, aware_ms=opened, why="told")
        core.journal.append_many([aware])
        core.pipeline.catch_up()
        with core.state.read() as db:
            row = db.exec_driver_sql("SELECT id, incident, kind FROM transitions WHERE handled_ms IS NULL").one()
        change = {"id": row.id, "incident": row.incident, "kind": row.kind, "entries": [], "data": {}}
        core.journal.append_many([decisions.draft("transition", at_ms=opened + 1, transition=change)])
        core.pipeline.catch_up()
    finally:
        core.close()


def test_a_second_core_on_the_same_data_is_refused_in_one_line(tmp_path: Path) -> None:
    core = CoreProcess(data=tmp_path / "data").start()
    try:
        second = core.run("core", "--listen", "127.0.0.1:0")
        assert second.returncode == 2
        assert second.stdout == ""
        assert len(second.stderr.splitlines()) == 1
        assert "another Checkvalve uses" in second.stderr
        people = tmp_path / "people.jsonl"
        people.write_text('{"ref": "customer:1", "email": "a@example.com"}\n')
        writer = core.run("subjects", "import", str(people))  # the other command that writes to the log
        assert (writer.returncode, len(writer.stderr.splitlines())) == (2, 1)
    finally:
        core.stop()
