"""The model servers a gateway asks: which one for which model, where each is now, and what it says it serves."""

import fnmatch
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from checkvalve.gateway.control import Target, canonical
from checkvalve.gateway.settings import DEFAULT_SERVER, GatewayError, ModelServer, Routing, server_address, write_private
from checkvalve.gateway.upstream import Upstream

MOVED_FILE: Final = "servers.json"


@dataclass(frozen=True, slots=True)
class Served:
    """Canonical names of the models a server has, and the digests of their files where it tells them (hex of SHA-256)."""

    models: frozenset[str] = frozenset()
    digests: dict[str, str] = field(default_factory=dict)


class Moved(msgspec.Struct, frozen=True):
    """Where a server went from and to; holds while the settings still say `configured`."""

    configured: str
    url: str


@dataclass(slots=True, eq=False)
class Server:
    """`upstream` is where it is now; `was` where the last switch took it from."""

    name: str
    settings: ModelServer
    url: str
    upstream: Upstream
    was: str | None = None
    served: Served = Served()

    @property
    def model(self) -> str | None:
        return self.settings.model

    def target(self, model: str | None) -> Target:
        """What answers when `model` is asked for. A server of one model answers with it by whatever name."""
        has = self.served.models
        asked = canonical(model) if model else None
        if len(has) == 1:
            names = has | {asked} if asked else has
        elif asked is None or (has and asked not in has):
            names = frozenset()
        else:
            names = frozenset({asked})
        digests = {d for n, d in self.served.digests.items() if n in names or not names}
        return Target(server=self.name, models=frozenset(names), digests=frozenset(digests))


class Servers:
    def __init__(self, default: str, routing: Routing, directory: Path | None = None) -> None:
        """`default` is the URL of the server for models that `routing` does not name; `directory` keeps switches."""
        self._file = directory / MOVED_FILE if directory is not None else None
        listed = (ModelServer(url=default, models=(), name=DEFAULT_SERVER), *routing.upstream)
        moved = self._moved()
        self.all: dict[str, Server] = {}
        for settings in listed:
            move = moved.get(settings.name)
            url = move.url if move is not None and move.configured == settings.url else settings.url
            self.all[settings.name] = Server(
                name=settings.name,
                settings=settings,
                url=url,
                upstream=upstream_of(settings, url),
                was=settings.url if url != settings.url else None,
            )
        self._routes = [(pattern, s) for s in self.all.values() for pattern in s.settings.models]

    def of(self, model: str | None) -> Server:
        if model is not None:
            for pattern, server in self._routes:
                if fnmatch.fnmatchcase(model, pattern):
                    return server
        return self.all[DEFAULT_SERVER]

    def switch(self, name: str, url: str) -> None:
        """Ask a server at another address from now on, also after a restart. Blocking; raises GatewayError, OSError."""
        server = self.all[name]
        upstream = upstream_of(server.settings, url)
        kept = {s.name: Moved(s.settings.url, s.url) for s in self.all.values() if s is not server and s.url != s.settings.url}
        if url != server.settings.url:
            kept[name] = Moved(server.settings.url, url)
        if self._file is not None:
            write_private(self._file, msgspec.json.encode(kept))
        server.was, server.url, server.upstream, server.served = server.url, url, upstream, Served()

    def _moved(self) -> dict[str, Moved]:
        if self._file is None or not self._file.exists():
            return {}
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Moved])
        except msgspec.DecodeError as error:
            # Going back by guess could bring back the model that leaked.
            raise GatewayError(f"{self._file} cannot be read", "Delete it to ask the servers of the settings") from error


def upstream_of(server: ModelServer, url: str) -> Upstream:
    scheme, host, port, path = server_address(url)
    tls = ssl.create_default_context(cafile=server.ca_file) if scheme == "https" else None
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == (443 if tls else 80) else f"{shown}:{port}"
    return Upstream(host=host, port=port, authority=authority.encode(), prefix=path.encode(), tls=tls, api_key=server.api_key)
