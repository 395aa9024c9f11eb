"""What commands on core's own machine ask of a running core (`engine/local_api.py`)."""

from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from checkvalve.engine import (
    canaries,
    editing,
    looking,
    paging_drill,
    readiness,
    residency,
    retention,
    ruling,
    statements,
    vault_told,
)
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.importer import MAX_BATCH
from checkvalve.engine.responding import ANSWER_PATH, Answering, Starting, answered, start
from checkvalve.engine.responding import PATH as RUN_PATH
from checkvalve.incidents.case import IncidentError
from checkvalve.regimes.law import RegimeError
from checkvalve.web.requests import Json, answers_errors, read_body, signed_message

Asked = TypeVar("Asked", bound=msgspec.Struct)
MAX_BODY = 64 * 1024 * 1024


@answers_errors
async def run(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await start(core, _decoded(body, Starting)))


@answers_errors
async def answer(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await answered(core, _decoded(body, Answering)))


@answers_errors
async def edited(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await editing.take_back(core, _decoded(body, editing.Returning)))


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


@answers_errors
async def find(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await looking.found(core, _decoded(body, looking.Looking)))


@answers_errors
async def erase(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await looking.erased(core, _decoded(body, looking.Erasing)))


@answers_errors
async def hold(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await looking.held(core, _decoded(body, looking.Holding)))


@answers_errors
async def retain(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await retention.apply(core, _decoded(body, looking.Retaining).by))


def _decoded(body: bytes, kind: type[Asked]) -> Asked:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise EngineError("bad_request", "not what this command sends; are both of one version?") from error


@answers_errors
async def state(request: Request) -> Response:
    core, body = await _admitted(request)
    try:
        statement = msgspec.json.decode(body, type=statements.Statement)
        return Json(await statements.stated(core, statement))
    except (msgspec.DecodeError, RecursionError) as error:
        raise EngineError("bad_request", "not what this command sends; are both of one version?") from error
    except (IncidentError, RegimeError) as error:
        raise EngineError("bad_request", str(error)) from error


@answers_errors
async def page_test(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await paging_drill.tested(core, _decoded(body, paging_drill.Testing)))


@answers_errors
async def plant(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await canaries.planted(core, _decoded(body, canaries.Planting)))


@answers_errors
async def review(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await readiness.stated(core, _decoded(body, readiness.Done)))


@answers_errors
async def transfer(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await residency.stated(core, _decoded(body, residency.Transferring)))


@answers_errors
async def model_state(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await vault_told.stated(core, _decoded(body, vault_told.Told)))


@answers_errors
async def rules(request: Request) -> Response:
    core, body = await _admitted(request)
    return Json(await ruling.looked(core, _decoded(body, ruling.Ruling)))


ROUTES = [
    Route(ruling.PATH, rules, methods=["POST"]),
    Route(vault_told.PATH, model_state, methods=["POST"]),
    Route(canaries.PATH, plant, methods=["POST"]),
    Route(residency.PATH, transfer, methods=["POST"]),
    Route(readiness.PATH, review, methods=["POST"]),
    Route(paging_drill.PATH, page_test, methods=["POST"]),
    Route(statements.PATH, state, methods=["POST"]),
    Route(RUN_PATH, run, methods=["POST"]),
    Route(ANSWER_PATH, answer, methods=["POST"]),
    Route(editing.PATH, edited, methods=["POST"]),
    Route("/v1/local/import", import_records, methods=["POST"]),
    Route("/v1/local/find", find, methods=["POST"]),
    Route("/v1/local/erase", erase, methods=["POST"]),
    Route("/v1/local/hold", hold, methods=["POST"]),
    Route("/v1/local/retention", retain, methods=["POST"]),
]
