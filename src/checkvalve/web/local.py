"""What commands on core's own machine ask of a running core (`engine/local_api.py`)."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from checkvalve.engine import (
    canaries,
    editing,
    fleet,
    looking,
    paging_drill,
    readiness,
    residency,
    retention,
    roles,
    ruling,
    statements,
    vault_told,
    watching_told,
    writing_letters,
)
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.importer import MAX_BATCH
from checkvalve.engine.responding import ANSWER_PATH, Answering, Starting, answered, start
from checkvalve.engine.responding import PATH as RUN_PATH
from checkvalve.incidents.case import IncidentError
from checkvalve.regimes.law import RegimeError
from checkvalve.web.requests import Json, answers_errors, read_body, signed_message

MAX_BODY: Final = 64 * 1024 * 1024
Does = Callable[[Core, Any], Awaitable[dict[str, Any]]]

# What may be asked: the form of the body, and what does it. The types of the two fit, and no checker can see it in a table.
ASKED: Final[dict[str, tuple[Any, Does]]] = {
    RUN_PATH: (Starting, start),
    ANSWER_PATH: (Answering, answered),
    editing.PATH: (editing.Returning, editing.take_back),
    fleet.PATH: (fleet.Asking, fleet.asked),
    writing_letters.PATH: (writing_letters.Writing, writing_letters.asked),
    paging_drill.PATH: (paging_drill.Testing, paging_drill.tested),
    statements.PATH: (statements.Statement, statements.stated),
    canaries.PATH: (canaries.Planting, canaries.planted),
    readiness.PATH: (readiness.Done, readiness.stated),
    residency.PATH: (residency.Transferring, residency.stated),
    vault_told.PATH: (vault_told.Told, vault_told.stated),
    roles.PATH: (roles.Found, roles.stated),
    watching_told.PATH: (watching_told.Told, watching_told.stated),
    ruling.PATH: (ruling.Ruling, ruling.looked),
    "/v1/local/find": (looking.Looking, looking.found),
    "/v1/local/erase": (looking.Erasing, looking.erased),
    "/v1/local/hold": (looking.Holding, looking.held),
    "/v1/local/retention": (looking.Retaining, lambda core, asked: retention.apply(core, asked.by)),
}


async def _admitted(request: Request) -> tuple[Core, bytes]:
    core: Core = request.app.state.core
    body = await read_body(request, MAX_BODY)
    core.gatekeeper.check(signed_message(request), body, core.now_ms())
    return core, body


def _answering(form: Any, does: Does) -> Callable[[Request], Awaitable[Response]]:
    @answers_errors
    async def answer(request: Request) -> Response:
        core, body = await _admitted(request)
        try:
            return Json(await does(core, msgspec.json.decode(body, type=form)))
        except (msgspec.DecodeError, RecursionError) as error:
            raise EngineError("bad_request", "not what this command sends; are both of one version?") from error
        except (IncidentError, RegimeError) as error:
            raise EngineError("bad_request", str(error)) from error

    return answer


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


ROUTES = [
    *(Route(path, _answering(form, does), methods=["POST"]) for path, (form, does) in ASKED.items()),
    Route("/v1/local/import", import_records, methods=["POST"]),
]
