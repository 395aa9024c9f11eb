"""Read models of the console: one consistent view per question, frozen, with pseudonyms only.

JSON columns are read leniently: a key that an older version did not write is a default, never an error.
"""

import dataclasses
from collections.abc import Collection, Mapping
from heapq import merge
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import JSON, Connection, Select, cast, func, literal_column, null, or_, select, true, union_all

from checkvalve.engine import casework, live_watch
from checkvalve.engine.holds import Hold
from checkvalve.engine.holds import every as every_hold
from checkvalve.engine.register import entries as register_of_breaches
from checkvalve.engine.reviews import Standing, standings
from checkvalve.engine.views import (
    Case,
    CaseFile,
    CommandRow,
    Draft,
    ExposureRow,
    Json,
    Moment,
    OrderRow,
    Overview,
    RunRow,
    SensorHealth,
    Shop,
)
from checkvalve.events import event as ocsf
from checkvalve.incidents.case import Incident
from checkvalve.incidents.cost import Assumptions
from checkvalve.notifications.register import Entry
from checkvalve.store.schema import (
    commands,
    events,
    exposures,
    incidents,
    notifications,
    orders,
    organisation,
    runs,
    sensors,
    sites,
    transitions,
)
from checkvalve.store.state import State

BEFORE_MS = 10 * 60 * 1000  # how far before the first exposure the timeline looks
SOURCES = ("case", "containment", "shop", "gateway")
# Classes of events that are few and tell a story; the flood (requests, inferences) is shown only where the case is concerned.
NOTABLE = (ocsf.AUTHENTICATION, ocsf.ACCOUNT_CHANGE, ocsf.USER_ACCESS, ocsf.APPLICATION_LIFECYCLE, ocsf.REMEDIATION_ACTIVITY)


def overview(state: State, *, closed: int = 10) -> Overview:
    with state.read() as db:
        named = {s.site: s for s in db.execute(select(sites).order_by(sites.c.created_ms))}
        health = [_sensor(s) for s in db.execute(select(sensors).order_by(sensors.c.keyid))]
        names = {site: row.name for site, row in named.items()}
        newest_first = select(incidents).order_by(incidents.c.opened_ms.desc())
        running = _running(db)
        still = [_case(r, names, running) for r in db.execute(newest_first.where(incidents.c.open))]
        past = [_case(r, names, running) for r in db.execute(newest_first.where(~incidents.c.open).limit(closed))]
    return Overview(
        open=tuple(still),
        closed=tuple(past),
        shops=tuple(
            Shop(site=s.site, name=s.name, site_url=s.site_url, sensors=tuple(h for h in health if h.site == s.site))
            for s in named.values()
        ),
        gateways=tuple(h for h in health if h.site is None),
    )


def case_file(state: State, incident: str) -> CaseFile | None:
    with state.read() as db:
        case = _find(db, incident)
        if case is None:
            return None
        return CaseFile(
            case=case,
            scope=casework.case_scope(db, case.incident),
            orders=_orders(db, incident),
            commands=_commands(db, incident),
            runs=tuple(
                RunRow(id=r.id, playbook=r.playbook, state=_object(r.state), done=r.done)
                for r in db.execute(select(runs).where(runs.c.incident == incident).order_by(runs.c.id))
            ),
            drafts=tuple(_newest_drafts(db, incident)),
            country=str(_organisation(db, case.incident.site).get("country", "")),
        )


def measures(state: State, incident: str) -> tuple[tuple[OrderRow, ...], tuple[CommandRow, ...]]:
    """What was ordered and what was done about a case: a case file's orders and commands without its scope."""
    with state.read() as db:
        return _orders(db, incident), _commands(db, incident)


def case(state: State, incident: str) -> Case | None:
    with state.read() as db:
        return _find(db, incident)


def timeline(
    state: State,
    incident: Incident,
    *,
    source: str | None,
    by: Collection[str] | None = None,
    newest_first: bool,
    offset: int,
    limit: int,
) -> list[Moment]:
    """Lines of the case's story in order of time. `source`, `by` ("core", "user:<name>"): None means all."""
    parts = [p for s, part in _moments(incident, by) if source in (None, s) for p in part]
    every = union_all(*parts).subquery()
    order = (every.c.at_ms.desc(), every.c.tie.desc()) if newest_first else (every.c.at_ms, every.c.tie)
    with state.read() as db:
        rows = db.execute(select(every).order_by(*order).offset(offset).limit(limit)).all()
        ran = [r.ref for r in rows if r.kind == "command"]
        given = {r.id: r.data for r in db.execute(select(commands.c.id, commands.c.data).where(commands.c.id.in_(ran)))}
    return [
        Moment(
            at_ms=r.at_ms,
            source=r.source,
            kind=r.kind,
            text=r.text,
            ref=r.ref,
            by=r.by or "",
            data=_object(_decoded(r.data)),
            step=_object(given.get(r.ref)),
        )
        for r in rows
    ]


def exposure_page(
    state: State, incident: str, *, after: tuple[int, int] | None, limit: int
) -> tuple[list[ExposureRow], int, tuple[int, int] | None]:
    """A page of exposures in the order of the log, how many there are in all, and the place after which the next page starts.

    A place is (log entry, exposures of that entry before it): no page costs more than another.
    """
    shown = (exposures.c.incident == incident) & exposures.c.shown
    same = exposures.c.inference.in_(select(exposures.c.inference).where(shown).distinct()) & ~exposures.c.shown
    order = [exposures.c[n] for n in ("entry", "subject", "category", "recipient", "shown", "inference")]
    entry, skip = after or (0, 0)
    with state.read() as db:
        total = sum(db.scalar(select(func.count()).select_from(exposures).where(part)) or 0 for part in (shown, same))
        found = [
            db.execute(select(exposures).where(part, exposures.c.entry >= entry).order_by(*order).limit(skip + limit + 1))
            for part in (shown, same)
        ]
        rows = list(islice(merge(*found, key=lambda r: [r._mapping[c] for c in order]), skip, skip + limit + 1))
    page, more = rows[:limit], len(rows) > limit
    names = [f.name for f in dataclasses.fields(ExposureRow)]
    last = page[-1].entry if page else entry
    before = sum(r.entry == last for r in page) + (skip if last == entry else 0)
    return [ExposureRow(**{n: getattr(r, n) for n in names}) for r in page], total, (last, before) if more else None


def notice(state: State, incident: str, regime: str, version: int | None = None) -> Draft | None:
    """A stored version of a draft, the newest by default."""
    query = (
        select(notifications)
        .where(notifications.c.incident == incident, notifications.c.regime == regime)
        .order_by(notifications.c.version.desc())
    )
    if version is not None:
        query = query.where(notifications.c.version == version)
    with state.read() as db:
        row = db.execute(query.limit(1)).first()
    return _draft(row) if row else None


def versions(state: State, incident: str, regime: str) -> list[Draft]:
    """Every stored version of a draft, the newest first."""
    mine = (notifications.c.incident == incident) & (notifications.c.regime == regime)
    told = (transitions.c.incident == incident) & (transitions.c.kind == "draft_ready")
    with state.read() as db:
        rows = db.execute(select(notifications).where(mine).order_by(notifications.c.version.desc())).all()
        wrote = {(t.data["regime"], t.data["version"]): t.by for t in db.execute(select(transitions).where(told))}
    return [dataclasses.replace(_draft(r), by=wrote.get((regime, r.version), "core")) for r in rows]


def law(state: State, incident: Incident, now_ms: int, lang: str = "en") -> Json:
    """{"assessment": severity of both sets or None, "applicability": [every regime], "clocks": [those that run]}."""
    with state.read() as db:
        found = casework.case_assessment(db, incident, lang)
        return {
            "assessment": found.as_json() if found else None,
            "applicability": casework.case_applicability(db, incident, now_ms),
            "clocks": [
                {"regime": c.regime, "clock": c.clock, "due_ms": c.due_ms, "met": c.met}
                for c in casework.running_clocks(db, incident, now_ms)
            ],
        }


def trade(state: State, incident: Incident, now_ms: int) -> Json | None:
    """The shop's sales under the case's measures (`live_watch.report`)."""
    with state.read() as db:
        return live_watch.report(db, incident, now_ms)


def cost(state: State, incident: Incident, now_ms: int) -> Json:
    """The running total with what it assumes, and the legal maxima."""
    with state.read() as db:
        return casework.case_cost(db, incident, casework.assumptions_of(db, incident.site), now_ms).as_json()


def assumptions(state: State, site: str) -> Assumptions:
    """What a shop's costs are worked out with."""
    with state.read() as db:
        return casework.assumptions_of(db, site)


def holds(state: State) -> list[Hold]:
    """Every legal hold, those that were lifted included."""
    with state.read() as db:
        return every_hold(db)


def page_test(state: State) -> Standing | None:
    """When people were last paged for a test, and how it went."""
    with state.read() as db:
        return next((s for s in standings(db) if s.review.id == "page-test" and s.done_ms is not None), None)


def register(state: State, lang: str = "en") -> list[Entry]:
    """GDPR Art. 33(5): every case; `notifications.render.render_register` makes it a page."""
    with state.read() as db:
        return register_of_breaches(db, lang)


def shops(state: State) -> list[tuple[str, str]]:
    """(site, name) of every shop."""
    with state.read() as db:
        return [(r.site, r.name) for r in db.execute(select(sites.c.site, sites.c.name).order_by(sites.c.created_ms))]


def organisation_of(state: State, site: str) -> Json:
    with state.read() as db:
        return _organisation(db, site)


# --- one case ------------------------------------------------------------------------------------------------------


def _find(db: Connection, incident: str) -> Case | None:
    row = db.execute(select(incidents).where(incidents.c.id == incident)).first()
    if row is None:
        return None
    names = {r.site: r.name for r in db.execute(select(sites.c.site, sites.c.name).where(sites.c.site == row.site))}
    return _case(row, names, _running(db))


def _running(db: Connection) -> set[str]:
    return set(db.scalars(select(runs.c.incident).where(~runs.c.done).distinct()))


def _case(row: Any, names: Mapping[str, str], running: set[str]) -> Case:
    return Case(incident=_incident(row), shop=names.get(row.site, row.site), open=row.open, running=row.id in running)


def _incident(row: Any) -> Incident:
    base: dict[str, Any] = {
        "id": row.id,
        "site": row.site,
        "title": row.id,
        "status": "detection_analysis" if row.open else "closed",
        "severity": "high",
        **dict.fromkeys(("opened_ms", "first_seen_ms", "detected_ms", "last_seen_ms"), row.opened_ms),
        **dict.fromkeys(("plugin", "route", "model")),
    }
    known = {f.name for f in dataclasses.fields(Incident)}
    base |= {k: v for k, v in _object(row.state).items() if k in known}
    return msgspec.convert(base, Incident)


def _moments(incident: Incident, by: Collection[str] | None) -> list[tuple[str, list[Select[Any]]]]:
    """Every table that tells of the case, brought into one shape; only what these people (or core) did, if they are named."""

    def did(column: Any) -> Any:
        return true() if by is None else func.coalesce(column, "core").in_(by)

    def part(at: Any, source: str, kind: str, text: Any, ref: Any, tie: Any, by: Any = None, data: Any = None) -> Select[Any]:
        return select(
            at.label("at_ms"),
            literal_column(f"'{source}'").label("source"),
            literal_column(f"'{kind}'").label("kind"),
            text.label("text"),
            ref.label("ref"),
            (null() if by is None else by).label("by"),
            (cast(null(), JSON) if data is None else data).label("data"),
            tie.label("tie"),
        )

    of_case = part(
        transitions.c.at_ms,
        "case",
        "transition",
        transitions.c.kind,
        transitions.c.id,
        transitions.c.position,
        transitions.c.by,
        transitions.c.data,
    ).where(transitions.c.incident == incident.id, did(transitions.c.by))
    mine = commands.c.incident == incident.id
    ended = part(
        commands.c.ended_ms,
        "containment",
        "command",
        commands.c.kind,
        commands.c.id,
        commands.c.position,
        commands.c.status,
        commands.c.outcome,
    ).where(mine, commands.c.ended_ms.is_not(None), did(commands.c.outcome["by"].as_string()))
    issued = part(
        orders.c.issued_ms,
        "containment",
        "order",
        orders.c.action,
        orders.c.jti,
        orders.c.issued_ms,
        orders.c.hand,
        orders.c.args,
    ).where(orders.c.incident == incident.id, did(literal_column("'core'")))
    traces = select(exposures.c.trace).where(exposures.c.incident == incident.id, exposures.c.trace.is_not(None))
    seen = (
        events.c.time_ms >= incident.first_seen_ms - BEFORE_MS,
        events.c.site == incident.site,
        or_(events.c.class_uid.in_(NOTABLE), events.c.trace.in_(traces)),
        did(literal_column("'sensor'")),
    )
    told = [
        part(
            events.c.time_ms, source, "event", events.c.summary, cast(events.c.entry, events.c.summary.type), events.c.entry
        ).where(*seen, events.c.sensor.like(f"{prefix}.%"))
        for source, prefix in (("shop", "wp"), ("gateway", "gw"))
    ]
    return [("case", [of_case]), ("containment", [ended, issued]), ("shop", [told[0]]), ("gateway", [told[1]])]


def _orders(db: Connection, incident: str) -> tuple[OrderRow, ...]:
    found = db.execute(select(orders).where(orders.c.incident == incident).order_by(orders.c.issued_ms, orders.c.jti)).all()
    released = {o.jti: o.issued_ms for o in found}
    return tuple(_order(o, released.get(o.released_by, o.reported_ms)) for o in found if o.action != "release")


def _commands(db: Connection, incident: str) -> tuple[CommandRow, ...]:
    query = select(commands).where(commands.c.incident == incident).order_by(commands.c.position)
    return tuple(_command(c) for c in db.execute(query))


def _order(row: Any, released_ms: int | None) -> OrderRow:
    return OrderRow(
        jti=row.jti,
        hand=row.hand,
        action=row.action,
        args=_object(row.args),
        issued_ms=row.issued_ms,
        expires_ms=row.expires_ms,
        command=row.command,
        released_ms=released_ms if row.released_by else None,
        reported=row.reported,
        reported_ms=row.reported_ms,
    )


def _command(row: Any) -> CommandRow:
    names = ("id", "run", "kind", "status", "attempts", "due_ms", "created_ms", "ended_ms")
    return CommandRow(**{n: getattr(row, n) for n in names}, data=_object(row.data), outcome=_object(row.outcome))


def _newest_drafts(db: Connection, incident: str) -> list[Draft]:
    rows = db.execute(
        select(notifications)
        .where(notifications.c.incident == incident)
        .order_by(notifications.c.regime, notifications.c.version)
    )
    return list({r.regime: _draft(r) for r in rows}.values())


def _draft(row: Any) -> Draft:
    return Draft(
        regime=row.regime, version=row.version, created_ms=row.created_ms, complete=row.complete, data=_object(row.data)
    )


def _sensor(row: Any) -> SensorHealth:
    names = ("keyid", "kind", "site", "name", "paired_ms", "last_seen_ms", "skew_ms")
    return SensorHealth(**{n: getattr(row, n) for n in names}, versions=_object(row.versions))


def _organisation(db: Connection, site: str) -> Json:
    return _object(db.scalar(select(organisation.c.data).where(organisation.c.site == site)))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _decoded(value: Any) -> Any:
    """A union forgets that its column held JSON."""
    return msgspec.json.decode(value) if isinstance(value, str | bytes) else value
