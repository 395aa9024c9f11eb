"""checkvalve fleet: one order for every shop that runs a plugin below a version."""

import argparse
import re
import time
from typing import Any, Final

from rich.progress import Progress
from rich.table import Table

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.cli.people import credentials
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import Settings, data_dir, load_settings

UNITS: Final = {"m": 60, "h": 3600, "d": 86400}
MAX_WAIT: Final = 6 * 3600
GOOD: Final = ("done", "undone", "asked", "running", "undoing")
SETTLED: Final = ("contained", "rolled_back", "refused", "undone")


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    fleet = commands.add_parser("fleet", help="one order for every shop that runs a plugin")
    actions = fleet.add_subparsers(dest="action", metavar="ACTION", required=True)
    plan = actions.add_parser("plan", parents=[common], help="which shops it would be given to; changes nothing")
    run = actions.add_parser("run", parents=[common], help="ask for it; a second person has to approve")
    for parser in (plan, run):
        parser.add_argument("plugin", help="folder of the plugin, or its main file as dir/file.php")
        parser.add_argument("--below", default="", metavar="VERSION", help="only shops with an earlier version (default: all)")
        parser.add_argument("--order", default="isolate_plugin", metavar="ACTION", help="what to do (default: isolate_plugin)")
        parser.add_argument(
            "--arg", action="append", default=[], metavar="NAME=VALUE", help="of the order, such as mode=surface"
        )
        parser.add_argument(
            "--for", dest="ttl", default="4h", metavar="TIME", help="when it ends by itself: 30m, 4h, 2d (default: 4h)"
        )
        parser.add_argument(
            "--tolerate", type=float, default=2.0, metavar="PERCENT", help="of the shops of a stage that may fail (default: 2)"
        )
    plan.set_defaults(run=_plan)
    run.set_defaults(run=_decide, what="run")
    for what, text in (
        ("approve", "let an order for many shops begin that another person asked for"),
        ("stop", "give it to no more shops; what is contained stays so"),
        ("undo", "take it back in every shop"),
    ):
        parser = actions.add_parser(what, parents=[common], help=text)
        parser.add_argument("fleet")
        parser.set_defaults(run=_decide, what=what)
    for name in ("run", "approve", "stop", "undo"):
        parser = actions.choices[name]
        parser.add_argument("--reason", required=True, metavar="TEXT", help="it stays in the log; no names of customers")
        parser.add_argument("--by", required=True, metavar="NAME", help="who says so; the password is asked for")
    status = actions.add_parser("status", parents=[common], help="how far it is, shop by shop; without a name all of them")
    status.add_argument("fleet", nargs="?")
    status.add_argument("--as", dest="seen_by", metavar="NAME", help="only what this person may see")
    status.add_argument("--wait", type=int, default=0, metavar="S", help="show progress until it has ended, at most so long")
    status.set_defaults(run=_status)


def _terms(arguments: argparse.Namespace) -> Any:
    from checkvalve.engine.fleet_log import Terms  # slow to import, as are those below

    given = dict(pair.partition("=")[::2] for pair in arguments.arg)
    length = re.fullmatch(r"(\d{1,6})([mhd])", arguments.ttl)
    if not all(name and value for name, value in given.items()) or length is None:
        raise EngineError("bad_value", "--arg is NAME=VALUE; --for is a number of minutes, hours or days such as 30m, 4h, 2d")
    return Terms(
        plugin=arguments.plugin,
        below=arguments.below,
        action=arguments.order,
        args=given,
        ttl_s=int(length[1]) * UNITS[length[2]],
        tolerated=arguments.tolerate,
        reason=getattr(arguments, "reason", ""),
    )


def _plan(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import fleet, offline

    with offline.opened(load_settings(data_dir(arguments.data))) as state, state.read() as db:
        found = fleet.plan(db, _terms(arguments), None)
    if arguments.json:
        print_json(found)
        return OK if found["shops"] else NO
    _table(found["shops"], ("site", "name", "plugin", "version"))
    first, second, rest = found["stages"]
    console.print(f"{len(found['shops'])} shops: {first} first, then {second}, then {rest}. Nothing was done.")
    for name, text in (
        ("inactive", "have it switched off, and its files can still be called"),
        ("not_affected", "have a version that is not meant"),
        ("unknown", "have not said which plugins they have; update Checkvalve there"),
    ):
        if found[name]:
            console.print(f"{len(found[name])} {text}: {', '.join(s['site'] for s in found[name][:20])}", soft_wrap=True)
    return OK if found["shops"] else NO


def _decide(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import fleet, offline
    from checkvalve.engine.looking import in_core

    settings = load_settings(data_dir(arguments.data))
    terms = _terms(arguments) if arguments.what == "run" else None
    password, code = credentials(arguments.by)
    by = offline.person(settings, arguments.by, password, fleet.MAY_ORDER, code)
    named = getattr(arguments, "fleet", "")
    asking = fleet.Asking(what=arguments.what, by=by, fleet=named, reason=arguments.reason, terms=terms)
    answer = in_core(settings, fleet.PATH, asking, lambda core: fleet.asked(core, asking))
    if arguments.json:
        print_json(answer)
    elif answer["status"] == "asked":
        console.print(
            f"{answer['fleet']} waits an hour for a second person: checkvalve fleet approve {answer['fleet']} --by NAME …"
        )
    else:
        console.print(f"{answer['fleet']} is {answer['status']}: checkvalve fleet status {answer['fleet']} --wait 600")
    return OK


def _status(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import fleet, offline

    settings = load_settings(data_dir(arguments.data))
    if arguments.fleet and arguments.wait:
        _wait(settings, arguments)
    with offline.opened(settings) as state, state.read() as db:
        user = fleet.known(db, arguments.seen_by) if arguments.seen_by else None
        found: dict[str, Any] = fleet.view(db, arguments.fleet, user) if arguments.fleet else {"fleets": fleet.listed(db, user)}
    if arguments.json:
        print_json(found)
    elif not arguments.fleet:
        if not found["fleets"]:
            console.print("nothing was ordered for many shops yet")
        _table(found["fleets"], ("fleet", "status", "stage", "counts", "why"))
    else:
        _table([s for s in found["shops"] if s["status"] != "contained"], ("site", "name", "version", "status", "why"))
        counted = ", ".join(f"{n} {status.replace('_', ' ')}" for status, n in found["counts"].items())
        console.print(f"{found['fleet']}: {found['status']}, stage {found['stage']} of 3: {counted}; ends {found['until']}")
        if found["why"]:
            console.print(found["why"], soft_wrap=True)
    return OK if found.get("status", "done") in GOOD else NO


def _wait(settings: Settings, arguments: argparse.Namespace) -> None:
    """Until it has ended, or the time is up."""
    from checkvalve.engine import fleet, offline

    end = time.monotonic() + min(max(arguments.wait, 0), MAX_WAIT)
    with offline.opened(settings) as state, Progress(console=console, transient=True, disable=arguments.json) as progress:
        bar = progress.add_task(arguments.fleet)
        while time.monotonic() < end:
            with state.read() as db:
                user = fleet.known(db, arguments.seen_by) if arguments.seen_by else None
                found = fleet.view(db, arguments.fleet, user)
            settled = sum(n for status, n in found["counts"].items() if status in SETTLED)
            stage = f"{arguments.fleet}: {found['status']}, stage {found['stage']}"
            progress.update(bar, description=stage, total=len(found["shops"]), completed=settled)
            if found["status"] in ("done", "undone", "stopped"):
                return
            time.sleep(0.5)


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    table = Table(*(c.replace("_", " ") for c in columns), box=None)
    for row in rows:
        table.add_row(*(str(row[c]) for c in columns))
    if rows:
        console.print(table)
