"""What people state and decide about a case: awareness, reasons, tasks, steps that wait for a word, playbooks they start.

Each is a decision in the log before anything follows from it.
"""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from checkvalve.engine import decisions, queries, responding
from checkvalve.engine.errors import EngineError
from checkvalve.engine.views import Case, CaseFile
from checkvalve.playbooks.loader import names, shipped
from checkvalve.web.console import answers, present, times, words
from checkvalve.web.console.language import _
from checkvalve.web.console.visits import Visit, approvers, case_of, doers, refused, show

MAX_TEXT = 1000


async def awareness(visit: Visit) -> Response:
    """GDPR Art. 33(1): the clock starts when the controller became aware. A person says when; each word stays in the log."""
    case = await run_in_threadpool(case_of, visit)
    incident = case.incident
    organisation = await run_in_threadpool(queries.organisation_of, visit.core.state, incident.site)
    zone = times.zone_of(str(organisation.get("country", "")))
    form, error = visit.form, None
    if visit.method == "POST":
        try:
            aware_ms = times.parse(form.get("aware_at", ""), zone if form.get("zone") == "local" else None)
            if aware_ms > visit.now_ms:
                raise times.TimeError(_("That is in the future. Type the time at which you became aware."))
            stated = entry(visit, case, "aware_set", aware_ms=aware_ms, why=form.get("why", "")[:MAX_TEXT])
            asked = await run_in_threadpool(_tasks, visit, incident.id)
            done = [entry(visit, case, "task_done", command=t.command) for t in asked if t.name == answers.AWARENESS_STEP]
            return await decide(visit, case, stated, *done)
        except times.TimeError as problem:
            error = str(problem)
    return show(
        visit,
        "awareness.html",
        status=400 if error else 200,
        incident=incident,
        zone=zone.key if zone else None,
        error=error,
        aware_at=form.get("aware_at") or times.typed(incident.aware_or_assumed_ms),
        in_zone=form.get("zone", "utc"),
        why=form.get("why", ""),
    )


async def late_reason(visit: Visit) -> Response:
    """GDPR Art. 33(1): a notification later than 72 hours says why."""
    case = await run_in_threadpool(case_of, visit)
    reason = visit.form.get("reason", "")[:MAX_TEXT]
    if visit.method == "POST" and reason:
        return await decide(visit, case, entry(visit, case, "late_reason_set", reason=reason))
    error = _("Say why.") if visit.method == "POST" else None
    return show(visit, "late_reason.html", status=400 if error else 200, incident=case.incident, error=error)


async def task(visit: Visit) -> Response:
    """A person has done what a playbook asked of them."""
    case = await run_in_threadpool(case_of, visit)
    tasks = await run_in_threadpool(_tasks, visit, case.incident.id)
    found = next((t for t in tasks if t.command == visit.path["command"]), None)
    if found is None:
        raise HTTPException(404)
    if not visit.may(doers(found.role)):
        return refused(visit.user, doers(found.role))
    if visit.method == "POST":
        note = visit.form.get("note", "")[:MAX_TEXT]
        return await decide(visit, case, entry(visit, case, "task_done", command=found.command, note=note))
    return show(visit, "task.html", incident=case.incident, task=found, role=words.role(found.role))


def _tasks(visit: Visit, incident: str) -> list[present.Task]:
    file = queries.case_file(visit.core.state, incident)
    return present.tasks(file) if file else []


def entry(visit: Visit, case: Case, kind: str, **data: Any) -> Any:
    return decisions.draft(kind, at_ms=visit.now_ms, by=f"user:{visit.user.name}", incident=case.incident.id, **data)


async def decide(visit: Visit, case: Case, *entries: Any) -> Response:
    """Log it, and come back to the case once it shows it."""
    if not case.open:
        raise HTTPException(409)
    await visit.core.decide(list(entries))
    return RedirectResponse(f"/incidents/{case.incident.id}", status_code=303)


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
    error = _("Choose, and say why.") if visit.method == "POST" and not given else None
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
        role=words.role(found.role),
        otherwise=answers.without_a_word(found),
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
            error = words.complaint(problem)
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
