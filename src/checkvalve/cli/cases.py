"""checkvalve case | notice."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from checkvalve.cli import case_answer, case_letters, case_run
from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine import offline, residency, statements
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir, load_settings
from checkvalve.incidents.cost import assumed, changed
from checkvalve.incidents.wording import LANGUAGES
from checkvalve.notifications.documents import documents
from checkvalve.notifications.notification import STAGES, Wish
from checkvalve.notifications.register import as_csv
from checkvalve.notifications.render import FORMATS, render_register
from checkvalve.regimes.deadline import from_ms, parse_time, rfc3339

BY = "user:cli"


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("case", help="incidents: list, show, export")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = actions.add_parser("list", parents=[common], help="all cases")
    listed.set_defaults(run=_list)
    case_run.add_parser(actions, common)
    case_answer.add_parsers(actions, common)
    case_letters.add_parser(actions, common)
    show = actions.add_parser("show", parents=[common], help="one case: state, scope, steps, timeline")
    show.add_argument("case")
    show.set_defaults(run=_show)
    export = actions.add_parser("export", parents=[common], help="a bundle that anyone can verify")
    export.add_argument("case")
    export.add_argument("--output", "-o", metavar="FILE", help="default: CASE.zip")
    export.add_argument("--to", metavar="CC", help="the country it goes to: outside the EEA a transfer basis must be recorded")
    export.add_argument(
        "--redacted", action="store_true", help="counts, times and steps alone: for eyes that may not have the rest"
    )
    export.set_defaults(run=_export)
    against = actions.add_parser(
        "conflicts", parents=[common], help="deadlines, holds and places that stand against each other"
    )
    against.add_argument("case")
    against.set_defaults(run=_conflicts)

    register = actions.add_parser("register", parents=[common], help="every breach, notified or not (GDPR Art. 33(5))")
    register.add_argument("--format", default="json", choices=("json", "csv", "html"))
    register.add_argument("--output", "-o", metavar="FILE", help="default: standard output")
    register.set_defaults(run=_register)
    cost = actions.add_parser("cost", parents=[common], help="running total against the budget, and legal maxima")
    cost.add_argument("case")
    cost.add_argument("--assumptions", metavar="FILE.json", help="your own figures over those that are shipped")
    cost.set_defaults(run=_cost)
    reason = actions.add_parser("reason", parents=[common], help="write down why the severity is as you see it")
    reason.add_argument("case")
    reason.add_argument("reason", metavar="TEXT")
    reason.set_defaults(run=_reason)
    decide = actions.add_parser("decide", parents=[common], help="whether a notice is given, and why (GDPR Art. 33(5))")
    decide.add_argument("case")
    decide.add_argument("--regime", default="gdpr_art33", metavar="ID")
    way = decide.add_mutually_exclusive_group(required=True)
    way.add_argument("--notify", action="store_true")
    way.add_argument("--no-notice", action="store_true")
    decide.add_argument("--reason", required=True, metavar="TEXT")
    decide.set_defaults(run=_decide)
    aware = actions.add_parser("aware", parents=[common], help="when you became aware: the clocks start there")
    aware.add_argument("case")
    aware.add_argument("--at", required=True, metavar="RFC3339")
    aware.add_argument("--why", default="", metavar="TEXT", help="how you know; no names of customers")
    aware.add_argument("--regime", metavar="ID", help="for this law alone (default: for the case)")
    aware.set_defaults(run=_aware)
    hours = actions.add_parser("hours", parents=[common], help="the hours that a contract sets for a notice of this case")
    hours.add_argument("case")
    hours.add_argument("hours", type=int, metavar="N")
    hours.add_argument("--regime", default="gdpr_art33_2", metavar="ID")
    hours.set_defaults(run=_hours)
    shut = actions.add_parser(
        "contained", parents=[common], help="the way out was closed by hand: it counts as closed from now on"
    )
    shut.add_argument("case")
    shut.add_argument("--how", required=True, metavar="TEXT", help="what was done, and how you saw it; no names of customers")
    shut.set_defaults(run=_contained)
    shop = actions.add_parser("particulars", parents=[common], help="controller, contact, partners, profile of a shop")
    shop.add_argument("file", metavar="FILE.json", help='the fields to change, e.g. {"insurer": "…", "customers_in": ["DE"]}')
    shop.add_argument("--site", help="which shop (default: the only one)")
    shop.set_defaults(run=_particulars)

    note = actions.add_parser("note", parents=[common], help="keep something with the case; no names of customers")
    note.add_argument("case")
    note.add_argument("text", metavar="TEXT")
    note.add_argument("--handover", action="store_true", help="what the next shift must know")
    note.add_argument(
        "--contact", default="", metavar="WHO", help="what was said to, or by, an authority, a partner, the press"
    )
    note.set_defaults(run=_note)
    delay = actions.add_parser(
        "delay", parents=[common], help="an authority asks that people are not told yet (GDPR recital 88)"
    )
    delay.add_argument("case")
    delay.add_argument("--authority", default="", metavar="TEXT", help="which, and its reference")
    delay.add_argument("--reason", required=True, metavar="TEXT")
    delay.add_argument("--lift", action="store_true", help="the authority no longer asks for it")
    delay.set_defaults(run=_delay)

    notices = commands.add_parser("notice", help="draft notifications; keep what was filed").add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    draft = notices.add_parser("draft", parents=[common], help="a fresh draft from what the log knows now")
    draft.add_argument("case")
    draft.add_argument("--regime", default="gdpr_art33", metavar="ID", help=f"one of: {', '.join(documents())}")
    draft.add_argument("--clock", metavar="ID", help="which notice of the regime (default: the first not yet filed)")
    draft.add_argument("--lang", default="en", choices=LANGUAGES)
    draft.add_argument("--stage", choices=STAGES, help="default: what follows from what was filed")
    draft.add_argument("--reason", metavar="TEXT", help="why a notice is withdrawn")
    draft.add_argument("--format", default="json", choices=tuple(FORMATS))
    draft.add_argument("--output", "-o", metavar="FILE", help="default: standard output (pdf, docx: CASE-REGIME.pdf)")
    draft.set_defaults(run=_draft)
    edited = notices.add_parser("edited", parents=[common], help="a Word draft that was edited: kept as a new version")
    edited.add_argument("case")
    edited.add_argument("file", metavar="FILE.docx")
    edited.set_defaults(run=_edited)
    filed = notices.add_parser("filed", parents=[common], help="keep that a person filed or withdrew a notice")
    filed.add_argument("case")
    filed.add_argument("--regime", default="gdpr_art33", metavar="ID")
    filed.add_argument("--clock", metavar="ID")
    filed.add_argument("--lang", default="en", choices=LANGUAGES)
    filed.add_argument("--reference", required=True, metavar="TEXT", help="the number on the receipt, or how it was sent")
    filed.add_argument("--at", metavar="RFC3339", help="when (default: now)")
    filed.add_argument("--version", type=int, metavar="N", help="which stored draft (default: a fresh one is stored)")
    filed.add_argument("--withdrawn", action="store_true", help="what was filed is withdrawn")
    filed.set_defaults(run=_filed)


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
    _print_assessment(shown)
    steps = Table("step", "status", "detail", box=None)
    for s in shown["steps"]:
        steps.add_row(f"{s['kind']}: {s['data'].get('name', '')}", s["status"], (s["outcome"] or {}).get("detail", ""))
    console.print(steps)
    _print_trade(shown["trade"])
    return OK


def _print_trade(trade: dict[str, Any] | None) -> None:
    """Whether customers buy, beside what the test orders said."""
    if trade is None:
        return
    if seen := trade["watch"]:
        console.print(
            f"sales since the newest step in the shop: {seen['state'].replace('_', ' ')}: {seen['why']}", soft_wrap=True
        )
    lost, late = trade["lost"], trade["delayed"]
    known = "nobody can say" if lost["fewest"] is None else f"{lost['fewest']} to {lost['most']}"
    console.print(f"orders lost: {known}: {lost['because']}", soft_wrap=True)
    console.print(f"orders delayed: {late['fewest']} to {late['most']}: {late['because']}", soft_wrap=True)


def _print_assessment(shown: dict[str, Any]) -> None:
    found, reason = shown["assessment"], shown["case"]["severity_reason"]
    if found:
        for name in ("confirmed", "worst_case"):
            row = found[name]
            console.print(f"severity, {name.replace('_', ' ')}: {row['level']} (SE {row['se']:g}): {row['presumption']}")
        if found["reason_required"] and not reason:
            console.print(f"[yellow]a reason is asked[/yellow] (case reason): {'; '.join(found['reasons'])}", soft_wrap=True)
    applies = [r["id"] for r in shown["applicability"] if r["applies"] == "yes"]
    unknown = [r["id"] for r in shown["applicability"] if r["applies"] == "unknown"]
    console.print(
        f"law that applies: {', '.join(applies) or 'none'}; to be asked: {', '.join(unknown) or 'none'}", soft_wrap=True
    )


def _export(arguments: argparse.Namespace) -> int:
    settings, why = load_settings(data_dir(arguments.data)), ""
    if arguments.to:
        data, why = residency.export(settings, arguments.case, arguments.to, redacted=arguments.redacted, by="user:cli")
    else:
        data = offline.export_case(settings, arguments.case, redacted=arguments.redacted)
    path = Path(arguments.output or f"{arguments.case}.zip")
    path.write_bytes(data)
    if arguments.json:
        print_json({"bundle": str(path), "bytes": len(data), "basis": why or None})
    else:
        if why:
            console.print(f"may go to {arguments.to}: {why}", soft_wrap=True, markup=False)
        console.print(f"{path}: {len(data)} bytes; check it with: checkvalve evidence verify {path}", soft_wrap=True)
    return OK


def _conflicts(arguments: argparse.Namespace) -> int:
    found = residency.conflicts(load_settings(data_dir(arguments.data)), arguments.case)
    if arguments.json:
        print_json({"conflicts": found})
        return NO if found else OK
    for row in found:
        console.print(f"{row['decides']} decides: {row['what']} ({row['between']})", soft_wrap=True, markup=False)
    if not found:
        console.print("nothing stands against each other")
    return NO if found else OK


def _register(arguments: argparse.Namespace) -> int:
    found = offline.register(load_settings(data_dir(arguments.data)))
    now = rfc3339(datetime.now(UTC))
    match "json" if arguments.json else arguments.format:
        case "csv":
            text = as_csv(found)
        case "html":
            text = render_register(found, now)
        case _:
            body = {"as_of": now, "breaches": [e.as_json() for e in found]}
            text = msgspec.json.format(msgspec.json.encode(body), indent=2).decode()
    if arguments.output:
        Path(arguments.output).write_text(text, "utf-8")
        console.print(arguments.output)
    else:
        sys.stdout.write(text.rstrip("\n") + "\n")
    return OK


def _cost(arguments: argparse.Namespace) -> int:
    figures = changed(offline.read_file(arguments.assumptions)) if arguments.assumptions else assumed()
    found = offline.case_cost(load_settings(data_dir(arguments.data)), arguments.case, figures).as_json()
    if arguments.json:
        print_json({**found, "assumptions": figures})
        return OK
    table = Table("what", "EUR", "assumes", box=None)
    for item in found["items"]:
        table.add_row(item["what"], f"{item['eur']:,.2f}", item["assumes"])
    console.print(table)
    console.print(
        f"total EUR {found['total_eur']:,.2f}, budget EUR {found['budget_eur']:,.2f}, left EUR {found['left_eur']:,.2f}"
    )
    for m in found["legal_maxima"]:
        console.print(f"legal maximum, no forecast: EUR {m['max_eur']:,.0f} ({m['article']}: {m['text']})", soft_wrap=True)
    return OK


def _reason(arguments: argparse.Namespace) -> int:
    return _stated(arguments, statements.Reasoned(case=arguments.case, reason=arguments.reason, by=BY))


def _aware(arguments: argparse.Namespace) -> int:
    at_ms = int(parse_time(arguments.at).timestamp() * 1000)
    stated = statements.Aware(case=arguments.case, aware_ms=at_ms, why=arguments.why, regime=arguments.regime, by=BY)
    return _stated(arguments, stated)


def _contained(arguments: argparse.Namespace) -> int:
    return _stated(arguments, statements.Shut(case=arguments.case, how=arguments.how, by=BY))


def _hours(arguments: argparse.Namespace) -> int:
    return _stated(arguments, statements.Contracted(case=arguments.case, regime=arguments.regime, hours=arguments.hours, by=BY))


def _edited(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import editing  # slow to import, and every command on cases passes here
    from checkvalve.engine.looking import in_core

    given = editing.Returning(case=arguments.case, data=offline.read_file(arguments.file), by=BY)
    settings = load_settings(data_dir(arguments.data))
    answer = in_core(settings, editing.PATH, given, lambda core: editing.take_back(core, given))
    if arguments.json:
        print_json(answer)
    else:
        what = ", ".join(answer["changed"]) or "nothing"
        console.print(f"{answer['regime']} version {answer['version']}; changed: {what}", soft_wrap=True)
    return OK


def _decide(arguments: argparse.Namespace) -> int:
    decided = statements.Decided(
        case=arguments.case, regime=arguments.regime, notify=arguments.notify, reason=arguments.reason, by=BY
    )
    return _stated(arguments, decided)


def _note(arguments: argparse.Namespace) -> int:
    about: Any = "handover" if arguments.handover else "contact" if arguments.contact else "note"
    said = statements.Noted(case=arguments.case, text=arguments.text, by=BY, about=about, other=arguments.contact)
    return _stated(arguments, said)


def _delay(arguments: argparse.Namespace) -> int:
    said = statements.Delayed(
        case=arguments.case, reason=arguments.reason, by=BY, authority=arguments.authority, lift=arguments.lift
    )
    return _stated(arguments, said)


def _particulars(arguments: argparse.Namespace) -> int:
    settings = load_settings(data_dir(arguments.data))
    try:
        given = msgspec.json.decode(offline.read_file(arguments.file), type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise EngineError("bad_particulars", f"{arguments.file} is not a JSON object: {str(error)[:200]}") from error
    site = offline.site_of(settings, arguments.site)
    return _stated(arguments, statements.Entered(site=site, given=given, by=BY))


def _filed(arguments: argparse.Namespace) -> int:
    names = ("case", "reference", "clock", "lang", "version", "withdrawn")
    at_ms = int(parse_time(arguments.at).timestamp() * 1000) if arguments.at else None
    given = {n: getattr(arguments, n) for n in names}
    return _stated(arguments, statements.Filed(**given, document=arguments.regime, at_ms=at_ms, by=BY))


def _stated(arguments: argparse.Namespace, statement: statements.Statement) -> int:
    answer = statements.state(load_settings(data_dir(arguments.data)), statement)
    if arguments.json:
        print_json(answer)
    else:
        console.print(
            f"kept as log entry {answer['entry']}" + (f", version {answer['version']}" if "version" in answer else "")
        )
    return OK


def _draft(arguments: argparse.Namespace) -> int:
    wish = Wish(clock=arguments.clock, lang=arguments.lang, stage=arguments.stage)
    notification = offline.notice(
        load_settings(data_dir(arguments.data)), arguments.case, arguments.regime, wish, reason=arguments.reason
    )
    kind = "json" if arguments.json else arguments.format
    data = FORMATS[kind](notification)
    binary = kind in ("pdf", "docx")
    output = arguments.output or (f"{arguments.case}-{arguments.regime}.{kind}" if binary else None)
    if output:
        Path(output).write_bytes(data)
        console.print(output)
    else:
        sys.stdout.write(data.decode() + "\n")
    return OK
