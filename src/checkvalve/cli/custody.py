"""checkvalve evidence custody | hold | retention | rotate-key."""

import argparse
from dataclasses import asdict
from typing import Any

from rich.table import Table

from checkvalve.cli.output import OK, console, print_json
from checkvalve.cli.people import credentials
from checkvalve.engine import custody, looking, offline, retention, rotation
from checkvalve.engine.errors import EngineError
from checkvalve.engine.holds import MAY_HOLD
from checkvalve.engine.settings import data_dir, load_settings
from checkvalve.regimes.deadline import from_ms, rfc3339


def add_parsers(actions: Any, common: argparse.ArgumentParser) -> None:
    kept = actions.add_parser("custody", parents=[common], help="who read sealed content, when and why; holds; erasures")
    kept.add_argument("--case", help="of this case only")
    kept.set_defaults(run=_custody)

    hold = actions.add_parser("hold", help="legal hold: nothing it covers is erased").add_subparsers(
        dest="step", metavar="STEP", required=True
    )
    put = hold.add_parser("set", parents=[common], help=f"by one person with a role of {', '.join(MAY_HOLD)}")
    put.add_argument("--reason", required=True)
    put.add_argument("--subject", metavar="REF", help="of one person, e.g. customer:42 (default: everybody)")
    lift = hold.add_parser("lift", parents=[common], help="by two people: the second one lifts it")
    lift.add_argument("hold", metavar="HOLD")
    lift.add_argument("--reason", default="")
    for parser in (put, lift):
        parser.add_argument(
            "--by", required=True, metavar="NAME", help="your user name; the password is asked for, or read from stdin"
        )
        parser.set_defaults(run=_hold)
    hold.add_parser("list", parents=[common], help="all holds").set_defaults(run=_holds)

    rotate = actions.add_parser(
        "rotate-key", parents=[common], help="a new key for the log, named by the old one (core stopped)"
    )
    rotate.set_defaults(run=_rotate)

    ages = actions.add_parser("retention", parents=[common], help="how long sealed content is kept, by class")
    ages.add_argument(
        "--keep", action="append", default=[], metavar="CLASS=DAYS", help=f"{', '.join(retention.CLASSES)}; 0: for ever"
    )
    ages.add_argument("--apply", action="store_true", help="erase now what is older (core does it by itself)")
    ages.set_defaults(run=_retention)


def _rotate(arguments: argparse.Namespace) -> int:
    old, new = rotation.rotate(load_settings(data_dir(arguments.data)), "user:cli")
    if arguments.json:
        print_json({"old": old, "new": new})
    else:
        console.print(f"the log is signed with a new key, named by the old one:\n{new}", soft_wrap=True)
    return OK


def _custody(arguments: argparse.Namespace) -> int:
    found = custody.readings(load_settings(data_dir(arguments.data)), arguments.case)
    if arguments.json:
        print_json({"readings": found})
        return OK
    names = ("entry", "time", "what", "by", "purpose", "case", "subject", "entries")
    table = Table(*names, box=None)
    for row in found:
        table.add_row(*(str(row[n]) if row[n] is not None else "-" for n in names))
    console.print(table)
    return OK


def _hold(arguments: argparse.Namespace) -> int:
    settings = load_settings(data_dir(arguments.data))
    password, code = credentials(arguments.by)
    by = offline.person(settings, arguments.by, password, MAY_HOLD, code)
    setting = arguments.step == "set"
    asked = looking.Holding(
        by=by,
        reason=arguments.reason,
        subject=arguments.subject if setting else None,
        lift=None if setting else arguments.hold,
    )
    answer = looking.hold(settings, asked)
    if arguments.json:
        print_json(answer)
    else:
        words = {
            "hold_set": "stands",
            "hold_lift_asked": "still stands: a second person has to agree",
            "hold_lifted": "is lifted",
        }
        console.print(f"{answer['hold']} {words[answer['what']]} (entry {answer['entry']})")
    return OK


def _holds(arguments: argparse.Namespace) -> int:
    found = offline.holds_of(load_settings(data_dir(arguments.data)))
    if arguments.json:
        print_json({"holds": [asdict(h) for h in found]})
        return OK
    table = Table("hold", "of", "since", "by", "reason", "state", box=None)
    for h in found:
        state = f"lifted by {h.lift_asked_by} and {h.lifted_by}" if h.lifted_ms else f"lift asked by {h.lift_asked_by}"
        stands = "stands" if not h.lift_asked_by else state
        table.add_row(h.id, h.subject or "everybody", rfc3339(from_ms(h.set_ms)), h.set_by, h.reason, stands)
    console.print(table)
    return OK


def _days(given: list[str]) -> dict[str, int]:
    pairs = [g.partition("=") for g in given]
    if any(not days.isdigit() for _, _, days in pairs):
        raise EngineError("bad_days", "--keep takes CLASS=DAYS, e.g. inferences=90")
    return {name: int(days) for name, _, days in pairs}


def _retention(arguments: argparse.Namespace) -> int:
    settings = load_settings(data_dir(arguments.data))
    offline.identity_of(settings)
    if arguments.keep:
        retention.keep(settings, _days(arguments.keep))
    erased = looking.retain(settings) if arguments.apply else {}
    kept = retention.kept_days(settings)
    if arguments.json:
        print_json({"keep_days": kept, "erased": erased})
        return OK
    for name in retention.CLASSES:
        done = f"; {erased[name]} records erased now" if name in erased else ""
        console.print(f"{name}: {f'{kept[name]} days' if name in kept else 'for ever'}{done}")
    return OK
