"""checkvalve upstream: which model servers a running gateway asks, and going to another one without a refused request."""

import argparse
import time
from typing import Any, Final

from rich.table import Table

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine.settings import data_dir
from checkvalve.gateway import operator
from checkvalve.gateway.settings import DEFAULT_SERVER

LOOK_S: Final = 0.2


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    upstream = commands.add_parser("upstream", help="which model servers the gateway of this machine asks")
    actions = upstream.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", parents=[common], help="where each is, and how many answers run there")
    show.set_defaults(run=_show)
    switch = actions.add_parser("switch", parents=[common], help="ask a model server at another address from now on")
    switch.add_argument("url", metavar="URL", help="where the same models are served, and ready")
    switch.set_defaults(run=_switch)
    back = actions.add_parser("back", parents=[common], help="undo the last switch")
    back.set_defaults(run=_back)
    for parser in (switch, back):
        parser.add_argument("--server", default=DEFAULT_SERVER, metavar="NAME", help="which one (default: %(default)s)")
        wait = "how long to wait for answers that run at the former address (default: 60)"
        parser.add_argument("--wait", type=float, default=60.0, metavar="S", help=wait)


def _show(arguments: argparse.Namespace) -> int:
    told = operator.ask(_directory(arguments), {"do": "show"})
    if arguments.json:
        print_json(told)
        return OK
    table = Table("server", "address", "running", "before the last switch", box=None)
    for s in told["servers"]:
        before = f"{s['was']} ({s['running_before']} still running)" if s["was"] else "-"
        table.add_row(s["name"], s["url"], str(s["running"]), before)
    console.print(table)
    return OK


def _switch(arguments: argparse.Namespace) -> int:
    return _drain(arguments, {"do": "switch", "server": arguments.server, "url": arguments.url})


def _back(arguments: argparse.Namespace) -> int:
    return _drain(arguments, {"do": "back", "server": arguments.server})


def _drain(arguments: argparse.Namespace, request: dict[str, str]) -> int:
    """Switch, then wait until the former server may be stopped; NO when answers still run there at the end."""
    directory = _directory(arguments)
    told = operator.ask(directory, request)
    until = time.monotonic() + arguments.wait
    while told["running_before"] and time.monotonic() < until:
        time.sleep(LOOK_S)
        servers = operator.ask(directory, {"do": "show"})["servers"]
        told = next(s for s in servers if s["name"] == told["name"])
    if arguments.json:
        print_json(told)
    else:
        console.print(f"new requests to {told['name']} are answered by {told['url']}", soft_wrap=True)
        left = told["running_before"]
        console.print(
            f"{left} answers still run at {told['was']}: do not stop it yet"
            if left
            else f"nothing runs at {told['was']} any more: it may be stopped",
            soft_wrap=True,
        )
    return NO if told["running_before"] else OK


def _directory(arguments: argparse.Namespace) -> Any:
    return data_dir(arguments.data) / "gateway"
