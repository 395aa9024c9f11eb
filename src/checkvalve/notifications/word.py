"""A notification as a Word document, for lawyers who edit."""

import io
from datetime import datetime
from typing import Any, Final

import docx
from docx.document import Document
from docx.shared import Cm, Pt, RGBColor
from docx.text.paragraph import Paragraph

RED: Final = RGBColor(0x9A, 0x1B, 0x1B)
GREY: Final = RGBColor(0x55, 0x55, 0x55)
SMALL: Final = Pt(8.5)
LANGUAGES: Final = {"en": "en-GB", "de": "de-DE", "fr": "fr-FR"}


def word_document(view: dict[str, Any], created: datetime) -> bytes:
    """The DOCX of a view (`notifications.view`)."""
    document = docx.Document()
    _set_up(document, view, created)
    document.add_heading(view["heading"], level=1)
    for text in view["meta"]:
        _write(document.add_paragraph(), text, size=SMALL, color=GREY)
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
    for letter in view["letters"]:
        document.add_heading(letter["heading"], level=2)
        _write(document.add_paragraph(), letter["subject"], bold=True)
        for text in letter["paragraphs"]:
            _value(document, text)
    for section in view["sections"]:
        document.add_heading(section["heading"], level=2)
        for line in section["lines"]:
            _line(document, line)
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


def _line(document: Document, line: dict[str, Any]) -> None:
    question = document.add_paragraph()
    question.paragraph_format.keep_with_next = True
    question.paragraph_format.space_before = Pt(8)
    _write(question, f"{line['question']} ", bold=True)
    _write(question, line["article"], size=SMALL, color=GREY)
    if line["status"] == "missing":
        _write(document.add_paragraph(), line["missing"], color=RED)
    else:
        _value(document, line["value"])
        _write(document.add_paragraph(), line["source"], size=SMALL, color=GREY)
    if line["changed"]:
        _write(document.add_paragraph(), line["changed"], bold=True, size=SMALL)


def _value(document: Document, value: str | list[str]) -> None:
    for text in [value] if isinstance(value, str) else value:
        document.add_paragraph(text, style=None if isinstance(value, str) else "List Bullet")


def _write(
    paragraph: Paragraph, text: str, *, bold: bool = False, size: Pt | None = None, color: RGBColor | None = None
) -> None:
    run = paragraph.add_run(text)
    run.bold, run.font.size = bold or None, size
    if color is not None:
        run.font.color.rgb = color
