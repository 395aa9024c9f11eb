"""One request by one person: who it is, what they sent, what they may do."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from checkvalve.engine import queries
from checkvalve.engine.accounts import User
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.responding import LEADS, approvers
from checkvalve.web.console.render import page
from checkvalve.web.requests import read_body

__all__ = ["ANYONE", "AWARENESS", "LEADS", "ORGANISATION", "PAIRING", "TASKS", "Visit", "approvers", "doers", "guarded"]

MAX_FORM = 16_384

ROLE_NAMES: Mapping[str, str] = {
    "incident_lead": "incident lead",
    "wordpress_admin": "WordPress admin",
    "woocommerce": "WooCommerce specialist",
    "ai_engineer": "AI engineer",
    "dpo": "data protection officer",
    "communications": "communications",
    "controller": "controller (owner)",
    "hoster": "hoster contact",
    "auditor": "auditor",
}
ANYONE = frozenset(ROLE_NAMES)
AWARENESS = frozenset({"controller", "dpo", "incident_lead"})
ORGANISATION = frozenset({"controller", "dpo"})
PAIRING = frozenset({"incident_lead", "wordpress_admin"})

TASKS = ANYONE - {"auditor"}  # an auditor reads and changes nothing


def doers(role: str) -> frozenset[str]:
    """Who may say that a task is done: the role it was given to and those who lead; without a role anybody who acts."""
    return LEADS | {role} if role in ROLE_NAMES else TASKS


def names_of(roles: frozenset[str]) -> list[str]:
    return [name for role, name in ROLE_NAMES.items() if role in roles]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    core: Core
    user: User
    now_ms: int
    method: str
    path: Mapping[str, str]
    query: QueryParams
    form: Mapping[str, str] = field(default_factory=dict)

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
            "pair": self.may(PAIRING) and self.user.sites is None,
        }


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


def guarded(handler: Handler, may: frozenset[str] = ANYONE) -> Callable[[Request], Awaitable[Response]]:
    """Only for people who are logged in and hold one of the roles. Others learn who may, and nothing else happens."""

    async def handle(request: Request) -> Response:
        core = core_of(request)
        now_ms = core.now_ms()
        token = request.cookies.get(cookie_name(request))
        user = await run_in_threadpool(core.accounts.who, token, now_ms) if token else None
        if user is None:
            return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=303)
        if may.isdisjoint(user.roles):
            return refused(user, may)
        if user.sites is not None and not await run_in_threadpool(_seen, core, user, request.path_params):
            raise HTTPException(404)  # a case of another shop is, for this person, no case
        visit = Visit(
            core=core,
            user=user,
            now_ms=now_ms,
            method=request.method,
            path=request.path_params,
            query=request.query_params,
            form=await read_form(request) if request.method == "POST" else {},
        )
        if inspect.iscoroutinefunction(handler):
            answer: Response = await handler(visit)
        else:
            answer = await run_in_threadpool(handler, visit)  # type: ignore[arg-type]
        return answer

    return handle


async def read_form(request: Request) -> dict[str, str]:
    """An urlencoded form. The last of equal names wins; what is not text is refused."""
    body = await read_body(request, MAX_FORM)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError as error:
        raise EngineError("bad_request", "the form could not be read; go back and send it again") from error
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
