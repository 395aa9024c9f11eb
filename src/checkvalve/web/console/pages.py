"""The console's pages. Reading is a plain function; what changes something is a logged decision."""

import base64
import hashlib
import re
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from checkvalve.engine import decisions, queries, readiness
from checkvalve.engine.accounts import User
from checkvalve.engine.views import Case, Overview
from checkvalve.incidents.facts import Organisation
from checkvalve.notifications.notification import from_json
from checkvalve.notifications.render import render_html, render_json, render_pdf, render_register
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.regimes.law import regimes
from checkvalve.web.console import answers, present, times, words
from checkvalve.web.console.render import page
from checkvalve.web.console.security import CSP
from checkvalve.web.console.visits import ROLE_NAMES, Visit, doers, names_of, refused

TIMELINE_PAGE = 100
TIMELINE_FIRST = 15
EXPOSURES_PAGE = 100
EXPOSURES_FIRST = 10
REFRESH_S = 10  # while the response is under way
CLOCK_S = 60  # a clock in hours and minutes
MAX_TEXT = 1000
BARS = 8
MAX_PAGE = 100_000


def show(visit: Visit, template: str, *, status: int = 200, **context: Any) -> Response:
    return page(template, status=status, user=visit.user, can=visit.can, now_ms=visit.now_ms, words=words, **context)


def overview(visit: Visit) -> Response:
    found = _seen(visit.user, queries.overview(visit.core.state))
    sensors = [s for shop in found.shops for s in shop.sensors] + list(found.gateways)
    asked = visit.core.worker.shops
    state_of = {s.keyid: present.sensor_state(s, asked.get(s.site or ""), s.site in asked, visit.now_ms) for s in sensors}
    return show(
        visit,
        "overview.html",
        cases=[_glance(visit, case) for case in present.worst_first(found.open)],
        closed=found.closed,
        shops=found.shops,
        gateways=found.gateways,
        refresh=None if "pause" in visit.query else CLOCK_S,
        state_of=state_of,
        watching=answers.watching(found, {tone for tone, _ in state_of.values()}, visit.now_ms),
    )


def _seen(user: User, found: Overview) -> Overview:
    """What this person sees of it: everything, or their own shops and no gateway, which may serve others as well."""
    if user.sites is None:
        return found
    return replace(
        found,
        open=tuple(c for c in found.open if user.sees(c.incident.site)),
        closed=tuple(c for c in found.closed if user.sees(c.incident.site)),
        shops=tuple(s for s in found.shops if user.sees(s.site)),
        gateways=(),
    )


def _glance(visit: Visit, case: Case) -> dict[str, Any]:
    """An open case in one line: its clock, and what holds now."""
    orders, commands = queries.measures(visit.core.state, case.incident.id)
    lines = present.order_lines(orders, commands, visit.now_ms)
    return {
        "case": case,
        "clock": present.clock_face(case.incident, "", visit.now_ms),
        "closed": answers.closure(case.incident, lines, visit.now_ms),
        "buys": answers.checkout(commands, visit.now_ms),
    }


def incident(visit: Visit) -> Response:
    file = queries.case_file(visit.core.state, visit.path["id"])
    if file is None:
        raise HTTPException(404)
    case, scope, now_ms = file.case, file.scope, visit.now_ms
    rows, total = queries.exposure_page(visit.core.state, case.incident.id, offset=0, limit=EXPOSURES_FIRST)
    moments = queries.timeline(
        visit.core.state, case.incident, source=None, newest_first=True, offset=0, limit=TIMELINE_FIRST + 1
    )
    paused = "pause" in visit.query
    clock = present.clock_face(case.incident, file.country, now_ms)
    orders = present.order_lines(file.orders, file.commands, now_ms)
    closed, buys = answers.closure(case.incident, orders, now_ms), answers.checkout(file.commands, now_ms)
    return show(
        visit,
        "incident.html",
        case=case,
        incident=case.incident,
        scope=scope,
        clock=clock,
        closed=closed,
        buys=buys,
        next_steps=answers.next_steps(file, clock, closed, buys),
        categories=present.category_bars(scope.confirmed, scope.worst_case),
        recipients=present.bars(scope.confirmed.recipients, scope.worst_case.recipients)[:BARS],
        channels=present.bars(scope.confirmed.channels, scope.worst_case.channels)[:BARS],
        orders=orders,
        steps=present.step_lines(file.commands),
        may=visit.may,
        names_of=names_of,
        runs=file.runs,
        drafts=[present.draft_line(d) for d in file.drafts],
        exposures=rows,
        exposures_total=total,
        moments=[(m, *words.moment(m)) for m in moments[:TIMELINE_FIRST]],
        more_moments=len(moments) > TIMELINE_FIRST,
        paused=paused,
        refresh=None if paused or not case.open else REFRESH_S if case.running else CLOCK_S,
    )


def timeline(visit: Visit) -> Response:
    case = _case(visit)
    source = visit.query.get("source") or None
    if source not in (None, *queries.SOURCES):
        raise HTTPException(404)
    newest_first, number = visit.query.get("order", "newest") != "oldest", _page_number(visit)
    moments = queries.timeline(
        visit.core.state,
        case.incident,
        source=source,
        newest_first=newest_first,
        offset=(number - 1) * TIMELINE_PAGE,
        limit=TIMELINE_PAGE + 1,
    )
    return show(
        visit,
        "timeline.html",
        incident=case.incident,
        source=source,
        sources=queries.SOURCES,
        newest_first=newest_first,
        number=number,
        more=len(moments) > TIMELINE_PAGE,
        moments=[(m, *words.moment(m)) for m in moments[:TIMELINE_PAGE]],
    )


def exposures(visit: Visit) -> Response:
    case, number = _case(visit), _page_number(visit)
    rows, total = queries.exposure_page(
        visit.core.state, case.incident.id, offset=(number - 1) * EXPOSURES_PAGE, limit=EXPOSURES_PAGE
    )
    return show(
        visit,
        "exposures.html",
        incident=case.incident,
        exposures=rows,
        total=total,
        number=number,
        first=(number - 1) * EXPOSURES_PAGE + 1,
        more=number * EXPOSURES_PAGE < total,
    )


def law(visit: Visit) -> Response:
    """Every clock, the severity with its reasons, which law applies and why, and what it costs."""
    incident = _case(visit).incident
    found = queries.law(visit.core.state, incident, visit.now_ms)
    spent = queries.cost(visit.core.state, incident, visit.now_ms)
    return show(
        visit,
        "law.html",
        incident=incident,
        clocks=sorted(found["clocks"], key=lambda c: (c["met"], c["due_ms"])),
        assessment=found["assessment"],
        applicability=found["applicability"],
        cost={**spent, "items_": spent["items"]},  # `items` of a mapping is its method, to a template
    )


def register(visit: Visit) -> Response:
    """GDPR Art. 33(5): every breach, notified or not, as a document of its own."""
    if visit.user.sites is not None:  # it holds every shop's
        raise HTTPException(404)
    text = render_register(queries.register(visit.core.state), rfc3339(from_ms(visit.now_ms)))
    return Response(text, media_type="text/html", headers={"Content-Security-Policy": _csp_of(text)})


def ready(visit: Visit) -> Response:
    """What would fail tonight; of the whole installation, so for those who see all of it."""
    if visit.user.sites is not None:
        raise HTTPException(404)
    found = readiness.tonight(visit.core.settings, visit.now_ms)
    rows = [s.as_json(visit.now_ms) for s in readiness.standings(visit.core.settings)]
    return show(visit, "readiness.html", found=found, reviews=rows)


def notice(visit: Visit) -> Response:
    """A stored draft in one of its three forms."""
    version = visit.query.get("version", "")
    found = queries.notice(
        visit.core.state,
        visit.path["id"],
        visit.path["regime"],
        int(version) if version.isascii() and version.isdigit() and len(version) < 9 else None,
    )
    if found is None or visit.path["regime"] not in regimes():
        raise HTTPException(404)
    notification = from_json(found.data)
    name = f"{notification.incident}-{notification.regime}-v{notification.version}"
    match visit.path["format"]:
        case "html":
            text = render_html(notification)
            return Response(text, media_type="text/html", headers={"Content-Security-Policy": _csp_of(text)})
        case "pdf":
            headers = {"Content-Disposition": f'attachment; filename="{name}.pdf"'}
            return Response(render_pdf(notification), media_type="application/pdf", headers=headers)
        case "json":
            headers = {"Content-Disposition": f'inline; filename="{name}.json"'}
            return Response(render_json(notification), media_type="application/json", headers=headers)
        case _:
            raise HTTPException(404)


def _csp_of(text: str) -> str:
    """The document brings its style along, so that it stands alone when saved: exactly that style is allowed, by its hash."""
    hashes = [
        base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in re.findall(r"<style>(.*?)</style>", text, re.S)
    ]
    return CSP.format(style=" ".join(f"'sha256-{h}'" for h in hashes) or "'none'")


async def awareness(visit: Visit) -> Response:
    """GDPR Art. 33(1): the clock starts when the controller became aware. A person says when; each word stays in the log."""
    case = await run_in_threadpool(_case, visit)
    incident = case.incident
    organisation = await run_in_threadpool(queries.organisation_of, visit.core.state, incident.site)
    zone = times.zone_of(str(organisation.get("country", "")))
    form, error = visit.form, None
    if visit.method == "POST":
        try:
            aware_ms = times.parse(form.get("aware_at", ""), zone if form.get("zone") == "local" else None)
            if aware_ms > visit.now_ms:
                raise times.TimeError("That is in the future. Type the time at which you became aware.")
            stated = _entry(visit, case, "aware_set", aware_ms=aware_ms, why=form.get("why", "")[:MAX_TEXT])
            asked = await run_in_threadpool(_tasks, visit, incident.id)
            done = [_entry(visit, case, "task_done", command=t.command) for t in asked if t.name == answers.AWARENESS_STEP]
            return await _decide(visit, case, stated, *done)
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
    case = await run_in_threadpool(_case, visit)
    reason = visit.form.get("reason", "")[:MAX_TEXT]
    if visit.method == "POST" and reason:
        return await _decide(visit, case, _entry(visit, case, "late_reason_set", reason=reason))
    error = "Say why." if visit.method == "POST" else None
    return show(visit, "late_reason.html", status=400 if error else 200, incident=case.incident, error=error)


async def task(visit: Visit) -> Response:
    """A person has done what a playbook asked of them."""
    case = await run_in_threadpool(_case, visit)
    tasks = await run_in_threadpool(_tasks, visit, case.incident.id)
    found = next((t for t in tasks if t.command == visit.path["command"]), None)
    if found is None:
        raise HTTPException(404)
    if not visit.may(doers(found.role)):
        return refused(visit.user, doers(found.role))
    if visit.method == "POST":
        note = visit.form.get("note", "")[:MAX_TEXT]
        return await _decide(visit, case, _entry(visit, case, "task_done", command=found.command, note=note))
    return show(visit, "task.html", incident=case.incident, task=found, role_names=ROLE_NAMES)


def _tasks(visit: Visit, incident: str) -> list[present.Task]:
    file = queries.case_file(visit.core.state, incident)
    return present.tasks(file) if file else []


def _entry(visit: Visit, case: Case, kind: str, **data: Any) -> Any:
    return decisions.draft(kind, at_ms=visit.now_ms, by=f"user:{visit.user.name}", incident=case.incident.id, **data)


async def _decide(visit: Visit, case: Case, *entries: Any) -> Response:
    """Log it, and come back to the case once it shows it."""
    if not case.open:
        raise HTTPException(409)
    await visit.core.decide(list(entries))
    return RedirectResponse(f"/incidents/{case.incident.id}", status_code=303)


ORGANISATION_FIELDS = {
    "controller": ("Controller (company name)", "organization", "text"),
    "address": ("Postal address", "street-address", "text"),
    "country": ("Country, two letters (DE, FR, …)", "country", "text"),
    "contact_name": ("Data protection officer or contact", "name", "text"),
    "contact_email": ("Contact's e-mail", "email", "email"),
    "contact_phone": ("Contact's telephone", "tel", "tel"),
}


async def organisation(visit: Visit) -> Response:
    """Who the controller is, for the drafts. Each shop has its own."""
    shops = [s for s in await run_in_threadpool(queries.shops, visit.core.state) if visit.user.sees(s[0])]
    wanted = visit.form.get("site") or visit.query.get("site") or (shops[0][0] if len(shops) == 1 else None)
    known = dict(shops)
    if wanted is None or not shops:
        return show(visit, "organisation.html", shops=shops, site=None, fields={}, values={}, saved=False, errors=[])
    if wanted not in known:
        raise HTTPException(404)
    stored = await run_in_threadpool(queries.organisation_of, visit.core.state, wanted)
    values = {f: str(stored.get(f, "")) for f in ORGANISATION_FIELDS}
    errors: list[str] = []
    if visit.method == "POST":
        values = {f: visit.form.get(f, "")[:300] for f in ORGANISATION_FIELDS} | {
            "country": visit.form.get("country", "").upper()
        }
        errors = _wrong(values)
        if not errors:
            given = Organisation(**values)
            data = {f: getattr(given, f) for f in ORGANISATION_FIELDS}
            by = f"user:{visit.user.name}"
            await visit.core.decide(
                [decisions.draft("organisation_set", at_ms=visit.now_ms, by=by, site=wanted, organisation=data)]
            )
            for case in (await run_in_threadpool(queries.overview, visit.core.state)).open:
                if case.incident.site == wanted:
                    await visit.core.worker.write_draft(case.incident.id)
            return RedirectResponse(f"/settings/organisation?site={wanted}&saved=1", status_code=303)
    return show(
        visit,
        "organisation.html",
        status=400 if errors else 200,
        shops=shops,
        site=(wanted, known[wanted]),
        fields=ORGANISATION_FIELDS,
        values=values,
        saved="saved" in visit.query and not errors,
        errors=errors,
    )


def _wrong(values: dict[str, str]) -> list[str]:
    errors = []
    if values["country"] and not re.fullmatch(r"[A-Z]{2}", values["country"]):
        errors.append("The country is two letters, for example DE.")
    if values["contact_email"] and not re.fullmatch(r"[^@\s]+@[^@\s]+", values["contact_email"]):
        errors.append("The e-mail address needs exactly one @.")
    return errors


def pair(visit: Visit) -> Response:
    """A pairing code is shown in the answer to the click that made it, and never again."""
    if visit.user.sites is not None:
        raise HTTPException(404)
    code = None
    if visit.method == "POST":
        code = visit.core.pairing.new_code(f"user:{visit.user.name}", visit.now_ms)
    return show(visit, "pair.html", code=code)


def _case(visit: Visit) -> Case:
    case = queries.case(visit.core.state, visit.path["id"])
    if case is None:
        raise HTTPException(404)
    return case


def _page_number(visit: Visit) -> int:
    text = visit.query.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
    if not 1 <= number <= MAX_PAGE:
        raise HTTPException(404)
    return number
