"""checkvalve case | notice."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.table import Table

from checkvalve.cli.output import OK, console, print_json
from checkvalve.engine import offline
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir, load_settings
from checkvalve.notifications.render import render_html, render_json, render_pdf
from checkvalve.regimes.deadline import from_ms, rfc3339


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("case", help="incidents: list, show, export")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = actions.add_parser("list", parents=[common], help="all cases")
    listed.set_defaults(run=_list)
    show = actions.add_parser("show", parents=[common], help="one case: state, scope, steps, timeline")
    show.add_argument("case")
    show.set_defaults(run=_show)
    export = actions.add_parser("export", parents=[common], help="a bundle that anyone can verify")
    export.add_argument("case")
    export.add_argument("--output", "-o", metavar="FILE", help="default: CASE.zip")
    export.set_defaults(run=_export)

    notices = commands.add_parser("notice", help="draft notifications").add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    draft = notices.add_parser("draft", parents=[common], help="a fresh draft from what the log knows now")
    draft.add_argument("case")
    draft.add_argument("--regime", default="gdpr_art33", metavar="ID")
    draft.add_argument("--format", default="json", choices=("json", "html", "pdf"))
    draft.add_argument("--output", "-o", metavar="FILE", help="default: standard output (pdf: CASE-REGIME.pdf)")
    draft.set_defaults(run=_draft)


def _list(arguments: argparse.Namespace) -> int:
    found = offline.list_cases(load_settings(data_dir(arguments.data)))
    if arguments.json:
        print_json({"cases": found})
    elif not found:
        console.print("no cases")
    else:
        table = Table("case", "status", "severity", "people", "opened", "what", box=None)
        for c in found:
            table.add_row(c["id"], c["status"], c["severity"], str(c["subjects"]), rfc3339(from_ms(c["opened_ms"])), c["title"])
        console.print(table)
    return OK


def _show(arguments: argparse.Namespace) -> int:
    shown = offline.show_case(load_settings(data_dir(arguments.data)), arguments.case)
    if arguments.json:
        print_json(shown)
        return OK
    case, scope = shown["case"], shown["scope"]
    console.print(f"[bold]{case['id']}[/bold] {case['title']}\n{case['status']}, severity {case['severity']}")
    console.print(f"people: {scope['confirmed']['subjects']} confirmed, at most {scope['worst_case']['subjects']}")
    table = Table("time (UTC)", "what", "by", "entries", box=None)
    for t in shown["transitions"]:
        table.add_row(t["at_utc"], t["kind"], t["by"], ", ".join(map(str, t["entries"])))
    console.print(table)
    steps = Table("step", "status", "detail", box=None)
    for s in shown["steps"]:
        steps.add_row(f"{s['kind']}: {s['data'].get('name', '')}", s["status"], (s["outcome"] or {}).get("detail", ""))
    console.print(steps)
    return OK


def _export(arguments: argparse.Namespace) -> int:
    data = offline.export_case(load_settings(data_dir(arguments.data)), arguments.case)
    path = Path(arguments.output or f"{arguments.case}.zip")
    path.write_bytes(data)
    if arguments.json:
        print_json({"bundle": str(path), "bytes": len(data)})
    else:
        console.print(f"{path}: {len(data)} bytes; check it with: checkvalve evidence verify {path}", soft_wrap=True)
    return OK


def _draft(arguments: argparse.Namespace) -> int:
    notification = offline.notice(load_settings(data_dir(arguments.data)), arguments.case, arguments.regime)
    if not notification.lines:
        raise EngineError("no_draft", f"there is no document for {arguments.regime} yet; known: gdpr_art33")
    kind = "json" if arguments.json else arguments.format
    if kind == "pdf":
        data = render_pdf(notification)
    else:
        data = render_html(notification).encode() if kind == "html" else render_json(notification)
    output = arguments.output or (f"{arguments.case}-{arguments.regime}.pdf" if kind == "pdf" else None)
    if output:
        Path(output).write_bytes(data)
        console.print(output)
    else:
        sys.stdout.write(data.decode() + "\n")
    return OK
