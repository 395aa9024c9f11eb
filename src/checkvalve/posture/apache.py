"""Apache's configuration into the locations that the checks look at, its directives under nginx's names.

Sections within sections, continued lines, quotation marks; what an `Include` names is read only where it lies in the directory.
"""

import re
import shlex
from typing import Final

from checkvalve.posture.types import Location, Problem

MAX_DEPTH: Final = 32
_SECTION: Final = re.compile(r"<(?P<close>/)?(?P<name>\w+)\s*(?P<rest>[^>]*)>\s*$")
_PLACES: Final = ("location", "locationmatch", "directory", "directorymatch", "files", "filesmatch")

Directive = tuple[str, tuple[str, ...]]


class _Section:
    """An open section. `directives` are those of its own, translated."""

    def __init__(self, name: str, argument: str, line: int) -> None:
        self.name, self.argument, self.line = name, argument, line
        self.directives: list[Directive] = []
        self.proxies: list[tuple[str, str, int]] = []
        self.root = ""


def read(file: str, text: str) -> tuple[list[Location], int, list[Problem]]:
    """(locations, number of virtual hosts, problems)."""
    try:
        return *_read(file, text), []
    except ValueError as error:
        return [], 0, [Problem(file=file, why=str(error))]


def _read(file: str, text: str) -> tuple[list[Location], int]:
    locations: list[Location] = []
    hosts = 0
    stack = [_Section("", "", 0)]
    for line, raw in _lines(text):
        section = _SECTION.match(raw)
        if section is None:
            _directive(stack[-1], raw, line)
        elif section["close"]:
            if stack[-1].name != section["name"].lower() or len(stack) == 1:
                raise ValueError(f"line {line}: </{section['name']}> closes nothing")
            done = stack.pop()
            locations += _locations(file, done, stack)
        else:
            if len(stack) > MAX_DEPTH:
                raise ValueError(f"line {line}: sections nested too deep")
            stack.append(_Section(section["name"].lower(), section["rest"].strip(), line))
            hosts += section["name"].lower() == "virtualhost"
    if len(stack) > 1:
        raise ValueError(f"line {stack[-1].line}: <{stack[-1].name}> is not closed")
    return [*locations, *_locations(file, stack[0], [])], hosts


def _lines(text: str) -> list[tuple[int, str]]:
    """(line, directive) without comments; a backslash continues a line."""
    found: list[tuple[int, str]] = []
    kept, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        start = start if kept else number
        if raw.endswith("\\"):
            kept += raw[:-1] + " "
            continue
        line, kept = (kept + raw).strip(), ""
        if line and not line.startswith("#"):
            found.append((start, line))
    return [*found, (start, kept.strip())] if kept.strip() else found


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _directive(section: _Section, raw: str, line: int) -> None:
    name, *words = _words(raw) or [""]
    name = name.lower()
    lowered = tuple(w.lower() for w in words)
    if name == "documentroot" and words:
        section.root = words[0].rstrip("/")
    elif name in ("proxypass", "proxypassmatch") and words:
        path, target = (words[0], words[1]) if len(words) > 1 and words[0][:1] in "/^" else ("", words[0])
        if target != "!":
            section.proxies.append((f"~ {path}" if name.endswith("match") and path else path, target, line))
    else:
        section.directives += _translated(name, lowered)


def _translated(name: str, words: tuple[str, ...]) -> list[Directive]:
    match name, words:
        case "options", _:
            if {"indexes", "+indexes", "all"} & set(words):
                return [("autoindex", ("on",))]
            return [("autoindex", ("off",))] if "-indexes" in words or not any(w.startswith("+") for w in words) else []
        case ("require", ("all", "denied")) | ("deny", ("from", "all")):
            return [("deny", ("all",))]
        case ("require", ("all", "granted")) | ("allow", ("from", "all")):
            return [("allow", ("all",))]
        case "require", _:
            return [("auth_request", words)]
        case (("customlog" | "transferlog"), ("/dev/null", *_)):
            return [("access_log", ("off",))]
        case "limitrequestbody", (size,) if size != "0":
            return [("client_max_body_size", words)]
        case (("qs_locrequestperseclimit" | "qs_locrequestlimit"), _):
            return [("limit_req", words)]
        case ("cacheenable", _):
            return [("proxy_cache", ("on",))]
    return []


def _locations(file: str, done: _Section, outer: list[_Section]) -> list[Location]:
    """What a section that ends says of paths: its own, if it names one, and those it passes on."""
    directives: tuple[Directive, ...] = ()
    for directive in (d for section in (*outer, done) for d in section.directives):
        lifted = directive == ("allow", ("all",))  # an inner section opens what an outer one closed
        directives = (*(d for d in directives if not (lifted and d[0] == "deny")), directive)
    found = []
    if done.name in _PLACES:
        root = next((s.root for s in reversed(outer) if s.root), "")
        path = _path(done, root)
        if not outer or done.proxies or done.directives:
            proxy = done.proxies[0][1] if done.proxies else ""
            found.append(Location(file=file, line=done.line, path=path, proxy=proxy, directives=directives, server="apache"))
        return found
    return [
        Location(file=file, line=line, path=path or "/", proxy=target, directives=directives, server="apache")
        for path, target, line in done.proxies
    ]


def _path(section: _Section, root: str) -> str:
    """As nginx would write it: a prefix, or `~ expression`."""
    words = _words(section.argument)
    pattern = section.name.endswith("match") or words[:1] == ["~"]
    named = words[-1] if words else "/"
    if section.name.startswith("files"):
        return f"~ /{named.removeprefix('^')}" if pattern else f"~ /{re.escape(named)}$"
    if section.name.startswith("directory") and root and named.startswith(root):
        named = named.removeprefix(root) or "/"
    return f"~ {named}" if pattern else named
