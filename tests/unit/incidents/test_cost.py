"""What a case costs: shown with what it assumes; fines as ceilings alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.incidents.case import Incident, IncidentError, Transition, apply
from checkvalve.incidents.cost import HOUR_MS, assumed, changed, cost

GDPR = frozenset({"gdpr_art33"})


def test_the_total_is_the_sum_of_items_that_each_say_what_they_assume(incident: Incident) -> None:
    found = cost(incident, 100, assumed(), 900_000, GDPR, incident.first_seen_ms + 2 * HOUR_MS).as_json()
    assert found["total_eur"] == round(sum(i["eur"] for i in found["items"]), 2)
    assert all(i["assumes"] for i in found["items"])
    letters = next(i for i in found["items"] if i["what"] == "letters")
    assert (letters["eur"], letters["assumes"]) == (120.0, "100 people at EUR 1.2")
    lead = next(i for i in found["items"] if i["what"] == "incident_lead")
    assert lead["eur"] == (4 + 2) * 60
    assert found["left_eur"] == round(found["budget_eur"] - found["total_eur"], 2)


def test_a_way_out_that_was_closed_costs_no_more_hours(incident: Incident) -> None:
    closed = replace(incident, contained_ms=incident.first_seen_ms + HOUR_MS)
    at = [cost(closed, 0, assumed(), None, GDPR, incident.first_seen_ms + h * HOUR_MS).total for h in (1, 50)]
    assert at[0] == at[1]


@pytest.mark.parametrize(("turnover", "ceiling"), [(None, 10e6), (900_000, 10e6), (500e6, 10e6), (501e6, 10.02e6)])
def test_the_ceiling_is_the_higher_of_amount_and_share_of_turnover(
    incident: Incident, turnover: float | None, ceiling: float
) -> None:
    found = cost(incident, 0, assumed(), turnover, GDPR, incident.detected_ms).as_json()["legal_maxima"]
    assert next(m for m in found if "83(4)" in m["article"])["max_eur"] == pytest.approx(ceiling)
    assert all(m["evidence"] in ("V1", "V2", "K") for m in found)


def test_only_laws_that_apply_show_a_ceiling_and_none_is_part_of_the_total(incident: Incident) -> None:
    with_law, without = (cost(incident, 0, assumed(), None, r, incident.detected_ms) for r in (GDPR, frozenset[str]()))
    assert (len(with_law.maxima), len(without.maxima)) == (2, 0)
    assert with_law.total == without.total


def test_own_figures_stand_over_those_that_are_shipped() -> None:
    found = changed(b'{"budget": 1, "rates_per_hour": {"dpo": 200}}')
    assert (found.budget, found.rates_per_hour["dpo"]) == (1, 200)
    assert found.rates_per_hour["controller"] == assumed().rates_per_hour["controller"]


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"budget": -1}', b'{"budget": "x"}', b'{"nonsense": 1}', b'{"rates_per_hour": 5}']
)
def test_figures_that_are_none_are_one_clear_error(raw: bytes) -> None:
    with pytest.raises(IncidentError):
        changed(raw)


@given(people=st.integers(0, 10**6), more=st.integers(0, 10**6), hours=st.integers(0, 500))
def test_more_people_or_a_longer_leak_never_cost_less(people: int, more: int, hours: int) -> None:
    opened = {"title": "", "site": "s", "plugin": None, "route": None, "model": None, "first_seen_ms": 0}
    begun = Transition(id="I.0", incident="I", position=0, kind="opened", at_ms=0, by="core", entries=(), data=opened)
    found, a = apply(None, begun), assumed()
    assert cost(found, people, a, None, GDPR, 0).total <= cost(found, people + more, a, None, GDPR, hours * HOUR_MS).total
