"""Where things are: inside, with a basis, outside; what nobody said is unknown."""

import json
from datetime import date
from typing import Any

import pytest

from checkvalve.posture import residency
from checkvalve.posture.residency import ResidencyError


def stated(*places: tuple[str, str], transfers: tuple[dict[str, Any], ...] = ()) -> residency.Residency:
    listed = [{"what": what, "where": where, "holder": "Example Hosting"} for what, where in places]
    return residency.read(json.dumps({"places": listed, "transfers": transfers}).encode())


CLAUSES = {"to": "US", "basis": "standard contractual clauses 2021/914", "recorded": "2026-05-01", "by": "dpo"}


@pytest.mark.parametrize(
    ("country", "transfers", "verdict", "open_"),
    [
        ("DE", (), "inside", False),
        ("NO", (), "inside", False),  # the country, not YAML's word for false
        ("CH", (), "adequate", False),
        ("US", (), "outside", True),  # adequate for certified organisations alone
        ("US", (CLAUSES,), "basis", False),
        ("IN", (), "outside", True),
        ("IN", (CLAUSES,), "outside", True),
    ],
)
def test_one_country(country: str, transfers: tuple[dict[str, Any], ...], verdict: str, open_: bool) -> None:
    found = residency.standings(stated(("logs", country), transfers=transfers))
    (logs,) = (s for s in found if s.what == "logs")
    assert (logs.verdict, logs.open) == (verdict, open_)


def test_what_nobody_said_is_unknown_and_asked() -> None:
    found = residency.standings(stated(("model", "DE"), ("model", "IN")))
    assert [(s.what, s.verdict) for s in found] == [
        ("model", "inside"),
        ("model", "outside"),
        *((thing, "unknown") for thing in residency.content().things if thing != "model"),
    ]
    assert all(s.ask for s in found if s.verdict == "unknown")


def test_an_old_list_of_countries_is_said_to_be_old() -> None:
    review = residency.content().review_by
    assert residency.as_json(stated(), review)["review_overdue"] is False
    assert residency.as_json(stated(), date.fromordinal(review.toordinal() + 1))["review_overdue"] is True


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"{}",
        b'{"places": [{"what": "cat", "where": "DE", "holder": "x"}]}',
        b'{"places": [{"what": "logs", "where": "Germany", "holder": "x"}]}',
        b'{"places": [{"what": "logs", "where": "de", "holder": "x"}]}',
        b'{"places": [{"what": "logs", "where": "DE", "holder": "a\\nb"}]}',
        b'{"places": [], "transfers": [{"to": "US", "basis": "", "recorded": "2026-01-01", "by": "dpo"}]}',
        b"[" * 10_000,
    ],
)
def test_a_statement_that_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(ResidencyError):
        residency.read(raw)
