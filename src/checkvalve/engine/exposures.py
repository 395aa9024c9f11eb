"""Exposures into rows: what the gateway saw in a stream, and what core sees again in the whole inference."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.detection.fingerprints import fingerprints
from checkvalve.detection.register import Register
from checkvalve.detection.scanner import ExposureScanner, Reader
from checkvalve.detection.staff import Staff
from checkvalve.detection.types import Finding
from checkvalve.engine import observe, staffing
from checkvalve.engine.observe import Observed
from checkvalve.events.event import Event
from checkvalve.events.pseudonym import CATEGORIES
from checkvalve.gateway import shapes
from checkvalve.incidents.case import ExposureRecord
from checkvalve.store.schema import exposures


def from_finding(db: Connection, seen: Observed, parsed: Event, staff: Staff) -> list[ExposureRecord]:
    """The exposures of a gateway's finding that are new. Malformed ones are a finding, not an error.

    What staff may be shown is logged and is no exposure; what the gateway says of that holds if our own policy agrees.
    """
    listed = parsed.own.get("exposures") or ()
    allowed = [raw for raw in listed if _allowed(staff, raw)]
    staffing.tell(db, seen, [(raw["allowed"], record) for raw in allowed for record in records(db, seen, parsed, [raw])])
    rest = [raw for raw in listed if not _allowed(staff, raw)]
    return [record for record in records(db, seen, parsed, rest) if _insert(db, record)]


def _allowed(staff: Staff, raw: Any) -> bool:
    if not isinstance(raw, dict):
        return False
    category = raw.get("category")
    return isinstance(category, str) and staff.role({"roles": [raw.get("allowed")]}, category) is not None


def records(db: Connection, seen: Observed, parsed: Event, listed: Any) -> list[ExposureRecord]:
    """What a gateway lists as exposures, read."""
    found = []
    for raw in listed:
        try:
            found.append(_record(seen, parsed, raw))
        except (KeyError, TypeError, ValueError):
            observe.finding(db, seen, "malformed_event", "medium", "an exposure that cannot be read")
    return found


def _record(seen: Observed, parsed: Event, raw: dict[str, Any]) -> ExposureRecord:
    if raw["category"] not in CATEGORIES:
        raise ValueError(raw["category"])
    return ExposureRecord(
        inference=str(raw["inference"])[:80],
        subject=str(raw["subject"])[:100],
        category=raw["category"],
        recipient=str(raw["recipient"])[:100],
        shown=True,
        seen_ms=observe.whole(raw.get("seen_ms")) or seen.received_ms,
        **place(seen, parsed, parsed.own),
    )


def place(seen: Observed, parsed: Event, caller: dict[str, Any]) -> dict[str, Any]:
    """Where an event was, as records tell it. `caller` holds plugin, route and session; the model may be named elsewhere."""
    model = parsed.body.get("ai_model")
    named = parsed.own.get("model") or (model.get("name") if isinstance(model, dict) else None)
    return {
        "entry": seen.entry,
        "site": seen.site or "",
        "detected_ms": seen.received_ms,
        **{name: _text(caller.get(name)) for name in ("plugin", "route", "session")},
        "model": _text(named),
        "trace": parsed.trace,
    }


def recipient(own: dict[str, Any]) -> str:
    return observe.recipient_of(own)[1][:100]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What came of an inference: `exposures` in its answer that are new, `findings` in it, `like` where it was.

    `own`: fingerprints of the passages that told the reader their own data; `others`: of those about somebody else, by subject;
    `prompted`: the people whose data stood in the prompt.
    """

    exposures: list[ExposureRecord]
    findings: list[Finding]
    like: ExposureRecord
    own: frozenset[bytes]
    others: dict[str, frozenset[bytes]]
    prompted: frozenset[str]


def from_inference(db: Connection, seen: Observed, parsed: Event, register: Register, staff: Staff) -> Whole | None:
    """Detect over the whole inference; store it, and what stood in its prompt."""
    inference = parsed.own["inference"]
    if not isinstance(inference, dict) or not isinstance(inference.get("id"), str):
        observe.finding(db, seen, "malformed_event", "medium", "an inference that cannot be read")
        return None
    caller = inference.get("caller") if isinstance(inference.get("caller"), dict) else None
    ref, to = observe.recipient_of(caller)
    observe.put_inference(db, seen.entry, seen.site, parsed, to)
    like = ExposureRecord(
        inference=inference["id"][:80],
        subject="",
        category="",
        recipient=to,
        shown=True,
        seen_ms=observe.whole(inference.get("ended_ms")) or seen.received_ms,
        **place(seen, parsed, caller or {}),
    )
    reader = Reader(ref=ref, recipient=to)
    fresh: list[ExposureRecord] = []
    findings: list[Finding] = []
    allowed: list[tuple[str, ExposureRecord]] = []
    own: frozenset[bytes] = frozenset()
    others: dict[str, frozenset[bytes]] = {}
    prompted: set[str] = set()
    for shown, text in _texts(inference):
        scanner = ExposureScanner(register, reader, like.inference)
        for e in (*scanner.feed(text, like.seen_ms), *scanner.finish(like.seen_ms)):
            record = replace(like, subject=e.subject, category=e.category, shown=shown)
            if shown and (role := staff.role(caller, e.category)):
                allowed.append((role, record))
                continue
            if _insert(db, record) and shown:
                fresh.append(record)
            if shown:
                others[e.subject] = others.get(e.subject, frozenset()) | fingerprints(register.key, text, [e.span])
            else:
                prompted.add(e.subject)
        if shown:
            findings += scanner.findings
            own |= fingerprints(register.key, text, scanner.own)
    staffing.tell(db, seen, allowed)
    if like.model:
        missing = exposures.c.model.is_(None) & (exposures.c.inference == like.inference)
        db.execute(update(exposures).where(missing).values(model=like.model))
    return Whole(exposures=fresh, findings=findings, like=like, own=own, others=others, prompted=frozenset(prompted))


def _texts(inference: dict[str, Any]) -> Iterator[tuple[bool, str]]:
    """(shown, text): the answer with the arguments of its tool calls, and the prompt unless it was refused."""
    calls = inference.get("tool_calls")
    arguments = [c.get("arguments") for c in calls if isinstance(c, dict)] if isinstance(calls, list) else []
    for shown in (inference.get("completion"), *arguments):
        if isinstance(shown, str) and shown:
            yield True, shown
    if inference.get("outcome") != "refused":  # a refused prompt reached nobody
        yield False, prompt_text(inference.get("path"), inference.get("request"))


def prompt_text(path: Any, request: Any) -> str:
    """What a request gave the model to read, or the body itself when it is of no known shape."""
    if not isinstance(request, str):
        return ""
    try:
        text = shapes.prompt_text(path if isinstance(path, str) else "chat/completions", msgspec.json.decode(request))
    except (msgspec.DecodeError, RecursionError, ValueError):
        return request
    return request if text is None else text


def _insert(db: Connection, record: ExposureRecord) -> bool:
    done = db.execute(upsert(exposures).values(**asdict(record)).on_conflict_do_nothing())
    return done.rowcount == 1


def assign(db: Connection, records: list[ExposureRecord], incident: str) -> int:
    """Put exposures into a case; returns how many people it concerns now."""
    for r in records:
        key = (exposures.c.inference == r.inference) & (exposures.c.subject == r.subject)
        db.execute(
            update(exposures).where(key, exposures.c.category == r.category, exposures.c.shown).values(incident=incident)
        )
    count = select(func.count(exposures.c.subject.distinct())).where(exposures.c.incident == incident, exposures.c.shown)
    return db.scalar(count) or 0


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) and value else None
