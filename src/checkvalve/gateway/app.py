"""Running the gateway: one process, one event loop."""

import asyncio
import contextlib
import logging
import uuid
from typing import Any

import uvicorn

from checkvalve.gateway.control import Control
from checkvalve.gateway.link import Link
from checkvalve.gateway.proxy import Proxy
from checkvalve.gateway.recorder import Recorder
from checkvalve.gateway.settings import GatewaySettings, load_credentials
from checkvalve.gateway.spool import Spool

log = logging.getLogger("checkvalve.gateway")


def serve(settings: GatewaySettings) -> None:
    """Run until SIGINT or SIGTERM."""
    credentials = load_credentials(settings.directory)
    spool = Spool(settings.directory / "spool", credentials.next_sequence)
    control = Control(settings.directory, credentials.core_key)
    recorder = Recorder(spool, lambda: str(uuid.uuid4()))
    link = Link(settings.core, credentials, spool, control, recorder.order)
    recorder.kick = link.kick

    def health() -> dict[str, Any]:
        return {
            "status": "ok",
            "spool": {"depth": spool.depth, "dropped": spool.dropped},
            "core": {"last_contact_ms": link.last_contact_ms, "error": link.last_error},
            "registers": [{"people": len(r), "identifiers": r.identifiers} for r in control.registers.values()],
            "orders": len([o for o in control.orders.values() if o.action != "release"]),
        }

    proxy = Proxy(settings.upstream, control, recorder, health, lambda: str(uuid.uuid4()))
    config = uvicorn.Config(
        proxy,
        host=settings.host,
        port=settings.port,
        log_level="critical",  # a stream cut by the model is no error of ours; it is in the log of events
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        timeout_graceful_shutdown=3,
    )
    with asyncio.Runner(loop_factory=uvloop_factory()) as runner:
        runner.run(_run(uvicorn.Server(config), link, proxy))
    spool.close()


def uvloop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(server: uvicorn.Server, link: Link, proxy: Proxy) -> None:
    line = asyncio.create_task(link.run())
    try:
        await server.serve()
    finally:
        line.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await line
        await proxy.close()
