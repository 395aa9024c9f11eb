"""What the law asks, each with where it comes from; what is not known is missing, never filled."""

from dataclasses import replace

import pytest

from checkvalve.incidents.case import ExposureRecord, Incident
from checkvalve.incidents.facts import BreachFacts, Fact, Measure, Organisation, derive
from checkvalve.incidents.scope import Scope, scope_of
from checkvalve.regimes.law import regime

START = 1_790_000_000_000
ISOLATED = Measure(
    at_ms=START + 3000, text="the plugin was isolated in the shop", checkout="a test order went through", entry=44
)


@pytest.fixture
def scope(leak: list[ExposureRecord]) -> Scope:
    return scope_of(leak, START, START + 4000)


def facts_of(
    incident: Incident, scope: Scope, measures: list[Measure] | None = None, shop: Organisation | None = None
) -> BreachFacts:
    return derive(incident, scope, measures or [], shop or Organisation(), (10, 11, 12))


def test_every_field_that_a_draft_asks_for_has_a_fact(incident: Incident, scope: Scope) -> None:
    facts = facts_of(incident, scope)
    assert {f.fact for f in regime("gdpr_art33").fields} <= set(facts)


def test_a_fact_is_filled_with_a_source_or_missing_with_a_reason(incident: Incident, scope: Scope, shop: Organisation) -> None:
    empty = scope_of([], START, START)
    for facts in (facts_of(incident, scope, [ISOLATED], shop), facts_of(incident, scope), facts_of(incident, empty)):
        for fact in facts.values():
            assert fact.provenance
            assert (fact.status == "missing") == (fact.value is None)
            for value in [fact.value] if isinstance(fact.value, str) else fact.value or []:
                assert value.strip()
            assert fact.value != []


def test_the_leak_is_told_in_numbers_and_never_in_names(incident: Incident, scope: Scope, shop: Organisation) -> None:
    facts = facts_of(incident, scope, [ISOLATED], shop)
    assert facts["subject_count"].value == "5 confirmed; 6 if everything in the prompts was read"
    assert facts["record_count"].value == "10 confirmed; 12 if everything in the prompts was read"
    assert facts["record_categories"].value == ["e-mail address: 5 people", "name: 5 people"]
    told = " ".join(str(f.value) + f.provenance for f in facts.values())
    assert "customer:" not in told
    assert "session:" not in told


def test_the_nature_of_the_breach_says_how_and_to_how_many(incident: Incident, scope: Scope) -> None:
    nature = facts_of(incident, scope)["nature"]
    assert isinstance(nature.value, str)
    assert nature.value == (
        "Loss of confidentiality. Answers of the shop's own language model SmolLM2-135M, asked through the plugin "
        "shop-assistant (route /shop-assistant/v1/ask), showed customers' data to 3 other readers. "
        "Records shown that stood in the prompt of the same request: 10 of 10."
    )
    assert nature.entries == (10, 11, 12)


def test_anonymous_visitors_are_not_counted_as_one_reader(incident: Incident, leak: list[ExposureRecord]) -> None:
    alone = scope_of([replace(e, recipient="anonymous") for e in leak], START, START)
    some = scope_of([*leak, replace(leak[1], recipient="anonymous")], START, START)
    assert "to anonymous visitors, whose number is not known." in str(facts_of(incident, alone)["nature"].value)
    assert "to 3 other readers and anonymous visitors" in str(facts_of(incident, some)["nature"].value)


def test_retrieval_is_named_as_the_way_only_when_the_data_stood_in_the_prompt(
    incident: Incident, leak: list[ExposureRecord], scope: Scope
) -> None:
    path = facts_of(incident, scope)["ai_path"]
    assert path.status == "assumed"
    assert "rag_retrieval" in str(path.value)
    from_memory = scope_of([e for e in leak if e.shown], START, START)
    facts = facts_of(incident, from_memory)
    assert facts["ai_path"].status == "missing"
    assert "prompt" not in str(facts["nature"].value)


def test_gaps_in_the_log_make_the_numbers_a_lower_bound_to_be_confirmed(incident: Incident, leak: list[ExposureRecord]) -> None:
    gaps = [f"numbers {n} to {n + 1} never arrived" for n in range(0, 100, 2)]
    facts = facts_of(incident, scope_of(leak, START, START, gaps))
    for fact in ("subject_count", "record_count", "record_categories"):
        assert facts[fact].status == "assumed"
        assert "numbers 0 to 1 never arrived" in facts[fact].provenance
        assert "and 47 more" in facts[fact].provenance
    assert str(facts["subject_count"].value).startswith("at least 5")


def test_without_a_confirmed_exposure_nothing_is_claimed(incident: Incident) -> None:
    facts = facts_of(incident, scope_of([], START, START))
    for fact in ("nature", "subject_count", "record_count", "record_categories", "consequences", "ai_extraction_evidence"):
        assert facts[fact].status == "missing"


def test_a_model_that_nobody_named_is_missing(incident: Incident, scope: Scope) -> None:
    assert facts_of(replace(incident, model=None), scope)["ai_system_id"].status == "missing"


def test_awareness_is_assumed_until_it_is_stated(incident: Incident, scope: Scope) -> None:
    assumed = facts_of(incident, scope)["aware_at"]
    assert (assumed.status, assumed.value) == ("assumed", "2026-09-21T14:13:20.060Z")
    stated = replace(incident, aware_ms=START + 60_000, aware_by="user:owner", aware_why="read the page", aware_entry=77)
    known = facts_of(stated, scope)["aware_at"]
    assert known == Fact(
        id="aware_at",
        status="known",
        value="2026-09-21T14:14:20Z",
        provenance="stated by owner: read the page",
        entries=(77,),
    )


def test_the_reason_for_a_delay_carries_the_name_of_who_gave_it(incident: Incident, scope: Scope) -> None:
    late = replace(incident, aware_by="user:lead", late_reason="flood", late_by="user:owner", late_entry=80)
    reason = facts_of(late, scope)["late_reason"]
    assert (reason.value, reason.provenance, reason.entries) == ("flood", "stated by owner", (80,))
    assert facts_of(replace(late, late_reason="  \n"), scope)["late_reason"].status == "missing"


def test_a_leak_that_went_on_has_no_time_of_containment(incident: Incident, scope: Scope) -> None:
    closed = replace(incident, contained_ms=START + 9000, contained_entry=60)
    held = facts_of(closed, scope)["contained_at"]
    assert (held.status, held.value, held.entries) == ("known", "2026-09-21T14:13:29Z", (60,))
    assert held.provenance == "the way out was tried and found closed"
    assert "not tried" in facts_of(replace(closed, route=None), scope)["contained_at"].provenance
    by_hand = facts_of(replace(closed, shut_by="user:admin", shut_how="plugin removed"), scope)["contained_at"]
    assert (by_hand.value, by_hand.provenance) == (held.value, "stated by admin: plugin removed")
    again = facts_of(replace(closed, last_seen_ms=START + 20_000), scope)["contained_at"]
    assert again.status == "missing"
    assert "2026-09-21T14:13:40Z" in again.provenance
    twice = replace(closed, last_seen_ms=START + 20_000, last_contained_ms=START + 21_000, last_contained_entry=70)
    held = facts_of(twice, scope)["contained_at"]
    assert (held.status, held.value, held.entries) == ("known", "2026-09-21T14:13:41Z", (70,))


@pytest.mark.parametrize(
    "changes",
    [
        {"contact_name": ""},
        {"contact_name": "  "},
        {"contact_email": "", "contact_phone": ""},
        {"contact_email": " ", "contact_phone": "\t"},
        {"contact_name": None},
    ],
)
def test_a_contact_that_cannot_be_reached_is_no_contact(
    incident: Incident, scope: Scope, shop: Organisation, changes: dict[str, str]
) -> None:
    facts = facts_of(incident, scope, shop=replace(shop, **changes))
    assert facts["contact"].status == "missing"


def test_who_the_controller_is_needs_a_name_and_a_country(incident: Incident, scope: Scope, shop: Organisation) -> None:
    for changes in ({"controller": " "}, {"country": ""}):
        assert facts_of(incident, scope, shop=replace(shop, **changes))["controller"].status == "missing"
    known = facts_of(incident, scope, shop=replace(shop, address=" "))["controller"]
    assert known.value == "Example Shop GmbH, DE"
    assert known.provenance == "entered by the shop, without an address"


def test_measures_are_told_in_the_order_in_which_they_were_taken(incident: Incident, scope: Scope) -> None:
    earlier = Measure(at_ms=START + 1000, text="the model was closed", checkout="not tried", entry=41)
    taken = facts_of(incident, scope, [ISOLATED, earlier])["measures_taken"]
    assert taken.value == [
        "2026-09-21T14:13:21Z: the model was closed (not tried)",
        "2026-09-21T14:13:23Z: the plugin was isolated in the shop (a test order went through)",
    ]
    assert taken.entries == (41, 44)
    assert facts_of(incident, scope)["measures_taken"].status == "missing"


def test_what_follows_for_people_comes_from_the_kinds_of_data_shown(incident: Incident, scope: Scope) -> None:
    likely = facts_of(incident, scope)["consequences"]
    assert likely.status == "assumed"
    assert likely.value == [
        "Unwanted mail and phishing that refers to a real purchase.",
        "Being recognised as a customer of this shop.",
    ]
