"""Legal holds: what may not be erased. One person sets a hold; two lift it."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from checkvalve.engine import looking, queries
from checkvalve.engine.errors import EngineError
from checkvalve.web.console import words
from checkvalve.web.console.language import _
from checkvalve.web.console.response import MAX_TEXT
from checkvalve.web.console.visits import Visit, show


async def holds(visit: Visit) -> Response:
    """Those that stand and those that were lifted; a form sets one."""
    if visit.method == "POST":
        reason = " ".join(visit.form.get("reason", "").split())[:MAX_TEXT]
        subject = visit.form.get("subject", "")[:200] or None
        return await _held(visit, looking.Holding(by=_by(visit), reason=reason, subject=subject))
    return await _shown(visit, None)


async def lift(visit: Visit) -> Response:
    """The first person's wish, or the second one's consent: the hold falls only with both."""
    reason = " ".join(visit.form.get("reason", "").split())[:MAX_TEXT]
    if not reason:
        return await _shown(visit, _("Say why."))
    return await _held(visit, looking.Holding(by=_by(visit), reason=reason, lift=visit.path["hold"]))


async def _held(visit: Visit, asked: looking.Holding) -> Response:
    try:
        await looking.held(visit.core, asked)
        return RedirectResponse("/holds", status_code=303)
    except EngineError as problem:
        return await _shown(visit, words.complaint(problem))


async def _shown(visit: Visit, error: str | None) -> Response:
    every = await run_in_threadpool(queries.holds, visit.core.state)
    return show(
        visit,
        "holds.html",
        status=400 if error else 200,
        standing=[h for h in every if h.lifted_ms is None],
        lifted=[h for h in every if h.lifted_ms is not None],
        me=_by(visit),
        reason=visit.form.get("reason", "") if error else "",
        subject=visit.form.get("subject", "") if error else "",
        error=error,
    )


def _by(visit: Visit) -> str:
    return f"user:{visit.user.name}"
