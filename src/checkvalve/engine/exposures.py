"""Exposures into rows: what the gateway saw in a stream, and what core sees again in the whole inference."""

from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.detection.register import Register
from checkvalve.detection.scanner import Reader, scan
from checkvalve.engine import observe
from checkvalve.engine.observe import Observed
from checkvalve.events.event import Event
from checkvalve.events.pseudonym import CATEGORIES
from checkvalve.gateway import shapes
from checkvalve.incidents.case import ExposureRecord
from checkvalve.store.schema import exposures


def from_finding(db: Connection, seen: Observed, parsed: Event) -> list[ExposureRecord]:
    """The exposures of a gateway's finding that are new. Malformed ones are a finding, not an error."""
    found = []
    for raw in parsed.own.get("exposures") or ():
        try:
            record = _record(seen, parsed, raw)
        except (KeyError, TypeError, ValueError):
            observe.finding(db, seen, "malformed_event", "medium", "an exposure that cannot be read")
            continue
        if _insert(db, record):
            found.append(record)
    return found


def _record(seen: Observed, parsed: Event, raw: dict[str, Any]) -> ExposureRecord:
    if raw["category"] not in CATEGORIES:
        raise ValueError(raw["category"])
    own = parsed.own
    return ExposureRecord(
        inference=str(raw["inference"])[:80],
        subject=str(raw["subject"])[:100],
        category=raw["category"],
        recipient=str(raw["recipient"])[:100],
        shown=True,
        entry=seen.entry,
        site=seen.site or "",
        seen_ms=observe.whole(raw.get("seen_ms")) or seen.received_ms,
        detected_ms=seen.received_ms,
        plugin=_text(own.get("plugin")),
        route=_text(own.get("route")),
        session=_text(own.get("session")),
        model=_text(own.get("model")),
        trace=parsed.trace,
    )


def from_inference(db: Connection, seen: Observed, parsed: Event, register: Register) -> list[ExposureRecord]:
    """Detect over the whole inference; store it, and what stood in its prompt. Returns exposures that are new."""
    inference = parsed.own["inference"]
    if not isinstance(inference, dict) or not isinstance(inference.get("id"), str):
        observe.finding(db, seen, "malformed_event", "medium", "an inference that cannot be read")
        return []
    caller = inference.get("caller") if isinstance(inference.get("caller"), dict) else None
    ref, recipient = observe.recipient_of(caller)
    observe.put_inference(db, seen.entry, seen.site, parsed, recipient)
    reader = Reader(ref=ref, recipient=recipient)
    at_ms = observe.whole(inference.get("ended_ms")) or seen.received_ms
    model = parsed.body.get("ai_model")
    common: dict[str, Any] = {
        "entry": seen.entry,
        "site": seen.site or "",
        "detected_ms": seen.received_ms,
        "plugin": _text((caller or {}).get("plugin")),
        "route": _text((caller or {}).get("route")),
        "session": _text((caller or {}).get("session")),
        "model": _text(model.get("name")) if isinstance(model, dict) else None,
        "trace": parsed.trace,
    }
    fresh = []
    for shown, text in (
        (True, inference.get("completion")),
        (False, prompt_text(inference.get("path"), inference.get("request"))),
    ):
        if shown or inference.get("outcome") != "refused":  # a refused prompt reached nobody
            for e in scan(text if isinstance(text, str) else "", register, reader, inference["id"], at_ms):
                record = ExposureRecord(
                    inference=e.inference,
                    subject=e.subject,
                    category=e.category,
                    recipient=recipient,
                    shown=shown,
                    seen_ms=e.seen_ms,
                    **common,
                )
                if _insert(db, record) and shown:
                    fresh.append(record)
    if common["model"]:
        missing = exposures.c.model.is_(None) & (exposures.c.inference == inference["id"])
        db.execute(update(exposures).where(missing).values(model=common["model"]))
    return fresh


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
