"""Expectations and measures, from logs written by hand."""

from typing import Any

import msgspec
import pytest

from checkvalve.exercises import library
from checkvalve.exercises.measures import measure
from checkvalve.exercises.review import margin, span
from checkvalve.exercises.scenario import Expectation, Scenario, short_form
from checkvalve.exercises.scoring import DAY_MS, score
from checkvalve.exercises.signs import Mark, mark_of

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_800_000_000_000


def mark(kind: str, minutes: float, **data: Any) -> Mark:
    return Mark(kind=kind, at_ms=START + int(minutes * MINUTE), entry=int(minutes * 10), data=data)


def expecting(sign: dict[str, Any], never: bool = False, within: str = "15m") -> Scenario:
    told = {"id": "e", "objective": "notice", "role": "incident_lead", "type": "MANUAL", "text": "It is done.", "score": 9}
    told |= {"after": "first-answers", "within": within, "never" if never else "met": sign, "improve": "Do it."}
    return msgspec.structs.replace(library.shipped("cache-mixup"), expectations=[msgspec.convert(told, Expectation)])


GIVEN = mark("inject", 0, inject="first-answers")


@pytest.mark.parametrize(
    ("minutes", "end", "status", "points"),
    [(10, 60, "SUCCESS", 9), (15, 60, "SUCCESS", 9), (16, 60, "PARTIAL", 4), (None, 60, "FAILED", 0), (None, 10, "PENDING", 0)],
)
def test_in_time_late_never_and_not_yet(minutes: float | None, end: int, status: str, points: int) -> None:
    marks = [GIVEN, *([mark("closed", minutes)] if minutes is not None else [])]
    (result,) = score(expecting({"kind": "closed"}), marks, START + end * MINUTE, START).results
    assert (result.status, result.scored) == (status, points)
    assert result.entry == (None if minutes is None else int(minutes * 10))


@pytest.mark.parametrize(("minutes", "status"), [(5, "FAILED"), (20, "SUCCESS"), (-5, "SUCCESS")])
def test_what_must_not_be_done_counts_within_its_time_alone(minutes: float, status: str) -> None:
    marks = [mark("checkout_closed", minutes), GIVEN] if minutes < 0 else [GIVEN, mark("checkout_closed", minutes)]
    (result,) = score(expecting({"kind": "checkout_closed"}, never=True), marks, START + HOUR, START).results
    assert result.status == status


def test_a_decision_is_met_by_its_own_option_alone() -> None:
    wanted = expecting({"kind": "decided", "option": "reopen.keep"})
    other = mark("decided", 3, decision="reopen", option="open")
    right = mark("decided", 4, decision="reopen", option="keep")
    assert score(wanted, [GIVEN, other], START + HOUR, START).points == 0
    assert score(wanted, [GIVEN, other, right], START + HOUR, START).points == 9


def test_what_follows_an_inject_that_was_left_out_is_not_counted() -> None:
    found = score(expecting({"kind": "closed"}), [], START + HOUR, START)
    assert (found.of, found.results, found.percent) == (0, (), 0)


def test_what_failed_becomes_a_line_of_the_improvement_plan() -> None:
    (line,) = score(expecting({"kind": "closed"}), [GIVEN], START + HOUR, START + DAY_MS).improvements
    assert (line.id, line.text, line.owner) == ("e", "Do it.", "incident_lead")
    assert line.due_ms == START + 31 * DAY_MS, "a real person's task has a real date"


def test_the_short_form_is_whole_in_itself() -> None:
    for name in library.names():
        short = short_form(library.shipped(name))
        injects = {i.id for i in short.injects}
        assert 2 <= len(injects) <= 6, name
        assert {e.after for e in short.expectations} <= injects and short.expectations, name
        assert {o.id for o in short.objectives} >= {e.objective for e in short.expectations}


CASE = {"incident": "INC-1"}


def draft(minutes: float, filled: int, of: int) -> Mark:
    fields = [{"status": "known" if n < filled else "missing"} for n in range(of)]
    return mark("drafted", minutes, regime="gdpr_art33", fields=fields)


def test_times_are_counted_from_the_log() -> None:
    marks = [
        mark("opened", 1, first_seen_ms=START, **CASE),
        mark("exposure_added", 1, subjects=3, **CASE),
        mark("paged", 2, reached=["lead by json"], **CASE),
        draft(3, 5, 10),
        mark("draft_ready", 3, **CASE),
        mark("contained", 4, **CASE),
        mark("page_acknowledged", 9, **CASE),
        mark("exposure_added", 20, subjects=7, **CASE),
        mark("exposure_added", 21, subjects=2, incident="INC-2"),
        mark("aware_set", 31, **CASE),
        draft(40, 8, 10),
        mark("notice_filed", 61, regime="gdpr_art33", clock="gdpr_72h", **CASE),
        *(mark("order_placed", n) for n in range(4)),
        mark("order_lost", 9),
    ]
    due = [("INC-1", "gdpr_art33", "gdpr_72h", START + 72 * HOUR), ("INC-1", "uk_gdpr", "uk_72h", START + 72 * HOUR)]
    found = measure(marks, due, START + 73 * HOUR, real=True)
    assert (found.detect, found.acknowledge, found.aware) == (MINUTE, 7 * MINUTE, 30 * MINUTE)
    assert (found.contain, found.draft, found.notice) == (3 * MINUTE, 2 * MINUTE, 60 * MINUTE)
    assert found.fields == {24: 80, 48: 80, 72: 80}
    assert (found.orders_placed, found.orders_lost, found.people_exposed, found.people_reached) == (4, 1, 9, 1)
    filed, forgotten = found.margins
    assert filed.filed and filed.left_ms == 71 * HOUR - MINUTE
    assert not forgotten.filed and forgotten.left_ms == -HOUR


def test_nothing_happened() -> None:
    found = measure([], [], START, real=True)
    assert (found.detect, found.contain, found.notice, found.margins) == (None, None, None, ())


def test_what_is_closed_when_nothing_leaked_is_false_containment() -> None:
    order = {"action": "isolate_plugin", "hand": "wordpress"}
    marks = [mark("order_issued", 1, order=order), mark("order_issued", 2, order={"action": "release"})]
    marks += [mark("checkout_closed", 3), mark("shut", 4, way="x")]
    assert measure(marks, [], START + HOUR, real=False).false_containment == 3
    assert measure(marks, [], START + HOUR, real=True).false_containment == 0


def test_a_clock_for_which_no_notice_is_due_is_declined() -> None:
    marks = [mark("opened", 0, first_seen_ms=START, **CASE)]
    marks += [mark("notice_decided", 5, regime="gdpr_art33", notify=False, **CASE)]
    (found,) = measure(marks, [("INC-1", "gdpr_art33", "gdpr_72h", START + HOUR)], START + 2 * HOUR, real=False).margins
    assert found.declined and not found.filed


def test_a_change_is_counted_once_although_two_entries_tell_it() -> None:
    decided = {"type": "aware_set", "at_ms": 5, "by": "user:owner", "incident": "INC-1"}
    changed = {"id": "INC-1.3", "incident": "INC-1", "kind": "aware_set", "entries": [4], "data": {"aware_ms": 5}}
    told = {"type": "transition", "at_ms": 5, "by": "user:owner", "transition": changed}
    assert [m.kind for n, d in enumerate((decided, told)) for m in mark_of(n, 5, d)] == ["aware_set"]


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "never"), (0, "0 s"), (90_000, "90 s"), (150_000, "2 min"), (3 * HOUR, "3 h 00 min"), (75 * HOUR, "3 d 3 h")],
)
def test_times_as_people_say_them(ms: int | None, text: str) -> None:
    assert span(ms) == text


def test_margins_as_people_say_them() -> None:
    assert (margin(2 * HOUR), margin(-90_000)) == ("2 h 00 min left", "90 s late")
