"""A notification as a Word document, for lawyers who edit.

Each value stands in a content control that bears the field's name, so that `word_edits` finds it again in the edited file.
"""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import docx
from docx.document import Document
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor
from docx.text.paragraph import Paragraph

RED: Final = RGBColor(0x9A, 0x1B, 0x1B)
GREY: Final = RGBColor(0x55, 0x55, 0x55)
SMALL: Final = Pt(8.5)
ORIGIN_TAG: Final = "checkvalve:"
FIELD_TAG: Final = "field:"
LETTER_TAG: Final = "letter:"
LANGUAGES: Final = {"en": "en-GB", "de": "de-DE", "fr": "fr-FR"}


def word_document(view: dict[str, Any], created: datetime) -> bytes:
    """The DOCX of a view (`notifications.view`)."""
    document = docx.Document()
    _set_up(document, view, created)
    document.add_heading(view["heading"], level=1)
    about = [document.add_paragraph() for _ in view["meta"]]
    for paragraph, text in zip(about, view["meta"], strict=True):
        _write(paragraph, text, size=SMALL, color=GREY)
    _control(f"{ORIGIN_TAG}{view['origin_tag']}", about)
    _write(document.add_paragraph(), view["stamp"], bold=True, color=RED)
    if view["review"]:
        _write(document.add_paragraph(), view["review"], color=RED)
    if due := view["due"]:
        _write(document.add_paragraph(), due["text"], bold=True, color=RED if due["late"] else None)
        _write(document.add_paragraph(), due["counted"], size=SMALL, color=GREY)
    if missing := view["missing"]:
        _write(document.add_paragraph(), missing["title"], bold=True, color=RED)
        for item in missing["items"]:
            paragraph = document.add_paragraph(style="List Bullet")
            _write(paragraph, f"{item['question']} ")
            _write(paragraph, item["article"], size=SMALL, color=GREY)
        document.add_paragraph(missing["phased"])
    for number, letter in enumerate(view["letters"]):
        document.add_heading(letter["heading"], level=2)
        subject = document.add_paragraph()
        _write(subject, letter["subject"], bold=True)
        body = [p for text in letter["paragraphs"] for p in _value(document, text)]
        _control(f"{LETTER_TAG}{number}", [subject, *body])
    for section in view["sections"]:
        document.add_heading(section["heading"], level=2)
        for line in section["lines"]:
            _line(document, line, editable=section["editable"])
    _write(document.add_paragraph(), view["origin"], size=SMALL, color=GREY)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _set_up(document: Document, view: dict[str, Any], created: datetime) -> None:
    about = document.core_properties
    about.title, about.author, about.language = view["document"], "Checkvalve", LANGUAGES[view["lang"]]
    about.created = about.modified = created.replace(tzinfo=None)
    page = document.sections[0]
    page.page_width, page.page_height = Cm(21), Cm(29.7)
    page.left_margin = page.right_margin = Cm(2.4)
    _write(page.footer.paragraphs[0], view["footer"], size=Pt(8), color=GREY)


def _line(document: Document, line: dict[str, Any], *, editable: bool) -> None:
    question = document.add_paragraph()
    question.paragraph_format.keep_with_next = True
    question.paragraph_format.space_before = Pt(8)
    _write(question, f"{line['question']} ", bold=True)
    _write(question, line["article"], size=SMALL, color=GREY)
    if line["status"] == "missing":
        value = [document.add_paragraph()]
        _write(value[0], line["missing"], color=RED)
    else:
        value = _value(document, line["value"])
    if editable:
        _control(f"{FIELD_TAG}{line['id']}", value)
    if line["status"] != "missing":
        _write(document.add_paragraph(), line["source"], size=SMALL, color=GREY)
    if line["changed"]:
        _write(document.add_paragraph(), line["changed"], bold=True, size=SMALL)


def _value(document: Document, value: str | list[str]) -> list[Paragraph]:
    listed = not isinstance(value, str)
    texts = [value] if isinstance(value, str) else value
    return [document.add_paragraph(text, style="List Bullet" if listed else None) for text in texts]


def _control(tag: str, paragraphs: Sequence[Paragraph]) -> None:
    """Put paragraphs that follow each other into a content control (ECMA-376, part 1, 17.5.2)."""
    if not paragraphs:
        return
    control, properties = OxmlElement("w:sdt"), OxmlElement("w:sdtPr")
    name, content = OxmlElement("w:tag"), OxmlElement("w:sdtContent")
    name.set(qn("w:val"), tag)
    properties.append(name)
    control.extend((properties, content))
    paragraphs[0]._p.addprevious(control)
    content.extend([p._p for p in paragraphs])


def _write(
    paragraph: Paragraph, text: str, *, bold: bool = False, size: Pt | None = None, color: RGBColor | None = None
) -> None:
    run = paragraph.add_run(text)
    run.bold, run.font.size = bold or None, size
    if color is not None:
        run.font.color.rgb = color
