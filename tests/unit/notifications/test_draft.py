"""A draft of GDPR Art. 33: complete only when nothing is missing, and honest about the time left."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.notifications.sample import HOUR, ISOLATED, LIMIT, SHOP, START, exposures, incident, prepare

from checkvalve.incidents.case import Incident
from checkvalve.incidents.facts import BreachFacts, Organisation, derive
from checkvalve.incidents.scope import scope_of
from checkvalve.notifications.documents import document
from checkvalve.notifications.notification import Line, draft, from_json
from checkvalve.regimes.deadline import from_ms
from checkvalve.regimes.law import RegimeError, regime


def facts_of(found: Incident) -> BreachFacts:
    scope = scope_of(exposures(found.plugin or "", found.route or ""), START, START)
    return derive(found, scope, [ISOLATED], SHOP, (11, 12))


def missing(of: tuple[Line, ...]) -> list[str]:
    return [line.id for line in of]


def test_with_a_contact_and_a_controller_the_draft_fills_itself() -> None:
    notification = prepare()
    assert notification.complete
    assert notification.missing == ()
    body = notification.as_json()
    assert body["status"] == "draft, not submitted"
    assert [f["id"] for f in body["fields"]] == [f.id for f in regime("gdpr_art33").fields if f.id != "late_reason"]
    assert all(f["value"] and f["provenance"] for f in body["fields"])


def test_what_only_a_person_knows_is_missing_with_its_question_and_article() -> None:
    notification = prepare(shop=Organisation(), measures=())
    assert not notification.complete
    body = notification.as_json()
    assert [(m["id"], m["article"]) for m in body["missing"]] == [
        ("contact", "33(3)(b)"),
        ("measures_taken", "33(3)(d)"),
        ("controller", "33(1)"),
    ]
    assert all(m["question"].endswith("?") for m in body["missing"])
    assert [f["value"] for f in body["fields"] if f["id"] in ("contact", "measures_taken", "controller")] == [None] * 3


@pytest.mark.parametrize(
    ("after_ms", "left", "asked"),
    [
        (0, 72.0, False),
        (1, 71.9, False),  # rounded down: never more time than there is
        (HOUR, 71.0, False),
        (LIMIT - 60_000, 0.0, False),
        (LIMIT, 0.0, False),
        (LIMIT + 1, -0.1, True),
        (LIMIT + 60_000, -0.1, True),  # a minute late is late, not "-0.0 hours left"
        (LIMIT + 5 * HOUR, -5.0, True),
    ],
)
def test_reasons_are_asked_for_from_the_first_moment_after_the_limit(after_ms: int, left: float, asked: bool) -> None:
    notification = prepare(after_ms=after_ms)
    assert notification.hours_left == left
    assert missing(notification.missing) == (["late_reason"] if asked else [])


def test_a_late_draft_is_complete_again_once_somebody_has_said_why() -> None:
    notification = prepare(found=incident(late_reason="The office was flooded."), after_ms=LIMIT + HOUR)
    assert notification.complete
    (why,) = [line for line in notification.lines if line.id == "late_reason"]
    assert (why.value, why.provenance, why.entries) == ("The office was flooded.", "stated by owner", (50,))


def test_the_clock_says_from_what_it_was_counted() -> None:
    assumed = prepare()
    assert assumed.counted_from_utc == "2026-09-21T14:13:20Z"
    assert "nobody has stated awareness" in assumed.counted_from
    stated = prepare(found=incident(aware_ms=START - HOUR))
    assert (stated.counted_from_utc, stated.due_utc) == ("2026-09-21T13:13:20Z", "2026-09-24T13:13:20Z")
    assert stated.counted_from == "the awareness stated by a person"


def test_the_rest_may_follow_in_phases() -> None:
    assert prepare().phased == "33(4)"


def test_a_duty_without_fields_has_no_draft_that_pretends_to_be_complete() -> None:
    with pytest.raises(RegimeError, match="no draft for ai_act_art73"):
        document("ai_act_art73")
    with pytest.raises(RegimeError, match="no document 'nonsense'"):
        document("nonsense")


def test_a_field_that_no_fact_answers_is_missing() -> None:
    notification = draft(document("gdpr_art33"), incident(), {}, scope_of([], START, START), 1, from_ms(START))
    assert len(notification.missing) == len(notification.lines) == 11
    assert not notification.complete


def test_a_stored_draft_comes_back_the_same() -> None:
    for notification in (prepare(), prepare(shop=Organisation(), after_ms=LIMIT + HOUR)):
        stored = msgspec.json.decode(msgspec.json.encode(notification.as_json()))
        assert from_json(stored) == notification


def test_a_draft_stored_before_the_clock_said_its_start_can_still_be_shown() -> None:
    body = prepare().as_json()
    for name in ("counted_from_utc", "counted_from", "phased"):
        del body[name]
    assert from_json(body).counted_from == ""


def test_no_person_concerned_is_named_or_numbered_in_the_draft() -> None:
    text = str(prepare().as_json())
    assert "customer:" not in text
    assert "session:" not in text


def test_marks_that_turn_the_line_around_become_visible() -> None:
    notification = prepare(found=incident("shop\u202egnp.exe\x00\x1b[31m\u2066"))
    text = str([line.value for line in notification.lines])
    assert "shop\ufffdgnp.exe\ufffd\ufffd[31m\ufffd" in text


ANY = st.text(max_size=40)


@given(name=ANY, email=ANY, phone=ANY, controller=ANY, country=ANY)
def test_whatever_is_entered_no_field_is_both_filled_and_empty(
    name: str, email: str, phone: str, controller: str, country: str
) -> None:
    shop = replace(SHOP, contact_name=name, contact_email=email, contact_phone=phone, controller=controller, country=country)
    notification = prepare(shop=shop)
    for line in notification.lines:
        assert (line.status == "missing") == (not line.value)
        if isinstance(line.value, str):
            assert line.value.strip()
    assert notification.complete == (not notification.missing)
    assert ("contact" in missing(notification.missing)) == (not name.strip() or not (email.strip() or phone.strip()))


@given(first=st.integers(0, 2 * LIMIT), second=st.integers(0, 2 * LIMIT))
def test_waiting_never_gives_more_time(first: int, second: int) -> None:
    early, late = (prepare(after_ms=ms).hours_left for ms in sorted((first, second)))
    assert early is not None
    assert late is not None
    assert early >= late
