"""What the exchanges of one gateway share: control, recorder, model servers and those that run."""

import fnmatch
import hashlib
import ssl
import time
from collections.abc import Callable
from typing import Any

from checkvalve.detection.register import Register
from checkvalve.gateway.control import Caller, Control, Policy
from checkvalve.gateway.downstream import Downstream, RequestHead
from checkvalve.gateway.exchange import Exchange
from checkvalve.gateway.later import Later
from checkvalve.gateway.recorder import Recorder
from checkvalve.gateway.settings import ApiKey, ModelServer, Routing, server_address
from checkvalve.gateway.upstream import Pool, Upstream


class Proxy:
    def __init__(
        self,
        *,
        default: str,
        routing: Routing,
        control: Control,
        recorder: Recorder,
        health: Callable[[], dict[str, Any]],
        new_id: Callable[[], str],
    ) -> None:
        """`default` is the URL of the model server for models that `routing` does not name."""
        self.recorder, self.health, self.new_id = recorder, health, new_id
        self.pool, self.later = Pool(), Later()
        self.running: set[Exchange] = set()
        self.connections: set[Downstream] = set()
        self._control = control
        self._keys = {key.sha256: key for key in routing.key}
        self._default = _upstream(ModelServer(url=default, models=()))
        self._routes = [(pattern, up) for s in routing.upstream for up in [_upstream(s)] for pattern in s.models]
        control.changed = self._reconsider

    def protocol(self) -> Downstream:
        return Downstream(lambda downstream, head: Exchange(self, downstream, head), self.connections)

    def caller(self, head: RequestHead) -> Caller:
        token = head.get(b"checkvalve-context")
        caller = self._control.caller(token.decode("latin-1") if token else None, int(time.time()))
        key = self._key(head.get(b"authorization")) if self._keys else None
        if key is None:
            return caller
        context = caller.context
        if context is None and key.plugin is not None:
            context = {"plugin": key.plugin}
        return Caller(site=caller.site or key.site, context=context, error=caller.error, key=key.name)

    def _key(self, authorization: bytes | None) -> ApiKey | None:
        scheme, _, secret = (authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        return self._keys.get(hashlib.sha256(secret.strip()).hexdigest())

    def upstream(self, model: str | None) -> Upstream:
        if model is not None:
            for pattern, upstream in self._routes:
                if fnmatch.fnmatchcase(model, pattern):
                    return upstream
        return self._default

    def policy(self, caller: Caller, model: str | None) -> Policy:
        return self._control.policy(caller, model, int(time.time()))

    def registers(self, caller: Caller) -> dict[str, Register]:
        """Whose people to look for: the caller's shop's, every shop's when it is not known."""
        registers = self._control.registers
        if caller.site is None:
            return dict(registers)
        return {caller.site: registers[caller.site]} if caller.site in registers else {}

    def _reconsider(self) -> None:
        for exchange in list(self.running):
            exchange.reconsider()

    def sweep(self, now: float) -> None:
        """Close connections that have waited too long for a request; `now` is the loop's time."""
        for connection in [c for c in self.connections if c.overdue(now)]:
            connection.transport.close()


def _upstream(server: ModelServer) -> Upstream:
    scheme, host, port, path = server_address(server.url)
    tls = ssl.create_default_context(cafile=server.ca_file) if scheme == "https" else None
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == (443 if tls else 80) else f"{shown}:{port}"
    return Upstream(host=host, port=port, authority=authority.encode(), prefix=path.encode(), tls=tls, api_key=server.api_key)
