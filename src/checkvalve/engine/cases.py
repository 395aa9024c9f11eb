"""Cases in the digesting transaction: exposures open and grow them, decisions and outcomes move them and their runs."""

from dataclasses import asdict
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from checkvalve.engine import exposures
from checkvalve.engine.decisions import Decision
from checkvalve.incidents import case
from checkvalve.incidents.case import ExposureRecord, Incident, Transition
from checkvalve.playbooks import interpreter
from checkvalve.playbooks.loader import shipped
from checkvalve.playbooks.types import Command, Outcome, Run
from checkvalve.regimes.deadline import from_ms
from checkvalve.store.schema import commands, incidents, notifications, organisation, runs, transitions

PLAYBOOK = "plugin-exposes-customer-data"


def absorb(db: Connection, fresh: list[ExposureRecord], entry: int, at_ms: int) -> None:
    """New exposures into the open case of their way out, or into a new one."""

    def way(record: ExposureRecord) -> tuple[str, str, str]:
        return record.site, record.plugin or "", record.route or ""

    for _, group in groupby(sorted(fresh, key=way), key=way):
        records = list(group)
        incident = _open_case(db, records[0]) or _new_case(db, records, entry, at_ms)
        subjects = exposures.assign(db, records, incident.id)
        for transition in case.growth(incident, records, subjects, entry, at_ms):
            incident = store(db, incident, transition)


def _open_case(db: Connection, record: ExposureRecord) -> Incident | None:
    rows = db.execute(select(incidents.c.state).where(incidents.c.site == record.site, incidents.c.open))
    return next((i for r in rows if case.matches(i := incident_of(r.state), record)), None)


def _new_case(db: Connection, records: list[ExposureRecord], entry: int, at_ms: int) -> Incident:
    number = (db.scalar(select(func.count()).select_from(incidents)) or 0) + 1
    opened = case.opening(case.incident_id(number, from_ms(at_ms).year), records, entry, at_ms)
    incident = store(db, None, opened)
    variables = {"plugin": incident.plugin, "route": incident.route}
    run, first = interpreter.start(shipped(PLAYBOOK), variables, f"{incident.id}.run1")
    started = {"playbook": PLAYBOOK, "run": run.id}
    incident = store(db, incident, case.change(incident, "containment_started", at_ms, (entry,), started))
    db.execute(
        insert(runs).values(id=run.id, incident=incident.id, playbook=PLAYBOOK, state=msgspec.to_builtins(run), done=run.done)
    )
    _queue(db, incident.id, run.id, first, at_ms)
    return incident


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
    return Incident(**{**state, "notes": tuple(state["notes"])})


def load(db: Connection, incident: str) -> Incident | None:
    state = db.scalar(select(incidents.c.state).where(incidents.c.id == incident))
    return incident_of(state) if state else None


def digest_decision(db: Connection, decision: Decision, entry: int) -> None:
    """Everything that was decided about a case, by the system or a person."""
    data = decision.data
    match decision.type:
        case "outcome":
            _outcome(db, decision, entry)
        case "aware_set" | "late_reason_set" | "note" | "closed":
            incident = load(db, data.pop("incident"))
            if incident is not None:
                change = case.change(incident, decision.type, decision.at_ms, (entry,), data, decision.by)
                store(db, incident, change)
        case "task_done":
            done = {"status": "done", "ended_ms": decision.at_ms, "outcome": {"by": decision.by, "note": data.get("note", "")}}
            waiting = (commands.c.id == data["command"]) & (commands.c.status == "waiting")
            db.execute(update(commands).where(waiting).values(**done))
        case "organisation_set":
            values = {"site": data["site"], "data": data["organisation"]}
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
    store(db, incident, case.change(incident, "draft_ready", decision.at_ms, (entry,), data))


def _outcome(db: Connection, decision: Decision, entry: int) -> None:
    """A hand's outcome: the run goes on. One that came before changes nothing."""
    outcome = msgspec.convert(decision.data["outcome"], Outcome)
    row = db.execute(select(commands).where(commands.c.id == outcome.command)).first()
    if row is None or row.status in ("done", "failed"):
        return
    done = outcome.status == "done"
    result = {"status": outcome.status, "detail": outcome.detail, "data": outcome.data, "entry": entry}
    db.execute(
        update(commands)
        .where(commands.c.id == row.id)
        .values(status="done" if done else "failed", outcome=result, ended_ms=decision.at_ms)
    )
    state = db.execute(select(runs).where(runs.c.id == row.run)).one()
    run = msgspec.convert(state.state, Run)
    after, following = interpreter.advance(shipped(state.playbook), run, outcome)
    db.execute(update(runs).where(runs.c.id == run.id).values(state=msgspec.to_builtins(after), done=after.done))
    _queue(db, row.incident, run.id, following, decision.at_ms)
    incident = load(db, row.incident)
    if incident is not None:
        _milestones(db, incident, row, done, after.done and not run.done, decision.at_ms, entry)


def _milestones(db: Connection, incident: Incident, command: Any, done: bool, finished: bool, at_ms: int, entry: int) -> None:
    closed = command.kind == "verify_closed" and done
    if finished and not closed and incident.contained_ms is None:
        acted = select(func.count()).where(
            commands.c.incident == incident.id, commands.c.kind == "order", commands.c.status == "done"
        )
        closed = incident.route is None and bool(db.scalar(acted))  # no route to ask: the gateway's word must do
    if closed and incident.contained_ms is None:
        incident = store(db, incident, case.change(incident, "contained", at_ms, (entry,), {"command": command.id}))
    if finished:
        if incident.contained_ms is None:
            why = {"why": "no step closed the way out; a person must"}
            incident = store(db, incident, case.change(incident, "containment_failed", at_ms, (entry,), why))
        store(db, incident, case.change(incident, "run_finished", at_ms, (entry,), {"run": command.run}))


def _queue(db: Connection, incident: str, run: str, following: list[Command], at_ms: int) -> None:
    highest = db.scalar(select(func.max(commands.c.position))) or 0
    for place, command in enumerate(following, start=highest + 1):
        db.execute(
            insert(commands).values(
                id=command.id,
                position=place,
                run=run,
                incident=incident,
                kind=command.kind,
                data={"name": command.name, "step": command.step, **command.data},
                status="waiting" if command.kind == "manual" else "queued",
                attempts=0,
                due_ms=at_ms,
                created_ms=at_ms,
            )
        )
