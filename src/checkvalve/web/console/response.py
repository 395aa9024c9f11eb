"""What people decide about the response: steps that wait for a word, and playbooks that only a person starts."""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from checkvalve.engine import queries, responding
from checkvalve.engine.errors import EngineError
from checkvalve.engine.views import CaseFile
from checkvalve.playbooks.loader import names, shipped
from checkvalve.web.console import present
from checkvalve.web.console.pages import MAX_TEXT, show
from checkvalve.web.console.visits import ROLE_NAMES, Visit, approvers, refused


async def approval(visit: Visit) -> Response:
    """A step that is done only if somebody agrees; afterwards the same page says what came of it."""
    file = await _file(visit)
    found = _asked(visit, file)
    if not visit.may(approvers(found.role)):
        return refused(visit.user, approvers(found.role))
    word, reason, late = visit.form.get("answer"), visit.form.get("reason", "")[:MAX_TEXT], False
    given = visit.method == "POST" and word in ("approve", "reject") and bool(reason)
    if given:
        by = f"user:{visit.user.name}"
        if await responding.answer(visit.core, found.command, approved=word == "approve", reason=reason, by=by):
            return RedirectResponse(f"/incidents/{file.case.incident.id}/approvals/{found.command}", status_code=303)
        file, late = await _file(visit), True
        found = _asked(visit, file)
    error = "Choose, and say why." if visit.method == "POST" and not given else None
    return show(
        visit,
        "approval.html",
        status=409 if late else 400 if error else 200,
        incident=file.case.incident,
        approval=found,
        step=next((s for s in reversed(present.step_lines(file.commands)) if s.name == found.name), None),
        late=late,
        error=error,
        reason=reason,
        role_names=ROLE_NAMES,
    )


async def playbook(visit: Visit) -> Response:
    """Start another playbook on a case."""
    incident, error, chosen = (await _file(visit)).case.incident, None, visit.form.get("playbook", "")
    if visit.method == "POST":
        try:
            wanted = responding.Starting(case=incident.id, playbook=chosen, by=f"user:{visit.user.name}")
            await responding.start(visit.core, wanted)
            return RedirectResponse(f"/incidents/{incident.id}", status_code=303)
        except EngineError as problem:
            error = problem.hint
    offered = [(name, shipped(name)) for name in names()]
    status = 409 if error else 200
    return show(visit, "playbook.html", status=status, incident=incident, offered=offered, chosen=chosen, error=error)


async def _file(visit: Visit) -> CaseFile:
    file = await run_in_threadpool(queries.case_file, visit.core.state, visit.path["id"])
    if file is None:
        raise HTTPException(404)
    return file


def _asked(visit: Visit, file: CaseFile) -> present.Approval:
    found = next((a for a in present.approvals(file) if a.command == visit.path["command"]), None)
    if found is None:
        raise HTTPException(404)
    return found
