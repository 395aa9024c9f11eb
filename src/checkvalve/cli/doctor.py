"""checkvalve doctor."""

import argparse
import re
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine import cache_probe
from checkvalve.engine.core import now_ms
from checkvalve.engine.diagnosis import diagnose
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir, load_settings

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, field-name


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    doctor = commands.add_parser("doctor", parents=[common], help="what works, what is missing, what to do about it")
    doctor.add_argument("--upstream", metavar="URL", help="the model server, to be asked as well")
    doctor.add_argument("--probe-cache", metavar="URL", help="does this chat endpoint tell one session what another one said?")
    doctor.add_argument("--probe-model", default="default", metavar="NAME", help="the model to name in the probe")
    for name in ("a", "b"):
        doctor.add_argument(
            f"--session-{name}",
            action="append",
            default=[],
            metavar="HEADER",
            help="'Name: value' that makes a request this session's (default: a random cookie)",
        )
    doctor.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    sessions = cache_probe.two_sessions(_headers(arguments.session_a), _headers(arguments.session_b))
    checks = diagnose(load_settings(data_dir(arguments.data)), arguments.upstream, now_ms())
    if arguments.probe_cache:
        checks += cache_probe.probe(cache_probe.Server(arguments.probe_cache, arguments.probe_model), *sessions)
    if arguments.json:
        print_json({"checks": [asdict(c) for c in checks]})
    else:
        table = Table("", "check", "found", "what to do", box=None)
        for check in checks:
            table.add_row("ok" if check.ok else "--", *(Text(t) for t in (check.name, check.found, check.hint)))
        console.print(table)
    return OK if all(c.ok for c in checks) else NO


def _headers(given: list[str]) -> dict[str, str]:
    found = {}
    for line in given:
        name, colon, value = line.partition(":")
        if not (colon and _TOKEN.fullmatch(name) and value.strip().isprintable() and value.isascii()):
            raise EngineError("bad_header", "a session's header is 'Name: value'")
        found[name] = value.strip()
    return found
