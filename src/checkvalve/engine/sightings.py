"""Sightings and attempts into rows: canaries, live secrets, what an order kept back, and who tries to steer the model."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import Connection, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.detection import injection, prompt
from checkvalve.detection.types import Finding
from checkvalve.engine import exposures, observe
from checkvalve.engine.observe import Observed
from checkvalve.events.event import Event
from checkvalve.incidents.case import ExposureRecord
from checkvalve.incidents.sighting import SightingRecord
from checkvalve.store.schema import attempts, findings, sightings

MAX_LISTED = 100  # of one event
MAX_READ = 3 * injection.MAX_TEXT  # code points of one request that are looked into for steering


def from_finding(db: Connection, seen: Observed, parsed: Event) -> list[SightingRecord]:
    """The sightings of a gateway's finding that are new, and were shown. What was withheld is stored and opens nothing."""
    own, found = parsed.own, []
    listed = own.get("findings")
    inference = _text(own.get("inference_id"), 80)
    if not isinstance(listed, list) or inference is None:
        return []
    place = exposures.place(seen, parsed, own)
    for raw in listed[:MAX_LISTED]:
        if isinstance(raw, dict) and raw.get("leak") is True and (sign := _sign(raw.get("detector"), raw.get("store"))):
            record = SightingRecord(
                inference=inference,
                kind=sign[0],
                what=sign[1],
                recipient=exposures.recipient(own),
                withheld=raw.get("withheld") is True,
                seen_ms=parsed.time,
                **place,
            )
            if insert(db, record):
                found.append(record)
    return found


def from_scan(db: Connection, found: Iterable[Finding], like: ExposureRecord) -> list[SightingRecord]:
    """The sightings among what a scan of an answer found that are new. `like` says where it was."""
    signs = [_sign(one.detector, one.data.get("store")) for one in found if one.leak]
    return [r for r in (record(like, *sign) for sign in signs if sign) if insert(db, r)]


def record(like: ExposureRecord, kind: str, what: str) -> SightingRecord:
    """A sighting where `like` says."""
    place = {n: getattr(like, n) for n in SightingRecord.__slots__ if n not in ("kind", "what", "withheld")}
    return SightingRecord(kind=kind, what=what, withheld=False, **place)


def insert(db: Connection, record: SightingRecord) -> bool:
    """Whether it is new and was shown. One that was withheld first and is shown later counts then."""
    statement = upsert(sightings).values(**asdict(record))
    shown = {"withheld": False, "entry": record.entry, "seen_ms": record.seen_ms, "detected_ms": record.detected_ms}
    if record.withheld:
        db.execute(statement.on_conflict_do_nothing())
        return False
    key = ["inference", "kind", "what"]
    done = db.execute(statement.on_conflict_do_update(index_elements=key, set_=shown, where=sightings.c.withheld))
    return done.rowcount == 1


def withheld(db: Connection, seen: Observed, parsed: Event) -> list[ExposureRecord]:
    """What an order kept from somebody, as far as it is new."""
    listed = parsed.own.get("withheld")
    records = exposures.records(db, seen, parsed, listed[:MAX_LISTED] if isinstance(listed, list) else ())
    fresh = []
    for record in records:
        values = {n: v for n, v in asdict(record).items() if n != "shown"}
        if db.execute(upsert(attempts).values(**values).on_conflict_do_nothing()).rowcount == 1:
            fresh.append(record)
    return fresh


def assign(db: Connection, records: Iterable[SightingRecord], incident: str) -> None:
    for r in records:
        key = (sightings.c.inference == r.inference) & (sightings.c.kind == r.kind) & (sightings.c.what == r.what)
        db.execute(update(sightings).where(key).values(incident=incident))


def assign_attempts(db: Connection, records: Iterable[ExposureRecord], incident: str) -> None:
    for r in records:
        key = (attempts.c.inference == r.inference) & (attempts.c.subject == r.subject) & (attempts.c.category == r.category)
        db.execute(update(attempts).where(key).values(incident=incident))


def steering(db: Connection, seen: Observed, parsed: Event) -> None:
    """A finding when a request's newest words, or a document in it, try to steer the model. It opens nothing by itself."""
    request = parsed.own["inference"].get("request")
    if not isinstance(request, str):
        return
    try:
        asked = prompt.read(msgspec.json.decode(request))
    except (msgspec.DecodeError, RecursionError, ValueError):
        return
    for where, texts in (("what was asked", asked.said[-1:]), ("a document", [d.text for d in asked.documents])):
        best = injection.strongest(_within(texts, MAX_READ))
        if injection.suspicious(best):
            data = {"score": best.value, "signs": list(best.signs), "where": where}
            row = observe.finding_row(seen, "prompt-injection", "medium", f"{where} tries to steer the model", data)
            db.execute(upsert(findings).values(**row).on_conflict_do_nothing())


def _within(texts: Iterable[str], budget: int) -> list[str]:
    """The texts as far as they go into a budget of code points."""
    kept = []
    for text in texts:
        if budget <= 0:
            break
        kept.append(text)
        budget -= min(len(text), injection.MAX_TEXT)
    return kept


def _sign(detector: Any, store: Any) -> tuple[str, str] | None:
    """(kind, what) of a finding that makes an answer a leak by itself."""
    if not isinstance(detector, str) or not detector:
        return None
    if detector == "canary":
        named = _text(store, 100)
        return ("canary", named) if named else None
    return "secret", detector[:80]


def _text(value: Any, longest: int) -> str | None:
    return value[:longest] if isinstance(value, str) and value else None
