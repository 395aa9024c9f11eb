"""Who is called tonight, who is away and who stands in, and whether a page reaches people."""

from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from checkvalve.engine import decisions, paging_drill, paging_rota, queries
from checkvalve.engine.errors import EngineError
from checkvalve.engine.paging_rota import Paging
from checkvalve.transports.pages import scheme
from checkvalve.web.console import times, words
from checkvalve.web.console.language import _
from checkvalve.web.console.visits import Visit, names_of, show

LONGEST_MS = 180 * 24 * 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RungLine:
    """`now`: whom the rung reaches at this moment. `members`: (call sign, kinds of channel, who stands in: None if there)."""

    number: int
    wait_minutes: int
    now: tuple[str, ...]
    members: tuple[tuple[str, str, str | None], ...]


async def rota(visit: Visit) -> Response:
    """On call now and next, absences, the last test page."""
    return await _shown(visit, None)


async def absence(visit: Visit) -> Response:
    """Somebody is away from a time to a time, with somebody who stands in or nobody; or is back."""
    form, now_ms, error = visit.form, visit.now_ms, None
    contact, settings = form.get("contact", ""), visit.core.settings
    try:
        if form.get("what") == "back":
            await run_in_threadpool(paging_rota.returned, settings, contact, now_ms)
            said: dict[str, Any] = {"contact": contact, "away": None}
        else:
            first, last = times.parse(form.get("first", ""), None), times.parse(form.get("last", ""), None)
            if last <= now_ms or last - first > LONGEST_MS:
                raise times.TimeError(_("An absence ends in the future, and within half a year."))
            await run_in_threadpool(paging_rota.absent, settings, contact, first, last, form.get("stands_in", ""))
            said = {"contact": contact, "away": [first, last], "stands_in": form.get("stands_in", "")}
        changed = decisions.draft("rota_changed", at_ms=now_ms, by=f"user:{visit.user.name}", **said)
        await visit.core.decide([changed])
        return RedirectResponse("/people", status_code=303)
    except times.TimeError as problem:
        error = str(problem)
    except EngineError as problem:
        error = words.complaint(problem)
    return await _shown(visit, error)


async def test(visit: Visit) -> Response:
    """A test page to everybody of the rota, or to one."""
    try:
        asked = paging_drill.Testing(by=f"user:{visit.user.name}", contact=visit.form.get("contact") or None)
        await paging_drill.tested(visit.core, asked)
        return RedirectResponse("/people", status_code=303)
    except EngineError as problem:
        return await _shown(visit, words.complaint(problem))


async def _shown(visit: Visit, error: str | None) -> Response:
    try:
        paging = await run_in_threadpool(paging_rota.load, visit.core.settings)
    except EngineError as problem:
        paging, error = None, words.complaint(problem)
    roles = await run_in_threadpool(visit.core.accounts.roles)
    return show(
        visit,
        "people.html",
        status=400 if error else 200,
        paging=paging,
        rungs=_rungs(paging, visit.now_ms) if paging else [],
        absences=_absences(paging, visit.now_ms) if paging else [],
        alone=paging is not None and len({scheme(u) for urls in paging.urls.values() for u in urls}) < 2,
        tested=await run_in_threadpool(queries.page_test, visit.core.state),
        accounts=[(name, names_of(held)) for name, held in roles.items()] if visit.can["rota"] else [],
        lacking=[r for r in words.ROLE_NAMES if not any(r in held for held in roles.values())],
        first_typed=visit.form.get("first") or times.typed(visit.now_ms),
        last_typed=visit.form.get("last", ""),
        error=error,
    )


def _rungs(paging: Paging, now_ms: int) -> list[RungLine]:
    return [
        RungLine(
            number=number + 1,
            wait_minutes=rung.wait_minutes,
            now=paging.rota.present(number, now_ms),
            members=tuple(
                (c, ", ".join(dict.fromkeys(scheme(u) for u in paging.urls[c])), paging.rota.absent(c, now_ms))
                for c in rung.contacts
            ),
        )
        for number, rung in enumerate(paging.rota.rungs)
    ]


def _absences(paging: Paging, now_ms: int) -> list[tuple[str, int, int, str]]:
    """Those that have not ended, the next first."""
    spans = [(name, *span) for name, each in paging.rota.away.items() for span in each if span[1] > now_ms]
    return sorted(spans, key=lambda s: s[1])
