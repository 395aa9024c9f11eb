"""checkvalve plugin."""

import argparse
from typing import Any

from rich.markup import escape

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine.plugins import assess_plugin

SHOWN = 10


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("plugin", help="a third-party plugin before you trust it")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    look = actions.add_parser("assess", parents=[common], help="attack surface, data touched, how to isolate it; never run")
    look.add_argument("plugin", metavar="DIR|ZIP")
    look.add_argument("--feed", metavar="FILE", help="vulnerability feed (Wordfence Intelligence JSON) that you have")
    look.set_defaults(run=_assess)


def _assess(arguments: argparse.Namespace) -> int:
    found = assess_plugin(arguments.plugin, arguments.feed)
    known = found["known_vulnerabilities"]
    if arguments.json:
        print_json(found)
        return NO if known["hits"] else OK
    files = found["assessed"]
    unread = f", {files['unparsed']} of them NOT assessed" if files["unparsed"] else ""
    console.print(
        f"[bold]{escape(found['name'])}[/bold] {escape(found['version'])}: {files['files']} files{unread}", soft_wrap=True
    )
    console.print(f"checkout depends on it: [bold]{found['checkout']['depends']}[/bold]", soft_wrap=True)
    for why in found["checkout"]["why"][:3]:
        console.print(f"    {escape(why)}", soft_wrap=True)
    isolation = found["isolation"]
    console.print(f"safe ways to isolate: {', '.join(isolation['safe'])}", soft_wrap=True)
    for lost in isolation["work_lost"][:SHOWN]:
        console.print(f"    held meanwhile: {escape(lost)}", soft_wrap=True)
    for file in isolation["also_close"][:SHOWN]:
        console.print(f"    close as well, it does not need WordPress: {escape(file)}", soft_wrap=True)
    if known["feed"] is None or not known["hits"]:
        console.print(
            f"known vulnerabilities: {'none in ' + escape(known['feed']) if known['feed'] else known['says']}", soft_wrap=True
        )
    for hit in known["hits"]:
        console.print(f"[red]known[/red] {escape(str(hit['cve'] or hit['id']))}: {escape(hit['title'])}", soft_wrap=True)
    for f in found["findings"][:SHOWN]:
        console.print(f"{f['rank']:>3}  {f['rule']}  {escape(f['file'])}:{f['line']}  {escape(f['what'])}", soft_wrap=True)
    if len(found["findings"]) > SHOWN:
        console.print(f"     and {len(found['findings']) - SHOWN} more, less urgent (--json)")
    return NO if known["hits"] else OK
