"""Compose files into services: anchors, merge keys, several files, `extends`, variables, short and long syntax.

Ports are read as text: YAML 1.1 would take 22:22 for a number to the base of 60.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import yaml

from checkvalve.posture.shapes import listed, table, true, words
from checkvalve.posture.types import Mount, Port, Problem, Service

MAX_EXTENDS: Final = 10
MAX_DEPTH: Final = 32
MAX_NODES: Final = 100_000  # aliases can make a small file endless
_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<op>:?[-?+])(?P<word>[^}]*))?\})"
)


class _Loader(yaml.SafeLoader):
    """Safe, and without numbers to the base of 60."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


# Gives the text of a file that another one names, by the path as it stands there; None when it may not or cannot be read.
Opener = Callable[[str], str | None]


def read(
    files: Sequence[tuple[str, str]], environment: Mapping[str, str], opened: Opener = lambda _: None
) -> tuple[list[Service], set[str], list[Problem]]:
    """(services, internal networks, problems) of one project; `files`: (name, text), a later one overrides."""
    problems: list[Problem] = []
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name, text in files:
        try:
            loaded = _loaded(text)
        except ValueError as error:
            problems.append(Problem(file=name, why=str(error)))
            continue
        origin |= dict.fromkeys(loaded["services"], name)
        merged = _merge(merged, loaded)
    services = merged.get("services", {})
    networks = table(merged.get("networks"))
    internal = {n for n, v in networks.items() if isinstance(v, dict) and true(v.get("internal"))}
    found = []
    for name, raw in services.items():
        if not isinstance(raw, dict):
            problems.append(Problem(file=origin.get(name, ""), why=f"service {name} is not a table"))
            continue
        file = origin.get(name, "")
        try:
            whole, missing = _extended(raw, services, opened, MAX_EXTENDS)
            problems += [Problem(file=file, why=f"service {name} extends {m}, which could not be read") for m in missing]
            found.append(_service(file, str(name), whole, environment))
        except ValueError as error:
            problems.append(Problem(file=file, why=f"service {name}: {error}"))
    return found, internal, problems


def _fill(value: Any, environment: Mapping[str, str], depth: int = MAX_DEPTH, nodes: list[int] | None = None) -> Any:
    nodes = [MAX_NODES] if nodes is None else nodes
    nodes[0] -= 1
    if depth == 0 or nodes[0] < 0:
        raise ValueError("nested or repeated without end")
    if isinstance(value, str):
        return _VARIABLE.sub(lambda m: _variable(m, environment), value)
    if isinstance(value, dict):
        return {str(k): _fill(v, environment, depth - 1, nodes) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill(v, environment, depth - 1, nodes) for v in value]
    return value


def _variable(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found["escaped"]:
        return "$"
    value = environment.get(found["plain"] or found["name"])
    op, word = found["op"] or "", found["word"] or ""
    unset = value is None or (op.startswith(":") and not value)
    if op.endswith("+"):
        return "" if unset else word
    return (word if op.endswith("-") else "") if unset else value or ""


def _merge(base: Any, over: Any) -> Any:
    """As Compose merges: tables by key, lists by appending, anything else by replacing."""
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{k: _merge(base[k], v) if k in base else v for k, v in over.items()}}
    if isinstance(base, list) and isinstance(over, list):
        return base + [v for v in over if v not in base]
    return over


def _loaded(text: str) -> dict[str, Any]:
    try:
        loaded = yaml.load(text, Loader=_Loader)  # noqa: S506 - derived from SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(f"not YAML: {str(error).splitlines()[0][:120]}") from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("services"), dict):
        raise ValueError("has no services")
    return loaded


def _extended(
    raw: dict[str, Any], services: Mapping[str, Any], opened: Opener, depth: int
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(the service with what it extends, files that could not be read)."""
    parent = raw.get("extends")
    name = parent if isinstance(parent, str) else parent.get("service") if isinstance(parent, dict) else None
    if isinstance(parent, dict) and (file := str(parent.get("file") or "")):
        try:
            services = _loaded(opened(file) or "")["services"]
        except ValueError:
            return raw, (file[:100],)
    base = services.get(name) if name else None
    if depth == 0 or not isinstance(base, dict) or base is raw:
        return raw, ()
    whole, missing = _extended(base, services, opened, depth - 1)
    return dict(_merge(whole, {k: v for k, v in raw.items() if k != "extends"})), missing


def _service(file: str, name: str, unfilled: dict[str, Any], environment: Mapping[str, str]) -> Service:
    raw = _fill(unfilled, environment)
    mode = str(raw.get("network_mode", ""))
    networks = raw.get("networks")
    named = frozenset(map(str, networks)) if isinstance(networks, list | dict) and networks else frozenset({"default"})
    return Service(
        file=file,
        name=name,
        image=str(raw.get("image", "")),
        command=" ".join(words(raw.get("entrypoint")) + words(raw.get("command"))),
        environment=_environment(raw.get("environment")),
        literal=frozenset(n for n, v in _environment(unfilled.get("environment")).items() if v and "$" not in v),
        ports=tuple(p for item in listed(raw.get("ports")) if (p := _port(item))),
        mounts=tuple(m for item in listed(raw.get("volumes")) if (m := _mount(item))),
        networks=None if mode == "host" else frozenset() if mode == "none" else named,
        options=raw,
    )


def _environment(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(k): "" if v is None else str(v) for k, v in value.items()}
    pairs = [str(v).partition("=") for v in listed(value)]
    return {k: v for k, _, v in pairs}


def _port(item: Any) -> Port | None:
    if isinstance(item, dict):
        published = item.get("published")
        return Port(host_ip=str(item.get("host_ip", "")), host=str(published or ""), container=str(item.get("target", "")))
    text = str(item).partition("/")[0]
    found = re.fullmatch(
        r"(?:(?P<ip>\[[^\]]*\]|\d+\.\d+\.\d+\.\d+|localhost):)?(?:(?P<host>[0-9-]*):)?(?P<container>[0-9-]+)", text
    )
    if found is None:
        return None
    return Port(host_ip=found["ip"] or "", host=found["host"] or "", container=found["container"])


def _mount(item: Any) -> Mount | None:
    if isinstance(item, dict):
        bind = item.get("type") == "bind"
        return Mount(
            bind=bind,
            source=str(item.get("source", "")),
            target=str(item.get("target", "")),
            read_only=true(item.get("read_only")),
        )
    source, colon, rest = str(item).partition(":")
    if not colon:
        return Mount(bind=False, source="", target=source, read_only=False)
    target, _, mode = rest.partition(":")
    return Mount(bind=source[:1] in "/.~", source=source, target=target, read_only="ro" in mode.split(","))
