"""One version of one document for one obligation: each field filled with its provenance, or listed as missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import floor
from typing import Any

from checkvalve.incidents.case import Incident
from checkvalve.incidents.facts import BreachFacts, Fact
from checkvalve.regimes.deadline import deadline, from_ms, rfc3339
from checkvalve.regimes.law import Regime, RegimeError

# Control characters, and marks that reverse the reading direction: a plugin's name must not rewrite the line it stands in.
_DIRECTION = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029)
_UNPRINTABLE: dict[int, str] = dict.fromkeys((*range(32), *range(127, 160), *_DIRECTION), "\ufffd")
_UNPRINTABLE |= {ord("\n"): "\n", ord("\t"): " ", ord("\r"): ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One field of the document. `status`: known, assumed or missing; `value` is None when missing."""

    id: str
    article: str
    question: str
    status: str
    value: str | list[str] | None
    provenance: str
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    regime: str
    title: str
    whom: str
    incident: str
    version: int
    created_utc: str
    due_utc: str | None
    hours_left: float | None  # rounded down, so never more than there is; negative when late
    counted_from_utc: str  # awareness, or the detection as long as nobody has stated it
    counted_from: str  # which of the two
    phased: str | None  # the article under which the rest may follow
    lines: tuple[Line, ...]
    background: tuple[Line, ...]  # facts the regime does not ask for: timeline, AI

    @property
    def missing(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.status == "missing")

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def time_left(self) -> str:
        """Said the same way in every form."""
        if self.hours_left is None:
            return "no fixed limit"
        return f"{abs(self.hours_left):.1f} hours {'late' if self.hours_left < 0 else 'left'}"

    def as_json(self) -> dict[str, Any]:
        return {
            "regime": self.regime,
            "title": self.title,
            "whom": self.whom,
            "status": "draft, not submitted",
            "incident": self.incident,
            "version": self.version,
            "created_utc": self.created_utc,
            "due_utc": self.due_utc,
            "hours_left": self.hours_left,
            "time_left": self.time_left,
            "counted_from_utc": self.counted_from_utc,
            "counted_from": self.counted_from,
            "phased": self.phased,
            "complete": self.complete,
            "fields": [_line_json(line) for line in self.lines],
            "missing": [{"id": m.id, "article": m.article, "question": m.question} for m in self.missing],
            "background": [_line_json(line) for line in self.background],
        }


DETECTION = "the automatic detection, as nobody has stated awareness yet"
BACKGROUND: Mapping[str, str] = {
    "occurred_from": "First time data was shown",
    "occurred_to": "Last time data was shown",
    "detected_at": "Detected",
    "contained_at": "Contained",
    "ai_involved": "Was an AI system involved?",
    "ai_system_id": "AI system",
    "ai_path": "Way through the AI system",
    "ai_extraction_evidence": "Evidence that data left",
}


def draft(regime: Regime, incident: Incident, facts: BreachFacts, version: int, now: datetime) -> Notification:
    """Fill the regime's fields from the facts. `late_reason` is asked for only when the time has passed."""
    if not regime.fields:
        raise RegimeError(f"there is no draft for {regime.id}", "A person has to assess this duty; drafts exist for gdpr_art33")
    clocks = deadline(regime.id, regime.clocks[0].start_event, from_ms(incident.aware_or_assumed_ms))
    due = clocks[0].due
    late = due is not None and now > due
    wanted = [f for f in regime.fields if f.required is True or (f.required == "when_late" and late)]
    return Notification(
        regime=regime.id,
        title=regime.name,
        whom=regime.whom,
        incident=incident.id,
        version=version,
        created_utc=rfc3339(now),
        due_utc=rfc3339(due) if due else None,
        hours_left=floor((due - now).total_seconds() / 360) / 10 if due else None,
        counted_from_utc=rfc3339(from_ms(incident.aware_or_assumed_ms)),
        counted_from=DETECTION if incident.aware_ms is None else "the awareness stated by a person",
        phased=regime.clocks[0].phased,
        lines=tuple(_line(f.id, f.article, f.question, facts.get(f.fact)) for f in wanted),
        background=tuple(_line(i, "", question, facts.get(i)) for i, question in BACKGROUND.items()),
    )


def _line(field: str, article: str, question: str, fact: Fact | None) -> Line:
    return Line(
        id=field,
        article=article,
        question=question,
        status=fact.status if fact else "missing",
        value=_clean(fact.value) if fact else None,
        provenance=_plain(fact.provenance) if fact else "no such fact was derived",
        entries=fact.entries if fact else (),
    )


def _clean(value: str | list[str] | None) -> str | list[str] | None:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if value is None else _plain(value)


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode().translate(_UNPRINTABLE)


def _line_json(line: Line) -> dict[str, Any]:
    return {
        "id": line.id,
        "article": line.article,
        "question": line.question,
        "status": line.status,
        "value": line.value,
        "provenance": line.provenance,
        "entries": list(line.entries),
    }


def from_json(body: Mapping[str, Any]) -> Notification:
    """A stored notification, for rendering."""

    def line(raw: Mapping[str, Any]) -> Line:
        return Line(**{**raw, "entries": tuple(raw["entries"])})

    names = ("regime", "title", "whom", "incident", "version", "created_utc", "due_utc", "hours_left")
    later = {"counted_from_utc": "", "counted_from": "", "phased": None}  # not in the first versions stored
    return Notification(
        **{n: body[n] for n in names},
        **{n: body.get(n, default) for n, default in later.items()},
        lines=tuple(line(r) for r in body["fields"]),
        background=tuple(line(r) for r in body["background"]),
    )
