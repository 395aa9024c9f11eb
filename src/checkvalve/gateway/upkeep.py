"""What a gateway does beside its answers because orders say so: flush caches, and know what the model servers really have."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from checkvalve.gateway.control import Control
from checkvalve.gateway.inventory import Inventory
from checkvalve.gateway.proxy import Proxy
from checkvalve.gateway.servers import Server
from checkvalve.gateway.settings import Cache

LOOK_S: Final = 10  # between two looks at what servers have, while an order depends on it


class Upkeep:
    def __init__(
        self,
        proxy: Proxy,
        control: Control,
        inventory: Inventory,
        caches: tuple[Cache, ...],
        report: Callable[[str, str, str], None],
    ) -> None:
        """`report` takes (jti, status, detail) of an order that was carried out here."""
        self._proxy, self._control, self._inventory, self._caches, self._report = proxy, control, inventory, caches, report

    async def run(self) -> None:
        woken = self._proxy.orders_changed
        while True:
            woken.clear()
            await self.look()
            while self._control.flushes:
                await self.flush(self._control.flushes[0])
                del self._control.flushes[0]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S if self._control.names_models else None):
                    await woken.wait()

    async def look(self) -> None:
        """Learn what the servers have, if an order in force names a model; running answers follow."""
        if not self._control.names_models:
            return
        servers = list(self._proxy.servers.all.values())
        changed = [c for c in await asyncio.gather(*map(self._look_at, servers)) if c]
        if changed:
            self._proxy.reconsider()

    async def _look_at(self, server: Server) -> bool:
        asked = server.upstream
        served = await self._inventory.served(server, digests=self._control.names_digests)
        # What is not told any more stays as it was: a server that falls silent must not escape an order.
        if served is None or served == server.served or server.upstream is not asked:
            return False
        server.served = served
        return True

    async def flush(self, jti: str) -> None:
        """Empty every configured cache, the model servers' own where they allow it, and what this gateway keeps."""
        self._proxy.pool.drop_idle()
        failed = [
            f"{cache.url}: {why}" for cache in self._caches if (why := await self._inventory.empty_cache(cache)) is not None
        ]
        servers = list(self._proxy.servers.all.values())
        forgot = [s.name for s in servers if await self._inventory.forget_prompts(s)]
        kept = [s.name for s in servers if s.name not in forgot]
        detail = [f"{len(self._caches) - len(failed)} of {len(self._caches)} caches emptied", *failed]
        detail += [f"kept prompts dropped by {', '.join(forgot)}"] if forgot else []
        detail += [f"no way to drop kept prompts of {', '.join(kept)}"] if kept else []
        self._report(jti, "failed" if failed or not (forgot or self._caches) else "done", "; ".join(detail)[:400])
