"""The server: sensors' API and console on one address, core running underneath."""

import contextlib
import socket
import sys
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.web import acknowledge, local, sensors
from checkvalve.web.console import console_app

SWITCH_SECONDS = 0.0005  # a sensor does not wait for the writing thread to pause


class EventsFirst:
    """Takes events before anything is routed: nearly every request of a sensor brings some."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["raw_path"] == sensors.EVENTS and scope["method"] == "POST":
            scope["app"] = self._app
            answer = await sensors.post_events(Request(scope, receive))
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def build_app(core: Core) -> ASGIApp:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await core.start()
        try:
            yield
        finally:
            await core.stop()

    app = Starlette(
        routes=[*sensors.ROUTES, *local.ROUTES, *acknowledge.ROUTES, Mount("/", console_app(core))], lifespan=lifespan
    )
    app.state.core = core
    return EventsFirst(app)


class _Server(uvicorn.Server):
    """Lets long polls go before it waits for requests to end."""

    core: Core

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.core.changed.close()
        await super().shutdown(sockets)


def serve(core: Core, host: str, port: int) -> None:
    """Run until SIGINT or SIGTERM. No access log: paths may name cases."""
    sys.setswitchinterval(SWITCH_SECONDS)
    config = uvicorn.Config(
        build_app(core),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)
    server.core = core
    server.run(sockets=[listening(host, port)])


def listening(host: str, port: int) -> socket.socket:
    """A socket that people reach at this address; EngineError when it cannot be had."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)
    except OSError as error:
        raise EngineError("no_address", f"cannot listen at {host}:{port}: {error.strerror}; see `checkvalve doctor`") from error
