"""What people state about a case, and the documents that follow, against a real installation and a running core."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docx
import pytest
from docx.oxml.ns import qn
from tests.integration.engine import log
from tests.integration.engine.scene import Scene, scene
from tests.wire.core_process import CoreProcess

from checkvalve.cli.main import run
from checkvalve.engine import casework, queries
from checkvalve.notifications.documents import documents
from checkvalve.notifications.notification import Wish, from_json
from checkvalve.notifications.render import render_docx
from checkvalve.store.state import open_state

PARTICULARS = {
    "controller": "Example Shop GmbH",
    "country": "DE",
    "contact_name": "Dana Beispiel",
    "contact_email": "privacy@shop.example",
    "insurer": "Example Insurance",
    "customers_in": ["DE", "FR"],
    "takes_cards": True,
    "turnover_eur": 900000,
}


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A leak that was answered, core still running."""
    with scene(CoreProcess(data=tmp_path_factory.mktemp("notices") / "data")) as staged:
        staged.leak(0, 1)
        staged.respond()
        yield staged


class Desk:
    def __init__(self, staged: Scene, capsys: pytest.CaptureFixture[str], home: Path) -> None:
        self.staged, self.capsys, self.home = staged, capsys, home
        case = staged.case()
        assert case is not None
        self.case: str = case["case"]["id"]

    def ask(self, *words: str, exit_code: int = 0) -> Any:
        code = run([*words, "--json", "--data", str(self.staged.core.data)])
        said = self.capsys.readouterr()
        assert code == exit_code, said.err
        return json.loads(said.out) if code == 0 else said.err

    def particulars(self, given: dict[str, Any], exit_code: int = 0) -> Any:
        file = self.home / "particulars.json"
        file.write_text(json.dumps(given))
        return self.ask("case", "particulars", str(file), exit_code=exit_code)


@pytest.fixture
def desk(answered: Scene, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Desk:
    return Desk(answered, capsys, tmp_path)


def test_the_case_shows_severity_and_which_law_applies(desk: Desk) -> None:
    desk.particulars(PARTICULARS)
    shown = desk.ask("case", "show", desk.case)
    found = shown["assessment"]
    assert (found["confirmed"]["se"], found["worst_case"]["se"]) == (1.5, 2.0)
    assert found["reason_required"]
    assert all(f["why"] for name in ("confirmed", "worst_case") for f in found["factors"][name])
    applies = {r["id"]: r["applies"] for r in shown["applicability"]}
    assert (applies["gdpr_art33"], applies["pci_dss"], applies["ai_act_art73"]) == ("yes", "yes", "no")


def test_a_reason_stands_in_the_next_draft_with_its_entry(desk: Desk) -> None:
    kept = desk.ask("case", "reason", desk.case, "Few people, all told the same day.")
    draft = desk.ask("notice", "draft", desk.case)
    (line,) = [b for b in draft["background"] if b["id"] == "severity_reason"]
    assert (line["status"], line["value"]) == ("known", "Few people, all told the same day.")
    assert line["entries"] == [kept["entry"]]


def test_every_document_comes_out_for_a_real_case(desk: Desk) -> None:
    for name in documents():
        draft = desk.ask("notice", "draft", desk.case, "--regime", name, "--lang", "de")
        assert (draft["regime"], draft["lang"], draft["status"]) == (name, "de", "draft, not submitted")
        assert "customer:" not in json.dumps(draft)


def test_what_was_filed_is_kept_and_the_next_notice_is_supplementary(desk: Desk) -> None:
    desk.particulars(PARTICULARS)
    filed = desk.ask("notice", "filed", desk.case, "--reference", "receipt 4711")
    assert filed["clock"] == "gdpr_72h"
    desk.particulars({"contact_name": "Robin Beispiel"})
    after = desk.ask("notice", "draft", desk.case)
    assert after["stage"] == "supplementary"
    assert after["changed"] == ["contact"]
    (breach,) = desk.ask("case", "register")["breaches"]
    assert "receipt 4711" in breach["filings"][-1]
    desk.ask("notice", "filed", desk.case, "--reference", "by telephone", "--withdrawn")
    assert "withdrawn" in desk.ask("case", "register")["breaches"][0]["filings"][-1]


def test_particulars_change_what_is_given_and_nothing_else(desk: Desk) -> None:
    desk.particulars(PARTICULARS)
    desk.particulars({"policy": "P-77"})
    draft = desk.ask("notice", "draft", desk.case, "--regime", "cyber_insurance")
    (line,) = [f for f in draft["fields"] if f["id"] == "insurer"]
    assert line["value"] == "Example Insurance, policy P-77"


@pytest.mark.parametrize("given", [{"nonsense": 1}, {"staff": "six"}, {"customers_in": "DE"}, {"goods": "gold"}])
def test_particulars_that_are_none_are_one_line_and_change_nothing(desk: Desk, given: dict[str, Any]) -> None:
    before = desk.ask("case", "show", desk.case)["applicability"]
    assert "bad_particulars" in desk.particulars(given, exit_code=2)
    assert desk.ask("case", "show", desk.case)["applicability"] == before


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("case", "reason", "<case>", " "), "reason is empty"),
        (("case", "decide", "<case>", "--notify", "--reason", ""), "reason is empty"),
        (("case", "decide", "<case>", "--notify", "--reason", "x", "--regime", "none"), "no regime"),
        (("notice", "filed", "<case>", "--reference", " "), "reference"),
        (("notice", "filed", "<case>", "--reference", "x", "--version", "999"), "no_version"),
        (("notice", "filed", "<case>", "--reference", "x", "--at", "2999-01-01T00:00:00Z"), "later than now"),
        (("notice", "filed", "<case>", "--reference", "x", "--regime", "nis2_art23", "--withdrawn"), "not_filed"),
        (("notice", "draft", "<case>", "--regime", "nis2_art23", "--clock", "x"), "early_warning"),
        (("notice", "draft", "<case>", "--regime", "ai_act_art73"), "no draft"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line_and_not_logged(desk: Desk, words: tuple[str, ...], hint: str) -> None:
    before = desk.staged.kinds()
    said = desk.ask(*(desk.case if w == "<case>" else w for w in words), exit_code=2)
    assert hint in said
    assert said.count("\n") == 1
    assert desk.staged.kinds() == before


def test_the_console_can_ask_for_law_cost_register_and_a_fresh_draft(desk: Desk) -> None:
    state, now = open_state(desk.staged.core.data / "state.db"), time.time_ns() // 1_000_000
    try:
        case = queries.case(state, desk.case)
        assert case is not None
        law = queries.law(state, case.incident, now)
        assert {(c["regime"], c["clock"]) for c in law["clocks"]} >= {("gdpr_art33", "gdpr_72h")}
        assert law["assessment"]["reason_required"]
        assert queries.cost(state, case.incident, now)["total_eur"] > 0
        assert [e.case for e in queries.register(state)] == [desk.case]
        with state.read() as db:
            fresh = casework.prepare(db, desk.case, "gdpr_art34", now, wish=Wish(lang="fr"))
            assert fresh is not None
            assert fresh.letters
            assert casework.prepare(db, "INC-1999-0001", "gdpr_art34", now, wish=Wish()) is None
    finally:
        state.close()


def test_a_replay_gives_the_same_filings_reasons_and_particulars(desk: Desk, tmp_path: Path) -> None:
    desk.ask("case", "decide", desk.case, "--no-notice", "--reason", "a test")
    desk.staged.core.stop()
    before = log.reduced(desk.staged.core.data)
    again = log.replayed(desk.staged.core.data, tmp_path / "copy")
    assert again["incidents"] == before["incidents"]
    assert again["organisation"] == before["organisation"]
    assert again["notifications"] == before["notifications"]


# --- what people write -----------------------------------------------------------------------------------------------


def test_an_edited_word_file_comes_back_as_a_version_and_stands_in_the_next_draft(desk: Desk) -> None:
    file = desk.home / "draft.docx"
    state = open_state(desk.staged.core.data / "state.db")
    found = queries.notice(state, desk.case, "gdpr_art33")
    state.close()
    assert found is not None
    data = render_docx(from_json(found.data))
    file.write_bytes(data)
    same = desk.ask("notice", "edited", desk.case, str(file))
    assert (same["regime"], same["changed"]) == ("gdpr_art33", [])
    document = docx.Document(io.BytesIO(data))
    for control in document.element.body.iter(qn("w:sdt")):
        if control.find(f"{qn('w:sdtPr')}/{qn('w:tag')}").get(qn("w:val")) == "field:consequences":
            for number, text in enumerate(control.iter(qn("w:t"))):
                text.text = "" if number else "Counsel sees none."
    document.save(str(file))
    kept = desk.ask("notice", "edited", desk.case, str(file))
    assert kept["changed"] == ["consequences"] and kept["version"] == same["version"] + 1
    (line,) = [f for f in desk.ask("notice", "draft", desk.case)["fields"] if f["id"] == "consequences"]
    assert (line["value"], line["status"]) == (["Counsel sees none."], "known") and "written by cli" in line["provenance"]
    (other,) = [f for f in desk.ask("notice", "draft", desk.case, "--lang", "de")["fields"] if f["id"] == "consequences"]
    assert other["value"] != ["Counsel sees none."], "words of one language are not put into another's"


def test_a_file_of_another_case_or_none_of_ours_is_refused_and_changes_nothing(desk: Desk) -> None:
    before = desk.ask("notice", "draft", desk.case)["version"]
    file = desk.home / "other.docx"
    file.write_bytes(b"PK\x03\x04 nothing of ours")
    assert "no Word document" in desk.ask("notice", "edited", desk.case, str(file), exit_code=2)
    assert desk.ask("notice", "draft", desk.case)["version"] == before


def test_awareness_of_one_law_moves_its_clock_alone(desk: Desk) -> None:
    desk.ask("case", "aware", desk.case, "--at", "2026-01-05T10:00:00Z", "--why", "A customer called.")
    desk.ask("case", "aware", desk.case, "--at", "2026-01-06T10:00:00Z", "--regime", "nis2_art23")
    draft = desk.ask("notice", "draft", desk.case)
    assert draft["due_utc"] == "2026-01-08T10:00:00Z"
    assert desk.ask("notice", "draft", desk.case, "--regime", "nis2_art23")["due_utc"] == "2026-01-07T10:00:00Z"
    stated = [t["data"] for t in desk.ask("case", "show", desk.case)["transitions"] if t["kind"] == "aware_set"]
    desk.ask("case", "aware", desk.case, "--at", "2026-01-05T12:00:00Z", "--why", "It was noon.")
    again = [t["data"] for t in desk.ask("case", "show", desk.case)["transitions"] if t["kind"] == "aware_set"]
    assert again[:-1] == stated, "what was said first stays on record"
    assert desk.ask("notice", "draft", desk.case)["due_utc"] == "2026-01-08T12:00:00Z"


def test_the_hours_of_a_contract_are_a_clock_of_the_case(desk: Desk) -> None:
    assert desk.ask("notice", "draft", desk.case, "--regime", "gdpr_art33_2")["due_utc"] is None
    desk.ask("case", "hours", desk.case, "24", "--regime", "gdpr_art33_2")
    due = desk.ask("notice", "draft", desk.case, "--regime", "gdpr_art33_2")
    assert due["due_utc"] == "2026-01-06T12:00:00Z" and due["hours_left"] < 0
    assert "no contract sets hours" in desk.ask("case", "hours", desk.case, "24", "--regime", "gdpr_art33", exit_code=2)
    assert "number of hours" in desk.ask("case", "hours", desk.case, "0", exit_code=2)
