"""Acknowledging a page by its signed link, without log-in. Opening shows a button; only the button acknowledges."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from checkvalve.engine import paging
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.web.console.language import _, preferred, speak
from checkvalve.web.console.render import page
from checkvalve.web.console.security import SECURITY_HEADERS

HEADERS = {**SECURITY_HEADERS, "Referrer-Policy": "no-referrer"}  # the address is the key


async def acknowledge(request: Request) -> Response:
    speak(preferred(request.headers.get("accept-language", "")))
    core: Core = request.app.state.core
    token = request.path_params["token"]
    try:
        if request.method == "POST":
            found = await paging.acknowledge(core, token)
            done = _("%(case)s: you are on it, %(contact)s. Nobody else is paged for this.")
            return _shown(_("Acknowledged"), done % _named(found))
        found = paging.read_token(core, token)
        return _shown(found.case or _("Test page"), _("Are you on it, %(contact)s?") % _named(found), button=True)
    except EngineError as error:
        return _shown(_("This link does not work"), _hint(error), status=410 if error.code == "stale" else 403)


def _named(found: paging.Acknowledgement) -> dict[str, str]:
    return {"case": found.case or _("Test page"), "contact": found.contact}


def _hint(error: EngineError) -> str:
    if error.code == "stale":
        return _("It is older than a week; log in to the console instead.")
    return _("It was not made here, or it was cut short.")


def _shown(title: str, text: str, *, button: bool = False, status: int = 200) -> Response:
    return page("acknowledge.html", status=status, headers=HEADERS, title=title, text=text, button=button)


ROUTES = [Route("/ack/{token}", acknowledge, methods=["GET", "POST"])]
