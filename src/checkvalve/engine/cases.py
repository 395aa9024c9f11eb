"""Cases in the digesting transaction: exposures open and grow them, decisions and outcomes move them and their runs."""

from collections.abc import Callable
from dataclasses import asdict
from itertools import groupby
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.engine import exposures, runs, sightings, widths
from checkvalve.engine.decisions import Decision
from checkvalve.engine.runs import Moved
from checkvalve.incidents import case, sighting
from checkvalve.incidents.case import ExposureRecord, Incident, Located, Transition
from checkvalve.incidents.sighting import SightingRecord
from checkvalve.playbooks.loader import choose, names
from checkvalve.playbooks.types import Outcome, OutcomeStatus
from checkvalve.regimes.deadline import from_ms
from checkvalve.store.schema import commands, incidents, notifications, organisation, transitions

Seen = TypeVar("Seen", ExposureRecord, SightingRecord)
FROM_A_LOG = (
    "brought in from another program's log: nothing was closed for it; start a playbook if the way out may still be open"
)


def absorb(db: Connection, fresh: list[ExposureRecord], entry: int, at_ms: int, *, act: bool) -> None:
    """New exposures into the open case of their way out, or into a new one.

    `act` False: another program's log tells of them, perhaps of long ago. The case is opened and nothing is closed for it.
    """

    for records in _ways(fresh):
        incident = _open_case(db, records[0]) or _new_case(db, case.opening, records, entry, at_ms)
        subjects = exposures.assign(db, records, incident.id)
        _grow(db, incident, case.growth(incident, records, subjects, entry, at_ms), entry, at_ms, act=act)


def sight(db: Connection, fresh: list[SightingRecord], entry: int, at_ms: int, *, act: bool) -> None:
    """New sightings into the open case of their way out, or into a new one."""
    for records in _ways(fresh):
        incident = _open_case(db, records[0]) or _new_case(db, sighting.opening, records, entry, at_ms)
        sightings.assign(db, records, incident.id)
        _grow(db, incident, sighting.growth(incident, records, entry, at_ms), entry, at_ms, act=act)


def prevented(db: Connection, fresh: list[ExposureRecord]) -> None:
    """What an order kept back belongs to the case for which the way is watched; alone it makes none."""
    for records in _ways(fresh):
        if incident := _open_case(db, records[0]):
            sightings.assign_attempts(db, records, incident.id)


def _ways(fresh: list[Seen]) -> list[list[Seen]]:
    """By the way out: one is one case."""

    def way(record: Seen) -> tuple[str, str, str]:
        return record.site, record.plugin or "", record.route or ""

    return [list(group) for _, group in groupby(sorted(fresh, key=way), key=way)]


def _open_case(db: Connection, record: Located) -> Incident | None:
    rows = db.execute(select(incidents.c.state).where(incidents.c.site == record.site, incidents.c.open))
    return next((i for r in rows if case.matches(i := incident_of(r.state), record)), None)


def _new_case(
    db: Connection, opening: Callable[[str, list[Seen], int, int], Transition], records: list[Seen], entry: int, at_ms: int
) -> Incident:
    number = (db.scalar(select(func.count()).select_from(incidents)) or 0) + 1
    return store(db, None, opening(case.incident_id(number, from_ms(at_ms).year), records, entry, at_ms))


def _grow(db: Connection, incident: Incident, growth: list[Transition], entry: int, at_ms: int, *, act: bool) -> None:
    """What was seen goes into the case; then its way out is closed, or it is said that nothing was."""
    new = incident.positions == 1
    for transition in growth:
        incident = store(db, incident, transition)
    if act:
        _contain_again(db, incident, entry, at_ms)
    elif new:
        store(db, incident, case.change(incident, "note", at_ms, (entry,), {"text": FROM_A_LOG}))


def _contain(
    db: Connection, incident: Incident, playbook: str, entry: int, at_ms: int, *, why: str = "", by: str = "core"
) -> Incident:
    """Start a playbook for a case; `why` when it is not the first one."""
    retry, pause_ms = case.retry(incident) if by == "core" else (0, 0)
    variables = {"plugin": incident.plugin, "route": incident.route, "model": incident.model}
    variables |= {"again": "yes" if why and by == "core" else "no"}
    variables |= widths.variables(widths.to_try(db, incident, at_ms))
    started: dict[str, Any] = {"playbook": playbook, "run": runs.next_id(db, incident.id)}
    if why:
        started |= {"why": why, "retry": retry, "not_before_ms": at_ms + pause_ms}
    kind = "containment_started" if by == "core" else "run_started"  # a person's playbook may be about anything
    incident = store(db, incident, case.change(incident, kind, at_ms, (entry,), started, by))
    runs.begin(db, incident.id, playbook, variables, at_ms, pause_ms)
    return incident


def _contain_again(db: Connection, incident: Incident, entry: int, at_ms: int) -> Incident:
    """Data was shown since the last closing, or since a containment that failed began: once more, one run at a time."""
    if incident.status == "closed" or not incident.leaks_on or runs.under_way(db, incident.id):
        return incident
    closed = incident.last_closed_ms is not None and incident.last_closed_ms >= incident.started_ms
    why = "data was shown after the way out had been closed" if closed else "it had failed, and data was shown since"
    if not incident.started_ms:  # opened from a log, and now seen live
        why = ""
    return _contain(db, incident, choose(_known(incident)), entry, at_ms, why=why)


def _known(incident: Incident) -> dict[str, bool]:
    """What triggers of playbooks ask: which parts of the way out are known, and what was sighted."""
    kinds = {s.kind for s in incident.signs}
    parts = {"plugin": incident.plugin, "route": incident.route, "model": incident.model}
    return {name: part is not None for name, part in parts.items()} | {kind: kind in kinds for kind in sighting.KINDS}


def store(db: Connection, incident: Incident | None, transition: Transition) -> Incident:
    """Apply a transition and keep both; it is work for the worker until handled."""
    after = case.apply(incident, transition)
    values = {"id": after.id, "site": after.site, "opened_ms": after.opened_ms}
    values |= {"open": after.status != "closed", "state": asdict(after)}
    statement = upsert(incidents).values(**values)
    db.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
    db.execute(insert(transitions).values(**asdict(transition), handled_ms=None))
    return after


def incident_of(state: dict[str, Any]) -> Incident:
    return msgspec.convert(state, Incident)


def load(db: Connection, incident: str) -> Incident | None:
    state = db.scalar(select(incidents.c.state).where(incidents.c.id == incident))
    return incident_of(state) if state else None


def digest_decision(db: Connection, decision: Decision, entry: int) -> None:
    """Everything that was decided about a case, by the system or a person."""
    data = decision.data
    match decision.type:
        case "outcome":
            _outcome(db, decision, entry)
        case (
            "aware_set"
            | "late_reason_set"
            | "severity_reasoned"
            | "contract_hours_set"
            | "notice_decided"
            | "notice_filed"
            | "telling_delayed"
            | "telling_resumed"
            | "paged"
            | "page_acknowledged"
            | "note"
            | "closed"
        ):
            incident = load(db, data.pop("incident"))
            if incident is not None:
                change = case.change(incident, decision.type, decision.at_ms, (entry,), data, decision.by)
                store(db, incident, change)
        case "shut_by_hand":
            if (incident := load(db, data["incident"])) is not None:
                seen = {"by_hand": data["by_hand"], "again": incident.contained_ms is not None}
                store(db, incident, case.change(incident, "contained", decision.at_ms, (entry,), seen, decision.by))
        case "run_asked":
            incident = load(db, data["incident"])
            if incident and incident.status != "closed" and data["playbook"] in names() and not runs.under_way(db, incident.id):
                _contain(db, incident, data["playbook"], entry, decision.at_ms, why="a person asked for it", by=decision.by)
        case "approval_given":
            _approval(db, decision, entry)
        case "task_done":
            done = {"status": "done", "ended_ms": decision.at_ms, "outcome": {"by": decision.by, "note": data.get("note", "")}}
            waiting = (commands.c.id == data["command"]) & (commands.c.kind == "manual") & (commands.c.status == "waiting")
            db.execute(update(commands).where(waiting).values(**done))
        case "organisation_set":
            before = db.scalar(select(organisation.c.data).where(organisation.c.site == data["site"])) or {}
            values = {"site": data["site"], "data": {**before, **data["organisation"]}}
            db.execute(upsert(organisation).values(**values).on_conflict_do_update(index_elements=["site"], set_=values))
        case "transition":
            logged = (transitions.c.id == data["transition"]["id"]) & transitions.c.handled_ms.is_(None)
            db.execute(update(transitions).where(logged).values(handled_ms=decision.at_ms))
        case "draft":
            _draft(db, decision, entry)


def _draft(db: Connection, decision: Decision, entry: int) -> None:
    document = decision.data["notification"]
    incident = load(db, document["incident"])
    statement = upsert(notifications).values(
        incident=document["incident"],
        regime=document["regime"],
        version=document["version"],
        created_ms=decision.at_ms,
        complete=document["complete"],
        data=document,
    )
    if incident is None or db.execute(statement.on_conflict_do_nothing()).rowcount != 1:
        return
    data = {"regime": document["regime"], "version": document["version"], "complete": document["complete"]}
    data["saw"] = decision.data.get("saw", 0)
    store(db, incident, case.change(incident, "draft_ready", decision.at_ms, (entry,), data, decision.by))


def _approval(db: Connection, decision: Decision, entry: int) -> None:
    data, who = decision.data, decision.by.removeprefix("user:")
    if db.scalar(select(commands.c.kind).where(commands.c.id == data["command"])) != "approval":
        return
    said = f"{'approved' if data['approved'] else 'rejected'} by {who}" + (f": {data['reason']}" if data["reason"] else "")
    status: OutcomeStatus = "done" if data["approved"] else "refused"
    _go_on(db, Outcome(command=data["command"], status=status, detail=said, data={"by": decision.by}), decision.at_ms, entry)


def _outcome(db: Connection, decision: Decision, entry: int) -> None:
    _go_on(db, msgspec.convert(decision.data["outcome"], Outcome), decision.at_ms, entry)


def _go_on(db: Connection, outcome: Outcome, at_ms: int, entry: int) -> None:
    """A hand's or a person's word: the run goes on, and the case with it."""
    moved = runs.take(db, outcome, at_ms, entry)
    incident = load(db, moved.command.incident) if moved is not None else None
    if moved is not None and incident is not None:
        if moved.command.kind == "approval" and "by" not in outcome.data:  # nobody answered: people must learn of it
            note = {"text": f"\u201c{moved.command.data['name']}\u201d: {outcome.detail}"}
            incident = store(db, incident, case.change(incident, "note", at_ms, (entry,), note))
        if moved.command.kind == "release" and moved.command.data.get("watched"):
            runs.check_again(db, moved.command, at_ms)
        _milestones(db, incident, moved, at_ms, entry)


def _milestones(db: Connection, incident: Incident, moved: Moved, at_ms: int, entry: int) -> None:
    command = moved.command
    closed = command.kind == "verify_closed" and moved.good and command.data["route"] == incident.route
    if moved.finished and not closed and not incident.held and incident.route is None:
        closed = _ordered(db, command.run)  # no route to ask: the hands' word must do
    if closed and not incident.held:
        seen = {"command": command.id, "again": incident.contained_ms is not None}
        incident = store(db, incident, case.change(incident, "contained", at_ms, (entry,), seen))
    if moved.finished:
        if not incident.held:
            why = {"why": "no step closed the way out; a person must"}
            incident = store(db, incident, case.change(incident, "containment_failed", at_ms, (entry,), why))
        incident = store(db, incident, case.change(incident, "run_finished", at_ms, (entry,), {"run": command.run}))
        if incident.started_ms:  # else it was opened from a log, and only what people ask for is done
            incident = _contain_again(db, incident, entry, at_ms)
            _follow_up(db, incident, entry, at_ms)


def _follow_up(db: Connection, incident: Incident, entry: int, at_ms: int) -> None:
    """What was sighted while a playbook ran may ask for another one: it follows, once."""
    fitting = choose(_known(incident))
    if incident.status == "closed" or runs.under_way(db, incident.id) or runs.ran(db, incident.id, fitting):
        return
    _contain(db, incident, fitting, entry, at_ms, why="what was seen since asks for this playbook")


def _ordered(db: Connection, run: str) -> bool:
    """Whether the run gave an order that was carried out and not taken back."""
    rows = db.execute(select(commands).where(commands.c.run == run, commands.c.status == "done")).all()
    back = {r.data["command"] for r in rows if r.kind == "release"}
    return any(r.kind == "order" and r.id not in back for r in rows)
