"""checkvalve playbook lint | simulate."""

import argparse
from typing import Any

from rich.table import Table

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine.offline import read_file
from checkvalve.playbooks.linter import lint, notes
from checkvalve.playbooks.loader import load
from checkvalve.playbooks.simulate import simulate


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("playbook", help="CACAO playbooks: lint, simulate")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("lint", parents=[common], help="schema and semantic errors, each with a JSON pointer")
    check.add_argument("file", nargs="+")
    check.set_defaults(run=_lint)
    walk = actions.add_parser("simulate", parents=[common], help="walk every branch without touching anything")
    walk.add_argument("file")
    walk.set_defaults(run=_simulate)


def _lint(arguments: argparse.Namespace) -> int:
    files = []
    for name in arguments.file:
        data = read_file(name)
        errors = lint(data)
        told = [] if errors else notes(data)
        listed, noted = (
            [{"pointer": e.pointer, "code": e.code, "message": e.message} for e in found] for found in (errors, told)
        )
        files.append({"file": name, "ok": not errors, "errors": listed, "notes": noted})
        if not arguments.json:
            console.print(f"{name}: {'good' if not errors else f'{len(errors)} error(s)'}", soft_wrap=True)
            for e in (*errors, *told):
                console.print(f"  {e.pointer or '/'}: {e.code}: {e.message}", soft_wrap=True, markup=False)
    if arguments.json:
        print_json({"files": files})
    return OK if all(f["ok"] for f in files) else NO


def _simulate(arguments: argparse.Namespace) -> int:
    paths = simulate(load(read_file(arguments.file)))
    if arguments.json:
        print_json({"paths": paths})
        return OK
    for number, path in enumerate(paths, start=1):
        table = Table("command", "step", "suppose it is", title=f"way {number} of {len(paths)}", box=None, title_justify="left")
        for step in path:
            table.add_row(step["kind"], step["name"], step["outcome"])
        console.print(table)
    return OK
