"""The register as a table: a line a case, nothing a spreadsheet would run."""

import csv
import io
from dataclasses import replace

import pytest
from tests.unit.notifications.sample import SHOP, START, exposures, incident

from checkvalve.incidents import case
from checkvalve.incidents.case import Incident
from checkvalve.incidents.facts import derive
from checkvalve.incidents.scope import scope_of
from checkvalve.notifications.register import Entry, as_csv, entry
from checkvalve.notifications.render import render_register


def entered(found: Incident, controller: str = SHOP.controller) -> Entry:
    scope = scope_of(exposures(found.plugin or "", found.route or ""), START, START)
    return entry(found, derive(found, scope, [], replace(SHOP, controller=controller), (11,)))


def decided(found: Incident, notify: bool, reason: str) -> Incident:
    data = {"regime": "gdpr_art33", "notify": notify, "reason": reason}
    return case.apply(found, case.change(found, "notice_decided", START + 1, (70,), data, "user:owner"))


def test_the_last_decision_of_a_regime_stands_with_its_reason() -> None:
    found = decided(decided(incident(), False, "few people"), True, "more were found")
    assert entered(found).decision == ("gdpr_art33: notice, more were found (owner, 2026-09-21T14:13:20.001Z)",)


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2", "@sum", "\tx", '=HYPERLINK("x")'])
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    rows = list(csv.reader(io.StringIO(as_csv([entered(incident(), text)]))))
    assert len(rows) == 2
    cell = rows[1][rows[0].index("controller")]
    assert not cell.startswith(("=", "+", "-", "@", "\t"))


def test_a_closed_case_and_one_without_notice_are_lines_like_any_other() -> None:
    closed = replace(decided(incident(), False, "no risk"), status="closed")
    rows = list(csv.DictReader(io.StringIO(as_csv([entered(incident()), entered(closed)]))))
    assert [r["decision"].partition(",")[0] for r in rows] == ["no decision yet", "gdpr_art33: no notice"]
    assert rows[0]["measures_taken"] == "missing"
    assert rows[0]["consequences"].endswith("(to be confirmed)")


def test_the_page_shows_names_as_text() -> None:
    page = render_register([entered(incident("<script>alert(1)</script>"))], "2026-09-22T00:00:00Z")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
