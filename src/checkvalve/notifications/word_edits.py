"""What came back in an edited Word document: which fields say something else than the version it was made from."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import docx
from docx.oxml.ns import qn

from checkvalve.notifications.notification import Notification, letter_key, texts_of
from checkvalve.notifications.view import view
from checkvalve.notifications.word import FIELD_TAG, LETTER_TAG, ORIGIN_TAG
from checkvalve.regimes.law import RegimeError

MAX_UNPACKED: Final = 50_000_000  # bytes; a draft has some ten thousand
HINT: Final = "Edit the file that was downloaded here, and keep its fields"
BREAKS: Final = (qn("w:br"), qn("w:cr"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """`fields`: tag -> its paragraphs, insertions taken and deletions left out where changes are tracked."""

    incident: str
    regime: str
    lang: str
    version: int
    fields: Mapping[str, tuple[str, ...]]


def returned(data: bytes) -> Returned:
    """Read an edited file. RegimeError for what is no such file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            if sum(p.file_size for p in parts.infolist()) > MAX_UNPACKED:
                raise RegimeError("the file is too large once unpacked", HINT)
        body = docx.Document(io.BytesIO(data)).element.body
    except RegimeError:
        raise
    except Exception as error:  # whatever a zip or XML parser may say of hostile bytes
        raise RegimeError("this is no Word document", HINT) from error
    found: dict[str, tuple[str, ...]] = {}
    for control in body.iter(qn("w:sdt")):
        tag = control.find(f"{qn('w:sdtPr')}/{qn('w:tag')}")
        content = control.find(qn("w:sdtContent"))
        if tag is not None and content is not None:
            found.setdefault(str(tag.get(qn("w:val"))), tuple(_text(p) for p in content.iter(qn("w:p"))))
    made_from = next((t.removeprefix(ORIGIN_TAG).split(":") for t in found if t.startswith(ORIGIN_TAG)), [])
    if len(made_from) != 4 or not made_from[3].isdecimal() or len(made_from[3]) > 6:
        raise RegimeError("the file does not say which draft it was", HINT)
    incident, regime, lang, version = made_from
    return Returned(incident=incident, regime=regime, lang=lang, version=int(version), fields=found)


def changes(file: Returned, base: Notification) -> dict[str, str | list[str]]:
    """Fields and letters that differ from `base`, the version the file was made from, as `notification.edited` takes them."""
    before, shown, found = texts_of(base), _shown(base), dict[str, str | list[str]]()
    for tag, texts in file.fields.items():
        name = _name(tag, base)
        if name is not None and [t for t in texts if t.strip()] != [t for t in shown[tag] if t.strip()]:
            kept = [t.strip() for t in texts if t.strip()]
            found[name] = kept if isinstance(before[name], list) else "\n".join(kept)
    return found


def _name(tag: str, base: Notification) -> str | None:
    if tag.startswith(FIELD_TAG):
        field = tag.removeprefix(FIELD_TAG)
        return field if any(line.id == field for line in base.lines) else None
    number = tag.removeprefix(LETTER_TAG)
    if tag.startswith(LETTER_TAG) and number.isdecimal() and len(number) < 5 and int(number) < len(base.letters):
        return letter_key(base.letters[int(number)].to)
    return None


def _shown(base: Notification) -> dict[str, list[str]]:
    """What the file said in each control when it was made."""
    page, found = view(base), dict[str, list[str]]()
    for line in page["sections"][0]["lines"]:
        value = line["missing"] if line["status"] == "missing" else line["value"]
        found[f"{FIELD_TAG}{line['id']}"] = [value] if isinstance(value, str) else value
    for number, letter in enumerate(page["letters"]):
        parts = [p if isinstance(p, list) else [p] for p in letter["paragraphs"]]
        found[f"{LETTER_TAG}{number}"] = [letter["subject"], *(text for part in parts for text in part)]
    return found


def _text(paragraph: Any) -> str:
    """Text of a paragraph as it reads once all tracked changes are accepted: w:t counts, w:delText does not."""
    said = []
    for node in paragraph.iter():
        if node.tag == qn("w:t"):
            said.append(node.text or "")
        elif node.tag in BREAKS:
            said.append("\n")
        elif node.tag == qn("w:tab") and node.getparent().tag == qn("w:r"):
            said.append("\t")
    return "".join(said)
