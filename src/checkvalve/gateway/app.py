"""Running the gateway: one process, one event loop."""

import asyncio
import contextlib
import fcntl
import gc
import logging
import resource
import signal
import ssl
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp

from checkvalve.gateway.control import Control
from checkvalve.gateway.inventory import Inventory
from checkvalve.gateway.link import Link
from checkvalve.gateway.operator import Operator, listen
from checkvalve.gateway.proxy import Proxy
from checkvalve.gateway.recorder import Recorder
from checkvalve.gateway.servers import Servers
from checkvalve.gateway.settings import GatewayError, GatewaySettings, Routing, Tls, load_credentials, load_routing
from checkvalve.gateway.spool import Spool
from checkvalve.gateway.upkeep import Upkeep

log = logging.getLogger("checkvalve.gateway")

SWEEP_S: Final = 1
RELINK_S: Final = 5
BEAT_S: Final = 60  # core takes what a gateway told as complete up to its last beat
GC_ALLOCATIONS: Final = 20_000  # containers made and still there, between two rounds of the youngest
OWN_FILES: Final = 128
GRACE_S: Final = 3  # for running answers when the gateway is stopped
SCAN_S: Final = 5  # and for what of them is not scanned yet


def serve(settings: GatewaySettings) -> None:
    """Run until SIGINT or SIGTERM."""
    with alone_in(settings.directory):
        _serve(settings)


@contextlib.contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Numbers are given by one process alone."""
    with (directory / "running").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            hint = "Give each gateway of this machine a directory of its own with --data"
            raise GatewayError(f"another gateway runs on {directory}", hint) from error
        yield


def _serve(settings: GatewaySettings) -> None:
    credentials = load_credentials(settings.directory)
    routing = load_routing(settings.directory)
    limits = routing.limits
    spool = Spool(settings.directory / "spool", credentials.next_sequence, int(limits.spool_mb * 1024 * 1024))
    servers = Servers(settings.upstream, routing, settings.directory)
    control = Control(settings.directory, credentials.core_key, servers.all)
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
            "running": len(proxy.running),
            "connections": len(proxy.connections),
            "unscanned": proxy.later.size,
        }

    proxy = Proxy(
        servers=servers,
        keys=routing.key,
        control=control,
        recorder=recorder,
        health=health,
        new_id=lambda: str(uuid.uuid4()),
        limits=replace(limits, connections=min(limits.connections, _allow_many_connections())),
    )
    _settle_memory()
    try:
        with asyncio.Runner(loop_factory=uvloop_factory()) as runner:
            runner.run(_run(settings, routing, link, proxy, control))
    finally:
        spool.close()


def uvloop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(settings: GatewaySettings, routing: Routing, link: Link, proxy: Proxy, control: Control) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(
        proxy.protocol,
        settings.host,
        settings.port,
        ssl=_context(routing.tls),
        backlog=2048,
        reuse_port=routing.shared_port or None,
    )
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    inventory, recorder = Inventory(session), proxy.recorder
    operator = await listen(settings.directory, Operator(proxy, inventory, recorder.switched).answer)
    upkeep = Upkeep(proxy, control, inventory, routing.cache, recorder.order)
    tasks = [
        loop.create_task(_stay_linked(link)),
        loop.create_task(_sweep(proxy)),
        loop.create_task(_beat(proxy)),
        loop.create_task(_keep_up(upkeep)),
        loop.create_task(stop.wait()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        operator.close()
        server.close()
        await _drain(proxy)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await session.close()
        proxy.pool.close()


async def _keep_up(upkeep: Upkeep) -> None:
    """A fault in it must not close the model to the shop."""
    while True:
        try:
            await upkeep.run()
        except Exception as error:
            log.error("looking after the model servers failed and is begun anew: %s", type(error).__name__)
        await asyncio.sleep(RELINK_S)


async def _stay_linked(link: Link) -> None:
    """A fault on the line to core must not close the model to the shop."""
    while True:
        try:
            await link.run()
        except Exception as error:
            log.error("the line to core failed and is begun anew: %s", type(error).__name__)
        await asyncio.sleep(RELINK_S)


async def _sweep(proxy: Proxy) -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        proxy.sweep(asyncio.get_running_loop().time())


async def _beat(proxy: Proxy) -> None:
    while True:
        proxy.recorder.alive({k: v for k, v in proxy.health().items() if k in ("spool", "running", "orders")})
        await asyncio.sleep(BEAT_S)


async def _drain(proxy: Proxy) -> None:
    """Let running answers end, for a while; what is cut then is logged as such."""
    for _ in range(GRACE_S * 20):
        if not proxy.running:
            break
        await asyncio.sleep(0.05)
    for connection in list(proxy.connections):
        connection.cut_now()
    proxy.later.catch_up(SCAN_S)


def _context(tls: Tls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.certificate, tls.private_key)
    return context


def _settle_memory() -> None:
    """Have the collector of cycles leave alone what stays: a register of 100,000 people makes each of its rounds long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)


def _allow_many_connections() -> int:
    """How many callers this process may have: each may need a connection to a model server."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(1, (hard - OWN_FILES) // 2)
