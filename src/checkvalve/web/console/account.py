"""Log-in and log-out. The session's token lives in a cookie only; the database knows its hash."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from checkvalve.engine.accounts import SESSION_MS
from checkvalve.engine.errors import EngineError
from checkvalve.web.console.render import page
from checkvalve.web.console.visits import cookie_name, core_of, is_https, own_path, read_form
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
        return page("login.html", status=status, headers=headers, after=after, error=error.hint, name=name[:80], nobody=nobody)
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


async def logout(request: Request) -> Response:
    await _end_session(request)
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(cookie_name(request), httponly=True, samesite="strict", secure=is_https(request))
    return answer


async def _end_session(request: Request) -> None:
    token = request.cookies.get(cookie_name(request))
    if token:
        await run_in_threadpool(core_of(request).accounts.log_out, token)
