"""Events into rows: what a sensor said, reduced to metadata and pseudonyms, in the digesting transaction.

The clear content stays sealed in the log; these tables say where to look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.detection.sigma import Rule
from checkvalve.engine.rules import hits
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event, Malformed
from checkvalve.store.schema import findings, inferences, subjects

FUTURE_MS = 300_000
MAX_TEXT = 200
MAX_FINDINGS = 100  # of one event
SEVERITIES = frozenset(("informational", "low", "medium", "high", "critical"))
NOT_READ = dict.fromkeys(("time_ms", "class_uid", "activity_id", "trace", "session", "requester", "plugin", "route", "object"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One log entry from a sensor. `site` is the sensor's own; a gateway speaks for the site of the verified caller."""

    entry: int
    sensor: str
    seq: int
    digest: str
    received_ms: int
    site: str | None
    event: Event | Malformed


def row(seen: Observed) -> dict[str, Any]:
    """The row of an event."""
    parsed = seen.event
    known: dict[str, Any] = {
        "entry": seen.entry,
        "sensor": seen.sensor,
        "seq": seen.seq,
        "digest": seen.digest,
        "received_ms": seen.received_ms,
        "site": seen.site,
    }
    if isinstance(parsed, Malformed):
        return known | NOT_READ | {"summary": f"malformed: {parsed.reason}"[:MAX_TEXT]}
    own = parsed.own
    return known | {
        "time_ms": parsed.time,
        "class_uid": parsed.class_uid,
        "activity_id": parsed.activity_id,
        "trace": parsed.trace,
        "session": _text(own.get("session")),
        "requester": _requester(own),
        "plugin": _text(own.get("plugin")),
        "route": _text(own.get("route")),
        "summary": summary(parsed),
        "object": _object(parsed.body),
    }


def remarks(seen: Observed, highest: int) -> list[dict[str, Any]]:
    """Findings about an event's form, its place after `highest` in the sensor's sequence, and its clock."""
    found = []
    if seen.seq > highest + 1:
        missing = {"first": highest + 1, "last": seen.seq - 1}
        text = f"numbers {highest + 1} to {seen.seq - 1} never arrived"
        found.append(finding_row(seen, "sequence_gap", "medium", text, missing))
    if isinstance(seen.event, Malformed):
        found.append(finding_row(seen, "malformed_event", "medium", seen.event.reason))
    elif seen.event.time > seen.received_ms + FUTURE_MS:
        ahead = (seen.event.time - seen.received_ms) // 1000
        found.append(finding_row(seen, "future_event", "low", f"the event's time is {ahead} s ahead of ours"))
    if isinstance(seen.event, Event) and _dict(seen.event.own.get("log_source")).get("state") in ("changed", "off"):
        found.append(finding_row(seen, "log_source_lost", "medium", summary(seen.event)))
    return found


def by_rules(seen: Observed, asked: Sequence[Rule], event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Findings of the Sigma rules that an event matches."""
    return [
        finding_row(seen, f"sigma:{rule.id}", rule.level, rule.title, {"tags": list(rule.tags)}) for rule in hits(asked, event)
    ]


def finding_row(seen: Observed, detector: str, severity: str, text: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "entry": seen.entry,
        "detector": detector,
        "site": seen.site,
        "severity": severity,
        "at_ms": seen.received_ms,
        "summary": text[:MAX_TEXT],
        "data": {"sensor": seen.sensor, **(data or {})},
    }


def finding(db: Connection, seen: Observed, detector: str, severity: str, text: str) -> None:
    db.execute(upsert(findings).values(**finding_row(seen, detector, severity, text)).on_conflict_do_nothing())


def told(db: Connection, seen: Observed, parsed: Event) -> None:
    """What a gateway found in an answer that needs no register to be known: secrets, cards, canaries."""
    listed = parsed.own.get("findings")
    for raw in listed[:MAX_FINDINGS] if isinstance(listed, list) else ():
        if isinstance(raw, dict) and isinstance(raw.get("detector"), str) and isinstance(raw.get("summary"), str):
            severity = raw["severity"] if raw.get("severity") in SEVERITIES else "medium"
            finding(db, seen, raw["detector"][:80], severity, raw["summary"])


def put_subject(db: Connection, site: str, rev: int, subject: dict[str, Any]) -> tuple[str, list[list[str]], bool] | None:
    """Upsert one person of the register. The highest rev wins. None when the event does not hold a subject."""
    ref, ids, gone = subject.get("ref"), subject.get("identifiers", []), subject.get("gone") is True
    if not isinstance(ref, str) or not ref or len(ref) > 120 or not isinstance(ids, list):
        return None
    clean = [[c, h] for c, h in (p for p in ids if isinstance(p, list) and len(p) == 2) if _is_pseudonym(c, h)]
    kept = [] if gone else clean
    values = {"site": site, "ref": ref, "rev": rev, "ids": kept, "gone": gone}
    statement = upsert(subjects).values(**values)
    db.execute(statement.on_conflict_do_update(index_elements=["site", "ref"], set_=values, where=subjects.c.rev <= rev))
    return ref, kept, gone


def put_inference(db: Connection, entry: int, site: str | None, found: Event, recipient: str) -> None:
    inference = found.own["inference"]
    caller = _dict(inference.get("caller"))
    model = found.body.get("ai_model")
    statement = upsert(inferences).values(
        id=str(inference["id"])[:80],
        entry=entry,
        site=site,
        started_ms=whole(inference.get("started_ms")) or found.time,
        ended_ms=whole(inference.get("ended_ms")),
        model=_text(model.get("name")) if isinstance(model, dict) else None,
        outcome=_text(inference.get("outcome")) or "unknown",
        prompt_tokens=whole(inference.get("prompt_tokens")),
        completion_tokens=whole(inference.get("completion_tokens")),
        plugin=_text(caller.get("plugin")),
        route=_text(caller.get("route")),
        session=_text(caller.get("session")),
        recipient=recipient,
        trace=found.trace,
    )
    db.execute(statement.on_conflict_do_nothing())


def recipient_of(caller: dict[str, Any] | None) -> tuple[str | None, str]:
    """(requester ref or None, recipient) of a caller context, as the gateway names them (wire.md, section 8)."""
    requester = (caller or {}).get("requester")
    ref = requester.get("ref") if isinstance(requester, dict) else None
    if isinstance(ref, str) and ref:
        return ref, ref
    session = (caller or {}).get("session")
    return None, f"session:{session}" if isinstance(session, str) and session else "anonymous"


def summary(found: Event) -> str:
    """One line for the timeline. Only ids, routes, names of plugins and numbers."""
    own, body = found.own, found.body
    match found.class_uid:
        case ocsf.AUTHENTICATION:
            verb = "log-out" if found.activity_id == 2 else "log-in"
            return f"{verb}{' failed' if body.get('status_id') == 2 else ''}: {_uid(body, 'user')}"
        case ocsf.ACCOUNT_CHANGE:
            what = {1: "user created", 6: "user deleted"}.get(found.activity_id) or body.get("activity_name") or "user changed"
            return f"{what}: {_uid(body, 'user')}"[:MAX_TEXT]
        case ocsf.USER_ACCESS:
            privileges = body.get("privileges")
            listed = ", ".join(map(str, privileges[:5])) if isinstance(privileges, list) else "?"
            return f"role {'removed from' if found.activity_id == 4 else 'given to'} {_uid(body, 'user')}: {listed}"[:MAX_TEXT]
        case ocsf.APPLICATION_LIFECYCLE:
            verbs = {
                1: "installed",
                2: "removed",
                3: "started",
                4: "stopped",
                6: "enabled",
                7: "disabled",
                8: "updated",
            }
            uid = _uid(body, "app")
            kind = "theme" if uid.startswith("theme:") else "WordPress" if uid == "wordpress" else "plugin"
            return f"{kind} {verbs.get(found.activity_id, 'changed')}: {uid.removeprefix('theme:')}"
        case ocsf.WEB_RESOURCES:
            order = _dict(own.get("order"))
            change = _order_change(found.activity_id, order)
            return f"{'probe ' if order.get('probe') else ''}order {order.get('number', '?')}: {change}"[:MAX_TEXT]
        case ocsf.USER_INVENTORY:
            return "register of people updated"
        case ocsf.HTTP_ACTIVITY:
            return _call(own, _dict(body.get("http_response")).get("code"))[:MAX_TEXT]
        case ocsf.DETECTION_FINDING:
            return f"{len(_list(own.get('exposures')))} exposure(s) seen in an answer"
        case ocsf.REMEDIATION_ACTIVITY:
            outcome = _dict(own.get("outcome"))
            return f"order {outcome.get('jti', '?')}: {outcome.get('status', '?')}"[:MAX_TEXT]
        case ocsf.API_ACTIVITY if "inference" in own:
            inference = _dict(own["inference"])
            return f"inference: {inference.get('outcome', '?')}, {inference.get('completion_tokens')} tokens"[:MAX_TEXT]
        case ocsf.API_ACTIVITY:
            api, answer = _dict(body.get("api")), _dict(body.get("http_response"))
            code = f" -> {answer['code']}" if "code" in answer else ""
            return f"{api.get('operation', '?')}{code}"[:MAX_TEXT]
        case _:
            return _shop_change(found)[:MAX_TEXT]


def _shop_change(found: Event) -> str:
    """One line about what was kept, edited, run, mailed or read in the shop."""
    own, body = found.own, found.body
    match found.class_uid:
        case ocsf.ENTITY_MANAGEMENT:
            verb = {1: "made", 2: "read", 3: "changed", 4: "deleted"}.get(found.activity_id, "touched")
            return f"{_dict(body.get('entity')).get('type', '?')} {verb}: {_uid(body, 'entity')}"
        case ocsf.FILE_ACTIVITY:
            done = "edited in wp-admin" if body.get("status_id") == 1 else "not edited, although somebody tried"
            return f"file {done}: {_dict(body.get('file')).get('path', '?')}"
        case ocsf.SCHEDULED_JOB:
            verb = "ran" if found.activity_id == 6 else "scheduled for the first time"
            return f"cron job {verb}: {_dict(body.get('job')).get('name', '?')}"
        case ocsf.EMAIL_ACTIVITY if "letters" in own:
            said = {k: len(v) for k, v in _dict(own["letters"]).items() if isinstance(v, list)}
            return f"letters to people: {', '.join(f'{n} {k}' for k, n in said.items()) or 'none'}"
        case ocsf.EMAIL_ACTIVITY:
            return f"mail not sent, to {_dict(own.get('mail')).get('recipients', '?')} recipient(s)"
        case ocsf.DATASTORE_ACTIVITY:
            data = _dict(own.get("data"))
            count = f" {data['count']}" if "count" in data else ""
            via = f" through {data['via']}" if "via" in data else ""
            return f"{'erased' if found.activity_id == 7 else 'read'}:{count} {data.get('what', '?')}{via}"
        case ocsf.BASE_EVENT:
            return _logged(own, body)
        case _:
            return f"event of class {found.class_uid}"


def _logged(own: dict[str, Any], body: dict[str, Any]) -> str:
    """One line about what another program's log says, or about that log."""
    if source := _dict(own.get("log_source")):
        missing = ", ".join(map(str, _list(source.get("missing"))[:5]))
        state = "is not as it is known to be" if source.get("state") == "changed" else f"is {source.get('state', '?')}"
        return f"log of {source.get('name', '?')} {source.get('version', '')} {state}{f': {missing}' if missing else ''}"
    if log := _dict(own.get("log")):
        who = f", {_uid(body, 'user')}" if "user" in body else ""
        return f"{log.get('name', '?')}: {log.get('event', '?')}{who}"
    return _text(body.get("message")) or "another program's record"


def _order_change(activity_id: int, order: dict[str, Any]) -> str:
    if activity_id == 4:
        return f"deleted ({order.get('deleted', '?')})"
    if "refund" in order:
        return f"refund {order['refund']}"
    if order.get("paid") is True:
        return "paid"
    return f"{order.get('from')} to {order.get('to')}" if activity_id == 3 else "created"


def _call(own: dict[str, Any], code: Any) -> str:
    if "webhook" in own:
        hook = _dict(own["webhook"])
        return f"webhook {hook.get('id', '?')} ({hook.get('topic', '?')}) sent to {hook.get('host', '?')} -> {code}"
    past = ", past the gateway" if own.get("direct") is True else ""
    return f"call to the model by {own.get('plugin') or 'the shop'}{past}"


def _object(body: dict[str, Any]) -> str | None:
    """What the event is about, as `type:id`."""
    for resource in _list(body.get("web_resources"))[:1]:
        if isinstance(resource, dict) and _text(resource.get("uid")):
            return f"{_text(resource.get('type')) or 'resource'}:{resource['uid']}"[:MAX_TEXT]
    for name in ("user", "app"):
        if isinstance(body.get(name), dict) and _text(body[name].get("uid")):
            return f"{name}:{body[name]['uid']}"[:MAX_TEXT]
    return None


def _requester(own: dict[str, Any]) -> str | None:
    requester = own.get("requester")
    if not isinstance(requester, dict):
        return None
    return _text(requester.get("ref")) or ("anonymous" if requester.get("anonymous") else None)


def _text(value: Any) -> str | None:
    return value[:MAX_TEXT] if isinstance(value, str) and value else None


def whole(value: Any) -> int | None:
    """A number that the state can hold, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _uid(body: dict[str, Any], key: str) -> str:
    holder = body.get(key)
    return (_text(holder.get("uid")) or "?") if isinstance(holder, dict) else "?"


def _is_pseudonym(category: Any, value: Any) -> bool:
    return (
        isinstance(category, str)
        and isinstance(value, str)
        and len(value) == 32
        and all(c in "0123456789abcdef" for c in value)
    )
