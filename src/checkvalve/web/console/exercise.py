"""The pages of an exercise that is running: its players and observers by their links, and the facilitator who leads it.

Served by the exercise itself, away from the console: nothing here sees a real case. Whoever has a link sits in its seat, so
there is no log-in and no cookie; every change is a form of these pages (SecurityHeaders, SameOrigin as in the console).
"""

from collections.abc import Collection
from typing import Any, Final, get_args

import segno
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from checkvalve.engine.errors import EngineError
from checkvalve.engine.exercise_room import MAX_TEXT, PAGED, Control, Question, Room
from checkvalve.exercises.review import MARK, STAMP, margin, role, span
from checkvalve.exercises.scenario import Means
from checkvalve.web.console.render import page
from checkvalve.web.console.security import SECURITY_HEADERS, KnownHost, SameOrigin, SecurityHeaders
from checkvalve.web.console.visits import read_form

REFRESH_S: Final = 4
STATUS: Final = {"forbidden": 403, "stale": 410, "too_late": 409, "bad_request": 400, "too_large": 413}
CONTROLS: Final = ("pause", "continue", "jump", "skip", "end")


def exercise_app(room: Room, public_url: str, hosts: Collection[str]) -> Starlette:
    """`hosts`: names under which people reach it."""
    app = Starlette(
        routes=[
            Route("/", _start, methods=["GET"]),
            Route("/x/{token}", _seat, methods=["GET", "POST"]),
            Route("/x/{token}/links", _links, methods=["GET"]),
            Route("/x/{token}/inject", _inject, methods=["GET", "POST"]),
            Mount("/static", StaticFiles(packages=[("checkvalve.web", "static")])),
        ],
        middleware=[Middleware(SecurityHeaders), Middleware(KnownHost, hosts=hosts), Middleware(SameOrigin)],
        exception_handlers={EngineError: _refused, HTTPException: _no_page, Exception: _no_page},
    )
    app.state.room, app.state.public_url = room, public_url
    return app


def _shown(template: str, playing: Room, *, status: int = 200, **context: Any) -> Response:
    context |= {
        "exercise": playing.name,
        "scenario": playing.scenario.title,
        "stamp": STAMP.removeprefix(f"{MARK}. "),
        "role": role,
    }
    return page(template, status=status, **context)


async def _start(request: Request) -> Response:
    return _shown("exercise_said.html", request.app.state.room, head="Open the link you were given", text="")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, EngineError)
    head = {"forbidden": "This link does not work here", "stale": "This link has expired"}.get(
        error.code, "Nothing was changed"
    )
    room, token = request.app.state.room, request.path_params.get("token")
    back = f"/x/{token}" if error.code not in ("forbidden", "stale") else None
    return _shown("exercise_said.html", room, status=STATUS.get(error.code, 400), head=head, text=error.hint, back=back)


async def _no_page(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    head = "This page could not be shown" if status == 500 else "There is no such page"
    return _shown("exercise_said.html", request.app.state.room, status=status, headers=SECURITY_HEADERS, head=head, text="")


async def _seat(request: Request) -> Response:
    """One page a seat. What a form asks is done, then the page is shown again."""
    room: Room = request.app.state.room
    token = request.path_params["token"]
    seat = room.seat(token)
    if request.method == "POST":
        _do(room, seat, await read_form(request))
        return RedirectResponse(f"/x/{token}", status_code=303)
    name = seat if seat in ("facilitator", "observer") else "player"
    renewed = {} if room.ended else {"Refresh": str(REFRESH_S)}  # by itself, without a script
    return _shown(f"exercise_{name}.html", room, headers=renewed, **_situation(room, seat), token=token)


def _do(room: Room, seat: str, form: dict[str, str]) -> None:
    match form.get("do"):
        case "join":
            room.join(seat)
        case "answer":
            room.answer(seat, form.get("decision", ""), form.get("option", ""))
        case "acknowledge":
            room.acknowledge(seat)
        case what if what in CONTROLS:
            room.control(seat, Control(what=what, inject=form.get("inject", "")))  # type: ignore[arg-type] # looked up
        case _:
            raise EngineError("bad_request", "go back and use the buttons of the page")


def _situation(room: Room, seat: str) -> dict[str, Any]:
    now = room.clock.now_ms()
    sees_all = seat in ("facilitator", "observer")
    asked = [_question(q, now, room.start_ms) for q in room.questions.values() if sees_all or q.decision.role == seat]
    lines = [{"at": _after(n.at_ms, room.start_ms), "line": n} for n in room.lines if sees_all or seat in n.to]
    return {
        "room": room,
        "seat": seat,
        "now_ms": now,
        "elapsed": span(now - room.start_ms),
        "still": "ended" if room.ended else "frozen" if room.frozen else "paused" if room.paused else "",
        "paged": room.page if sees_all or seat in PAGED else None,
        "questions": [q for q in asked if q["open"]],
        "answered": [q for q in asked if not q["open"]],
        "lines": lines[::-1],
        "cases": [
            {"i": c.incident, "clocks": [(f"{k.regime}, {k.clock}", k.met, margin(k.due_ms - now)) for k in c.clocks]}
            for c in room.cases()
        ],
        "events": [{"inject": i, "state": _state(room, i.id)} for i in room.scenario.injects],
    }


def _question(q: Question, now_ms: int, start_ms: int) -> dict[str, Any]:
    left = margin(q.until_ms - now_ms)
    return {"q": q, "open": q.open, "left": left, "at": _after(q.asked_ms, start_ms)}


def _state(room: Room, inject: str) -> str:
    return "given" if inject in room.given else "left out" if inject in room.skipped else ""


def _after(at_ms: int, start_ms: int) -> str:
    return f"+{span(at_ms - start_ms)}"


async def _links(request: Request) -> Response:
    """The link of every seat, also as a code that a phone reads."""
    room: Room = request.app.state.room
    token = request.path_params["token"]
    _facilitator(room, token)
    seats = [s for s in room.seats if s != "facilitator"]
    links = {seat: f"{request.app.state.public_url}/x/{room.link(seat)}" for seat in seats}
    codes = {seat: _code(link) for seat, link in links.items()}
    return _shown("exercise_links.html", room, token=token, links=links, codes=codes)


def _code(link: str) -> Markup:
    return Markup(segno.make(link, error="l").svg_inline(scale=3, border=4, light="#fff"))  # noqa: S704 - drawn here


async def _inject(request: Request) -> Response:
    """A page of its own: one that renews itself would lose what is typed."""
    room: Room = request.app.state.room
    token = request.path_params["token"]
    _facilitator(room, token)
    form, error = await read_form(request) if request.method == "POST" else {}, ""
    if request.method == "POST":
        try:
            chosen = [r for r in room.scenario.roles if form.get(f"to-{r}")]
            room.add("facilitator", form.get("sender", ""), chosen, form.get("means", ""), form.get("text", ""))
            return RedirectResponse(f"/x/{token}", status_code=303)
        except EngineError as problem:
            error = problem.hint
    status = 400 if error else 200
    about = {"token": token, "form": form, "error": error, "means": get_args(Means), "longest": MAX_TEXT}
    return _shown("exercise_inject.html", room, status=status, roles=room.scenario.roles, **about)


def _facilitator(room: Room, token: str) -> None:
    if room.seat(token) != "facilitator":
        raise EngineError("forbidden", "only the facilitator leads the exercise")
