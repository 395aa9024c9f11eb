"""What the exchanges of one gateway share: control, recorder, model servers and those that run."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from checkvalve.detection.register import Register
from checkvalve.gateway.control import CLOSED, Caller, Control, Policy
from checkvalve.gateway.downstream import Downstream, RequestHead
from checkvalve.gateway.exchange import Exchange
from checkvalve.gateway.later import Later
from checkvalve.gateway.recorder import Recorder
from checkvalve.gateway.servers import Server, Servers
from checkvalve.gateway.settings import ApiKey, Limits
from checkvalve.gateway.upstream import Pool


class Proxy:
    def __init__(
        self,
        *,
        servers: Servers,
        keys: Iterable[ApiKey],
        control: Control,
        recorder: Recorder,
        health: Callable[[], dict[str, Any]],
        new_id: Callable[[], str],
        limits: Limits,
    ) -> None:
        """`orders_changed` is set whenever the orders in force have become others."""
        self.recorder, self.health, self.new_id = recorder, health, new_id
        self.pool, self.later = Pool(), Later()
        self.running: set[Exchange] = set()
        self.connections: set[Downstream] = set()
        self.orders_changed = asyncio.Event()
        self.servers, self._limits = servers, limits
        self._control = control
        self._keys = {key.sha256: key for key in keys}
        control.changed = self.reconsider

    def protocol(self) -> Downstream:
        return Downstream(lambda downstream, head: Exchange(self, downstream, head), self.connections, self._limits)

    def caller(self, head: RequestHead) -> Caller:
        token = head.get(b"checkvalve-context")
        caller = self._control.caller(token.decode("latin-1") if token else None, int(time.time()))
        key = self._key(head.get(b"authorization")) if self._keys else None
        if key is None:
            return caller
        context = caller.context
        if context is None and key.plugin is not None:
            context = {"plugin": key.plugin}
        return replace(caller, site=caller.site or key.site, context=context, key=key.name, operator=key.operator)

    def _key(self, authorization: bytes | None) -> ApiKey | None:
        scheme, _, secret = (authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        return self._keys.get(hashlib.sha256(secret.strip()).hexdigest())

    def decide(self, caller: Caller, model: str | None) -> tuple[Server, Policy]:
        """Who answers a request, and what the orders in force ask of it."""
        asked = self.servers.of(model)
        to = self._control.policy(caller, asked.target(model), int(time.time())).to
        server = asked if to is None else self.servers.all.get(to, asked)
        return server, self.policy(caller, model, server)

    def policy(self, caller: Caller, model: str | None, server: Server) -> Policy:
        """What the orders ask of a request for `model` that `server` answers; orders for what was asked hold as well."""
        asked, now_s = self.servers.of(model), int(time.time())
        answering = asked.target(model)
        policy = self._control.policy(caller, answering, now_s)
        if server is not asked:
            answering = server.target(server.model or model)
            policy = policy.joined(self._control.policy(caller, answering, now_s))
        misplaced = policy.to not in (None, server.name)
        return policy.joined(CLOSED) if misplaced or self._control.quarantined(caller, answering) else policy

    def registers(self, caller: Caller) -> dict[str, Register]:
        """Whose people to look for: the caller's shop's, every shop's when it is not known."""
        registers = self._control.registers
        if caller.site is None:
            return dict(registers)
        return {caller.site: registers[caller.site]} if caller.site in registers else {}

    def reconsider(self) -> None:
        """Have running answers follow the orders as they are now."""
        self.orders_changed.set()
        for exchange in list(self.running):
            exchange.reconsider()

    def sweep(self, now: float) -> None:
        """Hang up on callers that take too long; `now` is the loop's time."""
        for connection in [c for c in self.connections if c.overdue(now)]:
            connection.hang_up()
