"""ENISA's arithmetic, its limits, and where a person has to give the reason."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.regimes.severity import DELTAS, LEVELS, Data, Facts, SeverityError, assess, question, score

RANK = [name for _, name in reversed(LEVELS)]


def facts(*kinds: tuple[str, int], **more: Any) -> Facts:
    return Facts(data=[Data(kind=k, delta=d) for k, d in kinds], **{"ei": 1.0, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case", "se", "level"),
    [
        (facts(("behavioural", 0), confidentiality=0.25), 2.25, "medium"),  # an order shown to one known customer
        (
            facts(("sensitive", 0), ("simple", 0), confidentiality=0.5, malicious=True),
            5.0,
            "very_high",
        ),  # chats with health data
        (facts(("simple", 0), confidentiality=0.25), 1.25, "low"),  # a newsletter in CC
        (facts(("simple", 0), confidentiality=0.5, malicious=True), 2.0, "medium"),  # a contact list taken
        (facts(("simple", 0), ei=0.75, confidentiality=0.5, malicious=True), 1.75, "low"),  # names out of stolen weights
        (facts(("financial", 1), confidentiality=0), 4.0, "very_high"),
        (facts(("financial", 0)), 3.0, "high"),
    ],
)
def test_worked_cases(case: Facts, se: float, level: str) -> None:
    assert (score(case)["se"], score(case)["level"]) == (se, level)


def test_the_answer_has_the_shape_of_the_contract() -> None:
    one = {"data": [{"class": "simple", "delta": 0}], "ei": 1.0, "confidentiality": 0.5, "integrity": 0, "availability": 0}
    one |= {"malicious": True, "individuals": 120, "unintelligible": False}
    answer = assess(question(json.dumps({"confirmed": one, "worst_case": one}).encode()))
    assert answer["confirmed"]["se"] == 2.0
    assert answer["confirmed"]["level"] == "medium"
    assert answer["confirmed"]["flags"] == ["many_individuals"]
    assert answer["reason_required"] is True


def test_a_clear_case_asks_for_no_reason() -> None:
    clear = facts(("behavioural", 0), confidentiality=0.5)
    assert score(clear)["se"] == 2.5
    answer = assess(question(json.dumps({"confirmed": RAW_CLEAR, "worst_case": RAW_CLEAR}).encode()))
    assert answer["reason_required"] is False


RAW_CLEAR = {"data": [{"class": "behavioural"}], "ei": 1.0, "confidentiality": 0.5}


def test_hashed_passwords_of_a_small_site_make_the_guideline_and_the_score_part() -> None:
    found = score(facts(("simple", 0), confidentiality=0.5, malicious=True, individuals=1200, unintelligible=True))
    assert found["level"] == "medium"
    assert any("case 6" in d for d in found["divergences"])


def test_one_near_a_threshold_or_two_levels_ask_for_a_reason() -> None:
    near = {"data": [{"class": "simple"}], "ei": 0.75, "confidentiality": 0.5, "malicious": True}
    far = {"data": [{"class": "sensitive"}], "ei": 1.0, "confidentiality": 0.5, "malicious": True}
    answer = assess(question(json.dumps({"confirmed": near, "worst_case": far}).encode()))
    assert answer["reasons"] == ["confirmed: within 0.25 of 2", "the confirmed set is low, the worst case very_high"]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        json.dumps({"confirmed": {"data": [], "ei": 1}, "worst_case": {"data": [], "ei": 1}}).encode(),
        json.dumps({"confirmed": {"data": [{"class": "secret"}], "ei": 1}, "worst_case": RAW_CLEAR}).encode(),
        json.dumps({"confirmed": {"data": [{"class": "simple", "delta": 4}], "ei": 1}, "worst_case": RAW_CLEAR}).encode(),
        json.dumps({"confirmed": {**RAW_CLEAR, "ei": 0.6}, "worst_case": RAW_CLEAR}).encode(),
        json.dumps({"confirmed": RAW_CLEAR, "worst_case": {**RAW_CLEAR, "integrity": 0.3}}).encode(),
        json.dumps({"confirmed": {**RAW_CLEAR, "individuals": -1}, "worst_case": RAW_CLEAR}).encode(),
    ],
)
def test_facts_that_cannot_be_scored_are_refused_with_a_hint(broken: bytes) -> None:
    with pytest.raises(SeverityError) as caught:
        question(broken)
    assert caught.value.hint
    assert len(str(caught.value)) < 400


KINDS = st.sampled_from(sorted(DELTAS)).flatmap(lambda k: st.tuples(st.just(k), st.sampled_from(list(DELTAS[k]))))
SETS = st.builds(
    lambda data, **rest: facts(*data, **rest),
    st.lists(KINDS, min_size=1, max_size=4),
    ei=st.sampled_from([0.25, 0.5, 0.75]),
    confidentiality=st.sampled_from([0, 0.25]),
    integrity=st.sampled_from([0, 0.25]),
    availability=st.sampled_from([0, 0.25]),
    malicious=st.just(False),
    individuals=st.integers(0, 500),
)


@given(
    before=SETS,
    extra=KINDS,
    change=st.sampled_from(["data", "ei", "confidentiality", "integrity", "availability", "malicious"]),
)
def test_one_fact_worse_never_lowers_the_severity(before: Facts, extra: tuple[str, int], change: str) -> None:
    worse: dict[str, Any] = {
        "data": [*before.data, Data(kind=extra[0], delta=extra[1])],  # type: ignore[arg-type]
        "malicious": True,
    }
    after = msgspec.structs.replace(before, **{change: worse[change] if change in worse else getattr(before, change) + 0.25})
    assert score(after)["se"] >= score(before)["se"]
    assert RANK.index(score(after)["level"]) >= RANK.index(score(before)["level"])
