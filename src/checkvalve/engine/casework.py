"""What is known of a case, put together for documents: exposures, measures, organisation -> facts -> draft."""

from typing import Any

from sqlalchemy import Connection, func, select

from checkvalve.engine import cases
from checkvalve.incidents.case import ExposureRecord, Incident
from checkvalve.incidents.facts import Measure, Organisation, derive
from checkvalve.incidents.scope import Scope, scope_of
from checkvalve.notifications.notification import Notification, draft
from checkvalve.regimes.deadline import from_ms
from checkvalve.regimes.law import regime
from checkvalve.store.schema import commands, exposures, findings, notifications, organisation, transitions

STEP_TEXT = {
    "refuse": "the language model was closed to the plugin at the gateway",
    "cut": "the language model's answers were ended before other people's data",
    "redact": "other people's data was taken out of the language model's answers",
    "strip_tools": "the language model was offered no tools",
    "block_route": "the REST route was blocked in the shop",
    "isolate_plugin": "the plugin was isolated in the shop",
}


def records(db: Connection, where: Any) -> list[ExposureRecord]:
    names = list(ExposureRecord.__dataclass_fields__)
    rows = db.execute(select(*(exposures.c[n] for n in names)).where(where).order_by(exposures.c.entry))
    return [ExposureRecord(**row._mapping) for row in rows]


def case_exposures(db: Connection, incident: str) -> list[ExposureRecord]:
    """What the case's answers showed, and what stood in the prompts of the same requests."""
    shown = (exposures.c.incident == incident) & exposures.c.shown
    same = select(exposures.c.inference).where(shown)
    return records(db, shown | (exposures.c.inference.in_(same) & ~exposures.c.shown))


def gaps(db: Connection, site: str, since_ms: int, until_ms: int) -> list[str]:
    """Why the log may not hold everything of this window."""
    query = select(findings.c.summary).where(
        findings.c.detector.in_(("sequence_gap", "undigested_entry")),
        (findings.c.site == site) | findings.c.site.is_(None),
        findings.c.at_ms.between(since_ms, until_ms + 3_600_000),
    )
    return list(db.scalars(query.order_by(findings.c.entry)))


def case_scope(db: Connection, incident: Incident) -> Scope:
    found = case_exposures(db, incident.id)
    since, until = incident.first_seen_ms, incident.last_seen_ms
    return scope_of(found, since, until, gaps(db, incident.site, since, until))


def measures(db: Connection, incident: str) -> list[Measure]:
    """Orders that were carried out, each with what the checkout said next."""
    rows = db.execute(select(commands).where(commands.c.incident == incident).order_by(commands.c.position)).all()
    taken = []
    for i, row in enumerate(rows):
        if row.kind == "order" and row.status == "done":
            probe = next((p for p in rows[i + 1 :] if p.kind in ("probe", "release")), None)
            text = STEP_TEXT.get(row.data.get("action"), str(row.data.get("name")))
            taken.append(Measure(at_ms=row.ended_ms, text=text, checkout=_said(probe), entry=row.outcome["entry"]))
        if row.kind == "release" and row.status == "done":
            text = f"taken back: {row.data.get('name')}"
            taken.append(
                Measure(at_ms=row.ended_ms, text=text, checkout="the checkout comes first", entry=row.outcome["entry"])
            )
    return taken


def _said(probe: Any) -> str:
    if probe is None or probe.outcome is None:
        return "the checkout has not been tried since"
    if probe.status == "done":
        return "a test order went through afterwards"
    return f"the test order failed afterwards: {probe.outcome.get('detail', '')}"


def undrafted(db: Connection, kinds: tuple[str, ...]) -> list[str]:
    """Cases with a logged change of these kinds that their newest draft has not seen."""
    saw = func.max(transitions.c.data["saw"].as_integer())
    newest = (
        select(transitions.c.incident, saw.label("saw"))
        .where(transitions.c.kind == "draft_ready")
        .group_by(transitions.c.incident)
        .subquery()
    )
    query = (
        select(transitions.c.incident)
        .distinct()
        .outerjoin(newest, newest.c.incident == transitions.c.incident)
        .where(transitions.c.kind.in_(kinds), transitions.c.handled_ms.is_not(None))
        .where(transitions.c.position >= func.coalesce(newest.c.saw, 0))
    )
    return list(db.scalars(query.order_by(transitions.c.incident)))


def organisation_of(db: Connection, site: str) -> Organisation:
    data = db.scalar(select(organisation.c.data).where(organisation.c.site == site)) or {}
    return Organisation(**{k: v for k, v in data.items() if k in Organisation.__dataclass_fields__})


def prepare(db: Connection, incident_id: str, regime_id: str, now_ms: int) -> Notification | None:
    """A fresh draft with the next version number; None when there is no such case."""
    incident = cases.load(db, incident_id)
    if incident is None:
        return None
    known = select(func.max(notifications.c.version)).where(
        notifications.c.incident == incident_id, notifications.c.regime == regime_id
    )
    entries = tuple(sorted({r.entry for r in case_exposures(db, incident_id) if r.shown}))
    facts = derive(
        incident,
        case_scope(db, incident),
        measures(db, incident_id),
        organisation_of(db, incident.site),
        entries,
    )
    return draft(regime(regime_id), incident, facts, (db.scalar(known) or 0) + 1, from_ms(now_ms))
