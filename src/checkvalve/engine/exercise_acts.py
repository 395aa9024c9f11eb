"""What a decision in an exercise does in the product: the same calls as the console's and the command line's."""

from sqlalchemy import select

from checkvalve.engine import decisions, paging, responding, statements
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.exercises.scenario import Act
from checkvalve.incidents.case import IncidentError
from checkvalve.incidents.case import change as checked
from checkvalve.regimes.law import RegimeError
from checkvalve.store.schema import commands, incidents

REFUSED = (EngineError, IncidentError, RegimeError)


async def act(core: Core, wanted: Act, by: str, tokens: list[str], reference: str) -> str:
    """Do it; empty when done, else why it could not be. `tokens` acknowledge pages; `reference` stands for a receipt."""
    if wanted.acknowledge is not None:
        for token in tokens:
            await paging.acknowledge(core, token)
        return "" if tokens else "nobody was paged"
    case = newest(core)
    if case is None and wanted.enter is None:
        return "there is no case"
    try:
        return await _on_case(core, wanted, case or "", by, reference)
    except REFUSED as error:
        return str(error)[:300]


def newest(core: Core) -> str | None:
    """The case of the exercise that was opened last."""
    with core.state.read() as db:
        return db.scalar(select(incidents.c.id).order_by(incidents.c.opened_ms.desc(), incidents.c.id.desc()).limit(1))


async def _on_case(core: Core, wanted: Act, case: str, by: str, reference: str) -> str:
    now = core.now_ms()
    if wanted.aware is not None:
        await _change(core, case, "aware_set", by, aware_ms=now, why=wanted.aware)
    elif wanted.playbook is not None:
        await responding.start(core, responding.Starting(case=case, playbook=wanted.playbook, by=by))
    elif wanted.approve is not None:
        for command in _waiting(core, case, "approval"):
            await responding.answer(core, command, approved=wanted.approve, reason="EXERCISE", by=by)
    elif wanted.tasks is not None:
        for command in _waiting(core, case, "manual"):
            await core.decide([decisions.draft("task_done", at_ms=now, by=by, command=command, note=wanted.tasks)])
    elif wanted.enter is not None:
        site = _site(core)
        await statements.stated(core, statements.Entered(site=site, given=wanted.enter, by=by))
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
    elif wanted.close is not None:
        await _change(core, case, "note", by, text=wanted.close)
        await _change(core, case, "closed", by, reason=wanted.close)
    return ""


async def _change(core: Core, case: str, kind: str, by: str, **data: object) -> None:
    from checkvalve.engine import cases

    with core.state.read() as db:
        incident = cases.load(db, case)
    assert incident is not None
    checked(incident, kind, core.now_ms(), (), dict(data), by)  # refused before it is logged
    await core.decide([decisions.draft(kind, at_ms=core.now_ms(), by=by, incident=case, **data)])


def _waiting(core: Core, case: str, kind: str) -> list[str]:
    query = select(commands.c.id).where(commands.c.incident == case, commands.c.kind == kind, commands.c.status == "waiting")
    with core.state.read() as db:
        return list(db.scalars(query.order_by(commands.c.position)))


def _site(core: Core) -> str:
    from checkvalve.store.schema import sites

    with core.state.read() as db:
        return str(db.scalar(select(sites.c.site)))
