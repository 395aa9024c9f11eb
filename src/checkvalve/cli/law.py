"""checkvalve deadline | applicability | severity."""

import argparse
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from checkvalve.cli.output import OK, console, print_json
from checkvalve.engine.offline import read_file
from checkvalve.regimes.applicability import applicability, profile
from checkvalve.regimes.deadline import deadline, parse_local, place
from checkvalve.regimes.severity import assess, question

MARKS = {"yes": "[red]applies [/red]", "unknown": "[yellow]unknown [/yellow]", "no": "does not"}


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser("deadline", parents=[common], help="every clock of a regime, strict UTC")
    parser.add_argument("--regime", required=True, metavar="ID")
    parser.add_argument("--start-event", required=True, metavar="NAME", help="e.g. controller_aware")
    parser.add_argument("--at", required=True, metavar="RFC3339", help="with the offset of the place where it was noted")
    parser.add_argument("--country", metavar="CC", help="whose holidays count (DE, DE-BY), for limits not given in hours")
    parser.add_argument("--contract-hours", type=int, metavar="N", help="the limit that a contract sets")
    parser.set_defaults(run=_deadline)

    scope = commands.add_parser("applicability", parents=[common], help="which law applies, and what would decide it")
    scope.add_argument("file", metavar="PROFILE.json", help='{"role": "shop", "seat": "DE", "customers_in": ["DE"], …}')
    scope.set_defaults(run=_applicability)

    grade = commands.add_parser("severity", parents=[common], help="ENISA severity of the confirmed set and the worst case")
    grade.add_argument("file", metavar="FACTS.json", help='{"confirmed": SET, "worst_case": SET}')
    grade.set_defaults(run=_severity)


def _deadline(arguments: argparse.Namespace) -> int:
    where = place(arguments.regime, arguments.country, arguments.contract_hours)
    found = deadline(arguments.regime, arguments.start_event, parse_local(arguments.at), where)
    clocks = [c.as_json() for c in found]
    if arguments.json:
        print_json({"regime": arguments.regime, "clocks": clocks})
        return OK
    for clock in clocks:
        waits = "" if clock["start_event"] == arguments.start_event else f"starts with {clock['start_event']}"
        due = f"[bold]{clock['due_utc']}[/bold]" if clock["due_utc"] else waits or "no fixed limit"
        console.print(f"{due}  {clock['id']} ({clock['article']}): {clock['text']}", soft_wrap=True)
        if clock["disputed_later_utc"]:
            console.print(f"    disputed later reading, not to be relied on: {clock['disputed_later_utc']}", soft_wrap=True)
        if "due_small_utc" in clock:
            console.print(f"    for small controllers: {clock['due_small_utc']}", soft_wrap=True)
    return OK


def _applicability(arguments: argparse.Namespace) -> int:
    found = applicability(profile(read_file(arguments.file)), datetime.now(UTC).date())
    if arguments.json:
        print_json(found)
        return OK
    for applies, mark in MARKS.items():
        for row in (r for r in found["regimes"] if r["applies"] == applies):
            text = f"{mark}  [bold]{row['name']}[/bold]\n    {row['reason']} ({row['article']})"
            console.print("\n    ".join([text, *row["asks"], *([row["warning"]] if "warning" in row else [])]), soft_wrap=True)
    console.print("On the facts given; no legal advice.")
    return OK


def _severity(arguments: argparse.Namespace) -> int:
    found = assess(question(read_file(arguments.file)))
    if arguments.json:
        print_json(found)
        return OK
    table = Table("", "SE", "level", "presumption", "flags", box=None)
    for name in ("confirmed", "worst_case"):
        row = found[name]
        table.add_row(name.replace("_", " "), f"{row['se']:g}", row["level"], row["presumption"], ", ".join(row["flags"]))
    console.print(table)
    for reason in found["reasons"]:
        console.print(f"write down why: {reason}")
    return OK
