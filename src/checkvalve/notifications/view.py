"""A notification as what stands on the page, in its language: every form (HTML, PDF, DOCX) walks the same view."""

from typing import Any, Final

from checkvalve.incidents.wording import Wording, wording
from checkvalve.notifications.notification import Line, Notification

MAX_ENTRIES: Final = 12


def entries_text(entries: tuple[int, ...], words: Wording | None = None) -> str:
    """The first log entry numbers, and how many more there are: the JSON form has them all."""
    words = words or wording("en")
    numbers = [str(n) for n in entries[:MAX_ENTRIES]]
    more = len(entries) - len(numbers)
    if not numbers:
        return ""
    name = words.say("labels.log_entry" if len(entries) == 1 else "labels.log_entries")
    return f"{name} {', '.join(numbers)}" + (f" {words.say('labels.more', n=more)}" if more else "")


def view(n: Notification) -> dict[str, Any]:
    """Texts only, in the order of the page; JSON types, so that every template language can read it."""
    words = wording(n.lang)
    shown = {
        "lang": n.lang,
        "origin_tag": f"{n.incident}:{n.regime}:{n.lang}:{n.version}",
        "document": words.say("labels.document", incident=n.incident),
        "heading": _heading(n, words),
        "meta": [
            words.say("labels.to", title=n.title, whom=n.whom),
            words.say("labels.case", incident=n.incident, version=n.version, created=n.created_utc),
        ],
        "stamp": words.say("labels.stamp"),
        "footer": words.say("labels.footer", incident=n.incident, version=n.version),
        "review": words.say("labels.review", date=n.review) if n.review else "",
        "due": _due(n, words),
        "missing": _missing(n, words),
        "letters": [
            {"heading": words.say("labels.letter", to=a.to), "subject": a.subject, "paragraphs": list(a.paragraphs)}
            for a in n.letters
        ],
        "sections": [
            {
                "heading": words.say("labels.asked" if n.letters else "labels.fields"),
                "editable": True,
                "lines": [_line(line, n, words) for line in n.lines],
            },
            {
                "heading": words.say("labels.background"),
                "editable": False,
                "lines": [_line(line, n, words) for line in n.background],
            },
        ],
        "origin": words.say("labels.origin"),
    }
    return _marked(shown, words.say("labels.exercise")) if n.exercise else shown


def _marked(shown: dict[str, Any], mark: str) -> dict[str, Any]:
    """Said wherever a page could be read alone: in title, heading, stamp, footer, and the subject of each letter."""
    letters = [{**letter, "subject": f"{mark}: {letter['subject']}"} for letter in shown["letters"]]
    return shown | {n: f"{mark}: {shown[n]}" for n in ("document", "heading", "stamp", "footer")} | {"letters": letters}


def _heading(n: Notification, words: Wording) -> str:
    heading = words.say("labels.heading") if n.regime == "gdpr_art33" else n.title
    if n.clock and n.regime != "gdpr_art33" and (name := words.texts.get(f"clocks.{n.clock}")):
        heading += f": {name}"
    if n.phased or n.stage in ("supplementary", "withdrawn"):
        heading += f" ({words.say(f'stages.{n.stage}')})"
    return heading


def _due(n: Notification, words: Wording) -> dict[str, Any] | None:
    if n.due_utc is None or n.hours_left is None:
        return None
    text, late = words.say("labels.due", due=n.due_utc, left=n.time_left), n.hours_left < 0
    counted = words.say("labels.counted", at=n.counted_from_utc, **{"from": n.counted_from}) if n.counted_from_utc else ""
    return {"late": late, "text": f"{text} {words.say('labels.due_late')}" if late else text, "counted": counted}


def _missing(n: Notification, words: Wording) -> dict[str, Any] | None:
    if not n.missing:
        return None
    phased = words.say("labels.phased", article=words.article(n.phased)) if n.phased else ""
    asked = [{"question": m.question, "article": words.article(m.article)} for m in n.missing]
    return {"title": words.say("labels.missing", n=len(asked)), "items": asked, "phased": phased}


def _line(line: Line, n: Notification, words: Wording) -> dict[str, Any]:
    source = "; ".join(s for s in (line.provenance, entries_text(line.entries, words)) if s)
    said = words.say("labels.source", source=source)
    return {
        "id": line.id,
        "question": line.question,
        "article": words.article(line.article) if line.article else "",
        "status": line.status,
        "value": line.value,
        "missing": words.say("labels.missing_value", why=line.provenance) if line.status == "missing" else "",
        "source": f"{words.say('labels.confirm')} {said}" if line.status == "assumed" else said,
        "changed": words.say("labels.changed") if line.id in n.changed else "",
    }
