"""The shop cannot be reached while it should be contained, or its checkout suffers from a step."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine.scene import PLUGIN, CoreHere, Scene, scene, wait
from tests.simulators.simulated.shop import ASK
from tests.wire.core_process import CoreProcess

TTL_S = 14_400  # of the shipped playbook's orders


class Clock:
    """The machine's clock, moved forward for everything in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        seconds, nanoseconds = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: seconds() + self.ahead)
        monkeypatch.setattr(time, "time_ns", lambda: nanoseconds() + int(self.ahead * 1e9))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def here(tmp_path: Path, clock: Clock) -> Iterator[Scene]:
    with scene(CoreHere(tmp_path / "data")) as staged:
        yield staged


def step(staged: Scene, name: str, kind: str = "order") -> dict[str, Any] | None:
    shown = staged.case()
    found = [s for s in shown["steps"] if s["kind"] == kind and s["data"]["name"] == name] if shown else []
    return found[-1] if found else None


def has(staged: Scene, name: str, status: str, kind: str = "order") -> bool:
    found = step(staged, name, kind)
    return found is not None and (found["outcome"] or {}).get("status") == status


def test_an_order_is_tried_again_until_it_expires_and_the_next_step_when_the_shop_is_back(here: Scene, clock: Clock) -> None:
    here.line.cut()
    here.leak(0, 1)
    wait(lambda: has(here, "Block the route that leaked", "retrying"), "the order is tried again")
    told = step(here, "Block the route that leaked")
    assert told is not None and "cannot be reached" in told["outcome"]["detail"]
    pauses = growing_pauses(here, clock, 7)
    for pause, expected in zip(pauses, (1, 2, 4, 8, 16, 30, 30), strict=True):  # read a moment after it began
        assert expected - 1 < pause <= expected
    assert len(set(orders_of(here, "block_route"))) == 1

    clock.ahead += TTL_S
    wait(lambda: has(here, "Block the route that leaked", "expired"), "the order expires")
    wait(lambda: has(here, "Isolate the plugin", "retrying"), "the next step is tried")
    here.line.mend()
    clock.ahead += 30
    shown = here.respond()
    assert has(here, "Isolate the plugin", "done")
    assert here.shop.sensor.isolated(PLUGIN)
    assert shown["case"]["contained_ms"] is not None
    assert not here.shop.sensor.blocked("/shop-assistant/v1/ask")  # what expired is not done later


def growing_pauses(staged: Scene, clock: Clock, count: int) -> list[float]:
    """Seconds between one attempt of the waiting order and the next, moving the clock past each."""
    pauses: list[float] = []
    query = "SELECT attempts, due_ms, json_extract(outcome, '$.status') FROM commands WHERE status = 'queued'"
    for attempt in range(1, count + 1):
        found = wait(lambda n=attempt: [r for r in staged.rows(query) if r[2] and r[0] >= n], "another attempt")  # type: ignore[misc]
        attempts, due_ms, status = found[0]
        assert (attempts, status) == (attempt, "retrying")
        left = due_ms / 1000 - time.time()
        pauses.append(round(left, 1))
        clock.ahead += max(left, 0)
    return pauses


def orders_of(staged: Scene, action: str) -> list[str]:
    return [row[0] for row in staged.rows("SELECT jti FROM orders WHERE action = ?", action)]


def test_a_shop_that_comes_back_in_time_is_contained_as_planned(here: Scene) -> None:
    here.line.cut()
    here.leak(0)
    wait(lambda: has(here, "Block the route that leaked", "retrying"), "the order is tried again")
    here.line.mend()
    shown = here.respond()
    assert has(here, "Block the route that leaked", "done")
    assert here.shop.sensor.blocked("/shop-assistant/v1/ask")
    assert shown["case"]["contained_ms"] is not None
    measures = [s["outcome"]["status"] for s in shown["steps"] if s["kind"] == "order"]
    assert measures == ["done", "done"]


def test_a_shop_that_never_comes_back_is_told_as_not_contained(here: Scene, clock: Clock) -> None:
    here.line.cut()
    here.leak(0)
    for name in ("Block the route that leaked", "Isolate the plugin"):  # another width would wait as long
        wait(lambda name=name: has(here, name, "retrying"), f"{name} is tried")  # type: ignore[misc]
        clock.ahead += TTL_S
        wait(lambda name=name: has(here, name, "expired"), f"{name} expires")  # type: ignore[misc]
    shown = here.respond()
    assert shown["case"]["contained_ms"] is None
    assert "containment_failed" in [t["kind"] for t in shown["transitions"]]
    assert here.shop.sensor.isolated(PLUGIN) is False


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Scene]:
    with scene(CoreProcess(data=tmp_path / "data")) as staged:
        yield staged


def test_a_step_that_breaks_the_checkout_is_taken_back_and_the_next_one_closes_the_way(there: Scene) -> None:
    there.store.breaks = lambda: there.shop.sensor.blocked(ASK)
    there.leak(0, 1)
    shown = there.respond()
    assert there.shop.sensor.isolated(PLUGIN)
    assert not there.shop.sensor.blocked(ASK)
    told = [(s["kind"], s["status"]) for s in shown["steps"] if s["data"]["name"] == "Block the route that leaked"]
    assert told == [("order", "done"), ("probe", "failed"), ("release", "done"), ("probe", "done")]
    given = [s["data"]["args"] for s in shown["steps"] if s["data"].get("action") == "isolate_plugin"]
    assert given == [{"plugin": PLUGIN, "mode": "surface"}]
    failed = next(s for s in shown["steps"] if s["status"] == "failed")
    assert "the shop answered 500" in failed["outcome"]["detail"]
    assert shown["case"]["contained_ms"] is not None
    said = there.core.run("case", "show", shown["case"]["id"]).stdout  # type: ignore[attr-defined]
    assert "release: Block" in said and "the shop answered 500" in said
    draft = there.rows("SELECT data FROM notifications ORDER BY version DESC LIMIT 1")[0][0]
    assert "taken back: Block the route that leaked" in draft


def test_a_checkout_that_was_broken_before_does_not_stop_the_response(there: Scene) -> None:
    there.store.breaks = lambda: True
    there.leak(0)
    shown = there.respond()
    assert there.shop.sensor.blocked(ASK)
    assert [s["kind"] for s in shown["steps"]].count("release") == 0
    assert shown["case"]["contained_ms"] is not None
