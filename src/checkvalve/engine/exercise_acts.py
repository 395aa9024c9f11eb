"""What a decision in an exercise does in the product: the same calls as the console's and the command line's.

What people state (awareness, reasons, filings, closing) they state for every open case of the shop; a playbook is started for
the newest.
"""

from sqlalchemy import select

from checkvalve.engine import cases, decisions, responding, statements
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.exercises.scenario import Act
from checkvalve.incidents.case import IncidentError
from checkvalve.incidents.case import change as checked
from checkvalve.regimes.law import RegimeError
from checkvalve.store.schema import commands, incidents

REFUSED = (EngineError, IncidentError, RegimeError)


async def act(core: Core, site: str, wanted: Act, by: str, reference: str) -> str:
    """Do it; empty when done, else why it could not be. `reference` stands for a receipt."""
    known = open_cases(core, site)
    try:
        if wanted.enter is not None:
            await statements.stated(core, statements.Entered(site=site, given=wanted.enter, by=by))
        elif not known:
            return "there is no case"
        elif wanted.playbook is not None:
            await responding.start(core, responding.Starting(case=known[-1], playbook=wanted.playbook, by=by))
        else:
            for case in known:
                await _on_case(core, wanted, case, by, reference)
    except REFUSED as error:
        return str(error)[:300]
    return ""


def open_cases(core: Core, site: str) -> list[str]:
    """Those of the shop, the newest last."""
    mine = incidents.c.open & (incidents.c.site == site)
    query = select(incidents.c.id).where(mine).order_by(incidents.c.opened_ms, incidents.c.id)
    with core.state.read() as db:
        return list(db.scalars(query))


async def _on_case(core: Core, wanted: Act, case: str, by: str, reference: str) -> None:
    if wanted.aware is not None:
        await _change(core, case, "aware_set", by, aware_ms=core.now_ms(), why=wanted.aware)
    elif wanted.approve is not None:
        for command in _waiting(core, case, "approval"):
            await responding.answer(core, command, approved=wanted.approve, reason="EXERCISE", by=by)
    elif wanted.tasks is not None:
        for command in _waiting(core, case, "manual"):
            done = {"command": command, "note": wanted.tasks}
            await core.decide([decisions.draft("task_done", at_ms=core.now_ms(), by=by, **done)])
    elif wanted.severity is not None:
        await statements.stated(core, statements.Reasoned(case=case, reason=wanted.severity, by=by))
    elif wanted.notify is not None:
        said = wanted.notify
        chosen = statements.Decided(case=case, regime=said.regime, notify=said.notify, reason=said.reason, by=by)
        await statements.stated(core, chosen)
    elif wanted.file is not None:
        await statements.stated(core, statements.Filed(case=case, document=wanted.file, reference=reference, by=by))
    elif wanted.late is not None:
        await _change(core, case, "late_reason_set", by, reason=wanted.late)
    elif wanted.note is not None:
        await _change(core, case, "note", by, text=wanted.note)
    elif wanted.contained is not None:
        await statements.stated(core, statements.Shut(case=case, how=wanted.contained, by=by))
    elif wanted.close is not None:
        await _change(core, case, "note", by, text=wanted.close)
        await _change(core, case, "closed", by, reason=wanted.close)


async def _change(core: Core, case: str, kind: str, by: str, **data: object) -> None:
    with core.state.read() as db:
        incident = cases.load(db, case)
    assert incident is not None
    checked(incident, kind, core.now_ms(), (), dict(data), by)  # refused before it is logged
    await core.decide([decisions.draft(kind, at_ms=core.now_ms(), by=by, incident=case, **data)])


def _waiting(core: Core, case: str, kind: str) -> list[str]:
    query = select(commands.c.id).where(commands.c.incident == case, commands.c.kind == kind, commands.c.status == "waiting")
    with core.state.read() as db:
        return list(db.scalars(query.order_by(commands.c.position)))
