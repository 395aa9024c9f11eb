"""checkvalve page: who is called when something leaks."""

import argparse
from typing import Any

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine import offline, paging_drill, paging_rota
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir, load_settings
from checkvalve.transports.pages import scheme


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("page", help="who is paged: rota, test")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    rota = actions.add_parser("rota", parents=[common], help="put a rota in force, or show the one that is")
    rota.add_argument("file", nargs="?", metavar="FILE.json", help="contacts, channels (Apprise URLs), rungs")
    rota.set_defaults(run=_rota)
    test = actions.add_parser("test", parents=[common], help="page everybody, or one contact, and say who was reached")
    test.add_argument("--contact", metavar="NAME")
    test.set_defaults(run=_test)


def _rota(arguments: argparse.Namespace) -> int:
    settings = load_settings(data_dir(arguments.data))
    with offline.opened(settings):  # an installation, or EngineError
        pass
    if arguments.file:
        found = paging_rota.install(settings, offline.read_file(arguments.file))
    else:
        loaded = paging_rota.load(settings)
        if loaded is None:
            raise EngineError("no_rota", "nobody would be paged; give a rota with `checkvalve page rota FILE`")
        found = loaded
    channels = {name: [scheme(u) for u in urls] for name, urls in found.urls.items()}
    rungs = [{"contacts": list(r.contacts), "wait_minutes": r.wait_minutes} for r in found.rota.rungs]
    if arguments.json:
        print_json({"contacts": channels, "rungs": rungs})
        return OK
    for number, rung in enumerate(found.rota.rungs, start=1):
        told = ", ".join(f"{c} ({'/'.join(channels[c])})" for c in rung.contacts)
        console.print(f"rung {number}: {told}; {rung.wait_minutes} minutes to acknowledge")
    console.print(f"then all hands, every {found.rota.repeat_minutes} minutes, {found.rota.repeats} times more")
    if len({scheme for kinds in channels.values() for scheme in kinds}) < 2:
        console.print(
            "[yellow]one kind of channel only: add one that does not depend on the shop's own server or mail[/yellow]"
        )
    return OK


def _test(arguments: argparse.Namespace) -> int:
    settings = load_settings(data_dir(arguments.data))
    answer = paging_drill.test(settings, paging_drill.Testing(by="user:cli", contact=arguments.contact))
    if arguments.json:
        print_json(answer)
    else:
        console.print(f"reached: {', '.join(answer['reached']) or 'nobody'}")
        if answer["failed"]:
            console.print(f"[red]not reached: {', '.join(answer['failed'])}[/red]")
    return OK if answer["reached"] and not answer["failed"] else NO
