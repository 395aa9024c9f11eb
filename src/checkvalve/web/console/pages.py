"""The console's pages to be read: what goes on now, the case, its story, its law. What people state is in `response`."""

import re
from dataclasses import replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from checkvalve.engine import queries, readiness
from checkvalve.engine.accounts import User
from checkvalve.engine.views import Case, Overview
from checkvalve.notifications.render import render_register
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.web.console import answers, present, words
from checkvalve.web.console.language import spoken
from checkvalve.web.console.security import styled
from checkvalve.web.console.visits import Visit, case_of, names_of, show

TIMELINE_PAGE = 100
TIMELINE_FIRST = 15
EXPOSURES_PAGE = 100
EXPOSURES_FIRST = 10
REFRESH_S = 10  # while the response is under way
CLOCK_S = 60  # a clock in hours and minutes
BARS = 8
AUTOMATIC = "core"  # of the timeline: what no person did
MAX_PAGE = 1_000


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
    rows, total, _next = queries.exposure_page(visit.core.state, case.incident.id, after=None, limit=EXPOSURES_FIRST)
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
        trade=answers.trade(queries.trade(visit.core.state, case.incident, now_ms), now_ms),
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
    """The story by source, and by whose doing: one role's people, or what was done by itself."""
    case, source, role = case_of(visit), visit.query.get("source") or None, visit.query.get("role") or None
    if source not in (None, *queries.SOURCES) or role not in (None, AUTOMATIC, *words.ROLE_NAMES):
        raise HTTPException(404)
    newest_first, number = visit.query.get("order", "newest") != "oldest", _page_number(visit)
    moments = queries.timeline(
        visit.core.state,
        case.incident,
        source=source,
        by=_doers_of(visit, role),
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
        role=role,
        roles=words.ROLE_NAMES,
        newest_first=newest_first,
        number=number,
        more=len(moments) > TIMELINE_PAGE,
        moments=[(m, *words.moment(m)) for m in moments[:TIMELINE_PAGE]],
    )


def _doers_of(visit: Visit, role: str | None) -> frozenset[str] | None:
    """Whose entries a role's are: those of the people who hold it now."""
    if role is None:
        return None
    if role == AUTOMATIC:
        return frozenset({"core"})
    return frozenset(f"user:{name}" for name, roles in visit.core.accounts.roles().items() if role in roles)


def exposures(visit: Visit) -> Response:
    """Paged by place in the log, so that the last page costs what the first does."""
    case, after = case_of(visit), visit.query.get("after", "")
    found = re.fullmatch(r"(\d{1,15})\.(\d{1,7})", after, re.ASCII)
    if after and not found:
        raise HTTPException(404)
    place = (int(found[1]), int(found[2])) if found else None
    rows, total, last = queries.exposure_page(visit.core.state, case.incident.id, after=place, limit=EXPOSURES_PAGE)
    return show(
        visit,
        "exposures.html",
        incident=case.incident,
        exposures=rows,
        total=total,
        first=place is None,
        next=f"{last[0]}.{last[1]}" if last else None,
    )


def law(visit: Visit) -> Response:
    """Every clock, the severity with its reasons, which law applies and why, and what it costs."""
    incident = case_of(visit).incident
    found = queries.law(visit.core.state, incident, visit.now_ms, spoken())
    spent = queries.cost(visit.core.state, incident, visit.now_ms)
    said = {c.regime: c for c in incident.choices}
    return show(
        visit,
        "law.html",
        incident=incident,
        clocks=sorted(found["clocks"], key=lambda c: (c["met"], c["due_ms"])),
        assessment=found["assessment"],
        applicability=found["applicability"],
        cost={**spent, "items_": spent["items"]},  # `items` of a mapping is its method, to a template
        choices=said.values(),
    )


def register(visit: Visit) -> Response:
    """GDPR Art. 33(5): every breach, notified or not, as a document of its own."""
    text = render_register(queries.register(visit.core.state), rfc3339(from_ms(visit.now_ms)))
    return Response(text, media_type="text/html", headers=styled(text))


def ready(visit: Visit) -> Response:
    """What would fail tonight; of the whole installation, so for those who see all of it."""
    found = readiness.tonight(visit.core.settings, visit.now_ms)
    rows = [s.as_json(visit.now_ms) for s in readiness.standings(visit.core.settings)]
    return show(visit, "readiness.html", found=found, reviews=rows)


def _page_number(visit: Visit) -> int:
    text = visit.query.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
    if not 1 <= number <= MAX_PAGE:
        raise HTTPException(404)
    return number
