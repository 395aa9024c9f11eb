"""One request by one person: who it is, what they sent, what they may do."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message

from checkvalve.engine import queries
from checkvalve.engine.accounts import User
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.holds import MAY_HOLD
from checkvalve.engine.responding import LEADS, approvers
from checkvalve.engine.views import Case
from checkvalve.web.console.language import _, speak
from checkvalve.web.console.render import page
from checkvalve.web.console.security import LIVE
from checkvalve.web.console.words import ROLE_NAMES
from checkvalve.web.requests import read_body

__all__ = ["ANYONE", "AWARENESS", "COSTS", "DECIDING", "DRAFTING", "HOLDING", "LEADS", "ORGANISATION", "PAIRING", "ROTA",
           "TASKS", "Visit", "approvers", "doers", "guarded"]  # fmt: skip

MAX_FORM = 16_384
LONG_FORM = 400_000  # a draft with all its letters

ANYONE = frozenset(ROLE_NAMES)
AWARENESS = frozenset({"controller", "dpo", "incident_lead"})
ORGANISATION = frozenset({"controller", "dpo"})
DECIDING = frozenset({"controller"})  # whether a notice is given: nobody else's word
DRAFTING = frozenset({"controller", "dpo", "communications", "incident_lead"})
HOLDING = frozenset(MAY_HOLD)
ROTA = LEADS
COSTS = LEADS | {"dpo"}
PAIRING = frozenset({"incident_lead", "wordpress_admin"})

TASKS = ANYONE - {"auditor"}  # an auditor reads and changes nothing


def doers(role: str) -> frozenset[str]:
    """Who may say that a task is done: the role it was given to and those who lead; without a role anybody who acts."""
    return LEADS | {role} if role in ROLE_NAMES else TASKS


def names_of(roles: frozenset[str]) -> list[str]:
    return [_(name) for role, name in ROLE_NAMES.items() if role in roles]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    core: Core
    user: User
    now_ms: int
    method: str
    path: Mapping[str, str]
    query: QueryParams
    form: Mapping[str, str] = field(default_factory=dict)
    file: bytes = b""  # of a form that brought one

    def may(self, roles: frozenset[str]) -> bool:
        return not roles.isdisjoint(self.user.roles)

    @property
    def can(self) -> dict[str, bool]:
        """What the pages offer this person."""
        return {
            "all": self.user.sites is None,
            "lead": self.may(LEADS),
            "aware": self.may(AWARENESS),
            "organisation": self.may(ORGANISATION),
            "draft": self.may(DRAFTING),
            "decide": self.may(DECIDING),
            "rota": self.may(ROTA),
            "costs": self.may(COSTS),
            "hold": self.may(HOLDING) and self.user.sites is None,
            "pair": self.may(PAIRING) and self.user.sites is None,
        }


def show(visit: Visit, template: str, *, status: int = 200, refresh: int | None = None, **context: Any) -> Response:
    """`refresh`: seconds after which the page renews itself."""
    context |= {"user": visit.user, "can": visit.can, "now_ms": visit.now_ms, "refresh": refresh}
    return page(template, status=status, headers=LIVE if refresh else None, **context)


def case_of(visit: Visit) -> Case:
    case = queries.case(visit.core.state, visit.path["id"])
    if case is None:
        raise HTTPException(404)
    return case


def refused(user: User, may: frozenset[str]) -> Response:
    return page("forbidden.html", status=403, user=user, may=names_of(may), anyone=may == ANYONE)


Handler = Callable[[Visit], Response] | Callable[[Visit], Awaitable[Response]]


def core_of(request: Request) -> Core:
    core: Core = request.app.state.core
    return core


def _seen(core: Core, user: User, path: Mapping[str, str]) -> bool:
    """Whether the case that a path names is of a shop that this person sees; other paths look for themselves."""
    if "id" not in path:
        return True
    case = queries.case(core.state, path["id"])
    return case is not None and user.sees(case.incident.site)


def guarded(
    handler: Handler, may: frozenset[str] = ANYONE, *, form: int = MAX_FORM, file: int = 0, whole: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """Only for people who are logged in and hold one of the roles. Others learn who may, and nothing else happens.

    `form`, `file`: how many bytes of each are read. `whole`: about the whole installation, so for those who see every shop.
    """

    async def handle(request: Request) -> Response:
        core = core_of(request)
        now_ms = core.now_ms()
        token = request.cookies.get(cookie_name(request))
        user = await run_in_threadpool(core.accounts.who, token, now_ms) if token else None
        if user is None:
            return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=303)
        if user.lang:
            speak(user.lang)
        if may.isdisjoint(user.roles):
            return refused(user, may)
        if whole and user.sites is not None:
            raise HTTPException(404)
        if user.sites is not None and not await run_in_threadpool(_seen, core, user, request.path_params):
            raise HTTPException(404)  # a case of another shop is, for this person, no case
        sent, brought = await _sent(request, form, file)
        visit = Visit(
            core=core,
            user=user,
            now_ms=now_ms,
            method=request.method,
            path=request.path_params,
            query=request.query_params,
            form=sent,
            file=brought,
        )
        if inspect.iscoroutinefunction(handler):
            answer: Response = await handler(visit)
        else:
            answer = await run_in_threadpool(handler, visit)  # type: ignore[arg-type]
        return answer

    return handle


async def _sent(request: Request, form: int, file: int) -> tuple[Mapping[str, str], bytes]:
    """The form and the file that came with it; both are empty of what asks for a page only."""
    if request.method != "POST":
        return {}, b""
    if not file:
        return await read_form(request, form), b""
    body = await read_body(request, form + file)

    async def again() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, again).form(max_files=1, max_fields=10) as parts:
            found = [await part.read() for part in parts.values() if isinstance(part, UploadFile)]
            return {n: v for n, v in parts.items() if isinstance(v, str)}, b"".join(found)
    except HTTPException as error:
        raise EngineError("bad_request", _("the form could not be read; go back and send it again")) from error


async def read_form(request: Request, limit: int = MAX_FORM) -> dict[str, str]:
    """An urlencoded form. The last of equal names wins; what is not text is refused."""
    body = await read_body(request, limit)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=limit // 320)
    except ValueError as error:
        raise EngineError("bad_request", _("the form could not be read; go back and send it again")) from error
    return {name: value.replace("\x00", "").strip() if name != "password" else value for name, value in pairs}


def is_https(request: Request) -> bool:
    return request.url.scheme == "https" or core_of(request).settings.public_url.startswith("https:")


def cookie_name(request: Request) -> str:
    # the prefix makes browsers insist on Secure, Path=/ and no Domain
    return "__Host-checkvalve" if is_https(request) else "checkvalve"


def own_path(text: str) -> str:
    """Where to go after log-in: a path of this console, never another site."""
    if not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isprintable():
        return "/"
    return urlsplit(text).path
