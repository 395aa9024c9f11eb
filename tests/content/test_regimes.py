"""The law as it is shipped: complete, sourced, and agreeing with the facts that the code derives."""

from importlib.resources import files
from typing import Any

import pytest
import yaml

from checkvalve.events.pseudonym import CATEGORIES
from checkvalve.incidents.wording import wording
from checkvalve.notifications.letters import question
from checkvalve.regimes.law import regimes

FILES = [f for f in files("checkvalve.content.regimes").iterdir() if f.name.endswith(".yaml")]
RAW: list[dict[str, Any]] = [yaml.safe_load(f.read_text("utf-8")) for f in FILES]
UNITS = {"clock_hours", "calendar_days", "business_days", "calendar_months", "no_fixed_limit"}


@pytest.mark.parametrize("file", RAW, ids=[f.name for f in FILES])
def test_every_file_says_how_old_it_is_and_where_it_comes_from(file: dict[str, Any]) -> None:
    assert file["source"]
    assert file["as_of"] < file["review_by"]


@pytest.mark.parametrize("raw", [r for f in RAW for r in f["regimes"]], ids=lambda r: str(r["id"]))
def test_every_clock_is_graded_and_every_duty_names_its_article(raw: dict[str, Any]) -> None:
    for clock in raw["clocks"]:
        assert clock["evidence"] in ("V1", "V2", "K")
        assert clock["article"]
        assert clock["unit"] in UNITS
        assert (clock["amount"] is None) == (clock["unit"] == "no_fixed_limit")
    for field in raw["fields"]:
        assert field["article"]
        assert question(field["fact"], wording("en"))
    ids = [f["id"] for f in raw["fields"]]
    assert len(ids) == len(set(ids))


def test_no_regime_is_defined_twice() -> None:
    ids = [r["id"] for f in RAW for r in f["regimes"]]
    assert sorted(ids) == sorted(regimes())


def test_the_authority_is_told_within_72_hours_of_awareness() -> None:
    (clock,) = regimes()["gdpr_art33"].clocks
    assert (clock.amount, clock.unit, clock.start_event) == (72, "clock_hours", "controller_aware")
    assert (clock.article, clock.phased) == ("33(1)", "33(4)")


def test_the_proposed_96_hours_are_nowhere_a_live_deadline() -> None:
    assert 96 not in [c.amount for r in regimes().values() for c in r.clocks]


def test_every_letter_of_article_33_3_is_asked() -> None:
    articles = {f.article for f in regimes()["gdpr_art33"].fields}
    assert {"33(3)(a)", "33(3)(b)", "33(3)(c)", "33(3)(d)"} <= articles


def test_the_reasons_for_a_delay_are_asked_only_when_there_is_one() -> None:
    (late,) = [f for f in regimes()["gdpr_art33"].fields if f.required is not True]
    assert (late.id, late.required, late.article) == ("late_reason", "when_late", "33(1)")


def test_every_kind_of_data_that_can_leak_has_a_name_and_a_consequence() -> None:
    for section in ("categories", "consequences", "advice"):
        assert set(wording("en").named(section)) == set(CATEGORIES)
