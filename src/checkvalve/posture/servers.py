"""nginx configuration, systemd units, wp-config.php and .env files into values. Comments and strings are respected."""

import re
import shlex
from collections.abc import Iterator
from typing import Final

from checkvalve.posture.types import Location, Problem, Service, WpConfig

MAX_DEPTH: Final = 32
_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<mark>[{};])|(?P<word>(?:\\.|\$\{[^}]*\}|[^\s;{}"'])+)|(?P<bad>.)""",
    re.S,
)
_DEFINE = re.compile(
    r"""define\s*\(\s*(['"])(?P<name>\w+)\1\s*,\s*(?:(['"])(?P<text>(?:\\.|(?!\3).)*)\3|(?P<bare>[\w.-]+))\s*\)""", re.I
)


def nginx(file: str, text: str) -> tuple[list[Location], int, list[Problem]]:
    """(locations, number of server blocks, problems)."""
    try:
        locations, servers = _blocks(file, list(_tokens(text)))
    except ValueError as error:
        return [], 0, [Problem(file=file, why=str(error))]
    return locations, servers, []


def _tokens(text: str) -> Iterator[tuple[str, bool, int]]:
    """(text, is a mark, line)."""
    line = 1
    for found in _TOKEN.finditer(text):
        if found["bad"]:
            raise ValueError(f"line {line}: a quotation mark that is not closed")
        if found["mark"]:
            yield found["mark"], True, line
        elif found["quoted"]:
            yield found["quoted"][1:-1], False, line
        elif found["word"]:
            yield found["word"], False, line
        line += found.group().count("\n")


def _blocks(file: str, tokens: list[tuple[str, bool, int]]) -> tuple[list[Location], int]:
    locations: list[Location] = []
    servers = 0
    scopes: list[list[tuple[str, tuple[str, ...]]]] = [[]]
    opened: list[tuple[list[str], int]] = []
    words: list[str] = []
    for text, mark, line in tokens:
        if not mark:
            words.append(text)
        elif text == ";":
            if words:
                scopes[-1].append((words[0], tuple(words[1:])))
            words = []
        elif text == "{":
            if len(opened) >= MAX_DEPTH:
                raise ValueError(f"line {line}: blocks nested too deep")
            servers += words[:1] == ["server"]
            opened.append((words, line))
            scopes.append([])
            words = []
        else:
            if not opened:
                raise ValueError(f"line {line}: a block is closed that was not opened")
            head, start = opened.pop()
            inner = scopes.pop()
            if head[:1] == ["location"]:
                inherited = [d for scope in scopes for d in scope]
                everything = (*inherited, *inner)
                proxy = next((a[0] for d, a in inner if d in ("proxy_pass", "fastcgi_pass", "grpc_pass") and a), "")
                locations.append(Location(file=file, line=start, path=" ".join(head[1:]), proxy=proxy, directives=everything))
            words = []
    if opened:
        raise ValueError(f"line {opened[-1][1]}: a block is not closed")
    return locations, servers


def systemd(file: str, text: str) -> Service | None:
    """The service of a unit file; None for a unit that starts nothing."""
    values: dict[str, list[str]] = {}
    for raw in text.replace("\\\n", " ").splitlines():
        key, equals, value = raw.strip().partition("=")
        if equals and not key.startswith(("#", ";")):
            values.setdefault(key.strip(), []).append(value.strip())
    command = values.get("ExecStart", [""])[-1].lstrip("-@:+!")
    if not command:
        return None
    environment: dict[str, str] = {}
    for line in values.get("Environment", []):
        environment |= dict(pair.partition("=")[::2] for pair in _split(line))
    options = {k: v[-1] for k, v in values.items()}
    return Service(
        file=file,
        name=file.rpartition("/")[2],
        image="",
        command=command,
        environment=environment,
        literal=frozenset(environment),
        networks=None,
        options=options,
        container=False,
    )


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def env_file(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw in text.splitlines():
        key, equals, value = raw.strip().removeprefix("export ").partition("=")
        if equals and not key.startswith("#"):
            found[key.strip()] = value.strip().strip("\"'")
    return found


def wp_config(file: str, text: str, mode: int | None) -> WpConfig:
    """Its literal constants; computed ones (getenv) are not there."""
    code = re.sub(r"/\*.*?\*/|(?m:^\s*(?://|\#).*$)", "", text, flags=re.S)
    constants = {m["name"]: m["text"] if m["text"] is not None else m["bare"] for m in _DEFINE.finditer(code)}
    return WpConfig(file=file, constants=constants, mode=mode)
