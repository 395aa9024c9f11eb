"""What a posture check says. Silence is never green: a check has assessed something, or says why not."""

from dataclasses import dataclass, field
from typing import Any, Literal

Label = Literal["declared", "observed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakness:
    """`where`: file and place. `gets`: what an attacker gets. `fix`: a diff where one is possible, else a sentence."""

    where: str
    what: str
    gets: str
    fix: str
    label: Label = "declared"
    hinders_containment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Result of one check: `assessed` counts the things looked at; `not_assessed` says why there were none."""

    id: str
    title: str
    reference: str
    assessed: int
    not_assessed: str | None = None
    weaknesses: tuple[Weakness, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The shape of `checkvalve posture scan` (contract.md)."""
        return {
            "id": self.id,
            "title": self.title,
            "reference": self.reference,
            "assessed": self.assessed,
            "not_assessed": self.not_assessed,
            "weaknesses": [
                {
                    "where": w.where,
                    "what": w.what,
                    "gets": w.gets,
                    "fix": w.fix,
                    "label": w.label,
                    "hinders_containment": w.hinders_containment,
                }
                for w in self.weaknesses
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A published port; `host_ip` empty means every interface."""

    host_ip: str
    host: str
    container: str

    @property
    def loopback(self) -> bool:
        return self.host_ip.startswith("127.") or self.host_ip in ("::1", "[::1]", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """`source` of a bind is a path, of a volume its name."""

    bind: bool
    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A program of the deployment, however it is started. `networks` None: the host's own network."""

    file: str
    name: str
    image: str
    command: str
    environment: dict[str, str] = field(default_factory=dict)
    literal: frozenset[str] = frozenset()  # names of the environment whose value stands in the file itself
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    networks: frozenset[str] | None = frozenset()
    options: dict[str, Any] = field(default_factory=dict)
    container: bool = True

    @property
    def where(self) -> str:
        return f"{self.file}: {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A file that could not be read, and why: everything in it is not assessed."""

    file: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Everything that was found. `web_files`: paths below a web root; `web_rules`: server blocks of nginx and Apache."""

    services: tuple[Service, ...] = ()
    internal_networks: frozenset[str] = frozenset()
    locations: tuple["Location", ...] = ()
    servers: int = 0
    constants: tuple["WpConfig", ...] = ()
    web_files: tuple["WebFile", ...] = ()
    web_roots: int = 0
    endpoints: tuple[tuple[str, str], ...] = ()  # (file, host)
    php: tuple["PhpSettings", ...] = ()
    mounts: tuple["RemoteMount", ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A `location` of nginx, or what says the same to Apache: its path, where it proxies to, every directive in force.

    Directives bear nginx's names, whatever the `server` calls them.
    """

    file: str
    line: int
    path: str
    proxy: str
    directives: tuple[tuple[str, tuple[str, ...]], ...]
    server: Literal["nginx", "apache"] = "nginx"

    def has(self, *names: str) -> bool:
        return any(d in names for d, _ in self.directives)

    def value(self, name: str) -> tuple[str, ...] | None:
        return next((a for d, a in reversed(self.directives) if d == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WpConfig:
    """Constants of a wp-config.php and its file mode (None when unknown)."""

    file: str
    constants: dict[str, str]
    mode: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebFile:
    """A file below a web root. `url` starts with a slash; `denied`: a .htaccess on the way refuses it. `given`: whether the
    shop's own web server gave it to a stranger; None when nobody asked."""

    file: str
    url: str
    denied: bool
    given: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhpSettings:
    """What a php.ini, a .user.ini or a pool of PHP-FPM sets; names in lower case."""

    file: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteMount:
    """What this host mounts from another: kind of file system, the other host, where it is seen here."""

    kind: str
    host: str
    target: str
