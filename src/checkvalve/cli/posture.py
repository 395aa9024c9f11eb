"""checkvalve posture."""

import argparse
import time
from typing import Any, Final

from rich.markup import escape

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine.deployment import read, read_observed
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir, load_settings
from checkvalve.engine.web_probe import proven
from checkvalve.posture.scan import as_json, scan

MAX_EVERY: Final = 10_080  # minutes: a week


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("posture", help="before the leak: weaknesses of the deployment")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    look = actions.add_parser(
        "scan", parents=[common], help="compose files, web server, units, wp-config, web root; nothing is changed"
    )
    look.add_argument("directory", metavar="DIR")
    look.add_argument("--observe", action="store_true", help="also what runs on this host: containers, listening sockets")
    look.add_argument(
        "--probe", metavar="URL", help="ask the shop at its own address for data below the web root, as a stranger would"
    )
    look.set_defaults(run=_scan)
    watch = actions.add_parser(
        "watch", parents=[common], help="scan again and again; what became weak or was mended goes to the log"
    )
    watch.add_argument("directory", metavar="DIR")
    watch.add_argument("--observe", action="store_true", help="also what runs on this host")
    watch.add_argument("--probe", metavar="URL", help="also ask the shop at its own address, as a stranger would")
    watch.add_argument("--every", type=int, default=60, metavar="MINUTES", help="default: 60")
    watch.add_argument("--once", action="store_true", help="one look, for a timer; exit 1 when something became weak")
    watch.set_defaults(run=_watch)


def _watch(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import watching, watching_told  # slow to import, and a scan needs none of them
    from checkvalve.engine.core import now_ms

    settings = load_settings(data_dir(arguments.data))
    if not 1 <= arguments.every <= MAX_EVERY:
        raise EngineError("bad_value", f"--every is 1 to {MAX_EVERY} minutes")
    while True:
        found = watching.look(settings, arguments.directory, now_ms(), live=arguments.observe, probe=arguments.probe)
        entry = watching_told.tell(settings, found, "user:cli")
        if arguments.json:
            print_json(found.as_json() | {"entry": entry})
        else:
            _print_look(found)
        if arguments.once:
            return NO if found.new else OK
        time.sleep(arguments.every * 60)


def _print_look(found: Any) -> None:
    for mark, seen in (("[red]became weak[/red]", found.new), ("[green]mended[/green]", found.mended)):
        for s in seen:
            console.print(f"{mark}  [bold]{s.check}[/bold] {escape(s.where)}: {escape(s.what)}", soft_wrap=True)
    first = "the first look, to compare later ones with; " if found.before_ms is None else ""
    unread = f", {found.unread} things could not be read (posture scan names them)" if found.unread else ""
    console.print(f"{first}{len(found.weak)} weaknesses, {len(found.new)} of them new{unread}", soft_wrap=True)


def _scan(arguments: argparse.Namespace) -> int:
    declared, observed = read(arguments.directory), read_observed(arguments.directory, live=arguments.observe)
    if arguments.probe:
        declared = proven(declared, arguments.probe)
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
