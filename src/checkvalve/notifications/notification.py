"""One version of one document for one obligation: each field filled with its provenance, or listed as missing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from math import floor
from typing import Any, Final, Literal

from checkvalve.events.site import is_exercise
from checkvalve.incidents.case import Incident
from checkvalve.incidents.facts import BreachFacts, Fact
from checkvalve.incidents.scope import Scope
from checkvalve.incidents.wording import Wording, wording
from checkvalve.notifications.documents import Document
from checkvalve.notifications.letters import Letter, letters, question
from checkvalve.regimes.deadline import Place, deadline, from_ms, rfc3339
from checkvalve.regimes.law import SHOWN, ClockRule, RegimeError

# Control characters, and marks that reverse the reading direction: a plugin's name must not rewrite the line it stands in.
_DIRECTION = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029, 0xFFFE, 0xFFFF)
_UNPRINTABLE: dict[int, str] = dict.fromkeys((*range(32), *range(127, 160), *_DIRECTION), "\ufffd")
_UNPRINTABLE |= {ord("\n"): "\n", ord("\t"): " ", ord("\r"): ""}


Stage = Literal["initial", "supplementary", "complete", "withdrawn"]
STAGES: Final[tuple[Stage, ...]] = ("initial", "supplementary", "complete", "withdrawn")
BACKGROUND: Final = (
    "occurred_from",
    "occurred_to",
    "detected_at",
    "contained_at",
    "ai_involved",
    "ai_system_id",
    "ai_weights_hash",
    "ai_path",
    "ai_data_location",
    "ai_extraction_evidence",
    "ai_recipients",
    "ai_log_window",
    "ai_state_actions",
    "severity_confirmed",
    "severity_worst_case",
    "severity_reason",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What a person wrote into a field in place of `over`, which the log had given then. `by`: "user:<name>"."""

    value: str | list[str]
    over: str | list[str] | None
    by: str
    at_ms: int


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
    counted_from_utc: str  # awareness, or the detection as long as nobody has stated it; empty when nothing is counted
    counted_from: str  # which of them
    phased: str | None  # the article under which the rest may follow
    lines: tuple[Line, ...]
    background: tuple[Line, ...]  # facts the document does not ask for: timeline, AI, severity
    lang: str = "en"
    stage: str = "initial"
    clock: str | None = None
    letters: tuple[Letter, ...] = ()
    changed: tuple[str, ...] = ()  # fields whose value is not that of the last filing
    review: str | None = None  # the date by which the law was to be reviewed, once it has passed
    edits: Mapping[str, Edit] = field(default_factory=dict)  # by field, and by letter_key
    exercise: bool = False  # of a made-up shop: every form says so

    @property
    def missing(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.status == "missing")

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def time_left(self) -> str:
        """Said the same way in every form."""
        words = wording(self.lang)
        if self.hours_left is None:
            return words.say("labels.no_limit")
        return words.say("labels.late" if self.hours_left < 0 else "labels.left", hours=f"{abs(self.hours_left):.1f}")

    def as_json(self) -> dict[str, Any]:
        names = ("regime", "title", "whom", "lang", "stage", "clock", "incident", "version", "created_utc", "due_utc")
        later = ("hours_left", "time_left", "counted_from_utc", "counted_from", "phased", "review", "complete", "exercise")
        return {
            "status": "draft, not submitted",
            **{n: getattr(self, n) for n in (*names, *later)},
            "changed": list(self.changed),
            "fields": [_line_json(line) for line in self.lines],
            "missing": [{"id": m.id, "article": m.article, "question": m.question} for m in self.missing],
            "background": [_line_json(line) for line in self.background],
            "letters": [letter.as_json() for letter in self.letters],
            "edits": {name: asdict(edit) for name, edit in self.edits.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which draft is wanted. `stage` None: what follows from the filings. `before`: what was filed last, to mark changes."""

    clock: str | None = None
    lang: str = "en"
    stage: Stage | None = None
    before: Notification | None = None
    where: Place | None = None
    edits: Mapping[str, Edit] = field(default_factory=dict)


def draft(
    document: Document,
    incident: Incident,
    facts: BreachFacts,
    scope: Scope,
    version: int,
    now: datetime,
    wish: Wish | None = None,
) -> Notification:
    """Fill the document's fields from the facts, which are in the language wished. RegimeError for what cannot be."""
    wish = wish or Wish()
    words = wording(wish.lang)
    filed = [f for f in incident.filings if f.regime == document.id and not f.withdrawn]
    clock = document.clock(wish.clock, frozenset(f.clock for f in filed))
    refiled = any(clock is not None and f.clock == clock.id for f in filed)
    if wish.stage == "withdrawn" and not filed:
        raise RegimeError(f"no {document.id} of {incident.id} was filed", "Withdraw only what was filed")
    start, named = _start(document.id, clock, incident)
    due = _due(document, clock, start, wish.where)
    late = due is not None and now > due
    wanted = [(f.id, f.article, f.fact) for f in document.asked(clock, late=late)]
    if wish.stage == "withdrawn":
        wanted.insert(0, ("withdraw_reason", clock.article if clock else "", "withdraw_reason"))
    given = (_line(i, article, question(fact, words), facts.get(fact)) for i, article, fact in wanted)
    lines = tuple(_edited(line, wish.edits.get(line.id), words) for line in given)
    whole = all(line.status != "missing" for line in lines)
    stage = wish.stage or ("supplementary" if refiled else "complete" if whole else "initial")
    return Notification(
        regime=document.id,
        title=words.say(f"documents.{document.id}.title"),
        whom=words.say(f"documents.{document.id}.whom"),
        incident=incident.id,
        version=version,
        created_utc=rfc3339(now),
        due_utc=rfc3339(due) if due else None,
        hours_left=floor((due - now).total_seconds() / 360) / 10 if due else None,
        counted_from_utc=rfc3339(from_ms(start)) if start is not None and due else "",
        counted_from=words.say(f"labels.counted_{named}") if due else "",
        phased=clock.phased if clock else None,
        lines=lines,
        background=tuple(_line(i, "", question(i, words), facts.get(i)) for i in BACKGROUND if i not in {w[2] for w in wanted}),
        lang=wish.lang,
        stage=stage,
        clock=clock.id if clock else None,
        letters=tuple(
            _edited_letter(_clean_letter(letter), wish.edits) for letter in letters(document.id, facts, scope, words)
        ),
        changed=_changes(lines, wish.before),
        review=document.review_by.isoformat() if document.review_by and now.date() > document.review_by else None,
        edits=wish.edits,
        exercise=is_exercise(incident.site),
    )


def _start(regime: str, clock: ClockRule | None, incident: Incident) -> tuple[int | None, str]:
    """When the clock started (ms) and after which of the labels.counted_* it is named; None when it has not."""
    match clock.start_event if clock else "":
        case "after_notification_submitted":
            done = [f.at_ms for f in incident.filings if "notification" in f.clock and not f.withdrawn]
            return (max(done) if done else None), "filing"
        case "after_measure_available":
            return incident.contained_ms, "filing"
        case "suspected" | "contract":
            return incident.detected_ms, "suspicion"
        case "request_by_authority" | "":
            return None, "filing"
        case _:  # awareness: of controller, processor, entity or manufacturer
            stated = incident.awareness(regime)
            return (incident.detected_ms, "detection") if stated is None else (stated.at_ms, "stated")


def clock_due(document: Document, clock: ClockRule, incident: Incident, where: Place | None = None) -> datetime | None:
    """When this clock of the case ends; None while it has no end or has not started."""
    return _due(document, clock, _start(document.id, clock, incident)[0], where)


def _due(document: Document, clock: ClockRule | None, start: int | None, where: Place | None) -> datetime | None:
    if clock is None or start is None:
        return None
    clocks = deadline(document.id, clock.start_event, from_ms(start), where)
    return next(c.due for c in clocks if c.id == clock.id)


def _changes(lines: tuple[Line, ...], before: Notification | None) -> tuple[str, ...]:
    if before is None:
        return ()
    told = {line.id: line.value for line in before.lines}
    return tuple(line.id for line in lines if line.value != told.get(line.id))


def _clean_letter(letter: Letter) -> Letter:
    paragraphs = tuple(cleaned for p in letter.paragraphs if (cleaned := _clean(p)) is not None)
    return Letter(to=_plain(letter.to), subject=_plain(letter.subject), paragraphs=paragraphs)


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


def _edited(line: Line, edit: Edit | None, words: Wording) -> Line:
    """A person's words stand; where the log says something else by now than what they replaced, they want confirmation."""
    if edit is None:
        return line
    said = words.say("sources.edited", who=edit.by.removeprefix("user:"), at=rfc3339(from_ms(edit.at_ms)))
    if edit.over == line.value:
        return replace(line, status="known", value=edit.value, provenance=said)
    now = line.value if isinstance(line.value, str) else "; ".join(line.value or ())
    return replace(
        line, status="assumed", value=edit.value, provenance=f"{said}; {words.say('sources.edited_since', now=now or '–')}"
    )


def letter_key(to: str) -> str:
    """The name under which the edit of a letter is kept: its subject is the first text, its paragraphs follow."""
    return f"letter:{to}"


def _edited_letter(letter: Letter, edits: Mapping[str, Edit]) -> Letter:
    edit = edits.get(letter_key(letter.to))
    if edit is None or not isinstance(edit.value, list) or not edit.value:
        return letter
    return replace(letter, subject=edit.value[0], paragraphs=tuple(edit.value[1:]))


def letter_text(letter: Letter) -> list[str]:
    """A letter as its edit holds it: the subject, then the paragraphs, an item of a list being one."""
    parts = [p if isinstance(p, list) else [p] for p in letter.paragraphs]
    return [letter.subject, *(text for part in parts for text in part)]


def texts_of(n: Notification) -> dict[str, str | list[str] | None]:
    """What stands in the document, by field and letter_key."""
    return {line.id: line.value for line in n.lines} | {letter_key(a.to): letter_text(a) for a in n.letters}


def edited(
    plain: Notification, before: Mapping[str, Edit], given: Mapping[str, str | list[str]], by: str, at_ms: int
) -> dict[str, Edit]:
    """The edits with what a person changed. `plain` is the draft without any; emptied, a field goes back to what the log says.

    RegimeError for a field that the document does not have.
    """
    logged, found = texts_of(plain), dict(before)
    if unknown := sorted(set(given) - set(logged)):
        raise RegimeError(f"{plain.regime} has no field {unknown[0][:SHOWN]!r}", f"Known: {', '.join(logged)}")
    for name, value in given.items():
        cleaned = _clean(value)
        if not cleaned or cleaned == logged[name]:
            found.pop(name, None)
        elif name not in before or cleaned != before[name].value:
            found[name] = Edit(value=cleaned, over=logged[name], by=by, at_ms=at_ms)
    return found


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
    # not in the first versions stored
    later: dict[str, Any] = {"counted_from_utc": "", "counted_from": "", "phased": None, "lang": "en", "stage": "initial"}
    later |= {"clock": None, "review": None, "exercise": False}
    return Notification(
        **{n: body[n] for n in names},
        **{n: body.get(n, default) for n, default in later.items()},
        changed=tuple(body.get("changed", ())),
        letters=tuple(
            Letter(to=raw["to"], subject=raw["subject"], paragraphs=tuple(raw["paragraphs"])) for raw in body.get("letters", ())
        ),
        edits={name: Edit(**edit) for name, edit in body.get("edits", {}).items()},
        lines=tuple(line(r) for r in body["fields"]),
        background=tuple(line(r) for r in body["background"]),
    )
