"""What commands on core's own machine ask of a running core (`engine/local_api.py`)."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.importer import MAX_BATCH
from checkvalve.web.requests import Json, answers_errors, read_body, signed_message

MAX_BODY = 64 * 1024 * 1024


async def _admitted(request: Request) -> tuple[Core, bytes]:
    core: Core = request.app.state.core
    body = await read_body(request, MAX_BODY)
    core.gatekeeper.check(signed_message(request), body, core.now_ms())
    return core, body


@answers_errors
async def import_records(request: Request) -> Response:
    """A batch of imported records, MessagePack: a list of byte strings as `events.imports.envelope.wrap` makes them."""
    core, body = await _admitted(request)
    try:
        records = msgspec.msgpack.decode(body, type=list[bytes])
    except (msgspec.DecodeError, RecursionError) as error:
        raise EngineError("bad_request", "not a list of records") from error
    if len(records) > MAX_BATCH:
        raise EngineError("bad_request", f"at most {MAX_BATCH} records at once")
    put = await core.importer.put(records, core.now_ms())
    return Json({"entries": len(put.entries), "known": put.known})


ROUTES = [Route("/v1/local/import", import_records, methods=["POST"])]
