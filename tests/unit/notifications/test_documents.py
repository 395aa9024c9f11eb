"""Each document: its own clock and fields, its stages, its letters, in every language and form."""

import io
import re

import docx
import pypdf
import pytest
from docx.oxml.ns import qn
from tests.unit.notifications.sample import HOUR, SHOP, START, incident, prepare

from checkvalve.incidents import case
from checkvalve.incidents.case import Incident
from checkvalve.incidents.facts import Organisation
from checkvalve.incidents.wording import LANGUAGES
from checkvalve.notifications.documents import documents
from checkvalve.notifications.notification import Wish, from_json
from checkvalve.notifications.render import render_docx, render_html, render_pdf
from checkvalve.regimes.law import RegimeError


def filed(found: Incident, regime: str, clock: str, *, withdrawn: bool = False, at_ms: int = START + HOUR) -> Incident:
    data = {"regime": regime, "clock": clock, "version": 1, "reference": "R-1", "withdrawn": withdrawn, "filed_ms": at_ms}
    return case.apply(found, case.change(found, "notice_filed", at_ms, (80,), data, "user:owner"))


def plain(text: str) -> str:
    return re.sub(r"[\s\u200b]+", "", text)


def in_docx(data: bytes) -> str:
    return plain("".join(t.text or "" for t in docx.Document(io.BytesIO(data)).element.body.iter(qn("w:t"))))


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", sorted(documents()))
def test_every_document_says_the_same_in_every_form_and_language(name: str, lang: str) -> None:
    notification = prepare(regime=name, wish=Wish(lang=lang))
    assert from_json(notification.as_json()) == notification
    pdf = plain("".join(p.extract_text() for p in pypdf.PdfReader(io.BytesIO(render_pdf(notification))).pages))
    word, page = in_docx(render_docx(notification)), render_html(notification)
    assert f'<html lang="{lang}">' in page
    for line in notification.lines:
        for text in (word, pdf):
            assert plain(line.question) in text
            for value in [line.value] if isinstance(line.value, str) else line.value or []:
                assert plain(value)[:60] in text
    for letter in notification.letters:
        assert plain(letter.subject) in word


@pytest.mark.parametrize("name", sorted(documents()))
def test_what_is_unknown_is_missing_and_never_filled(name: str) -> None:
    notification = prepare(regime=name, shop=Organisation(), measures=())
    assert "contact" in {m.id for m in notification.missing}
    for letter in notification.letters:
        text = str(letter.paragraphs)
        assert "{" not in text
        assert "[missing: " in text
        assert "None" not in text


def test_people_get_a_letter_by_the_kinds_of_their_data() -> None:
    (letter,) = prepare(regime="gdpr_art34").letters
    assert letter.to == "2 people: postal address, e-mail address"
    assert ["e-mail address", "postal address"] in letter.paragraphs
    assert not any("telephone" in str(p) for p in letter.paragraphs), "no advice on data that was not shown"


def test_nis2_asks_by_its_clocks() -> None:
    early = prepare(regime="nis2_art23")
    assert (early.clock, early.due_utc) == ("early_warning", "2026-09-22T14:13:20Z")
    assert {line.article for line in early.lines} == {"23(4)(a)", "23(1)", "23(4)"}
    told = filed(incident(), "nis2_art23", "early_warning")
    assert prepare(regime="nis2_art23", found=told).clock == "incident_notification"
    final = Wish(clock="final_report")
    assert prepare(regime="nis2_art23", found=told, wish=final).due_utc is None, (
        "a month after a notification that was not made"
    )
    both = filed(told, "nis2_art23", "incident_notification", at_ms=START + 2 * HOUR)
    assert prepare(regime="nis2_art23", found=both, wish=final).due_utc == "2026-10-21T16:13:20Z"
    with pytest.raises(RegimeError, match="early_warning"):
        prepare(regime="nis2_art23", wish=Wish(clock="gdpr_72h"))


def test_a_notice_is_initial_then_supplementary_and_can_be_withdrawn_only_once_filed() -> None:
    assert prepare(shop=Organisation()).stage == "initial"
    first = prepare()
    assert first.stage == "complete"
    told = filed(incident(), "gdpr_art33", "gdpr_72h")
    later = prepare(found=told, measures=(), wish=Wish(before=first))
    assert (later.stage, later.changed) == ("supplementary", ("measures_taken",))
    assert "Changed since the last filing." in render_html(later)
    with pytest.raises(RegimeError, match="Withdraw only what was filed"):
        prepare(wish=Wish(stage="withdrawn"))
    back = prepare(found=told, wish=Wish(stage="withdrawn"))
    assert back.lines[0].id == "withdraw_reason"
    assert "Withdrawal of a notification" in render_html(back)


def test_severity_is_in_every_draft_and_asks_for_a_reason_where_it_is_close() -> None:
    lines = {line.id: line for line in prepare().background}
    assert "SE 1.25 = 1 x 1 + 0.25" in str(lines["severity_confirmed"].value)
    assert lines["severity_reason"].status == "missing"
    gaps = {line.id: line for line in prepare(gaps=["numbers 4 to 9 never arrived"]).background}
    assert "SE 2 = 1 x 1 + 1" in str(gaps["severity_worst_case"].value)
    assert "a written reason is asked" in gaps["severity_reason"].provenance


def test_signs_of_steering_make_intent_a_suspicion_and_raise_the_score() -> None:
    calm, steered = prepare(regime="nis2_art23"), prepare(regime="nis2_art23", signals=3)
    assert [n.lines[0].value for n in (calm, steered)] == [
        "no sign of it in the log",
        "yes: 3 signs of steering the model in this case",
    ]
    scores = [{b.id: b for b in n.background}["severity_confirmed"].value for n in (calm, steered)]
    assert ("SE 1.25" in str(scores[0]), "SE 1.75" in str(scores[1])) == (True, True)


def test_a_processor_and_an_acquirer_are_asked_for_by_name_until_the_shop_enters_them() -> None:
    assert [m.id for m in prepare(regime="gdpr_art33_2", shop=SHOP).missing] == ["clients"]
    assert "acquirer" in {m.id for m in prepare(regime="pci_dss").missing}


def test_characters_that_word_cannot_hold_are_marked() -> None:
    assert in_docx(render_docx(prepare(found=incident("a\x00b\ufffe\ud800c"))))
