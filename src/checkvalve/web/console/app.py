"""The console as one application, with its own armour and its own error pages."""

from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.web.console import account, pages, response
from checkvalve.web.console.render import page
from checkvalve.web.console.security import SECURITY_HEADERS, KnownHost, SameOrigin, SecurityHeaders, host_name
from checkvalve.web.console.visits import AWARENESS, LEADS, ORGANISATION, PAIRING, TASKS, guarded
from checkvalve.web.requests import STATUS

READ, BOTH = ["GET"], ["GET", "POST"]

ERRORS = {
    400: "That request could not be read.",
    404: "There is no such page.",
    405: "This page cannot be used that way.",
    409: "The case is closed. Nothing was changed.",
    413: "That was too much at once.",
    503: "The evidence log cannot be written now. Nothing was changed; try again in a moment.",
}


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
        Route("/incidents/{id}/awareness", guarded(pages.awareness, AWARENESS), methods=BOTH),
        Route("/incidents/{id}/late-reason", guarded(pages.late_reason, AWARENESS), methods=BOTH),
        Route("/incidents/{id}/tasks/{command}", guarded(pages.task, TASKS), methods=BOTH),
        Route("/incidents/{id}/approvals/{command}", guarded(response.approval, TASKS), methods=BOTH),
        Route("/incidents/{id}/playbook", guarded(response.playbook, LEADS), methods=BOTH),
        Route("/incidents/{id}/notices/{regime}.{format}", guarded(pages.notice), methods=READ),
        Route("/settings/organisation", guarded(pages.organisation, ORGANISATION), methods=BOTH),
        Route("/register", guarded(pages.register), methods=READ),
        Route("/readiness", guarded(pages.ready), methods=READ),
        Route("/pair", guarded(pages.pair, PAIRING), methods=BOTH),
        Route("/favicon.ico", icon, methods=READ),
        Mount("/static", _Static(), name="static"),
    ]


def console_app(core: Core) -> Starlette:
    """Mount it last, at "": it answers everything that no other route took, 404 included."""
    hosts = {urlsplit(core.settings.public_url).hostname or "", host_name(core.settings.listen)} - {"", "0.0.0.0", "::"}  # noqa: S104
    app = Starlette(
        routes=routes(),
        middleware=[Middleware(SecurityHeaders), Middleware(KnownHost, hosts=hosts), Middleware(SameOrigin)],
        exception_handlers={HTTPException: _http_error, EngineError: _engine_error, Exception: _crash},
    )
    app.state.core = core
    return app


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = ERRORS.get(error.status_code, "That did not work.")
    return page("error.html", status=error.status_code, headers=dict(error.headers or {}), title=text, hint="")


async def _crash(_request: Request, _error: Exception) -> Response:
    """Answered outside the middleware, so it brings the armour itself; what happened is in the server's log."""
    hint = (
        "The response goes on by itself. On the machine that runs Checkvalve, the command checkvalve case show says the same."
    )
    title = "This page could not be shown."
    return page("error.html", status=500, headers=SECURITY_HEADERS, title=title, hint=hint)


async def _engine_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, EngineError)
    status = STATUS.get(error.code, 400)
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    return page("error.html", status=status, headers=headers, title=ERRORS.get(status, "That did not work."), hint=error.hint)
