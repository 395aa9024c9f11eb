"""The server: sensors' API and console on one address, core running underneath."""

import contextlib
import socket
import sys
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.web import acknowledge, local, sensors
from checkvalve.web.console import console_app

SWITCH_SECONDS = 0.0005  # a sensor does not wait for the digesting thread to pause


def build_app(core: Core) -> Starlette:
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
    return app


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
    server.run(sockets=[_listen(host, port)])


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)
    except OSError as error:
        raise EngineError("no_address", f"cannot listen at {host}:{port}: {error.strerror}; see `checkvalve doctor`") from error
