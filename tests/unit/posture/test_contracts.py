"""Contracts with providers: each provision agreed, weaker or missing, and the letter that asks for the rest."""

import json
from datetime import date
from typing import Any

import pytest

from checkvalve.posture import contracts
from checkvalve.posture.contracts import ContractError

TODAY = date(2026, 11, 25)
HOST = {
    "notice_hours": 24,
    "night_contact": "+49 30 23125 100",
    "log_retention_days": 90,
    "log_export": True,
    "snapshot_hours": 4,
    "no_unilateral_wipe": True,
    "gpu_host_access": True,
    "sub_processors": "annex 2",
    "location": ["DE", "FI"],
    "government_access_notice": True,
    "assistance": True,
    "assistance_cost": "annex 4",
}


def reviewed(agreed: dict[str, Any], ends: str | None = None) -> contracts.Review:
    raw = {"contracts": [{"party": "Example Hosting", "kind": "host", "ends": ends, "agreed": agreed}]}
    (contract,) = contracts.read(json.dumps(raw).encode())
    return contracts.review(contract, TODAY)


def test_a_complete_contract_has_nothing_open_and_no_letter() -> None:
    found = reviewed(HOST, "2028-01-01")
    assert not found.open and not found.expiring
    with pytest.raises(ContractError, match="nothing is open"):
        contracts.letter(found, "en")


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("notice_hours", 25, "weaker"),
        ("notice_hours", 24, "agreed"),
        ("notice_hours", None, "missing"),
        ("log_retention_days", 89, "weaker"),
        ("log_export", False, "weaker"),
        ("location", [], "missing"),
        ("night_contact", "", "missing"),
    ],
)
def test_one_provision(name: str, value: Any, state: str) -> None:
    found = {s.provision.id: s.state for s in reviewed(HOST | {name: value}).standings}
    assert found[name] == state
    assert all(s == "agreed" for i, s in found.items() if i != name)


@pytest.mark.parametrize(
    ("ends", "days", "expiring"), [("2027-02-23", 90, True), ("2027-02-24", 91, False), ("2026-11-24", -1, True)]
)
def test_a_contract_that_ends_is_said_ninety_days_before_and_after(ends: str, days: int, expiring: bool) -> None:
    found = reviewed(HOST, ends)
    assert (found.expires_in_days, found.expiring) == (days, expiring)


@pytest.mark.parametrize(("lang", "law"), [("en", "GDPR 33(2)"), ("de", "DSGVO 33(2)"), ("fr", "RGPD 33(2)")])
def test_the_letter_asks_for_what_is_open_and_nothing_else(lang: str, law: str) -> None:
    text = contracts.letter(reviewed(HOST | {"notice_hours": 48, "assistance_cost": ""}, "2026-12-31"), lang)
    asked = [line for line in text.splitlines() if line[:1].isdigit()]
    assert len(asked) == 2
    assert law in asked[0] and "48 h" in asked[0]
    assert "[" not in asked[1]  # no law asks for it
    assert "2026-12-31" in text


@pytest.mark.parametrize("kind", ["host", "agency", "model_provider", "payment_provider"])
def test_every_kind_of_provider_has_provisions_in_every_language(kind: str) -> None:
    wanted = [p for p in contracts.content().provisions if kind in p.kinds]
    assert len(wanted) >= 4
    assert all(set(p.asks) == set(contracts.content().letter) for p in wanted)


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b'{"contracts": [{"party": "x", "kind": "cook"}]}',
        b'{"contracts": [{"party": "x", "kind": "host", "agreed": {"cookies": true}}]}',
        b'{"contracts": [{"party": "x", "kind": "host", "agreed": {"notice_hours": "24"}}]}',
        b'{"contracts": [{"party": "x", "kind": "host", "agreed": {"notice_hours": true}}]}',
        b'{"contracts": [{"party": "x", "kind": "host", "agreed": {"location": ["Germany"]}}]}',
        b'{"contracts": [{"party": "x\\n", "kind": "host"}]}',
        b'{"contracts": [{"party": "x", "kind": "host"}, {"party": "x", "kind": "agency"}]}',
        b"[" * 10_000,
        b" " * (contracts.MAX_BYTES + 1),
    ],
)
def test_a_file_that_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(ContractError):
        contracts.read(raw)
