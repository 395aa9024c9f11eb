"""checkvalve canary: people who do not exist, planted in stores; wherever one is seen, its store has leaked."""

import argparse
from typing import Any

from rich.table import Table

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.detection.canaries import KINDS
from checkvalve.engine import canaries
from checkvalve.engine.settings import data_dir, load_settings

STORE = f"KIND or KIND:NAME, of the kinds {', '.join(KINDS)}; e.g. document:returns"


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    canary = commands.add_parser("canary", help="planted records that say which store leaked")
    actions = canary.add_subparsers(dest="action", metavar="ACTION", required=True)
    plant = actions.add_parser("plant", parents=[common], help="register a canary of a store, and print what to put there")
    plant.add_argument("store", metavar="STORE", help=STORE)
    plant.add_argument("--domain", default="example.net", help="of its e-mail address (default: %(default)s)")
    plant.set_defaults(run=_plant, retire=False)
    retire = actions.add_parser("retire", parents=[common], help="take a canary out of the register")
    retire.add_argument("store", metavar="STORE", help=STORE)
    retire.set_defaults(run=_plant, retire=True, domain="example.net")
    listed = actions.add_parser("list", parents=[common], help="every canary that was planted, with its latest sighting")
    listed.set_defaults(run=_list)
    look = actions.add_parser("look", parents=[common], help="canaries in files that should hold none")
    look.add_argument("path", metavar="PATH", help="a file or a directory: web root, export, dump")
    look.set_defaults(run=_look)
    for parser in (plant, retire, listed, look):
        parser.add_argument("--site", help="which shop (default: the only one)")


def _plant(arguments: argparse.Namespace) -> int:
    asked = canaries.Planting(
        store=arguments.store, by="user:cli", site=arguments.site, domain=arguments.domain, retire=arguments.retire
    )
    told = canaries.plant(load_settings(data_dir(arguments.data)), asked)
    if arguments.json:
        print_json(told)
    elif arguments.retire:
        console.print(f"the canary of {told['store']} is retired (entry {told['entry']}); take it out of its store as well")
    else:
        console.print(f"registered for {told['store']} of {told['site']} (entry {told['entry']}); put this there:")
        console.print(told["put"], markup=False, highlight=False, soft_wrap=True)
    return OK


def _list(arguments: argparse.Namespace) -> int:
    rows = canaries.listed(load_settings(data_dir(arguments.data)), arguments.site)
    if arguments.json:
        print_json({"canaries": rows})
    else:
        table = Table("store", "name", "shop", "state", "last seen", "case", box=None)
        for r in rows:
            state = "retired" if r["retired"] else "planted"
            table.add_row(r["store"], r["name"], r["site"], state, r["seen"] or "never", r["incident"] or "-")
        console.print(table)
    return OK


def _look(arguments: argparse.Namespace) -> int:
    told = canaries.look(load_settings(data_dir(arguments.data)), arguments.path, arguments.site)
    if arguments.json:
        print_json(told)
    else:
        for hit in told["found"]:
            console.print(f"[red]{hit['store']} has leaked[/red]: its canary stands in {hit['file']}", soft_wrap=True)
        partly = f", {told['partly']} of them not to the end" if told["partly"] else ""
        console.print(f"{told['files']} files read{partly}")
    return NO if told["found"] else OK
