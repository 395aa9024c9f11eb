"""checkvalve posture."""

import argparse
from typing import Any

from rich.markup import escape

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine.deployment import read, read_observed
from checkvalve.posture.scan import as_json, scan


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("posture", help="before the leak: weaknesses of the deployment")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    look = actions.add_parser(
        "scan", parents=[common], help="compose files, web server, units, wp-config, web root; nothing is changed"
    )
    look.add_argument("directory", metavar="DIR")
    look.add_argument("--observe", action="store_true", help="also what runs on this host: containers, listening sockets")
    look.set_defaults(run=_scan)


def _scan(arguments: argparse.Namespace) -> int:
    declared, observed = read(arguments.directory), read_observed(arguments.directory, live=arguments.observe)
    checks = scan(declared, observed)
    problems = (*declared.problems, *observed.problems)
    weak = any(c.weaknesses for c in checks)
    if arguments.json:
        print_json(as_json(problems, checks))
        return NO if weak else OK
    for check in checks:
        mark = (
            "[red]weak[/red]"
            if check.weaknesses
            else "[yellow]not assessed[/yellow]"
            if check.not_assessed
            else "[green]good[/green]"
        )
        said = check.not_assessed or f"assessed {check.assessed}"
        console.print(f"{mark}  [bold]{check.id}[/bold] {check.title} ({said}; {check.reference})", soft_wrap=True)
        for w in check.weaknesses:
            closing = " [red]Makes containment impossible.[/red]" if w.hinders_containment else ""
            seen = "[cyan]observed[/cyan] " if w.label == "observed" else ""
            console.print(f"    {seen}{escape(w.where)}: {escape(w.what)}. {escape(w.gets)}.{closing}", soft_wrap=True)
            for line in w.fix.splitlines():
                console.print(f"        {escape(line)}", soft_wrap=True)
    for problem in problems:
        console.print(f"[yellow]not read[/yellow]  {escape(problem.file)}: {escape(problem.why)}", soft_wrap=True)
    return NO if weak else OK
