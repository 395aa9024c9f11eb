"""Runs of playbooks in the digesting transaction: begun for a case, moved on by outcomes, their commands queued."""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, exists, func, insert, select, update

from checkvalve.playbooks import interpreter
from checkvalve.playbooks.loader import library, shipped
from checkvalve.playbooks.types import Command, Outcome, Run
from checkvalve.store.schema import commands, incidents, runs

ENDED = ("done", "failed")
FOR_PEOPLE = ("manual", "approval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A run took in an outcome. `command`: the row as it was before; `finished`: the run ended with it."""

    command: Any
    good: bool
    finished: bool


def next_id(db: Connection, incident: str) -> str:
    before = db.scalar(select(func.count()).select_from(runs).where(runs.c.incident == incident)) or 0
    return f"{incident}.run{before + 1}"


def under_way(db: Connection, incident: str) -> bool:
    return bool(db.scalar(select(exists().where(runs.c.incident == incident, ~runs.c.done))))


def at_site(db: Connection, site: str) -> bool:
    """Whether a playbook is under way for any case of a shop."""
    its_own = select(incidents.c.id).where(incidents.c.site == site)
    return bool(db.scalar(select(exists().where(runs.c.incident.in_(its_own), ~runs.c.done))))


def ran(db: Connection, incident: str, playbook: str) -> bool:
    """Whether the playbook was started for this case."""
    return bool(db.scalar(select(exists().where(runs.c.incident == incident, runs.c.playbook == playbook))))


def last(db: Connection, incident: str) -> Any:
    """The row of the newest run, or None."""
    found = db.execute(select(runs).where(runs.c.incident == incident)).all()
    return max(found, key=lambda r: int(r.id.rpartition(".run")[2]), default=None)


def begin(db: Connection, incident: str, playbook: str, variables: dict[str, str | None], at_ms: int, pause_ms: int) -> str:
    """Start a shipped playbook, its first commands after the pause; returns the run's id."""
    run, first = interpreter.start(shipped(playbook), variables, next_id(db, incident), library())
    values = {"id": run.id, "incident": incident, "playbook": playbook, "state": msgspec.to_builtins(run), "done": run.done}
    db.execute(insert(runs).values(**values))
    _queue(db, incident, run.id, first, at_ms, pause_ms)
    return run.id


def take(db: Connection, outcome: Outcome, at_ms: int, entry: int) -> Moved | None:
    """A command's outcome: its run goes on. One that came before, or that nobody waits for, changes nothing."""
    row = db.execute(select(commands).where(commands.c.id == outcome.command)).first()
    if row is None or row.status in ENDED:
        return None
    good = outcome.status == "done"
    result = {"status": outcome.status, "detail": outcome.detail, "data": outcome.data, "entry": entry}
    ended = {"status": "done" if good else "failed", "outcome": result, "ended_ms": at_ms}
    db.execute(update(commands).where(commands.c.id == row.id).values(**ended))
    state = db.execute(select(runs).where(runs.c.id == row.run)).one()
    run = msgspec.convert(state.state, Run)
    after, following = interpreter.advance(shipped(state.playbook), run, outcome, library())
    db.execute(update(runs).where(runs.c.id == run.id).values(state=msgspec.to_builtins(after), done=after.done))
    _queue(db, row.incident, run.id, following, at_ms)
    return Moved(command=row, good=good, finished=after.done and not run.done)


def deadline_ms(command: Any) -> int | None:
    """When a command ends without an answer; None when it may take as long as it takes. Approvals always end."""
    data = command.data
    if command.kind == "approval":
        return int(command.created_ms) + int(data["timeout_s"]) * 1000
    if command.kind == "manual" or not data.get("timeout_ms"):
        return None
    return int(command.created_ms) + int(data.get("delay_ms", 0)) + int(data["timeout_ms"])


def holds_checkout(db: Connection, incident: str) -> bool:
    """Whether a step of a run stands between its two test checkouts now."""
    states = db.scalars(select(runs.c.state).where(runs.c.incident == incident, ~runs.c.done))
    return any(state.get("holder") is not None for state in states)


def take_back(db: Connection, ordered: str, why: str, at_ms: int) -> None:
    """Release what a command ordered, outside of its run: nothing waits for it there."""
    row = db.execute(select(commands).where(commands.c.id == ordered)).one()
    _alone(db, row, "release", f"{ordered}.back", {"command": ordered, "why": why, "watched": True}, at_ms)


def check_again(db: Connection, release: Any, at_ms: int) -> None:
    """A test checkout after such a release."""
    _alone(db, release, "probe", f"{release.id}.probe", {"when": "after roll-back"}, at_ms)


def _alone(db: Connection, beside: Any, kind: str, name: str, data: dict[str, Any], at_ms: int) -> None:
    """Queue one command of nobody's thread, in the run and step of another."""
    highest = db.scalar(select(func.max(commands.c.position))) or 0
    values = {"id": name, "position": highest + 1, "run": beside.run, "incident": beside.incident, "kind": kind}
    values |= {"data": {n: beside.data.get(n, "") for n in ("name", "step")} | data, "status": "queued", "attempts": 0}
    db.execute(insert(commands).values(**values, due_ms=at_ms, created_ms=at_ms))


def _queue(db: Connection, incident: str, run: str, following: list[Command], at_ms: int, pause_ms: int = 0) -> None:
    highest = db.scalar(select(func.max(commands.c.position))) or 0
    asked = _asked(db, incident)
    for place, command in enumerate(following, start=highest + 1):
        if command.kind == "manual" and (command.name, command.data["text"]) in asked:
            continue  # an earlier run asked the same, and it waits
        delay_ms = int(command.data.get("delay_ms", 0)) + pause_ms
        data = {"name": command.name, "step": command.step, **command.data} | ({"delay_ms": delay_ms} if delay_ms else {})
        db.execute(
            insert(commands).values(
                id=command.id,
                position=place,
                run=run,
                incident=incident,
                kind=command.kind,
                data=data,
                status="waiting" if command.kind in FOR_PEOPLE else "queued",
                attempts=0,
                due_ms=at_ms + delay_ms,
                created_ms=at_ms,
            )
        )


def _asked(db: Connection, incident: str) -> set[tuple[str, str]]:
    """(name, text) of the tasks that wait for a person."""
    query = select(commands.c.data).where(
        commands.c.incident == incident, commands.c.kind == "manual", commands.c.status == "waiting"
    )
    return {(data["name"], data["text"]) for data in db.scalars(query)}
