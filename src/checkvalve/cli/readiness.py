"""checkvalve readiness | review | contract | residency: what would fail tonight, and what is done about it before."""

import argparse
from typing import Any

from rich.markup import escape

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine import offline, readiness, residency
from checkvalve.engine.core import now_ms
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import Settings, data_dir, load_settings
from checkvalve.posture import contracts
from checkvalve.posture import residency as places
from checkvalve.posture.contracts import Contract, ContractError
from checkvalve.regimes.deadline import from_ms

PLACES = {
    "inside": "[green]inside  [/green]",
    "adequate": "[green]adequate[/green]",
    "basis": "[green]basis   [/green]",
    "outside": "[red]outside [/red]",
    "unknown": "[yellow]unknown [/yellow]",
}
MARKS = {"agreed": "[green]agreed [/green]", "weaker": "[yellow]weaker [/yellow]", "missing": "[red]missing[/red]"}


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    ready = commands.add_parser(
        "readiness", parents=[common], help="what would fail tonight, worst first, and what it would cost"
    )
    ready.add_argument("--scan", metavar="DIR", help="look at this deployment too (as `posture scan` does)")
    ready.set_defaults(run=_readiness)

    review = commands.add_parser("review", help="recurring reviews: what is due, and that it was done")
    actions = review.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", parents=[common], help="every review, what it looks at, when it is due").set_defaults(
        run=_reviews
    )
    done = actions.add_parser("done", parents=[common], help="a review was done: an entry of the log")
    done.add_argument("review", metavar="REVIEW")
    done.add_argument("--problem", metavar="TEXT", help="what is to be mended (no names of people)")
    done.set_defaults(run=_done)

    contract = commands.add_parser("contract", help="what providers have promised for the case of a leak")
    actions = contract.add_subparsers(dest="action", metavar="ACTION", required=True)
    keep = actions.add_parser("keep", parents=[common], help="keep the contracts of this file, for `readiness` and `check`")
    keep.add_argument("file", metavar="CONTRACTS.json", help='{"contracts": [{"party", "kind", "ends", "agreed": {…}}]}')
    keep.set_defaults(run=_keep)
    check = actions.add_parser("check", parents=[common], help="agreed, weaker, missing, expiring")
    check.add_argument("file", nargs="?", metavar="CONTRACTS.json", help="(default: those kept)")
    check.set_defaults(run=_check)
    letter = actions.add_parser("letter", parents=[common], help="a letter that asks for what is open")
    letter.add_argument("party", metavar="PARTY")
    letter.add_argument("--file", metavar="CONTRACTS.json", help="(default: those kept)")
    letter.add_argument("--lang", default="en", choices=sorted(contracts.content().letter))
    letter.set_defaults(run=_letter)

    places = commands.add_parser("residency", help="where model, data, logs, backups and people are, and where they may be")
    actions = places.add_subparsers(dest="action", metavar="ACTION", required=True)
    keep = actions.add_parser("keep", parents=[common], help="keep this statement of places and recorded transfer bases")
    keep.add_argument(
        "file", metavar="PLACES.json", help='{"places": [{"what", "where", "holder"}], "transfers": [{"to", "basis", …}]}'
    )
    keep.set_defaults(run=_keep_places)
    check = actions.add_parser(
        "check", parents=[common], help="each thing in each place: inside, with a basis, outside, unknown"
    )
    check.add_argument("file", nargs="?", metavar="PLACES.json", help="(default: those kept)")
    check.set_defaults(run=_places)


def _settings(arguments: argparse.Namespace) -> Settings:
    return load_settings(data_dir(arguments.data))


def _readiness(arguments: argparse.Namespace) -> int:
    found = readiness.tonight(_settings(arguments), now_ms(), arguments.scan)
    if arguments.json:
        print_json(found.as_json())
        return NO if found.gaps else OK
    for gap in found.gaps:
        console.print(
            f"[red]{gap.question.minutes:4} min[/red]  [bold]{escape(gap.question.title)}[/bold]: {escape(gap.what)}",
            soft_wrap=True,
        )
        console.print(f"          {escape(gap.question.why)}. {escape(gap.question.do)}", soft_wrap=True)
    for question in found.good:
        console.print(f"[green]    well[/green]  {escape(question.title)}", soft_wrap=True)
    for gap in found.not_assessed:
        console.print(f"[yellow]not seen[/yellow]  {escape(gap.question.title)}: {escape(gap.what)}", soft_wrap=True)
    if found.gaps:
        console.print(f"Together about {found.minutes} minutes of tonight; the minutes are estimates that order the list.")
    return NO if found.gaps else OK


def _reviews(arguments: argparse.Namespace) -> int:
    rows = [s.as_json(now_ms()) for s in readiness.standings(_settings(arguments))]
    if arguments.json:
        print_json({"reviews": rows})
        return NO if any(r["overdue"] for r in rows) else OK
    for row in rows:
        when = "never done" if row["done"] is None else f"done {row['done'][:10]}, due {row['due'][:10]}"
        mark = "[red]due [/red]" if row["overdue"] else "[green]well[/green]" if row["good"] else "[yellow]open[/yellow]"
        console.print(
            f"{mark}  [bold]{row['id']}[/bold] {row['title']} ({row['owner']}, every {row['every_days']} days; {when})",
            soft_wrap=True,
        )
        for line in row["checklist"]:
            console.print(f"      - {escape(line)}", soft_wrap=True)
        if row["notes"]:
            console.print(f"      to be mended: {escape(row['notes'])}", soft_wrap=True)
    return NO if any(r["overdue"] for r in rows) else OK


def _done(arguments: argparse.Namespace) -> int:
    done = readiness.Done(review=arguments.review, by="user:cli", good=arguments.problem is None, notes=arguments.problem or "")
    answer = readiness.state(_settings(arguments), done)
    if arguments.json:
        print_json(answer)
    else:
        console.print(f"{answer['review']} is done, entry {answer['entry']} of the log")
    return OK


def _given(arguments: argparse.Namespace) -> list[Contract]:
    if arguments.file:
        return readiness.read_contracts(offline.read_file(arguments.file))
    kept = readiness.kept_contracts(_settings(arguments))
    if kept is None:
        raise EngineError("no_contracts", "none are kept; name a file, or keep one with `checkvalve contract keep FILE`")
    return kept


def _keep(arguments: argparse.Namespace) -> int:
    kept = readiness.keep_contracts(_settings(arguments), offline.read_file(arguments.file))
    if arguments.json:
        print_json({"parties": [c.party for c in kept]})
    else:
        console.print(f"kept: {', '.join(escape(c.party) for c in kept) or 'none'}")
    return OK


def _check(arguments: argparse.Namespace) -> int:
    given = _given(arguments)
    found = [contracts.review(c, from_ms(now_ms()).date()) for c in given]
    without = contracts.without_contract(given)
    good = not without and not any(r.open or r.expiring for r in found)
    if arguments.json:
        print_json({"contracts": [r.as_json() for r in found], "without_contract": without})
        return OK if good else NO
    for row in found:
        ends = "" if row.contract.ends is None else f", ends {row.contract.ends.isoformat()}"
        soon = " [red](soon or over)[/red]" if row.expiring else ""
        console.print(
            f"[bold]{escape(row.contract.party)}[/bold] ({row.contract.kind.replace('_', ' ')}{ends}){soon}", soft_wrap=True
        )
        for s in row.standings:
            said = f"; agreed: {escape(s.plain)}" if s.plain else ""
            what = f"{escape(s.provision.title)} ({s.provision.wanted}{said}; {s.provision.article})"
            console.print(f"  {MARKS[s.state]}  {what}", soft_wrap=True)
            if s.state != "agreed":
                console.print(f"           {escape(s.provision.why)}", soft_wrap=True)
    for kind in without:
        console.print(f"[red]no contract with a {kind.replace('_', ' ')}[/red]")
    return OK if good else NO


def _letter(arguments: argparse.Namespace) -> int:
    given = {c.party: c for c in _given(arguments)}
    if arguments.party not in given:
        raise EngineError("not_found", f"no contract with {arguments.party[:60]!r}; known: {', '.join(given)}")
    try:
        text = contracts.letter(contracts.review(given[arguments.party], from_ms(now_ms()).date()), arguments.lang)
    except ContractError as error:
        raise EngineError("nothing_open", str(error)) from error
    if arguments.json:
        print_json({"party": arguments.party, "lang": arguments.lang, "text": text})
    else:
        console.print(text, markup=False, soft_wrap=True)
    return OK


def _keep_places(arguments: argparse.Namespace) -> int:
    kept = residency.keep(_settings(arguments), offline.read_file(arguments.file))
    if arguments.json:
        print_json({"places": len(kept.places), "transfers": len(kept.transfers)})
    else:
        console.print(f"kept: {len(kept.places)} places, {len(kept.transfers)} transfer bases")
    return OK


def _places(arguments: argparse.Namespace) -> int:
    if arguments.file:
        stated = residency.read(offline.read_file(arguments.file))
    elif (kept := residency.kept(_settings(arguments))) is not None:
        stated = kept
    else:
        raise EngineError("no_residency", "nobody said where things are; name a file, or `checkvalve residency keep FILE`")
    found = places.standings(stated)
    hosts = residency.seen_outside(_settings(arguments), stated)
    if arguments.json:
        print_json(places.as_json(stated, from_ms(now_ms()).date()) | {"hosts": hosts})
    else:
        for s in found:
            where = f" in {s.where} ({escape(s.holder)})" if s.where else ""
            console.print(f"{PLACES[s.verdict]}  {s.what.replace('_', ' ')}{where}: {escape(s.why)}", soft_wrap=True)
            if s.ask:
                console.print(f"           to be settled: {escape(s.ask)}", soft_wrap=True)
        for h in hosts:
            who = f"{h['plugin'] or 'a plugin'} of {h['site']}"
            said = f"{who} talks to it past the gateway: {h['calls']} calls, the last {h['last']}"
            console.print(f"{PLACES['unknown']}  {escape(h['host'])}: {escape(said)}", soft_wrap=True)
            console.print("           to be settled: who runs it, and where; then name it as a holder", soft_wrap=True)
    return NO if hosts or any(s.open for s in found) else OK
