"""Reading requests within bounds, and answering errors in one form."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from checkvalve.engine.errors import EngineError
from checkvalve.events.signature import Message

STATUS = {
    "bad_request": 400,
    "bad_digest": 400,
    "bad_signature": 401,
    "unknown_sensor": 401,
    "stale": 401,
    "replayed": 401,
    "bad_code": 403,
    "forbidden": 403,
    "not_found": 404,
    "sequence_conflict": 409,
    "too_large": 413,
    "too_many_attempts": 429,
    "busy": 503,
}


class Json(Response):
    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return msgspec.json.encode(content)


def error_answer(error: EngineError) -> Response:
    """RFC 9457, with the members `error` and `hint` alone."""
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    body = {"error": error.code, "hint": error.hint}
    return Json(body, status_code=STATUS.get(error.code, 400), headers=headers, media_type="application/problem+json")


def answers_errors(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Turn EngineError into the JSON error of docs/spec/wire.md, section 2."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except EngineError as error:
            return error_answer(error)

    return handle


async def read_body(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it is longer than `limit` bytes."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise EngineError("too_large", f"at most {limit} bytes; send smaller batches")
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise EngineError("too_large", f"at most {limit} bytes; send smaller batches")
            parts.append(part)
    except ClientDisconnect:
        raise EngineError("bad_request", "the connection ended before the body did") from None
    return b"".join(parts)


def signed_message(request: Request) -> Message:
    return Message(
        method=request.method,
        path=request.scope["raw_path"].decode("latin-1").split("?")[0],
        query=request.scope["query_string"].decode("latin-1"),
        headers={k.lower(): v for k, v in request.headers.items()},
    )
