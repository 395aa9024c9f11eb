"""The console as one application, with its own armour and its own error pages."""

from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from checkvalve.engine.core import Core
from checkvalve.engine.editing import MAX_FILE
from checkvalve.engine.errors import EngineError
from checkvalve.web.console import account, drafts, holds, pages, people, response, settings, states, words
from checkvalve.web.console.language import N_, _, preferred, speak
from checkvalve.web.console.render import page
from checkvalve.web.console.security import SECURITY_HEADERS, KnownHost, SameOrigin, SecurityHeaders, host_name
from checkvalve.web.console.visits import (
    AWARENESS,
    COSTS,
    DECIDING,
    DRAFTING,
    HOLDING,
    LEADS,
    LONG_FORM,
    ORGANISATION,
    PAIRING,
    ROTA,
    TASKS,
    guarded,
)
from checkvalve.web.requests import STATUS

READ, WRITE, BOTH = ["GET"], ["POST"], ["GET", "POST"]

ERRORS = {
    400: N_("That request could not be read."),
    404: N_("There is no such page."),
    405: N_("This page cannot be used that way."),
    409: N_("The case is closed. Nothing was changed."),
    413: N_("That was too much at once."),
    503: N_("The evidence log cannot be written now. Nothing was changed; try again in a moment."),
}


class Spoken:
    """Answers in the language the browser asks for, until it is known who is asking."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            speak(preferred(Headers(scope=scope).get("accept-language", "")))
        await self.app(scope, receive, send)


class _Static:
    """The one stylesheet and the icon. Asked for again each time: an update must not meet an old sheet."""

    def __init__(self) -> None:
        self._files = StaticFiles(packages=[("checkvalve.web", "static")])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def fresh(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"cache-control", b"no-cache")]
            await send(message)

        await self._files(scope, receive, fresh)


async def health(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def icon(_request: Request) -> Response:
    """Browsers ask for it beside documents that name no icon, as the drafts."""
    return RedirectResponse("/static/checkvalve.svg")


def routes() -> list[Route | Mount]:
    return [
        Route("/health", health, methods=READ),
        Route("/login", account.login_page, methods=["GET"]),
        Route("/login", account.login, methods=["POST"]),
        Route("/logout", account.logout, methods=["POST"]),
        Route("/", guarded(pages.overview), methods=READ),
        Route("/incidents/{id}", guarded(pages.incident), methods=READ),
        Route("/incidents/{id}/timeline", guarded(pages.timeline), methods=READ),
        Route("/incidents/{id}/exposures", guarded(pages.exposures), methods=READ),
        Route("/incidents/{id}/law", guarded(pages.law), methods=READ),
        Route("/incidents/{id}/awareness", guarded(response.awareness, AWARENESS), methods=BOTH),
        Route("/incidents/{id}/late-reason", guarded(response.late_reason, AWARENESS), methods=BOTH),
        Route("/incidents/{id}/tasks/{command}", guarded(response.task, TASKS), methods=BOTH),
        Route("/incidents/{id}/approvals/{command}", guarded(response.approval, TASKS), methods=BOTH),
        Route("/incidents/{id}/playbook", guarded(response.playbook, LEADS), methods=BOTH),
        Route("/incidents/{id}/notices/{regime}.{format}", guarded(drafts.notice), methods=READ),
        Route("/incidents/{id}/drafts", guarded(drafts.drafts, DRAFTING), methods=BOTH),
        Route("/incidents/{id}/drafts/{regime}", guarded(drafts.draft), methods=READ),
        Route("/incidents/{id}/drafts/{regime}/changes", guarded(drafts.changes), methods=READ),
        Route("/incidents/{id}/drafts/{regime}/edit", guarded(drafts.edit, DRAFTING, form=LONG_FORM), methods=BOTH),
        Route("/incidents/{id}/drafts/{regime}/word", guarded(drafts.upload, DRAFTING, file=MAX_FILE), methods=BOTH),
        Route("/incidents/{id}/drafts/{regime}/decision", guarded(drafts.decision, DECIDING), methods=BOTH),
        Route("/incidents/{id}/drafts/{regime}/filed", guarded(drafts.filed, AWARENESS), methods=BOTH),
        Route("/settings/organisation", guarded(settings.organisation, ORGANISATION), methods=BOTH),
        Route("/settings/costs", guarded(settings.costs, COSTS), methods=BOTH),
        Route("/people", guarded(people.rota, whole=True), methods=READ),
        Route("/people/absence", guarded(people.absence, ROTA, whole=True), methods=WRITE),
        Route("/people/test", guarded(people.test, ROTA, whole=True), methods=WRITE),
        Route("/holds", guarded(holds.holds, HOLDING, whole=True), methods=BOTH),
        Route("/holds/{hold}/lift", guarded(holds.lift, HOLDING, whole=True), methods=WRITE),
        Route("/model-states", guarded(states.states, whole=True), methods=READ),
        Route("/register", guarded(pages.register, whole=True), methods=READ),
        Route("/readiness", guarded(pages.ready, whole=True), methods=READ),
        Route("/pair", guarded(settings.pair, PAIRING, whole=True), methods=BOTH),
        Route("/account", guarded(account.account), methods=BOTH),
        Route("/account/second-factor", guarded(account.second_factor), methods=BOTH),
        Route("/favicon.ico", icon, methods=READ),
        Mount("/static", _Static(), name="static"),
    ]


def console_app(core: Core) -> Starlette:
    """Mount it last, at "": it answers everything that no other route took, 404 included."""
    hosts = {urlsplit(core.settings.public_url).hostname or "", host_name(core.settings.listen)} - {"", "0.0.0.0", "::"}  # noqa: S104
    app = Starlette(
        routes=routes(),
        middleware=[
            Middleware(Spoken),
            Middleware(SecurityHeaders),
            Middleware(KnownHost, hosts=hosts),
            Middleware(SameOrigin),
        ],
        exception_handlers={HTTPException: _http_error, EngineError: _engine_error, Exception: _crash},
    )
    app.state.core = core
    return app


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = _(ERRORS.get(error.status_code, N_("That did not work.")))
    return page("error.html", status=error.status_code, headers=dict(error.headers or {}), title=text, hint="")


async def _crash(_request: Request, _error: Exception) -> Response:
    """Answered outside the middleware, so it brings the armour itself; what happened is in the server's log."""
    hint = _(
        "The response goes on by itself. On the machine that runs Checkvalve, the command checkvalve case show says the same."
    )
    title = _("This page could not be shown.")
    return page("error.html", status=500, headers=SECURITY_HEADERS, title=title, hint=hint)


async def _engine_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, EngineError)
    status = STATUS.get(error.code, 400)
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    return page(
        "error.html",
        status=status,
        headers=headers,
        title=_(ERRORS.get(status, N_("That did not work."))),
        hint=words.complaint(error),
    )
