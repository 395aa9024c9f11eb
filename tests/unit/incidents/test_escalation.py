"""Whom to page next: the rungs in order, all hands at the end, and never the same person for ever."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.engine.paging import REASONS
from checkvalve.incidents.case import Incident
from checkvalve.incidents.escalation import (
    HOUR_MS,
    MINUTE_MS,
    Alarm,
    Asked,
    Page,
    Paged,
    Rota,
    Rung,
    Running,
    alarms,
    due_pages,
    page_test_due,
)
from checkvalve.regimes.deadline import parse_time

START = 1_790_000_000_000
ROTA = Rota(
    rungs=(Rung(contacts=("first",), wait_minutes=10), Rung(contacts=("second", "third"), wait_minutes=5)),
    repeat_minutes=15,
    repeats=2,
)
LEAK = Alarm(id="leak", reason="leak", raised_ms=START)


def play(rota: Rota, minutes: int, acknowledged: tuple[int, ...] = (), reached: bool = True) -> list[tuple[int, Page]]:
    """Every page of so many minutes, looked for once a minute; (minute, page)."""
    sent: list[tuple[int, Page]] = []
    paged: list[Paged] = []
    for minute in range(minutes):
        now = START + minute * MINUTE_MS
        known = [START + m * MINUTE_MS for m in acknowledged if m <= minute]
        for page in due_pages([LEAK], paged, known, rota, now):
            sent.append((minute, page))
            paged.append(Paged(alarm=page.alarm.id, rung=page.rung, at_ms=now, reached=reached))
    return sent


def test_each_rung_has_its_time_and_then_all_hands_are_called_a_bounded_number_of_times() -> None:
    assert [(m, p.rung, p.contacts) for m, p in play(ROTA, 600)] == [
        (0, 0, ("first",)),
        (10, 1, ("second", "third")),
        (15, 2, ("first", "second", "third")),
        (30, 2, ("first", "second", "third")),
        (45, 2, ("first", "second", "third")),
    ]


@pytest.mark.parametrize(("at", "pages"), [(0, 1), (9, 1), (10, 1), (12, 2), (40, 4)])
def test_an_acknowledgement_ends_it(at: int, pages: int) -> None:
    assert len(play(ROTA, 600, acknowledged=(at,))) == pages


def test_an_acknowledgement_before_the_alarm_does_not_count_for_it() -> None:
    later = [Paged(alarm="leak", rung=0, at_ms=START + HOUR_MS, reached=True)]
    assert due_pages([LEAK], later, [START], ROTA, START + 2 * HOUR_MS) != []


def test_a_page_that_no_channel_took_is_not_waited_for() -> None:
    assert [m for m, _ in play(ROTA, 4, reached=False)] == [0, 1, 2]


def test_who_is_away_is_passed_over_but_not_by_all_hands() -> None:
    away = replace(ROTA, away={"first": ((START - HOUR_MS, START + HOUR_MS, ""),)})
    assert [(p.rung, p.contacts) for _, p in play(away, 6)] == [(1, ("second", "third")), (2, ("first", "second", "third"))]
    assert [p.rung for _, p in play(replace(away, away={"first": ((START - 2, START - 1, ""),)}), 1)] == [0]


def test_a_clock_alarms_at_falling_margins_and_only_at_the_smallest_passed(incident: Incident) -> None:
    due = START + 72 * HOUR_MS
    clock = Running(clock="gdpr_72h", due_ms=due, met=False)

    def margins(hours_left: float) -> list[str]:
        return [a.id.rsplit(".", 1)[1] for a in alarms(incident, [clock], due - int(hours_left * HOUR_MS)) if a.clock]

    assert [margins(h) for h in (24.1, 24, 12, 6.5, 3, 1, 0.5, 0, -5)] == [
        [], ["24h"], ["12h"], ["12h"], ["3h"], ["1h"], ["1h"], ["0h"], ["0h"],
    ]  # fmt: skip
    met = replace(clock, met=True)
    assert [a for a in alarms(incident, [met], due) if a.clock] == []


def test_another_awareness_is_another_clock(incident: Incident) -> None:
    one, two = (Running(clock="gdpr_72h", due_ms=START + ms, met=False) for ms in (0, 1))
    assert alarms(incident, [one], START + 9)[-1].id != alarms(incident, [two], START + 9)[-1].id


def test_a_closed_case_alarms_for_its_clocks_alone(incident: Incident) -> None:
    closed = replace(incident, status="closed", containment_failed_ms=START)
    clock = Running(clock="gdpr_72h", due_ms=START, met=False)
    assert [a.reason for a in alarms(closed, [clock], START)] == ["clock_over"]
    opened = replace(closed, status="containment", contained_ms=None)
    assert [a.reason for a in alarms(opened, [], START)] == ["leak", "containment_failed"]


def test_data_shown_after_the_closing_is_an_alarm_of_its_own(incident: Incident) -> None:
    closed = replace(incident, contained_ms=START, last_seen_ms=START)
    assert [a.reason for a in alarms(closed, [], START)] == ["leak"]
    again = replace(closed, last_seen_ms=START + 1)
    assert [a.reason for a in alarms(again, [], START + 1)] == ["leak", "reopened"]
    failed = replace(again, containment_failed_ms=START + 9)
    assert [a.reason for a in alarms(failed, [], START + 9)] == ["leak", "containment_failed", "reopened"]
    mended = replace(failed, last_contained_ms=START + 20)
    assert [a.reason for a in alarms(mended, [], START + 20)] == ["leak", "reopened"]


def test_every_reason_to_page_has_its_words() -> None:
    reasons = {
        "leak",
        "containment_failed",
        "trade_suffered",
        "reopened",
        "clock_margin",
        "clock_over",
        "approval",
        "answered",
        "test",
    }
    assert set(REASONS) == reasons


WAITS = Asked(command="INC-2026-0001.run1.3", role="wordpress_admin", raised_ms=START, until_ms=START + HOUR_MS)


def test_a_step_that_waits_for_a_word_is_an_alarm_although_the_leak_was_acknowledged(incident: Incident) -> None:
    raised = alarms(incident, [], START, [WAITS])
    (waiting,) = [a for a in raised if a.reason == "approval"]
    assert (waiting.role, waiting.due_ms) == ("wordpress_admin", START + HOUR_MS)
    leak = Paged(alarm="leak", rung=0, at_ms=START - HOUR_MS, reached=True)
    pages = due_pages(raised, [leak], [START - MINUTE_MS], ROTA, START)
    assert [p.alarm.id for p in pages] == ["approval.INC-2026-0001.run1.3"]


def test_what_came_of_a_step_is_told_once_to_those_who_were_paged_for_it(incident: Incident) -> None:
    answered = replace(WAITS, outcome="approved; the step is done")
    assert "approval" not in {a.reason for a in alarms(incident, [], START, [answered])}, "nobody is asked any more"
    assert "answered" not in {a.reason for a in alarms(incident, [], START, [answered])}, "the step is still under way"
    raised = [a for a in alarms(incident, [], START, [replace(answered, settled=True)]) if a.reason == "answered"]
    asked = [
        Paged(alarm="approval.INC-2026-0001.run1.3", rung=r, at_ms=START + r, reached=True, contacts=who)
        for r, who in ((0, ("first",)), (1, ("second", "third")))
    ]
    (page,) = due_pages(raised, asked, [START + 9], ROTA, START + 10)
    assert page.contacts == ("first", "second", "third")
    told = Paged(alarm=page.alarm.id, rung=page.rung, at_ms=START + 10, reached=True, contacts=page.contacts)
    assert due_pages(raised, [*asked, told], [], ROTA, START + 9 * HOUR_MS) == []
    assert due_pages(raised, [], [], ROTA, START + 10) == [], "who was not paged for it is not told"


# 2026-09-21 is a Monday.
@pytest.mark.parametrize(
    ("last_days", "at", "due"),
    [
        (None, "2026-09-21T09:00:00Z", False),
        (27, "2026-09-21T09:00:00Z", False),
        (28, "2026-09-21T09:00:00Z", True),
        (40, "2026-09-21T07:59:59Z", False),
        (40, "2026-09-21T15:00:00Z", False),
        (40, "2026-09-20T09:00:00Z", False),
    ],
)
def test_a_test_page_goes_out_a_month_after_the_last_by_day_on_a_working_day(last_days: int | None, at: str, due: bool) -> None:
    now = int(parse_time(at).timestamp() * 1000)
    assert page_test_due(None if last_days is None else now - last_days * 24 * HOUR_MS, now) is due


@given(
    waits=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    repeats=st.integers(0, 5),
    reached=st.booleans(),
)
def test_whatever_the_rota_paging_ends_and_never_goes_down_a_rung(waits: list[int], repeats: int, reached: bool) -> None:
    rota = Rota(
        rungs=tuple(Rung(contacts=(f"c{i}",), wait_minutes=w) for i, w in enumerate(waits)), repeat_minutes=15, repeats=repeats
    )
    rungs = [p.rung for _, p in play(rota, 400, reached=reached)]
    assert rungs == sorted(rungs)
    assert len(rungs) == len(waits) + 1 + repeats


def test_who_stands_in_is_paged_for_who_is_away() -> None:
    span = (START - HOUR_MS, START + HOUR_MS)
    covered = replace(ROTA, away={"first": ((*span, "second"),)})
    assert covered.present(0, START) == ("second",)
    assert covered.present(0, START + HOUR_MS) == ROTA.rungs[0].contacts
    both = replace(ROTA, away={"first": ((*span, "second"),), "second": ((*span, "first"),)})
    assert both.present(0, START) == (), "two who stand in for each other and are away reach nobody: the next rung is called"
