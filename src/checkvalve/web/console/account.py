"""Log-in and log-out, and what people set for themselves. The session's token lives in a cookie only; the database knows its
hash."""

import io
import secrets

import segno
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from checkvalve.engine import totp
from checkvalve.engine.accounts import SESSION_MS
from checkvalve.engine.errors import EngineError
from checkvalve.incidents.wording import LANGUAGES
from checkvalve.web.console import words
from checkvalve.web.console.language import NAMES, _
from checkvalve.web.console.render import page
from checkvalve.web.console.visits import Visit, cookie_name, core_of, is_https, own_path, read_form, show
from checkvalve.web.requests import STATUS


async def login_page(request: Request) -> Response:
    after = own_path(request.query_params.get("next", "/"))
    return page(
        "login.html", after=after, error=None, name="", nobody=not await run_in_threadpool(core_of(request).accounts.names)
    )


async def login(request: Request) -> Response:
    core = core_of(request)
    form = await read_form(request)
    name, after = form.get("name", ""), own_path(form.get("next", "/"))
    address = request.client.host if request.client else "unknown"
    try:
        password, code = form.get("password", ""), form.get("code", "").strip()
        token = await run_in_threadpool(core.accounts.log_in, name, password, address, core.now_ms(), code)
    except EngineError as error:
        nobody = not await run_in_threadpool(core.accounts.names)
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
        status = STATUS.get(error.code, 403)
        said = _said(error)
        return page("login.html", status=status, headers=headers, after=after, error=said, name=name[:80], nobody=nobody)
    await _end_session(request)  # the session this browser had before, if any
    answer = RedirectResponse(after, status_code=303)
    answer.set_cookie(
        cookie_name(request),
        token,
        max_age=SESSION_MS // 1000,
        httponly=True,
        samesite="strict",
        secure=is_https(request),
    )
    return answer


def _said(error: EngineError) -> str:
    if error.code == "login_failed":
        return _("Name or password is wrong, or the code is.")
    return _("Too many failed log-ins; wait 15 minutes.") if error.code == "too_many_attempts" else error.hint


async def logout(request: Request) -> Response:
    await _end_session(request)
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(cookie_name(request), httponly=True, samesite="strict", secure=is_https(request))
    return answer


async def _end_session(request: Request) -> None:
    token = request.cookies.get(cookie_name(request))
    if token:
        await run_in_threadpool(core_of(request).accounts.log_out, token)


def account(visit: Visit) -> Response:
    """The language of the console, and the second factor. Everybody has one of their own, whatever their roles."""
    if visit.method == "POST":
        lang = visit.form.get("lang", "")
        visit.core.accounts.set_language(visit.user.name, lang if lang in LANGUAGES else None)
        return RedirectResponse("/account", status_code=303)
    return show(visit, "account.html", languages=NAMES, roles=[words.role(r) for r in visit.user.roles])


def second_factor(visit: Visit) -> Response:
    """The secret is made at a click and shown in the answer to it; it counts from the moment the app's code was typed."""
    form, accounts = visit.form, visit.core.accounts
    if visit.method == "GET":
        return show(visit, "second_factor.html", secret=None, codes=None, error=None)
    secret, error = form.get("secret", ""), None
    if not totp.usable(secret):
        secret = totp.encoded(secrets.token_bytes(totp.SECRET_BYTES))
    elif "first" in form:
        try:
            codes = accounts.enrol(
                visit.user.name, form.get("password", ""), form.get("code", ""), secret, form["first"], visit.now_ms
            )
            return show(visit, "second_factor.html", secret=None, codes=codes, error=None)
        except EngineError as problem:
            wrong = {
                "bad_code": _("The code of the app is wrong. See that its clock is right, and type the next one."),
                "login_failed": _("The password is wrong, or the code of the app you had."),
            }
            error = wrong.get(problem.code, _said(problem))
    picture = _picture(totp.uri(secret, visit.user.name))
    status = 403 if error else 200
    return show(visit, "second_factor.html", status=status, secret=secret, picture=picture, codes=None, error=error)


def _picture(uri: str) -> Markup:
    """The QR code as part of the page: it is in no address, and no picture of it is fetched or kept."""
    drawn = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(
        drawn, kind="svg", scale=5, border=4, xmldecl=False, svgns=False, nl=False, light="#fff", omitsize=True
    )
    return Markup(drawn.getvalue().decode())  # noqa: S704 # drawn here from the bits of the code
