"""Acknowledging a page by its signed link, without log-in. Opening shows a button; only the button acknowledges."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from checkvalve.engine import paging
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.web.console.security import SECURITY_HEADERS

HEADERS = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Checkvalve</title><h1>{title}</h1><p>{text}</p>{form}</html>"""
BUTTON = '<form method="post"><button>I am on it</button></form>'


async def acknowledge(request: Request) -> Response:
    core: Core = request.app.state.core
    token = request.path_params["token"]
    try:
        if request.method == "POST":
            found = await paging.acknowledge(core, token)
            return _page(
                "Acknowledged", f"{found.case or 'Test page'}: you are on it, {found.contact}. Nobody else is paged for this."
            )
        found = paging.read_token(core, token)
        return _page(found.case or "Test page", f"Are you on it, {found.contact}?", BUTTON)
    except EngineError as error:
        return _page("This link does not work", error.hint, status=410 if error.code == "stale" else 403)


def _page(title: str, text: str, form: str = "", status: int = 200) -> Response:
    return HTMLResponse(PAGE.format(title=escape(title), text=escape(text), form=form), status_code=status, headers=HEADERS)


ROUTES = [Route("/ack/{token}", acknowledge, methods=["GET", "POST"])]
