"""Which law applies: honest about what it does not know."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.regimes.applicability import EU, RULES, Profile, applicability, profile
from checkvalve.regimes.law import RegimeError, regimes

TODAY = date(2026, 11, 25)
SHOP = {
    "role": "shop",
    "seat": "DE",
    "staff": 6,
    "turnover_eur": 900_000,
    "balance_eur": 300_000,
    "multi_vendor": False,
    "customers_in": ["DE", "FR", "US-CA"],
    "takes_cards": True,
    "sells_software": False,
}


def answers(today: date = TODAY, **changes: Any) -> dict[str, dict[str, Any]]:
    given = {k: v for k, v in {**SHOP, **changes}.items() if v is not None}
    return {row["id"]: row for row in applicability(profile(json.dumps(given).encode()), today)["regimes"]}


def applies(**changes: Any) -> dict[str, str]:
    return {name: row["applies"] for name, row in answers(**changes).items()}


def test_an_ordinary_german_shop() -> None:
    found = applies()
    assert {n for n, a in found.items() if a == "yes"} == {"gdpr_art33", "gdpr_art34", "pci_dss", "us_ca"}
    assert {n for n, a in found.items() if a == "unknown"} == {"cyber_insurance", "customer_and_hoster_contracts"}


def test_every_regime_of_the_data_has_a_rule_and_every_answer_a_reason_and_an_article() -> None:
    assert set(RULES) == set(regimes())
    for row in answers().values():
        assert row["reason"]
        assert row["article"]
        assert (row["applies"] != "unknown") or row["asks"]


def test_a_single_merchant_is_outside_nis2_and_is_told_why() -> None:
    row = answers()["nis2_art23"]
    assert row["applies"] == "no"
    assert "marketplace" in row["reason"]
    assert answers(multi_vendor=None)["nis2_art23"]["applies"] == "no"  # too small in any case


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"multi_vendor": True, "staff": 60}, "yes"),
        ({"multi_vendor": True, "staff": 8, "turnover_eur": 12e6, "balance_eur": 11e6}, "yes"),
        ({"multi_vendor": True, "staff": 8, "turnover_eur": 12e6, "balance_eur": 9e6}, "no"),
        ({"multi_vendor": True, "staff": None, "turnover_eur": None}, "unknown"),
        ({"multi_vendor": None, "staff": 60}, "unknown"),
        ({"multi_vendor": True, "staff": 60, "seat": "US-CA", "customers_in": ["US-CA"]}, "no"),
        ({"role": "host", "staff": 80}, "yes"),
        ({"role": "host", "staff": 5}, "unknown"),  # domain registration counts at any size
        ({"role": "agency", "staff": 80}, "unknown"),
        ({"role": "plugin_vendor"}, "no"),
    ],
)
def test_nis2_depends_on_what_one_is_and_how_large(changes: dict[str, Any], expected: str) -> None:
    assert applies(**changes)["nis2_art23"] == expected


def test_an_agency_tells_its_client_and_a_shop_tells_the_authority() -> None:
    assert applies(role="agency")["gdpr_art33_2"] == "yes"
    assert applies(role="agency")["gdpr_art33"] == "unknown"
    assert applies()["gdpr_art33_2"] == "no"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"role": "plugin_vendor", "sells_software": True}, "yes"),
        ({"role": "plugin_vendor", "sells_software": False}, "unknown"),
        ({"sells_software": True}, "yes"),
        ({"sells_software": None}, "unknown"),
        ({"sells_software": True, "seat": "US-NY", "customers_in": ["US-NY"]}, "no"),
    ],
)
def test_the_cra_is_for_whoever_supplies_software(changes: dict[str, Any], expected: str) -> None:
    assert applies(**changes)["cra_art14"] == expected


@pytest.mark.parametrize(
    ("regime", "customers", "expected"),
    [
        ("uk_gdpr", ["UK"], "yes"),
        ("uk_gdpr", ["gb"], "yes"),
        ("ch_fadp_art24", ["CH"], "yes"),
        ("br_lgpd", ["BR"], "yes"),
        ("ca_pipeda", ["CA"], "yes"),
        ("ca_pipeda", ["US-CA"], "no"),  # California is not Canada
        ("us_ny", ["US-NY"], "yes"),
        ("us_ny", ["US"], "unknown"),
        ("us_state_pattern", ["US-TX"], "yes"),
        ("us_state_pattern", ["US-CA"], "no"),
        ("au_ndb", ["AU"], "unknown"),
    ],
)
def test_the_customers_country_decides(regime: str, customers: list[str], expected: str) -> None:
    assert applies(customers_in=customers)[regime] == expected


def test_what_is_not_known_is_unknown_and_never_a_no() -> None:
    found = {r["id"]: r for r in applicability(Profile(role="shop"), TODAY)["regimes"]}
    for name in ("gdpr_art33", "pci_dss", "uk_gdpr", "us_ca", "br_lgpd", "nis2_art23", "cra_art14"):
        assert found[name]["applies"] == "unknown", name
        assert found[name]["asks"]


def test_past_its_review_date_a_regime_warns() -> None:
    assert not any("warning" in row for row in answers().values())
    assert all("warning" in row for row in answers(date(2027, 3, 1)).values())


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"role": "king"}', b"\xff", b"[" * 100_000, b'{"role": "shop", "staff": "six"}']
)
def test_a_profile_that_cannot_be_read_is_refused(raw: bytes) -> None:
    with pytest.raises(RegimeError) as caught:
        profile(raw)
    assert "contract.md" in caught.value.hint


@given(
    st.builds(
        Profile,
        role=st.sampled_from(["shop", "agency", "host", "plugin_vendor"]),
        seat=st.none() | st.sampled_from([*sorted(EU), "US-CA", "CH", "GB"]),
        staff=st.none() | st.integers(0, 500),
        turnover_eur=st.none() | st.floats(0, 1e9),
        balance_eur=st.none() | st.floats(0, 1e9),
        multi_vendor=st.none() | st.booleans(),
        customers_in=st.none() | st.lists(st.sampled_from(["DE", "US", "US-CA", "GB", "BR", "AU"])),
        takes_cards=st.none() | st.booleans(),
        sells_software=st.none() | st.booleans(),
    )
)
def test_any_profile_gets_an_answer_for_every_regime(given_: Profile) -> None:
    rows = applicability(given_, TODAY)["regimes"]
    assert [r["id"] for r in rows] == list(regimes())
    assert {r["applies"] for r in rows} <= {"yes", "no", "unknown"}
