"""checkvalve plugin."""

import argparse
import asyncio
from typing import Any

from rich.markup import escape

from checkvalve.cli.output import NO, OK, console, counted, print_json
from checkvalve.engine.core import now_ms
from checkvalve.engine.inventory import inventory
from checkvalve.engine.plugins import assess_plugin
from checkvalve.engine.roles import keep, roles
from checkvalve.engine.settings import data_dir, load_settings

SHOWN = 10
STATES = {
    "new": "[yellow]new      [/yellow]",
    "updated": "[green]updated  [/green]",
    "changed": "[red]CHANGED  [/red]",
    "unchanged": "[green]unchanged[/green]",
}


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("plugin", help="a third-party plugin before you trust it")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    look = actions.add_parser("assess", parents=[common], help="attack surface, data touched, how to isolate it; never run")
    look.add_argument("plugin", metavar="DIR|ZIP")
    look.add_argument("--feed", metavar="FILE", help="vulnerability feed (Wordfence Intelligence JSON) that you have")
    look.add_argument("--try", dest="trial", action="store_true", help="isolate it in the shop, for test orders alone")
    look.add_argument("--site", help="in which of several shops")
    look.set_defaults(run=_assess)
    site = actions.add_parser(
        "inventory", parents=[common], help="every plugin of a site, and what changed on disk since the last look"
    )
    site.add_argument("directory", metavar="DIR", help="of the site, or its wp-content/plugins")
    site.add_argument("--feed", metavar="FILE", help="vulnerability feed (Wordfence Intelligence JSON) that you have")
    site.set_defaults(run=_inventory)
    needed = actions.add_parser(
        "roles", parents=[common], help="which plugins the checkout needs: each is isolated for test orders alone"
    )
    needed.add_argument("plugin", nargs="*", metavar="FOLDER", help="only these")
    needed.add_argument("--site", help="of several shops")
    needed.set_defaults(run=_roles)


def _assess(arguments: argparse.Namespace) -> int:
    found = assess_plugin(arguments.plugin, arguments.feed)
    found["tried"] = _tried(arguments, found["slug"]) if arguments.trial else None
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
    if found["tried"]:
        _print_role(found["tried"])
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


def _inventory(arguments: argparse.Namespace) -> int:
    settings = load_settings(data_dir(arguments.data))
    with counted("plugins", quiet=arguments.json) as tell:
        found = inventory(settings, arguments.directory, arguments.feed, now_ms(), tell)
    bad = any(f["rule"] in ("changed_without_update", "known_vulnerability") for f in found["findings"])
    if arguments.json:
        print_json(found)
        return NO if bad else OK
    for row in found["plugins"]:
        unread = f", {row['assessed']['unparsed']} NOT assessed" if row["assessed"]["unparsed"] else ""
        depends = row["checkout"]["depends"]
        needs = "" if depends == "no" else f"; the checkout depends on it ({depends})"
        what = f"[bold]{escape(row['slug'])}[/bold] {escape(row['version'])}: {row['assessed']['files']} files{unread}{needs}"
        console.print(f"{STATES[row['state']]}  {what}", soft_wrap=True)
    for slug in found["removed"]:
        console.print(f"[yellow]gone     [/yellow]  {escape(slug)}", soft_wrap=True)
    if found["since_ms"] is None:
        console.print("the first look at this site: changes are seen from now on")
    for f in found["findings"][:SHOWN]:
        where = f"{f['file']}:{f['line']}" if f["line"] else f["file"]
        console.print(
            f"{f['rank']:>3}  {escape(f['plugin'])}  {f['rule']}  {escape(where)}  {escape(f['what'])}", soft_wrap=True
        )
    if len(found["findings"]) > SHOWN:
        console.print(f"     and {len(found['findings']) - SHOWN} more, less urgent (--json)")
    return NO if bad else OK


def _roles(arguments: argparse.Namespace) -> int:
    settings = load_settings(data_dir(arguments.data))
    with counted("trials", quiet=arguments.json) as tell:
        found = asyncio.run(roles(settings, arguments.site, arguments.plugin, tell))
    found["entry"] = keep(settings, found, "user:cli")
    if arguments.json:
        print_json(found)
        return OK
    ways = ", ".join(f"{name}{'' if works else ' (fails as it is)'}" for name, works in found["ways"].items())
    console.print(f"walked: {escape(ways)}", soft_wrap=True)
    for row in found["plugins"]:
        _print_role(row)
    return OK


def _tried(arguments: argparse.Namespace, slug: str) -> dict[str, Any]:
    """What the checkout did while this plugin was isolated in a shop that runs it."""
    settings = load_settings(data_dir(arguments.data))
    with counted("trials", quiet=arguments.json) as tell:
        found = asyncio.run(roles(settings, arguments.site, [slug], tell))
    return {"site": found["site"], "entry": keep(settings, found, "user:cli"), **found["plugins"][0]}


def _print_role(row: dict[str, Any]) -> None:
    if not row["depends"]:
        console.print(f"[green]free  [/green]  {escape(row['plugin'])}: the checkout does without it", soft_wrap=True)
        return
    steps = f"isolate it as {', then '.join(row['steps'])}" if row["steps"] else "[red]no isolation leaves it open[/red]"
    console.print(f"[yellow]needed[/yellow]  {escape(row['plugin'])}: {escape(row['breaks'])}; {steps}", soft_wrap=True)
