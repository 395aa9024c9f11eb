"""What the operator of this machine may ask a running gateway: which model servers it has, and to go to another address.

One line of JSON each way over a socket in the gateway's own directory; who can open it is the operator.
"""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from checkvalve.gateway.inventory import Inventory
from checkvalve.gateway.proxy import Proxy
from checkvalve.gateway.servers import Server
from checkvalve.gateway.settings import GatewayError, server_address

SOCKET: Final = "operator.sock"
MAX_LINE: Final = 64 * 1024
PATIENCE_S: Final = 30.0


class Operator:
    def __init__(self, proxy: Proxy, inventory: Inventory, told: Callable[[str, str, str], None]) -> None:
        """`told` records (server, from, to) of a switch before it is made."""
        self._proxy, self._inventory, self._told = proxy, inventory, told
        self._switching = asyncio.Lock()

    async def answer(self, asked: Any) -> dict[str, Any]:
        match asked:
            case {"do": "show"}:
                return {"servers": [self._shown(s) for s in self._proxy.servers.all.values()]}
            case {"do": "switch", "server": str(name), "url": str(url)}:
                return await self._switch(name, url.rstrip("/"))
            case {"do": "back", "server": str(name)}:
                was = self._server(name).was
                if was is None:
                    raise GatewayError(f"{name} was not switched", "Give the address: checkvalve upstream switch URL")
                return await self._switch(name, was)
            case _:
                raise GatewayError("the gateway does not know this request", "Use the same version of both")

    def _server(self, name: str) -> Server:
        servers = self._proxy.servers.all
        if name not in servers:
            raise GatewayError(f"there is no model server {name!r}", f"It is one of: {', '.join(servers)}")
        return servers[name]

    def _shown(self, server: Server) -> dict[str, Any]:
        running = [e for e in self._proxy.running if e.server is server]
        before = sum(e.upstream is not server.upstream for e in running)
        return {
            "name": server.name,
            "url": server.url,
            "was": server.was,
            "running": len(running) - before,
            "running_before": before,
        }

    async def _switch(self, name: str, url: str) -> dict[str, Any]:
        """New requests go to `url`; running answers stay where they are."""
        server = self._server(name)
        server_address(url)
        async with self._switching:
            if (why := await self._inventory.answers(server, url)) is not None:
                raise GatewayError(f"{url} is not ready: {why}", "Nothing was changed; start the model server there first")
            if url != server.url:
                self._told(name, server.url, url)
                self._proxy.servers.switch(name, url)
                self._proxy.pool.drop_idle()
                self._proxy.reconsider()  # orders that name models: what is there is another model
        return self._shown(server)


@contextmanager
def _reachable(directory: Path) -> Iterator[str]:
    """A name for the socket that is short enough for the system, wherever the directory is."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


async def listen(directory: Path, answer: Callable[[Any], Awaitable[dict[str, Any]]]) -> asyncio.AbstractServer:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                said = await answer(msgspec.json.decode(await reader.readline()))
        except GatewayError as error:
            said = {"error": str(error)}
        except (msgspec.DecodeError, ValueError, OSError, TimeoutError) as error:
            said = {"error": f"the gateway could not do it ({type(error).__name__})"}
        with contextlib.suppress(OSError):
            writer.write(msgspec.json.encode(said) + b"\n")
            await writer.drain()
        writer.close()

    with _reachable(directory) as name:
        path = directory / SOCKET
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.setblocking(False)
        mask = os.umask(0o177)
        try:
            made.bind(name)
        finally:
            os.umask(mask)
    return await asyncio.start_unix_server(serve, sock=made, limit=MAX_LINE)


def ask(directory: Path, request: dict[str, str]) -> dict[str, Any]:
    """What the gateway of this directory answers. Raises GatewayError."""
    not_there = GatewayError("no gateway runs on this data directory", "Name the one of the gateway with --data")
    if not directory.is_dir():
        raise not_there
    with _reachable(directory) as name, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(PATIENCE_S + 5)
        try:
            line.connect(name)
            line.sendall(msgspec.json.encode(request) + b"\n")
            with line.makefile("rb") as file:
                said: dict[str, Any] = msgspec.json.decode(file.readline(MAX_LINE))
        except (OSError, msgspec.DecodeError) as error:
            raise not_there from error
    if "error" in said:
        raise GatewayError(said["error"].rstrip("."), "")
    return said
