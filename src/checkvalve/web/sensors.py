"""What sensors ask of core: pairing, events in, orders and configuration out (docs/spec/wire.md)."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.ingest import MAX_BODY, Sensor
from checkvalve.events import signature
from checkvalve.web.requests import Json, answers_errors, read_body, signed_message

MAX_PAIR_BODY = 16_384
MAX_WAIT_S = 25.0
EVENTS = b"/v1/events"


def _core(request: Request) -> Core:
    core: Core = request.app.state.core
    return core


def _sensor(request: Request, *kinds: str) -> Sensor:
    core = _core(request)
    sensor = core.ingest.authenticate(signed_message(request), signature.GET, core.now_ms())
    if sensor.kind not in kinds:
        raise EngineError("forbidden", f"only a {' or '.join(kinds)} sensor may ask this")
    return sensor


@answers_errors
async def pair(request: Request) -> Response:
    core = _core(request)
    body = await read_body(request, MAX_PAIR_BODY)
    return Json(await core.pair_sensor(body))


@answers_errors
async def post_events(request: Request) -> Response:
    core = _core(request)
    body = await read_body(request, MAX_BODY)
    accepted = await core.accept(signed_message(request), body)
    return Json({"acknowledged": accepted.acknowledged, "entries": accepted.entries}, status_code=202)


@answers_errors
async def get_orders(request: Request) -> Response:
    core = _core(request)
    sensor = _sensor(request, "wordpress", "webserver")
    now_ms = core.now_ms()
    return Json({"orders": core.orders.in_force(sensor.site, sensor.kind, now_ms), "time": now_ms // 1000})


@answers_errors
async def gateway_config(request: Request) -> Response:
    """Long poll: answers at once when the version differs, else after `wait` seconds with 304."""
    core = _core(request)
    _sensor(request, "gateway")
    try:
        wait = min(float(request.query_params.get("wait", "0")), MAX_WAIT_S)
    except ValueError:
        raise EngineError("bad_request", "wait is a number of seconds") from None
    known = request.query_params.get("version")
    deadline = asyncio.get_running_loop().time() + wait
    while True:
        changed = core.changed.watch()
        config = core.gateway_config()
        left = deadline - asyncio.get_running_loop().time()
        if config["version"] != known:
            return Json(config)
        if left <= 0 or core.changed.closed:
            return Response(status_code=304)
        await core.changed.wait(changed, left)


@answers_errors
async def gateway_register(request: Request) -> Response:
    core = _core(request)
    _sensor(request, "gateway")
    site, since = request.query_params.get("site", ""), request.query_params.get("since", "0")
    if not since.isdigit() or len(since) > 15:
        raise EngineError("bad_request", "since is a number")
    rows = core.register_since(site, int(since))
    return Response(b"".join(msgspec.json.encode(r) + b"\n" for r in rows), media_type="application/x-ndjson")


ROUTES = [
    Route("/v1/pair", pair, methods=["POST"]),
    Route(EVENTS.decode(), post_events, methods=["POST"]),
    Route("/v1/orders", get_orders, methods=["GET"]),
    Route("/v1/gateway/config", gateway_config, methods=["GET"]),
    Route("/v1/gateway/register", gateway_register, methods=["GET"]),
]
