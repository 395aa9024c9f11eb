"""checkvalve evidence rules list | check | run: Sigma rules over the evidence."""

import argparse
from typing import Any

from rich.markup import escape

from checkvalve.cli.output import NO, OK, console, counted, print_json
from checkvalve.engine import rules, ruling
from checkvalve.engine.core import now_ms
from checkvalve.engine.settings import data_dir, load_settings
from checkvalve.regimes.deadline import parse_time

DAY_MS = 86_400_000
COLOURS = {"low": "dim", "medium": "yellow", "high": "red", "critical": "bold red"}


def add_parsers(actions: Any, common: argparse.ArgumentParser) -> None:
    group = actions.add_parser("rules", help="Sigma rules: those in force, a rule of yours checked, all of them over the past")
    steps = group.add_subparsers(dest="step", metavar="STEP", required=True)
    steps.add_parser("list", parents=[common], help="shipped ones, and those in rules/ of the data directory").set_defaults(
        run=_list
    )
    check = steps.add_parser("check", parents=[common], help="a rule of yours, held against the samples in it")
    check.add_argument("file", metavar="FILE.yml")
    check.set_defaults(run=_check)
    over = steps.add_parser("run", parents=[common], help="over what is in the log already")
    over.add_argument("rules", nargs="*", metavar="RULE", help="ids; default: all in force")
    over.add_argument("--since", metavar="T", help="RFC 3339; default: 30 days ago")
    over.add_argument("--until", metavar="T", help="default: now")
    over.set_defaults(run=_run)


def _list(arguments: argparse.Namespace) -> int:
    found = rules.load(data_dir(arguments.data))
    problems = [{"file": file, "why": why} for file, why in found.problems]
    if arguments.json:
        print_json({"rules": rules.described(found.rules), "problems": problems})
        return NO if problems else OK
    for rule in found.rules:
        about = rule.source.product or rule.source.category or "?"
        console.print(
            f"[{COLOURS[rule.level]}]{rule.level:8}[/]  {about:9}  {escape(rule.title)} ({', '.join(rule.tags)})  {rule.id}",
            soft_wrap=True,
        )
    for file, why in found.problems:
        console.print(f"[yellow]not used[/yellow]  {escape(file)}: {escape(why)}", soft_wrap=True)
    return NO if problems else OK


def _check(arguments: argparse.Namespace) -> int:
    rule = rules.check(arguments.file)
    if arguments.json:
        print_json(rules.described([rule])[0])
    else:
        held = (
            f"its {len(rule.samples)} samples are judged as they should be" if rule.samples else "it has no samples of its own"
        )
        console.print(
            f"{escape(rule.title)}: {held}. To put it in force: copy it to rules/ of the data directory", soft_wrap=True
        )
    return OK


def _run(arguments: argparse.Namespace) -> int:
    settings, now = load_settings(data_dir(arguments.data)), now_ms()
    since, until = (int(parse_time(t).timestamp() * 1000) if t else None for t in (arguments.since, arguments.until))
    asked = ruling.Ruling(
        since_ms=now - 30 * DAY_MS if since is None else since,
        until_ms=now if until is None else until,
        by="user:cli",
        only=tuple(arguments.rules),
    )
    with counted("entries", quiet=arguments.json) as tell:
        found = ruling.over(settings, asked, tell)
    if arguments.json:
        print_json(found)
        return NO if found["hits"] else OK
    for hit in found["hits"]:
        console.print(
            f"[{COLOURS[hit['level']]}]{hit['level']:8}[/]  {hit['time']}  entry {hit['entry']}  {escape(hit['title'])}",
            soft_wrap=True,
        )
    gone = f", {found['erased']} were erased and not read" if found["erased"] else ""
    console.print(f"{found['read']} events read{gone}; entry {found['access_entry']} of the log says so", soft_wrap=True)
    if found["cut"]:
        console.print("[yellow]more than can be shown: choose rules or a shorter time[/yellow]")
    return NO if found["hits"] else OK
