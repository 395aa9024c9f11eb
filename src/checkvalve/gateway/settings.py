"""What a gateway needs to run, and its credentials on disk."""

import base64
import os
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DEFAULT_SERVER: Final = "default"  # the name of the one given as --upstream


class GatewayError(Exception):
    """The gateway cannot start or pair. `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. {hint}")
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """URLs without a trailing slash; `directory` holds credentials, spool and the last known orders (mode 0700)."""

    core: str
    upstream: str
    host: str
    port: int
    directory: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key that a caller sends as `Authorization: Bearer`. Kept as its SHA-256, in lower-case hex."""

    name: str
    sha256: str
    plugin: str | None = None
    site: str | None = None
    operator: bool = False  # may reach what administers a model server


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelServer:
    """`models` are names or patterns with `*`; `api_key` is what this server wants instead of the caller's.

    `name` is what orders and the operator call it. Requests that an order routes here ask for `model`, if it is given.
    """

    url: str
    models: tuple[str, ...]
    api_key: str | None = None
    ca_file: Path | None = None
    name: str = ""
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Something that keeps answers: `method` on `url` empties it. `token` goes as `Authorization: Bearer`."""

    url: str
    method: str = "POST"
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of callers: how many at once, and the seconds that each may take; in `body_s` at least 500 bytes a second must come."""

    connections: int = 8192
    head_s: float = 30
    body_s: float = 30
    idle_s: float = 120
    reading_s: float = 120  # without taking anything of an answer that waits
    spool_mb: float = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """`settings.toml` in the gateway's directory; none of it is needed for one model server on one machine."""

    upstream: tuple[ModelServer, ...] = ()
    key: tuple[ApiKey, ...] = ()
    cache: tuple[Cache, ...] = ()
    tls: Tls | None = None
    limits: Limits = Limits()
    shared_port: bool = False  # with other gateways of this machine, each with a data directory of its own

    def __post_init__(self) -> None:
        """A server without a name goes by its address."""
        named = tuple([s if s.name else replace(s, name=urlsplit(s.url).netloc.rpartition("@")[2]) for s in self.upstream])
        object.__setattr__(self, "upstream", named)


def load_routing(directory: Path) -> Routing:
    path = directory / "settings.toml"
    if not path.exists():
        return Routing()
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise GatewayError(f"{path} can be read by other users", f"Run: chmod 600 {path}")
    try:
        routing = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Routing, dec_hook=lambda kind, value: kind(value))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise GatewayError(f"{path} cannot be used: {error}", "See section 7 of the wire specification") from error
    for key in routing.key:
        if not re.fullmatch("[0-9a-f]{64}", key.sha256):
            raise GatewayError(f"{path}: the sha256 of key {key.name!r} is not 64 hex digits", "Run: printf %s KEY | sha256sum")
    for url in (*(s.url for s in routing.upstream), *(c.url for c in routing.cache)):
        server_address(url)
    limits = routing.limits
    if min(limits.connections, limits.head_s, limits.body_s, limits.idle_s, limits.reading_s, limits.spool_mb) <= 0:
        raise GatewayError(f"{path}: each of [limits] must be more than nothing", "Leave out what shall stay as it is")
    names = [s.name for s in routing.upstream]
    if wrong := [n for n in names if n == DEFAULT_SERVER or names.count(n) > 1]:
        raise GatewayError(f"{path}: {wrong[0]!r} names more than one server", "Give each [[upstream]] a name of its own")
    return routing


def server_address(url: str) -> tuple[str, str, int, str]:
    """(scheme, host, port, path) of a model server's URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise GatewayError(f"{url!r} is no address of a model server", "It looks like http://127.0.0.1:8080")
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), parts.path.rstrip("/")


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    keyid: str
    private_key: str  # base64 of 32 bytes
    core_public_key: str
    next_sequence: int = 1

    @property
    def key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(self.private_key))

    @property
    def core_key(self) -> bytes:
        return base64.b64decode(self.core_public_key)


def credentials_file(directory: Path) -> Path:
    return directory / "credentials.json"


def load_credentials(directory: Path) -> Credentials:
    path = credentials_file(directory)
    if not path.exists():
        raise GatewayError("this gateway is not paired with a core", "Run `checkvalve pair` there and start with --pair CODE")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise GatewayError(f"{path} can be read by other users", f"Run: chmod 600 {path}")
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    except msgspec.DecodeError as error:
        raise GatewayError(f"{path} cannot be read", "Pair the gateway again with --pair CODE") from error


def save_credentials(directory: Path, credentials: Credentials) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(credentials_file(directory), msgspec.json.encode(credentials))


def write_private(path: Path, data: bytes) -> None:
    """Replace a file's content at once; nobody else may read it."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
