"""checkvalve evidence anchor | tiles."""

import argparse
from pathlib import Path
from typing import Any

from checkvalve.cli.output import OK, console, print_json
from checkvalve.engine import anchoring, offline
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir, load_settings
from checkvalve.regimes.deadline import from_ms, rfc3339


def add_parsers(actions: Any, common: argparse.ArgumentParser) -> None:
    anchor = actions.add_parser(
        "anchor", parents=[common], help="have the log's checkpoint stamped or cosigned outside; without options: as before"
    )
    anchor.add_argument("--tsa", metavar="URL", help="time stamping authority (RFC 3161)")
    anchor.add_argument("--tsa-root", metavar="FILE", help="its root certificate, PEM")
    anchor.add_argument("--witness", metavar=("URL", "KEY"), nargs=2, action="append", help="a witness and its verifier key")
    anchor.add_argument("--every", metavar="HOURS", type=float, help="and again every so often, while core runs (0: no more)")
    anchor.set_defaults(run=_anchor)
    tiles = actions.add_parser("tiles", parents=[common], help="the tree as C2SP tlog-tiles, for monitors and witnesses")
    tiles.add_argument("directory", metavar="DIR")
    tiles.set_defaults(run=_tiles)


def _plan(arguments: argparse.Namespace, before: anchoring.Plan | None) -> anchoring.Plan:
    if arguments.tsa and not arguments.tsa_root:
        raise EngineError("bad_trust", "give the authority's root certificate with --tsa-root, or nobody can check its stamps")
    given = bool(arguments.tsa or arguments.witness)
    if before is None and not given:
        raise EngineError("no_anchor", "name a time stamping authority (--tsa, --tsa-root) or a witness (--witness)")
    known = before or anchoring.Plan()
    root = offline.read_file(arguments.tsa_root).decode("utf-8", "replace") if arguments.tsa_root else known.tsa_root
    witnesses = [(url, key) for url, key in arguments.witness] if arguments.witness else known.witnesses
    hours = known.hours if arguments.every is None else max(0.0, arguments.every)
    return anchoring.Plan(tsa=arguments.tsa or known.tsa, tsa_root=root, witnesses=witnesses, hours=hours)


def _anchor(arguments: argparse.Namespace) -> int:
    settings = load_settings(data_dir(arguments.data))
    plan = _plan(arguments, anchoring.plan_of(settings))
    found = anchoring.anchor_now(settings, offline.identity_of(settings), plan)
    anchoring.keep_plan(settings, plan)
    if arguments.json:
        print_json({"anchors": [{"size": a.size, "time": rfc3339(from_ms(a.time_ms)), "by": a.by} for a in found]})
    for a in found if not arguments.json else ():
        console.print(f"{a.by}: the first {a.size} entries were in the log at {rfc3339(from_ms(a.time_ms))}")
    return OK


def _tiles(arguments: argparse.Namespace) -> int:
    count = offline.export_tiles(load_settings(data_dir(arguments.data)), Path(arguments.directory))
    if arguments.json:
        print_json({"directory": arguments.directory, "tiles": count})
    else:
        console.print(f"{count} tiles and the checkpoint are in {arguments.directory}")
    return OK
