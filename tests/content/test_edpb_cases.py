"""The score beside the EDPB's 18 cases: never more lenient where its outcome is well evidenced, and open where both part."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.unit.notifications.sample import SHOP, START, exposures, incident

from checkvalve.incidents.facts import derive
from checkvalve.incidents.scope import scope_of
from checkvalve.notifications.register import entry
from checkvalve.regimes.severity import assess, question

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("edpb_cases.yaml").read_text("utf-8"))["cases"]


def assessed(case: dict[str, Any]) -> dict[str, Any]:
    return assess(question(msgspec.json.encode({"confirmed": case["set"], "worst_case": case["set"]})))


def test_the_oracle_is_whole() -> None:
    assert [c["n"] for c in CASES] == list(range(1, 19))
    assert (sum(c["authority"] for c in CASES), sum(c["people"] for c in CASES)) == (12, 9)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['n']}")
def test_never_no_notice_where_the_guideline_has_the_authority_told(case: dict[str, Any]) -> None:
    found = assessed(case)["confirmed"]
    if case["authority"] and case["evidence"] in ("V1", "V2"):
        assert found["presumption"] != "register only"
    if case["authority"] and found["presumption"] == "register only":
        assert assessed(case)["reason_required"], "an outcome to be confirmed asks at least for a reason"


@pytest.mark.parametrize("case", [c for c in CASES if c["people"] and c["evidence"] != "K"], ids=lambda c: f"{c['n']}")
def test_where_people_are_told_the_score_says_so_or_a_reason_is_asked(case: dict[str, Any]) -> None:
    found = assessed(case)
    assert (
        "people concerned" in found["confirmed"]["presumption"]
        or found["reason_required"]
        or "many_individuals" in (found["confirmed"]["flags"])
    )


def test_at_case_6_guideline_and_score_part_and_both_stand() -> None:
    found = assessed(CASES[5])
    assert found["confirmed"]["presumption"] != "register only"
    assert found["confirmed"]["divergences"]
    assert found["reason_required"]


def test_every_breach_is_in_the_register_whether_or_not_anybody_is_told() -> None:
    scope = scope_of(exposures("shop-assistant", "/ask"), START, START)
    found = entry(incident(), derive(incident(), scope, [], SHOP, (11,)))
    assert found.filings == ()
    assert found.decision == ("no decision yet",)
    for fact in ("nature", "consequences", "severity_confirmed"):  # Art. 33(5): facts, effects
        assert found.facts[fact][0]
    assert found.facts["measures_taken"] == (None, "missing")  # remedial action: said to be missing, never left out
