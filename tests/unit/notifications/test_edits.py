"""What people write into a draft: kept in every later version, and read back out of a Word file."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import docx
import pytest
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from tests.unit.notifications.sample import HOUR, START, prepare

from checkvalve.notifications.documents import documents
from checkvalve.notifications.notification import Edit, Notification, Wish, edited, from_json, letter_key, texts_of
from checkvalve.notifications.render import render_docx
from checkvalve.notifications.word_edits import changes, returned
from checkvalve.regimes.law import RegimeError

BY = "user:lawyer"


def value_of(n: Notification, name: str) -> str | list[str] | None:
    return texts_of(n)[name]


def test_what_a_person_wrote_stands_with_who_and_when() -> None:
    plain = prepare()
    edits = edited(plain, {}, {"nature": "Our own words."}, BY, START + HOUR)
    (line,) = [a for a in prepare(wish=Wish(edits=edits)).lines if a.id == "nature"]
    assert (line.value, line.status) == ("Our own words.", "known")
    assert line.provenance == "written by lawyer, 2026-09-21T15:13:20Z"


def test_when_the_log_says_something_else_by_now_the_words_want_confirmation() -> None:
    edits = {"nature": Edit(value="Our own words.", over="What the log said before.", by=BY, at_ms=START)}
    (line,) = [a for a in prepare(wish=Wish(edits=edits)).lines if a.id == "nature"]
    assert (line.value, line.status) == ("Our own words.", "assumed")
    assert "the log now says: Personal data" in line.provenance or "the log now says: " in line.provenance


def test_an_emptied_field_goes_back_to_what_the_log_says() -> None:
    plain = prepare()
    edits = edited(plain, {}, {"nature": "Our own words."}, BY, START)
    assert "nature" not in edited(plain, edits, {"nature": ""}, BY, START)
    assert edited(plain, edits, {"nature": value_of(plain, "nature") or ""}, BY, START) == {}


def test_a_field_the_document_does_not_have_is_refused() -> None:
    with pytest.raises(RegimeError, match="has no field 'evil'"):
        edited(prepare(), {}, {"evil": "x"}, BY, START)


def test_a_missing_field_is_filled_by_a_person() -> None:
    plain = prepare(measures=())
    assert "measures_taken" in {m.id for m in plain.missing}
    edits = edited(plain, {}, {"measures_taken": "The server was switched off."}, BY, START)
    assert "measures_taken" not in {m.id for m in prepare(measures=(), wish=Wish(edits=edits)).missing}


def controls(document: Any) -> dict[str, Any]:
    return {c.find(f"{qn('w:sdtPr')}/{qn('w:tag')}").get(qn("w:val")): c for c in document.element.body.iter(qn("w:sdt"))}


def rewritten(data: bytes, tag: str, change: Callable[[Any], None]) -> bytes:
    """The file as somebody edits it: `change` gets the paragraphs' run of one control."""
    document = docx.Document(io.BytesIO(data))
    change(controls(document)[tag])
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def type_over(text: str) -> Callable[[Any], None]:
    def change(control: Any) -> None:
        texts = list(control.iter(qn("w:t")))
        texts[0].text = text
        for more in texts[1:]:
            more.text = ""

    return change


@pytest.mark.parametrize("lang", ["en", "de", "fr"])
@pytest.mark.parametrize("name", sorted(documents()))
def test_a_file_that_nobody_edited_changes_nothing(name: str, lang: str) -> None:
    base = prepare(regime=name, wish=Wish(lang=lang))
    file = returned(render_docx(base))
    assert (file.incident, file.regime, file.lang, file.version) == (base.incident, name, lang, base.version)
    assert changes(file, base) == {}


def test_an_edited_field_comes_back() -> None:
    base = prepare()
    data = rewritten(render_docx(base), "field:nature", type_over("The assistant gave data away."))
    assert changes(returned(data), base) == {"nature": "The assistant gave data away."}


def test_tracked_changes_count_as_they_read_once_accepted() -> None:
    base = prepare()

    def track(control: Any) -> None:
        run = next(control.iter(qn("w:r")))
        inserted, deleted = OxmlElement("w:ins"), OxmlElement("w:del")
        fresh, gone = OxmlElement("w:r"), OxmlElement("w:r")
        text, old = OxmlElement("w:t"), OxmlElement("w:delText")
        text.text, old.text = "Inserted by counsel.", "Deleted."
        fresh.append(text)
        gone.append(old)
        inserted.append(fresh)
        deleted.append(gone)
        run.getparent().replace(run, inserted)
        inserted.addnext(deleted)

    assert changes(returned(rewritten(render_docx(base), "field:nature", track)), base) == {"nature": "Inserted by counsel."}


def test_a_list_and_a_missing_field_and_a_letter_come_back() -> None:
    base = prepare(regime="gdpr_art34", measures=())
    data = render_docx(base)
    key = letter_key(base.letters[0].to)
    data = rewritten(data, "letter:0", type_over("What happened to your data"))
    found = changes(returned(data), base)
    assert found[key][0] == "What happened to your data"
    kept = from_json(prepare(regime="gdpr_art34", measures=(), wish=Wish(edits=edited(base, {}, found, BY, START))).as_json())
    assert kept.letters[0].subject == "What happened to your data"
    (missing,) = [m.id for m in prepare(measures=()).missing if m.id == "measures_taken"]
    form = prepare(measures=())
    filled = rewritten(render_docx(form), f"field:{missing}", type_over("None was needed."))
    assert changes(returned(filled), form) == {missing: "None was needed."}


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("word/document.xml", b"0" * 60_000_000)
    return out.getvalue()


def unnamed() -> bytes:
    out = io.BytesIO()
    docx.Document().save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "no Word document"),
        (b"PK\x03\x04 cut short", "no Word document"),
        (bomb(), "too large"),
        (unnamed(), "does not say which draft"),
    ],
    ids=["empty", "cut", "bomb", "other"],
)
def test_what_is_no_draft_is_refused_with_one_clear_error(data: bytes, what: str) -> None:
    with pytest.raises(RegimeError, match=what):
        returned(data)
