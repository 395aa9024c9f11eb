"""checkvalve evidence verify | scope | key | ingest | find | erase | ask."""

import argparse
from dataclasses import asdict
from typing import Any

from checkvalve.cli import anchor, custody, ingest, looking, rules
from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine import looking as engine_looking
from checkvalve.engine import offline, story
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir, load_settings
from checkvalve.evidence import bundle, checkpoint
from checkvalve.evidence.anchor import Trust, trust_of
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.verify import Verified
from checkvalve.regimes.deadline import from_ms, parse_time, rfc3339

STORY = ("time", "within_ms", "clock_skew_ms", "entry", "kind", "source", "what", "who", "plugin", "route")


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("evidence", help="the log: verify it, ask it")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    verify = actions.add_parser(
        "verify", parents=[common], help="the live log, or an exported bundle with nothing but the public key"
    )
    verify.add_argument("bundle", nargs="?", help="a file made by `checkvalve case export`")
    verify.add_argument("--key", help="the log's public key, or a file that holds it (see `checkvalve evidence key`)")
    verify.add_argument("--tsa-root", metavar="FILE", help="root certificate of a time stamping authority that you trust, PEM")
    verify.add_argument("--witness-key", metavar="KEY", action="append", default=[], help="key of a witness that you trust")
    verify.add_argument("--quick", action="store_true", help="of the live log: not the databases beside it (keys, state)")
    verify.set_defaults(run=_verify)
    key = actions.add_parser("key", parents=[common], help="the log's public key; give it to whoever checks bundles")
    key.set_defaults(run=_key)
    scope = actions.add_parser("scope", parents=[common], help="whose data left, how, to whom")
    scope.add_argument("--since", metavar="T", help="RFC 3339, e.g. 2026-11-24T00:00:00Z; needed unless --trace is given")
    scope.add_argument("--until", metavar="T")
    for name in offline.SCOPE_FILTERS:
        scope.add_argument(f"--{name}")
    scope.set_defaults(run=_scope)
    ingest.add_parser(actions, common)
    anchor.add_parsers(actions, common)
    custody.add_parsers(actions, common)
    looking.add_parsers(actions, common)
    rules.add_parsers(actions, common)


def _verify(arguments: argparse.Namespace) -> int:
    if arguments.bundle:
        result = bundle.verify(offline.read_file(arguments.bundle), _public_key(arguments.key), _trust(arguments))
    else:
        result = offline.verify_live(load_settings(data_dir(arguments.data)), quick=arguments.quick)
    if arguments.json:
        print_json(asdict(result))
    else:
        _tell(result)
    return OK if result.ok else NO


def _trust(arguments: argparse.Namespace) -> Trust:
    root = offline.read_file(arguments.tsa_root) if arguments.tsa_root else b""
    try:
        return trust_of(root, "\n".join(arguments.witness_key).encode())
    except VerificationError as error:
        raise EngineError("bad_trust", error.what) from error


def _public_key(given: str | None) -> bytes | None:
    if given is None:
        return None
    text = given if "+" in given else offline.read_file(given).decode("utf-8", "replace")
    try:
        return checkpoint.parse_verifier_key(text)[1]
    except VerificationError as error:
        raise EngineError("bad_key", error.what) from error


def _tell(result: Verified) -> None:
    if result.ok:
        console.print(f"[green]good[/green]: {result.entries} entries, all as signed")
    else:
        console.print("[red]NOT good[/red]:")
        for flaw in result.errors:
            place = f", entry {flaw.entry}" if flaw.entry is not None else ""
            console.print(f"  {flaw.file}{place}: {flaw.what}")
    for a in result.anchors:
        doubt = "" if a.trusted else " (checked with what the bundle itself says of them)"
        console.print(f"  {a.by}: the first {a.size} entries were there at {rfc3339(from_ms(a.time_ms))}{doubt}")
    if result.uncovered:
        console.print(f"  {result.uncovered} newest entries are not signed yet")
    if result.key and not result.key_trusted:
        console.print(f"  checked with the key inside the bundle; compare it by another way: {result.key}")


def _key(arguments: argparse.Namespace) -> int:
    text = offline.public_key_text(load_settings(data_dir(arguments.data)))
    if arguments.json:
        print_json({"key": text})
    else:
        console.print(text, soft_wrap=True)
    return OK


def _window(arguments: argparse.Namespace, told: list[int]) -> tuple[int, int]:
    """Since and until in ms: as given, else from the first to the last moment of the story."""
    given = [int(parse_time(t).timestamp() * 1000) if t else None for t in (arguments.since, arguments.until)]
    since, until = given[0] or min(told, default=None), given[1] or max(told, default=None)
    if since is None or until is None:
        raise EngineError("no_window", "give --since and --until, or a --trace that is in the log")
    return since, until


def _scope(arguments: argparse.Namespace) -> int:
    settings = load_settings(data_dir(arguments.data))
    filters = {n: v for n in offline.SCOPE_FILTERS if (v := getattr(arguments, n))}
    rows = engine_looking.ask(settings, "trace", {"trace": filters["trace"]}) if "trace" in filters else []
    told = story.in_order(settings, rows)
    since, until = _window(arguments, [row["at_ms"] for row in told if row["at_ms"] is not None])
    found = offline.scope(settings, since, until, filters)
    if arguments.json:
        heard = [s.as_json() for s in offline.sensors(settings, since, until, filters.get("site"))]
        print_json(found.as_json() | {"sensors": heard} | ({"story": told} if "trace" in filters else {}))
        return OK
    if told:
        looking.show([{n: row[n] for n in STORY} for row in told])
    for name, extent in (("confirmed", found.confirmed), ("worst case", found.worst_case)):
        console.print(f"[bold]{name}[/bold]: {extent.subjects} people, {extent.records} records")
        for label in ("categories", "recipients", "channels"):
            listed = ", ".join(f"{k} {v}" for k, v in getattr(extent, label).items())
            console.print(f"  {label}: {listed or 'none'}")
    console.print("complete" if found.complete else "NOT complete: " + "; ".join(found.gaps))
    return OK
