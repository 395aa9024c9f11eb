"""Customers stop buying under a step in the shop: it is taken back, as long as something else keeps the way out closed."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine import log
from tests.integration.engine.scene import PLUGIN, CoreHere, Scene, scene, wait
from tests.integration.engine.test_shop_away import Clock
from tests.simulators.simulated.shop import ASK

from checkvalve.engine import live_watch
from checkvalve.events import event as ocsf
from checkvalve.incidents.trade import HOUR_MS, WEEK_H

AN_HOUR = 180  # orders of the usual hour: three a minute


def sells(staged: Scene, at_ms: int, *, to: str = "processing", probe: bool = False) -> None:
    """One order, and what became of it, into the shop's outbox."""
    sensor = staged.shop.sensor
    number = str(500_000_000 + sensor._next)
    for activity, more in ((1, {}), (3, {"from": "pending", "to": to})):
        with sensor._lock:
            line = ocsf.encode(
                class_uid=ocsf.WEB_RESOURCES,
                activity_id=activity,
                time=at_ms,
                uid=secrets.token_hex(8),
                sequence=sensor._next,
                product="test shop",
                version="0",
                own={"site": sensor.site, "order": {"number": number, "probe": probe} | more},
                trace=secrets.token_hex(16),
                web_resources=[{"type": "wc_order", "uid": number}],
            )
            sensor._outbox.append((sensor._next, line))
            sensor._next += 1


def history(staged: Scene, now_ms: int, an_hour: int) -> None:
    """Four weeks with as many orders in each of these hours."""
    for week in range(1, 5):
        for hour in range(now_ms // HOUR_MS - 4, now_ms // HOUR_MS + 3):
            start = (hour - week * WEEK_H) * HOUR_MS
            for n in range(an_hour):
                sells(staged, start + n * HOUR_MS // max(an_hour, 1))
    sells(staged, now_ms - (4 * WEEK_H + 6) * HOUR_MS)  # watched since
    for n in range(an_hour * 3):  # and today is a day like any other
        sells(staged, now_ms - 3 * HOUR_MS + n * HOUR_MS // max(an_hour, 1))
    staged.shop.sensor.flush()


def releases(staged: Scene) -> list[tuple[str, str]]:
    """(step, status) of what the live watch took back."""
    shown = staged.case()
    assert shown is not None
    return [(s["data"]["name"], s["status"]) for s in shown["steps"] if s["kind"] == "release" and s["data"].get("watched")]


def trade(staged: Scene) -> dict[str, Any]:
    shown = staged.case()
    assert shown is not None and shown["trade"] is not None
    found: dict[str, Any] = shown["trade"]
    return found


@pytest.fixture
def staged(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(live_watch, "LOOK_S", 0.2)
    with scene(CoreHere(tmp_path / "data")) as found:
        yield found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_the_newest_step_is_taken_back_when_sales_stop_and_the_last_one_is_a_persons(
    staged: Scene, clock: Clock, tmp_path: Path
) -> None:
    history(staged, now_ms(), AN_HOUR)
    staged.leak(0, 1)
    staged.respond()
    assert trade(staged)["watch"]["state"] in ("not_heard", "too_few")
    steps = [s["data"]["name"] for s in (staged.case() or {})["steps"] if s["kind"] == "order"]

    clock.ahead += 8 * 60  # and nobody bought anything
    wait(lambda: releases(staged), "the newest step is taken back")
    wait(lambda: releases(staged)[0][1] == "done", "the shop takes it back")
    assert releases(staged)[0][0] == steps[-1]
    wait(lambda: staged.steps()[-1] == ("probe", "done"), "and the checkout is tried")
    assert not staged.shop.sensor.isolated(PLUGIN) or staged.shop.sensor.blocked(ASK)
    shown = staged.case()
    assert shown is not None
    said = [t["data"] for t in shown["transitions"] if t["kind"] == "trade_suffered"]
    assert said[0]["taken_back"] and "0 orders went through" in said[0]["why"]
    lost = shown["trade"]["lost"]
    assert lost["orders"] == 0 and 0 < lost["fewest"] <= 24 <= lost["most"]  # eight minutes at three a minute
    assert "same hours of" in lost["because"]

    staged.core.stop()
    before = log.reduced(tmp_path / "data")
    again = log.replayed(tmp_path / "data", tmp_path / "copy")
    for name, rows in before.items():
        assert again[name] == rows, name


def test_a_shop_that_goes_on_selling_keeps_its_steps(staged: Scene, clock: Clock) -> None:
    history(staged, now_ms(), AN_HOUR)
    staged.leak(0)
    staged.respond()
    start = now_ms()
    clock.ahead += 10 * 60
    for n in range(24):
        sells(staged, start + n * 25_000)
    sells(staged, start + 200_000, probe=True)
    for _ in range(3):
        sells(staged, start + 300_000, to="failed")
    staged.shop.sensor.flush()
    wait(lambda: trade(staged)["watch"]["taken"] == 24, "the orders are counted")
    wait(lambda: trade(staged)["watch"]["until_ms"] > start + 540_000, "all of it is told")
    seen = trade(staged)["watch"]
    assert (seen["state"], seen["failed"]) == ("usual", 3)
    assert releases(staged) == []


def test_a_small_shop_is_never_said_to_have_lost_its_sales(staged: Scene, clock: Clock) -> None:
    history(staged, now_ms(), 4)
    staged.leak(0)
    staged.respond()
    start = now_ms()
    clock.ahead += 90 * 60
    wait(lambda: trade(staged)["watch"]["until_ms"] > start + 80 * 60_000, "an hour and a half is told")
    assert trade(staged)["watch"]["state"] == "too_few"
    assert trade(staged)["lost"]["fewest"] <= 1
    assert releases(staged) == []


def test_payments_that_fail_are_enough_without_a_history(staged: Scene, clock: Clock) -> None:
    staged.leak(0)
    staged.respond()
    assert trade(staged)["watch"]["state"] in ("no_history", "not_heard")
    for _ in range(9):
        sells(staged, now_ms(), to="failed")
    clock.ahead += 61
    staged.shop.sensor.flush()
    wait(lambda: releases(staged), "the newest step is taken back")
    assert trade(staged)["lost"]["fewest"] is None
    assert "not enough history" in trade(staged)["lost"]["because"]
