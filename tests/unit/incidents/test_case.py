"""The case: what opens it, what changes it, and that a replay gives the same one."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.incidents import case
from checkvalve.incidents.case import ExposureRecord, Incident, IncidentError, Transition

START = 1_790_000_000_000


def record(subject: str = "customer:1", *, after_ms: int = 0, **changes: Any) -> ExposureRecord:
    first = ExposureRecord(
        inference="i1",
        subject=subject,
        category="email",
        recipient="anonymous",
        shown=True,
        entry=7,
        site="s-a",
        seen_ms=START + after_ms,
        detected_ms=START + after_ms,
        plugin="shop-assistant",
        route="/shop-assistant/v1/ask",
        session=None,
        model=None,
        trace=None,
    )
    return replace(first, **changes)


def opened() -> Incident:
    return case.apply(None, case.opening("INC-2026-0001", [record()], 7, START + 20))


def after(
    incident: Incident, kind: str, data: dict[str, Any] | None = None, *, at_ms: int = START + 100, by: str = "core"
) -> Incident:
    return case.apply(incident, case.change(incident, kind, at_ms, (9,), data or {}, by))


def test_the_first_exposure_opens_a_case_that_names_the_way_out() -> None:
    incident = opened()
    assert incident.title == "Customer data shown to others through shop-assistant"
    assert (incident.status, incident.severity) == ("detection_analysis", "high")
    assert (incident.first_seen_ms, incident.detected_ms) == (START, START + 20)


def test_a_way_that_was_closed_by_hand_counts_as_closed_and_says_who_did() -> None:
    shut = after(opened(), "contained", {"by_hand": "The plugin was removed."}, by="user:admin")
    assert (shut.contained_ms, shut.held, shut.status) == (START + 100, True, "eradication_recovery")
    assert (shut.shut_by, shut.shut_how) == ("user:admin", "The plugin was removed.")
    assert after(shut, "contained", at_ms=START + 200).shut_by is None, "then a step of ours closed it, and tried it"
    with pytest.raises(IncidentError, match="not said how"):
        after(opened(), "contained", {"by_hand": " "}, by="user:admin")


def test_a_case_takes_in_its_own_way_out_only() -> None:
    incident = opened()
    assert case.matches(incident, record("customer:2"))
    assert not case.matches(incident, record(site="s-b"))
    assert not case.matches(incident, record(plugin="other"))
    assert not case.matches(incident, record(route=None))
    assert not case.matches(after(incident, "closed"), record("customer:2"))


def test_more_than_a_hundred_people_make_it_critical_and_nothing_makes_it_less() -> None:
    incident = opened()
    severities = []
    for people in (100, 101, 300, 4):
        for transition in case.growth(incident, [record()], people, 8, START + 30):
            incident = case.apply(incident, transition)
        severities.append(incident.severity)
    assert severities == ["high", "critical", "critical", "critical"]


def test_the_window_of_a_case_only_grows_and_the_model_is_kept_once_known() -> None:
    incident = opened()
    late = [record(after_ms=5000, model="SmolLM2"), record(after_ms=-3000)]
    for transition in case.growth(incident, late, 1, 8, START + 6000):
        incident = case.apply(incident, transition)
    for transition in case.growth(incident, [record(after_ms=10, model="other")], 1, 9, START + 7000):
        incident = case.apply(incident, transition)
    assert (incident.first_seen_ms, incident.last_seen_ms) == (START - 3000, START + 5000)
    assert incident.model == "SmolLM2"
    assert incident.exposures == 3


@pytest.mark.parametrize("seen_ms", [0, -(2**62), 2**62, START + 90_000])
def test_a_sensor_whose_clock_cannot_be_right_does_not_date_the_leak(seen_ms: int) -> None:
    odd = [record(seen_ms=seen_ms, detected_ms=START + 60_000), record("customer:2", after_ms=30_000)]
    incident = case.apply(None, case.opening("INC-2026-0001", odd, 7, START + 61_000))
    for transition in case.growth(incident, odd, 2, 7, START + 61_000):
        incident = case.apply(incident, transition)
    assert (incident.first_seen_ms, incident.last_seen_ms) == (START + 30_000, START + 60_000)


def test_containment_moves_the_case_on_and_its_first_moment_stands() -> None:
    incident = after(opened(), "containment_started", {"run": "r1"})
    assert incident.status == "containment"
    incident = after(incident, "contained", at_ms=START + 500)
    incident = after(incident, "contained", at_ms=START + 900)
    assert (incident.status, incident.contained_ms, incident.contained_entry) == ("eradication_recovery", START + 500, 9)


def test_until_somebody_states_it_awareness_is_the_detection() -> None:
    incident = opened()
    assert incident.aware_ms is None
    assert incident.aware_or_assumed_ms == incident.detected_ms
    stated = after(incident, "aware_set", {"aware_ms": START + 60, "why": "saw the page"}, by="user:owner")
    assert (stated.aware_or_assumed_ms, stated.aware_by, stated.aware_why) == (START + 60, "user:owner", "saw the page")
    assert stated.aware_entry == 9


def test_who_gave_the_reasons_for_a_delay_is_not_who_became_aware() -> None:
    incident = after(opened(), "aware_set", {"aware_ms": START}, by="user:lead")
    incident = after(incident, "late_reason_set", {"reason": "the office was flooded"}, by="user:owner")
    assert (incident.aware_by, incident.late_by) == ("user:lead", "user:owner")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("aware_set", {"aware_ms": START + 101}),
        ("aware_set", {}),
        ("aware_set", {"aware_ms": "yesterday"}),
        ("aware_set", {"aware_ms": True}),
        ("late_reason_set", {"reason": " \n"}),
        ("note", {"text": ""}),
        ("opened", {}),
        ("containd", {}),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_with_a_hint(kind: str, data: dict[str, Any]) -> None:
    with pytest.raises(IncidentError) as caught:
        case.change(opened(), kind, START + 100, (9,), data)
    assert caught.value.hint


def test_a_closed_case_takes_no_new_decision_but_still_hears_what_was_under_way() -> None:
    closed = after(after(opened(), "containment_started"), "closed")
    for kind, data in (("aware_set", {"aware_ms": START}), ("containment_started", {}), ("closed", {})):
        with pytest.raises(IncidentError, match="is closed"):
            after(closed, kind, data)
    for kind in ("contained", "containment_failed", "run_finished", "draft_ready"):
        closed = after(closed, kind)
        assert closed.status == "closed"
    assert after(closed, "note", {"text": "the insurer called"}).notes == ("the insurer called",)


def test_a_replay_with_a_hole_a_double_or_a_stranger_is_refused() -> None:
    incident = opened()
    first = case.change(incident, "note", START, (9,), {"text": "a"})
    second = case.change(case.apply(incident, first), "note", START, (9,), {"text": "b"})
    with pytest.raises(IncidentError, match="never opened"):
        case.apply(None, first)
    with pytest.raises(IncidentError, match="does not follow"):
        case.apply(incident, second)
    with pytest.raises(IncidentError, match="does not follow"):
        case.apply(case.apply(incident, first), first)
    with pytest.raises(IncidentError, match="does not follow"):
        case.apply(incident, replace(first, incident="INC-2026-0002"))
    with pytest.raises(IncidentError, match="opened before"):
        case.apply(incident, case.opening("INC-2026-0001", [record()], 7, START))


def test_case_numbers_sort_and_outgrow_their_four_digits() -> None:
    assert case.incident_id(7, 2026) == "INC-2026-0007"
    assert case.incident_id(12_345, 2026) == "INC-2026-12345"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("growth"), st.integers(1, 300)),
        st.tuples(
            st.sampled_from(["containment_started", "contained", "containment_failed", "draft_ready", "closed"]), st.none()
        ),
        st.tuples(st.just("aware_set"), st.integers(0, START)),
        st.tuples(st.sampled_from(["note", "late_reason_set"]), st.text(min_size=1).filter(str.strip)),
    ),
    max_size=20,
)


def live(steps: list[tuple[str, Any]]) -> tuple[Incident, list[Transition]]:
    """What core does: each change is made from the state, applied and kept."""
    history = [case.opening("INC-2026-0001", [record()], 7, START)]
    incident = case.apply(None, history[0])
    for at, (kind, value) in enumerate(steps, start=START + 1):
        name = {"aware_set": "aware_ms", "note": "text", "late_reason_set": "reason"}.get(kind, "value")
        try:
            if kind == "growth":
                made = case.growth(incident, [record(after_ms=at - START)], value, 8, at)
            else:
                made = [case.change(incident, kind, at, (9,), {name: value}, "user:lead")]
        except IncidentError:
            continue
        for transition in made:
            incident = case.apply(incident, transition)
        history += made
    return incident, history


@given(steps=STEPS)
def test_replaying_what_was_kept_gives_the_same_case(steps: list[tuple[str, Any]]) -> None:
    incident, history = live(steps)
    stored = msgspec.json.decode(msgspec.json.encode(history), type=list[Transition])
    replayed: Incident | None = None
    for transition in stored:
        replayed = case.apply(replayed, transition)
    assert replayed == incident
    assert [t.position for t in history] == list(range(len(history)))
    assert len({t.id for t in history}) == len(history)


@given(steps=STEPS)
def test_no_change_but_a_persons_word_moves_the_start_of_the_clock(steps: list[tuple[str, Any]]) -> None:
    silent, _ = live([s for s in steps if s[0] != "aware_set"])
    assert silent.aware_or_assumed_ms == silent.detected_ms == START


def shown(incident: Incident, seen_ms: int) -> Incident:
    late = [record("customer:3", seen_ms=seen_ms, detected_ms=seen_ms)]
    for transition in case.growth(incident, late, 2, 8, seen_ms):
        incident = case.apply(incident, transition)
    return incident


def contained(incident: Incident, at_ms: int, **started: Any) -> Incident:
    return after(after(incident, "containment_started", started, at_ms=at_ms), "contained", at_ms=at_ms + 100)


def test_a_closing_holds_until_data_is_shown_that_was_seen_after_it() -> None:
    incident = contained(opened(), START + 100)
    assert incident.held and not incident.leaks_on
    assert shown(incident, START + 150).held  # seen before, told later
    incident = shown(incident, START + 9000)
    assert incident.leaks_on and not incident.held
    incident = after(incident, "containment_started", {"retry": 1}, at_ms=START + 9100)
    assert not incident.held and not incident.leaks_on
    incident = after(incident, "contained", at_ms=START + 9900)
    assert incident.held
    assert (incident.contained_ms, incident.last_contained_ms) == (START + 200, START + 9900)


def test_what_did_not_last_is_begun_anew_at_once_the_first_time_and_then_after_growing_pauses() -> None:
    incident, now = contained(opened(), START + 100), START + 200
    pauses = []
    for _ in range(8):
        incident = shown(incident, now + 5000)
        number, pause_ms = case.retry(incident)
        pauses.append(pause_ms // 60_000)
        now += 10_000
        incident = contained(incident, now, retry=number)
    assert pauses == [0, 1, 2, 4, 8, 16, 30, 30]
    lasted = shown(incident, now + 100 + case.LASTED_MS)
    assert case.retry(lasted) == (1, 0)


def test_a_containment_that_failed_is_begun_anew_after_a_pause() -> None:
    incident = after(opened(), "containment_started", {}, at_ms=START + 100)
    incident = shown(after(incident, "containment_failed", at_ms=START + 200), START + 300)
    assert incident.leaks_on
    assert case.retry(incident) == (1, case.FIRST_PAUSE_MS)
