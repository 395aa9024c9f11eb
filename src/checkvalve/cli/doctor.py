"""checkvalve doctor."""

import argparse
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine.core import now_ms
from checkvalve.engine.diagnosis import diagnose
from checkvalve.engine.settings import data_dir, load_settings


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    doctor = commands.add_parser("doctor", parents=[common], help="what works, what is missing, what to do about it")
    doctor.add_argument("--upstream", metavar="URL", help="the model server, to be asked as well")
    doctor.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    checks = diagnose(load_settings(data_dir(arguments.data)), arguments.upstream, now_ms())
    if arguments.json:
        print_json({"checks": [asdict(c) for c in checks]})
    else:
        table = Table("", "check", "found", "what to do", box=None)
        for check in checks:
            table.add_row("ok" if check.ok else "--", *(Text(t) for t in (check.name, check.found, check.hint)))
        console.print(table)
    return OK if all(c.ok for c in checks) else NO
