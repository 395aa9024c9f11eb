"""Traffic of a model that did not come through the gateway: calls that a shop's plugin or a model server's log names, and
no gateway recorded.

A call is judged once every gateway was heard a while after its end, so that a gateway that is behind raises no alarm.
Calls of one source and one hour make one finding.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.engine.observe import Observed
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event
from checkvalve.events.imports.model_server import ASKING
from checkvalve.events.imports.types import Moment
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.schema import cursor, findings, gateway_answers, model_calls, sensors

DETECTOR: Final = "model_bypass"
UNDATED: Final = "model_calls_undated"
SETTLED_MS: Final = 60_000  # a gateway heard so long after a call has told all it knows of it
SLACK_MS: Final = 2_000  # between the clocks of a model server and a gateway
RETIRED_MS: Final = 24 * 3_600_000  # a gateway silent for so long, while another speaks, is not waited for
HOUR_MS: Final = 3_600_000
_HEARD: Final = "heard:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Somebody had an answer of a model between these times; `trace` when the caller gave one."""

    entry: int
    source: str
    site: str | None
    started_ms: int | None
    ended_ms: int | None
    trace: str | None


def call_of(seen: Observed, moment: Moment | None) -> Call | None:
    """The call an event speaks of. `moment` is that of an imported record."""
    parsed = seen.event
    if not isinstance(parsed, Event):
        return None
    if isinstance(told := parsed.own.get("model_call"), dict) and seen.sensor.startswith("import."):
        started, ended = _span(told, moment)
        return _call(seen, started, ended, None)
    request, answer = parsed.body.get("http_request"), parsed.body.get("http_response")
    if parsed.class_uid != ocsf.HTTP_ACTIVITY or not seen.sensor.startswith("wp.") or not isinstance(request, dict):
        return None
    url = request.get("url")
    asked = request.get("http_method") == "POST" and isinstance(url, dict) and ASKING.fullmatch(str(url.get("path")))
    answered = isinstance(answer, dict) and isinstance(answer.get("code"), int) and answer["code"] > 0
    if not asked or not answered:
        return None
    duration = parsed.body.get("duration")
    return _call(seen, parsed.time - (duration if isinstance(duration, int) else 0), parsed.time, parsed.trace)


def _span(told: dict[str, Any], moment: Moment | None) -> tuple[int | None, int | None]:
    if moment is None or moment.within_ms is None:
        return None, None
    duration = told.get("duration_ms")
    return moment.ms - (duration if isinstance(duration, int) else 0), moment.ms + moment.within_ms


def _call(seen: Observed, started: int | None, ended: int | None, trace: str | None) -> Call:
    return Call(entry=seen.entry, source=seen.sensor, site=seen.site, started_ms=started, ended_ms=ended, trace=trace)


def answer_of(seen: Observed) -> dict[str, Any] | None:
    """The row of what a gateway passed on, whether it looked into it or not."""
    parsed = seen.event
    if not isinstance(parsed, Event) or parsed.class_uid != ocsf.API_ACTIVITY:
        return None
    inference = parsed.own.get("inference")
    ended = inference.get("ended_ms") if isinstance(inference, dict) else None
    ended = ended if isinstance(ended, int) and 0 <= ended < 2**53 else parsed.time
    return {"entry": seen.entry, "trace": parsed.trace, "started_ms": parsed.time, "ended_ms": ended}


def note(db: Connection, calls: Iterable[Call], answers: list[dict[str, Any]], heard: dict[str, int]) -> None:
    """Keep what a chunk told of calls and answers, and how far each gateway was heard (its own time); then judge."""
    if answers:
        db.execute(upsert(gateway_answers).on_conflict_do_nothing(), answers)
    rows = [
        {n: getattr(c, n) for n in Call.__dataclass_fields__} | {"verdict": "undated" if c.ended_ms is None else None}
        for c in calls
    ]
    if rows:
        db.execute(upsert(model_calls).on_conflict_do_nothing(), rows)
    for sensor, at_ms in heard.items():
        statement = upsert(cursor).values(name=_HEARD + sensor, value=at_ms)
        later = cursor.c.value < at_ms
        db.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": at_ms}, where=later))
    if rows or heard:
        _judge(db)
    if any(r["verdict"] for r in rows):
        _tell_undated(db, {r["source"] for r in rows if r["verdict"]})


def _horizon(db: Connection) -> int:
    """Calls that ended before this are settled. Without any gateway that is every call."""
    kept = select(cursor.c.name, cursor.c.value).where(cursor.c.name.startswith(_HEARD))
    heard = {row.name: row.value for row in db.execute(kept)}
    paired = set(db.scalars(select(sensors.c.keyid).where(sensors.c.kind == "gateway")))
    if not paired:
        return 2**53
    newest = max(heard.values(), default=0)
    times = [heard.get(_HEARD + keyid, 0) for keyid in paired]
    return min((t for t in times if t > newest - RETIRED_MS), default=0) - SETTLED_MS


def _judge(db: Connection) -> None:
    settled = model_calls.c.verdict.is_(None) & (model_calls.c.ended_ms <= _horizon(db))
    waiting = db.execute(select(model_calls).where(settled).order_by(model_calls.c.ended_ms, model_calls.c.entry)).all()
    touched = set()
    for call in waiting:
        through = _through_gateway(db, call)
        verdict = "gateway" if through is not None else "bypass"
        db.execute(update(model_calls).where(model_calls.c.entry == call.entry).values(verdict=verdict, gateway_entry=through))
        if through is None:
            touched.add((call.source, call.ended_ms // HOUR_MS))
    for source, hour in sorted(touched):
        _tell(db, source, hour)


def _through_gateway(db: Connection, call: Any) -> int | None:
    """The entry in which a gateway told of this call; each such entry answers for one call of a source."""
    same = model_calls.alias()
    taken = select(same.c.gateway_entry).where(same.c.source == call.source, same.c.gateway_entry.is_not(None))
    first, last = call.started_ms - SLACK_MS, call.ended_ms + SLACK_MS
    then = gateway_answers.c.started_ms.between(first, last) & gateway_answers.c.ended_ms.between(first, last)
    # A caller whose context did not verify has no trace at the gateway: then the time has to do.
    same_call = (gateway_answers.c.trace == call.trace) | (gateway_answers.c.trace.is_(None) & then) if call.trace else then
    query = select(gateway_answers.c.entry).where(same_call, gateway_answers.c.entry.not_in(taken))
    order = (gateway_answers.c.trace.is_(None), gateway_answers.c.ended_ms, gateway_answers.c.entry)
    return db.scalar(query.order_by(*order).limit(1))


def _tell(db: Connection, source: str, hour: int) -> None:
    its_own = (
        (model_calls.c.source == source)
        & (model_calls.c.verdict == "bypass")
        & model_calls.c.ended_ms.between(hour * HOUR_MS, (hour + 1) * HOUR_MS - 1)
    )
    first, site, count = db.execute(
        select(func.min(model_calls.c.entry), func.min(model_calls.c.site), func.count()).where(its_own)
    ).one()
    at = rfc3339(from_ms(hour * HOUR_MS))
    text = f"{count} answer(s) of a model in the hour from {at} did not come through the gateway ({source})"
    _finding(db, first, DETECTOR, site, "high", hour * HOUR_MS, text, {"sensor": source, "count": count})


def _tell_undated(db: Connection, sources: set[str]) -> None:
    for source in sorted(sources):
        its_own = (model_calls.c.source == source) & (model_calls.c.verdict == "undated")
        first, site, count = db.execute(
            select(func.min(model_calls.c.entry), func.min(model_calls.c.site), func.count()).where(its_own)
        ).one()
        text = f"{count} answer(s) of a model have no time and could not be compared with the gateway's ({source})"
        _finding(db, first, UNDATED, site, "low", 0, text, {"sensor": source, "count": count})


def _finding(
    db: Connection, entry: int, detector: str, site: str | None, severity: str, at_ms: int, text: str, data: dict[str, Any]
) -> None:
    """Put in place of what was said of this source and hour before."""
    before = (findings.c.detector == detector) & (findings.c.data["sensor"].as_string() == data["sensor"])
    db.execute(findings.delete().where(before, findings.c.at_ms == at_ms))
    values = {"site": site, "severity": severity, "at_ms": at_ms, "summary": text[:200], "data": data}
    db.execute(upsert(findings).values(entry=entry, detector=detector, **values))
