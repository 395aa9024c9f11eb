"""A directory of configuration and web files, read into a Deployment. Bounded: files, bytes, depth; links are not followed."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from checkvalve.engine.errors import EngineError
from checkvalve.engine.observing import observe
from checkvalve.posture import apache, compose, inspect, php, servers
from checkvalve.posture.exposure import is_data
from checkvalve.posture.hygiene import CONFIG_COPY
from checkvalve.posture.types import Deployment, Location, PhpSettings, Problem, Service, WebFile, WpConfig

MAX_FILES: Final = 500_000
MAX_TEXT: Final = 4 * 1024 * 1024
MAX_SOURCES: Final = 20_000  # PHP files searched for endpoints
SKIPPED: Final = frozenset((".git", "node_modules", ".venv", "__pycache__"))
COMPOSE: Final = re.compile(r"^(docker-)?compose(\.[\w-]+)?\.ya?ml$")
OVERRIDE: Final = re.compile(r"^(docker-)?compose\.override\.ya?ml$")
NGINX: Final = re.compile(r"\b(server|location|upstream|http)\b[^;\n]*\{")
APACHE: Final = re.compile(r"^\s*<(VirtualHost|Directory|Location|Files)(Match)?\s|^\s*ProxyPass\s", re.I | re.M)
INSPECTED: Final = re.compile(r".*inspect.*\.json$")
PHP_INI: Final = re.compile(r"^(php(-[\w.-]+)?\.ini|\.user\.ini)$")
POOL: Final = re.compile(r"^\s*php_(admin_)?(value|flag)\[", re.M)
CONFIGS: Final = re.compile(r"^wp-config\.php$")
ENDPOINT: Final = re.compile(
    rb"https?://((?:api\.)?(?:openai\.com|anthropic\.com|mistral\.ai|groq\.com|deepseek\.com|cohere\.(?:ai|com)|together\.xyz|perplexity\.ai)"
    rb"|openrouter\.ai|generativelanguage\.googleapis\.com|api-inference\.huggingface\.co|[\w-]+\.openai\.azure\.com)"
)
DENY_ALL: Final = re.compile(r"^\s*(Require\s+all\s+denied|Deny\s+from\s+all)", re.I | re.M)


class _Reading:
    """What has been found so far."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.services: list[Service] = []
        self.internal: set[str] = set()
        self.locations: list[Location] = []
        self.servers = 0
        self.constants: list[WpConfig] = []
        self.web: list[WebFile] = []
        self.roots: list[Path] = []
        self.endpoints: set[tuple[str, str]] = set()
        self.php: list[PhpSettings] = []
        self.problems: list[Problem] = []
        self.sources = 0

    def name(self, path: Path) -> str:
        return str(path.relative_to(self.root))

    def text(self, path: Path) -> str | None:
        """None, and a problem, for what cannot be read as text."""
        try:
            if path.stat().st_size > MAX_TEXT:
                raise ValueError(f"larger than {MAX_TEXT} bytes")
            return path.read_bytes().decode("utf-8")
        except (OSError, ValueError) as error:
            why = error.strerror or "unreadable" if isinstance(error, OSError) else str(error)[:120]
            self.problems.append(Problem(file=self.name(path), why=why))
            return None


def read(directory: str) -> Deployment:
    root = Path(directory)
    if not root.is_dir():
        raise EngineError("no_directory", f"{directory} is not a directory; give the one that holds the shop's configuration")
    reading = _Reading(root.resolve())
    files = list(_walk(reading.root))
    if len(files) >= MAX_FILES:
        reading.problems.append(Problem(file=".", why=f"more than {MAX_FILES} files: the rest was not looked at"))
    reading.roots = sorted({p.parent for p in files if p.name in ("wp-config.php", "wp-load.php")} | _web_roots(files))
    _composes(reading, files)
    for path in files:
        _file(reading, path)
    _web(reading, files)
    return Deployment(
        services=tuple(reading.services),
        internal_networks=frozenset(reading.internal),
        locations=tuple(reading.locations),
        servers=reading.servers,
        constants=tuple(reading.constants),
        web_files=tuple(reading.web),
        web_roots=len(reading.roots),
        endpoints=tuple(sorted(reading.endpoints)),
        php=tuple(reading.php),
        problems=tuple(reading.problems),
    )


def read_observed(directory: str, *, live: bool = False) -> Deployment:
    """Answers of `docker inspect` and `podman inspect` that lie there (`*inspect*.json`), and (`live`) this host as it is."""
    reading = _Reading(Path(directory).resolve())
    for path in _walk(reading.root):
        if INSPECTED.match(path.name) and (text := reading.text(path)) is not None:
            services, problems = inspect.containers(reading.name(path), text)
            reading.services += services
            reading.problems += problems
    running = observe() if live else Deployment()
    found = replace(running, services=(*reading.services, *running.services))
    return replace(found, problems=(*reading.problems, *running.problems))


def _walk(root: Path) -> Iterator[Path]:
    count = 0
    for directory, names, files in os.walk(root, followlinks=False):
        names[:] = sorted(n for n in names if n not in SKIPPED)
        for file in sorted(files):
            count += 1
            if count > MAX_FILES:
                return
            path = Path(directory) / file
            if not path.is_symlink():
                yield path


def _web_roots(files: list[Path]) -> set[Path]:
    return {parent.parent for p in files for parent in p.parents if parent.name == "wp-content"}


def _composes(reading: _Reading, files: list[Path]) -> None:
    for path in (p for p in files if COMPOSE.match(p.name) and not OVERRIDE.match(p.name)):
        project = [path]
        if path.name in ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"):
            project += [p for p in files if p.parent == path.parent and OVERRIDE.match(p.name)]
        texts = [(reading.name(p), text) for p in project if (text := reading.text(p)) is not None]
        env = path.parent / ".env"
        environment = servers.env_file(reading.text(env) or "") if env.is_file() else {}
        services, internal, problems = compose.read(texts, environment, partial(_beside, reading, path.parent))
        reading.services += services
        reading.internal |= internal
        reading.problems += problems


def _beside(reading: _Reading, directory: Path, name: str) -> str | None:
    """The text of a file that one of this directory names; nothing outside the directory that is scanned."""
    path = (directory / name).resolve()
    return reading.text(path) if path.is_relative_to(reading.root) and path.is_file() else None


def _file(reading: _Reading, path: Path) -> None:
    if path.suffix == ".service":
        unit = servers.systemd(reading.name(path), reading.text(path) or "")
        if unit is not None:
            reading.services.append(unit)
    elif CONFIGS.match(path.name):
        text = reading.text(path)
        if text is not None:
            reading.constants.append(
                servers.wp_config(reading.name(path), text, path.stat().st_mode if os.name == "posix" else None)
            )
    elif PHP_INI.match(path.name):
        if (text := reading.text(path)) is not None:
            reading.php.append(php.ini(reading.name(path), text))
    elif path.suffix == ".conf" or path.parent.name in ("sites-enabled", "sites-available"):
        text = reading.text(path) or ""
        if POOL.search(text):
            reading.php.append(php.ini(reading.name(path), text))
        reader = servers.nginx if NGINX.search(text) else apache.read if APACHE.search(text) else None
        if reader is not None:
            locations, count, problems = reader(reading.name(path), text)
            reading.locations += locations
            reading.servers += count
            reading.problems += problems
    elif path.suffix == ".php" and reading.sources < MAX_SOURCES:
        reading.sources += 1
        _endpoints(reading, path)


def _endpoints(reading: _Reading, path: Path) -> None:
    try:
        if path.stat().st_size <= MAX_TEXT:
            reading.endpoints |= {(reading.name(path), m[1].decode()) for m in ENDPOINT.finditer(path.read_bytes())}
    except OSError as error:
        reading.problems.append(Problem(file=reading.name(path), why=error.strerror or "unreadable"))


def _web(reading: _Reading, files: list[Path]) -> None:
    denied = _denied(reading, files)
    for root in reading.roots:
        for path in files:
            if root in path.parents:
                url = "/" + path.relative_to(root).as_posix()
                if is_data(url) or CONFIG_COPY.search(url):
                    closed = any(parent in denied for parent in path.parents)
                    reading.web.append(WebFile(file=reading.name(path), url=url, denied=closed))


def _denied(reading: _Reading, files: list[Path]) -> set[Path]:
    found = set()
    for path in (p for p in files if p.name == ".htaccess"):
        if DENY_ALL.search(reading.text(path) or ""):
            found.add(path.parent)
    return found
