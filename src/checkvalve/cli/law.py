"""checkvalve deadline."""

import argparse
from typing import Any

from rich.table import Table

from checkvalve.cli.output import OK, console, print_json
from checkvalve.regimes.deadline import deadline, parse_time


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser("deadline", parents=[common], help="every clock of a regime, strict UTC")
    parser.add_argument("--regime", required=True, metavar="ID")
    parser.add_argument("--start-event", required=True, metavar="NAME", help="e.g. controller_aware")
    parser.add_argument("--at", required=True, metavar="RFC3339")
    parser.add_argument("--country", metavar="CC", help="for regimes with national rules (none yet)")
    parser.set_defaults(run=_deadline)


def _deadline(arguments: argparse.Namespace) -> int:
    clocks = [c.as_json() for c in deadline(arguments.regime, arguments.start_event, parse_time(arguments.at))]
    if arguments.json:
        print_json({"regime": arguments.regime, "clocks": clocks})
        return OK
    table = Table("clock", "due (UTC)", "article", "later reading, disputed", box=None)
    for clock in clocks:
        table.add_row(clock["id"], clock["due_utc"] or "no fixed limit", clock["article"], clock["disputed_later_utc"] or "")
    console.print(table)
    return OK
