"""What the incident page says of orders, steps and the clock."""

from dataclasses import replace
from typing import Any

import pytest

from checkvalve.engine.views import CommandRow, OrderRow
from checkvalve.incidents.case import Incident
from checkvalve.web.console import present, words

NOW = 1_790_000_000_000
HOUR = 3_600_000

INCIDENT = Incident(
    id="INC-2026-0001",
    site="s-a",
    title="x",
    status="containment",
    severity="high",
    opened_ms=NOW,
    first_seen_ms=NOW,
    detected_ms=NOW,
    last_seen_ms=NOW,
    plugin="shop-assistant",
    route=None,
    model=None,
)
ORDER = OrderRow(
    jti="ord-1",
    hand="wordpress",
    action="isolate_plugin",
    args={"plugin": "shop-assistant"},
    issued_ms=NOW,
    expires_ms=NOW + HOUR,
    command="c1",
    released_ms=None,
    reported=None,
    reported_ms=None,
)


def command(kind: str = "order", **changes: Any) -> CommandRow:
    row = CommandRow(
        id="c1",
        run="r",
        kind=kind,
        data={"name": "Isolate the plugin"},
        status="done",
        attempts=1,
        due_ms=NOW,
        created_ms=NOW,
        ended_ms=NOW + 20,
        outcome={"status": "done", "detail": "", "data": {}},
    )
    return replace(row, **changes)


RETRYING = command(
    status="queued",
    attempts=3,
    due_ms=NOW + 8000,
    ended_ms=None,
    outcome={"status": "retrying", "detail": "the shop answered 503", "until_ms": NOW + HOUR},
)


def test_an_order_the_shop_does_not_answer_is_said_to_be_tried_again() -> None:
    tone, said = words.order_state(ORDER, RETRYING, NOW)
    assert tone == "wait"
    assert "after 3 tries" in said and "the shop answered 503" in said and "next in 8.0 s" in said


def test_an_expired_order_that_nobody_confirmed_says_both() -> None:
    tone, said = words.order_state(ORDER, None, NOW + 2 * HOUR)
    assert tone == "bad"
    assert "expired" in said and "never confirmed" in said


def test_an_order_the_gateway_has_not_confirmed_is_not_said_to_be_tried_again() -> None:
    under_way = command(status="claimed", ended_ms=None, outcome={})
    assert words.order_state(replace(ORDER, hand="gateway"), under_way, NOW) == ("wait", "not confirmed by the LLM gateway yet")


@pytest.mark.parametrize("reported", ["refused", "failed"])
def test_a_refused_order_is_never_shown_as_in_force(reported: str) -> None:
    order = replace(ORDER, reported=reported, reported_ms=NOW)
    assert words.order_state(order, None, NOW) == ("bad", f"{reported} by the shop")


def test_an_order_is_in_force_once_the_hand_said_so() -> None:
    tone, said = words.order_state(ORDER, command(), NOW + 1000)
    assert tone == "good"
    assert said == "in force, confirmed by the shop 20 ms after it was given"


def test_a_released_order_is_shown_as_taken_back() -> None:
    assert words.order_state(replace(ORDER, released_ms=NOW), command(), NOW)[1].startswith("taken back")


def test_probes_stand_beside_their_step() -> None:
    probe = {
        "ok": True,
        "steps": {"cart": 7, "checkout": 13},
        "total": "1900",
        "currency": "EUR",
        "order": 9,
        "cancelled": True,
    }
    bad = {"ok": False, "why": "wrong total: 9.50 instead of 19.00 EUR", "steps": {}, "total": "950", "currency": "EUR"}
    lines = present.step_lines(
        [
            command("probe", data={"name": "Isolate the plugin", "when": "before"}, outcome={"status": "done", "data": probe}),
            command(),
            command(
                "probe", data={"when": "after"}, status="failed", outcome={"status": "failed", "detail": "no", "data": bad}
            ),
            command("release", data={"why": "the checkout failed after this step"}),
            command("probe", data={"when": "after roll-back"}, outcome={"status": "done", "data": probe}),
        ]
    )
    (line,) = lines
    assert line.before and (line.before.said, line.before.total, line.before.took) == ("worked", "19.00 EUR", "20 ms")
    assert line.after and (line.after.said, line.after.why) == ("FAILED", "wrong total: 9.50 instead of 19.00 EUR")
    assert line.undone == "taken back, because the checkout failed after this step"
    assert line.mended and (line.mended.said, line.mended.total) == ("worked", "19.00 EUR")


def test_a_good_probe_after_a_step_stands_before_the_next() -> None:
    after = command("probe", data={"when": "after"})
    first, check, second = present.step_lines([command(), after, command("verify_closed"), command()])
    assert first.after and not check.checked
    assert second.before and second.before.said == "worked, as tried after the step above"


def test_the_clock_runs_from_detection_until_awareness_is_stated() -> None:
    clock = present.clock_face(INCIDENT, "DE", NOW + HOUR)
    assert (clock.confirmed, clock.left, clock.due_ms) == (False, "71:00", NOW + 72 * HOUR)
    assert clock.local and "Europe/Berlin" in clock.local
    stated = present.clock_face(replace(INCIDENT, aware_ms=NOW + HOUR, aware_by="user:owner"), "", NOW + HOUR)
    assert (stated.confirmed, stated.left, stated.local) == (True, "72:00", None)


def test_a_clock_that_ran_out_says_by_how_much() -> None:
    clock = present.clock_face(INCIDENT, "", NOW + 74 * HOUR)
    assert (clock.late, clock.left, clock.tone, clock.spent) == (True, "02:00", "bad", 100)


def test_bars_are_in_proportion_to_the_longest() -> None:
    bars = present.bars({"email": 5}, {"email": 10, "phone": 2})
    assert [(b.name, b.confirmed, b.worst, b.confirmed_percent, b.worst_percent) for b in bars] == [
        ("email", 5, 10, 50, 100),
        ("phone", 0, 2, 0, 20),
    ]


def test_what_the_live_watch_takes_back_stands_with_its_order_though_others_came_later() -> None:
    back = command("release", id="c1.back", data={"command": "c1", "why": "0 orders went through", "watched": True})
    tried = command("probe", id="c1.back.probe", data={"when": "after roll-back", "name": "Isolate the plugin"})
    lines = present.step_lines([command(), command(id="c2", data={"name": "Block the route"}), back, tried])
    assert [(bool(line.undone), line.mended is not None) for line in lines] == [(True, True), (False, False)]
