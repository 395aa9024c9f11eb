"""What people decide about a response: to start a playbook on a case, to approve or reject a step.

Each is checked against the state, then a decision in the log; what follows from it is digested from there.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from checkvalve.engine import cases, decisions, runs
from checkvalve.engine.accounts import ROLES
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.playbooks.loader import names
from checkvalve.store.schema import commands, transitions

PATH: Final = "/v1/local/run"
ANSWER_PATH: Final = "/v1/local/answer"
LEADS: Final = frozenset({"controller", "incident_lead"})
MAX_REASON: Final = 1000


class Starting(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/run: a shipped playbook by its name."""

    case: str
    playbook: str
    by: str


class Answering(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/answer: a person's word on a step that waits. `by` was asked for a password."""

    command: str
    approved: bool
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A step that waits for the word of one of `roles`. `default`: what is done without one."""

    command: str
    site: str
    name: str
    roles: frozenset[str]
    default: str
    until_ms: int


def approvers(role: str) -> frozenset[str]:
    """Who may approve or reject a step: the role it names and no other; those who lead where it names none."""
    return frozenset({role}) if role in ROLES else LEADS


def waiting(db: Connection, case: str) -> list[Waiting]:
    """EngineError when there is no such case."""
    incident = cases.load(db, case)
    if incident is None:
        raise EngineError("not_found", f"there is no case {case[:60]!r}; see `checkvalve case list`")
    mine = (commands.c.incident == case) & (commands.c.kind == "approval") & commands.c.ended_ms.is_(None)
    return [
        Waiting(
            command=row.id,
            site=incident.site,
            name=str(row.data.get("name", "")),
            roles=approvers(str(row.data.get("role") or "")),
            default="approve" if row.data.get("default") == "approve" else "reject",
            until_ms=runs.deadline_ms(row) or row.created_ms,
        )
        for row in db.execute(select(commands).where(mine).order_by(commands.c.position))
    ]


async def answered(core: Core, given: Answering) -> dict[str, Any]:
    """`answer` as JSON: {"taken": whether it came in time, "outcome": {...} of the approval}."""
    if not given.reason.strip():
        raise EngineError("no_reason", "say why, with --reason TEXT")
    taken = await answer(core, given.command, approved=given.approved, reason=given.reason, by=given.by)
    with core.state.read() as db:
        outcome = db.scalar(select(commands.c.outcome).where(commands.c.id == given.command))
    return {"taken": taken, "outcome": outcome}


def came_of(db: Connection, command: str) -> tuple[str, str] | None:
    """(name, status) of the step that an answered approval led to; None while it is under way, or when nothing follows."""
    asked = db.execute(select(commands).where(commands.c.id == command)).first()
    if asked is None or asked.ended_ms is None:
        return None
    after = (commands.c.run == asked.run) & (commands.c.position > asked.position) & (commands.c.kind == "order")
    row = db.execute(select(commands).where(after).order_by(commands.c.position)).first()
    return None if row is None or row.ended_ms is None else (str(row.data.get("name", "")), row.status)


async def start(core: Core, wanted: Starting) -> dict[str, Any]:
    """`{"entry": n, "run": id}`; asking again while it runs is asking once.

    EngineError while another playbook is under way for the case: two would meet at the checkout.
    """
    if wanted.playbook not in names():
        raise EngineError("no_playbook", f"there is no playbook {wanted.playbook[:60]!r}; known: {', '.join(names())}")
    with core.state.read() as db:
        incident = cases.load(db, wanted.case)
        if incident is None:
            raise EngineError("not_found", f"there is no case {wanted.case[:60]!r}; see `checkvalve case list`")
        if incident.status == "closed":
            raise EngineError("closed", f"{incident.id} is closed; nothing is started for it any more")
        newest = runs.last(db, incident.id)
        if newest is not None and not newest.done:
            if newest.playbook == wanted.playbook:
                return {"entry": _entry_of(db, incident.id, newest.id), "run": newest.id}
            raise EngineError("under_way", f"a playbook is under way for {incident.id}; try again when it has run to its end")
    asked = decisions.draft("run_asked", at_ms=core.now_ms(), by=wanted.by, incident=incident.id, playbook=wanted.playbook)
    (entry,) = await core.decide([asked])
    with core.state.read() as db:
        return {"entry": entry, "run": runs.last(db, incident.id).id}


def _entry_of(db: Connection, incident: str, run: str) -> int:
    """The log entry that a run was started for."""
    kinds = ("containment_started", "run_started")
    query = select(transitions).where(transitions.c.incident == incident, transitions.c.kind.in_(kinds))
    return next(int(t.entries[0]) for t in db.execute(query) if t.data["run"] == run)


async def answer(core: Core, command: str, *, approved: bool, reason: str, by: str) -> bool:
    """A person's word on a step that waits for it; False when it came too late: the time was up, or somebody was faster."""
    given = decisions.draft(
        "approval_given",
        at_ms=core.now_ms(),
        by=by,
        command=command,
        approved=approved,
        reason=reason.strip()[:MAX_REASON],
    )
    (entry,) = await core.decide([given])
    with core.state.read() as db:
        outcome = db.scalar(select(commands.c.outcome).where(commands.c.id == command))
    return isinstance(outcome, dict) and outcome.get("entry") == entry
