"""The way out was closed and data is shown again: it is closed again, by one run at a time."""

import shutil
import time
from pathlib import Path

import pytest
from tests.integration.engine import log
from tests.integration.engine.scene import PLUGIN, CoreHere, Scene, scene, wait
from tests.integration.engine.test_shop_away import TTL_S, Clock
from tests.simulators.simulated.shop import ASK


def runs(staged: Scene) -> list[tuple[str, bool]]:
    return [(row[0].rpartition(".")[2], bool(row[1])) for row in staged.rows("SELECT id, done FROM runs ORDER BY id")]


def test_orders_that_expired_are_given_again_when_data_is_shown_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with scene(CoreHere(tmp_path / "data")) as staged:
        staged.leak(0, 1)
        first = staged.respond()
        clock.ahead += TTL_S + 60
        assert not staged.shop.sensor.blocked(ASK) and not staged.shop.sensor.isolated(PLUGIN)
        staged.leak(2)
        wait(lambda: len(runs(staged)) == 2, "the playbook starts anew")
        shown = staged.respond()
        assert runs(staged) == [("run1", True), ("run2", True)]
        assert staged.shop.sensor.blocked(ASK) and staged.shop.sensor.isolated(PLUGIN)
        assert shown["case"]["contained_ms"] == first["case"]["contained_ms"]
        assert shown["case"]["last_contained_ms"] > first["case"]["last_contained_ms"] + TTL_S * 1000
        kinds = [t["kind"] for t in shown["transitions"]]
        assert (kinds.count("containment_started"), kinds.count("contained")) == (2, 2)
        again = [t for t in shown["transitions"] if t["kind"] == "containment_started"][1]["data"]
        assert again["why"] == "data was shown after the way out had been closed"
        assert [s["kind"] for s in shown["steps"] if s["status"] == "waiting"] == ["manual", "manual"]  # not asked twice
        staged.core.stop()
        before = log.reduced(tmp_path / "data")
        assert log.replayed(tmp_path / "data", tmp_path / "copy") == before
        shutil.rmtree(tmp_path / "copy")


def test_orders_lifted_in_the_shop_are_given_again_at_once(tmp_path: Path) -> None:
    with scene(CoreHere(tmp_path / "data")) as staged:
        staged.leak(0)
        staged.respond()
        staged.shop.sensor._in_force.clear()
        assert not staged.shop.sensor.blocked(ASK)
        staged.leak(1)
        wait(lambda: staged.shop.sensor.blocked(ASK), "the route is blocked again", 20)
        staged.respond()
        assert runs(staged) == [("run1", True), ("run2", True)]


def test_a_leak_that_goes_on_while_a_run_is_under_way_starts_no_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with scene(CoreHere(tmp_path / "data")) as staged:
        staged.line.cut()
        staged.leak(0)
        wait(lambda: "order" in [k for k, _ in staged.steps()], "an order is given")
        for person in range(1, 5):
            staged.leak(person)
        wait(lambda: staged.kinds().count("exposure_added") == 5, "the case grows")
        assert runs(staged) == [("run1", False)]

        while runs(staged) == [("run1", False)]:  # it fails for want of a shop; the leak went on meanwhile
            clock.ahead += TTL_S
            time.sleep(0.2)
        assert runs(staged) == [("run1", True), ("run2", False)]
        first = staged.rows("SELECT due_ms, created_ms FROM commands WHERE run LIKE '%.run2' ORDER BY position")[0]
        assert first[0] - first[1] == 60_000  # after a pause
        staged.leak(0)
        assert runs(staged) == [("run1", True), ("run2", False)]
        staged.line.mend()
        clock.ahead += 61
        shown = staged.respond()
        assert runs(staged) == [("run1", True), ("run2", True)]
        assert shown["case"]["contained_ms"] == shown["case"]["last_contained_ms"]
        assert staged.shop.sensor.blocked(ASK)
