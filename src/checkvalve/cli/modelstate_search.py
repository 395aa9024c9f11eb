"""checkvalve modelstate find | verify | restore: which states hold leaked data, and bringing back one that does not."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rich.markup import escape

from checkvalve.cli.modelstate_shared import bars, now_ms, time_of, told
from checkvalve.cli.output import NO, OK, complain, console, print_json
from checkvalve.engine import vault_here, vault_restore
from checkvalve.engine.errors import EngineError
from checkvalve.engine.given import Person, read_file, read_people
from checkvalve.engine.settings import data_dir
from checkvalve.engine.vault import Vault, open_vault
from checkvalve.engine.vault_scan import Scanned
from checkvalve.modelstates.composition import Proposal, propose
from checkvalve.modelstates.terms import Sought, sought, sought_value
from checkvalve.regimes.deadline import parse_time

LISTED: Final = 1000  # documents of one state that are named; all are counted


Action = Callable[[str, Any, str], argparse.ArgumentParser]  # name, what runs it, what it does


def add_actions(action: Action) -> None:
    _whom(action("find", _find, "which states hold leaked data, without restoring any"))
    verified = action("verify", _verify, "a restored directory, or every byte of signed states in the repositories")
    verified.add_argument(
        "what", nargs="?", metavar="DIR|STATE", help="a directory made by restore, or a state; default: all states"
    )
    brought = action("restore", _restore, "propose the newest clean composition; with --to bring it back")
    _whom(brought)
    brought.add_argument("--to", metavar="DIR", help="a directory that does not exist yet, beside the running state")
    brought.add_argument("--before", metavar="T", help="only what the vault received before, e.g. 2026-11-24T00:00:00Z")
    brought.add_argument(
        "--accept-unknown", action="append", default=[], metavar="COMPONENT", help="bring it back though it may hold the data"
    )
    without = "do not first take a snapshot of what runs now, and hold it as evidence"
    brought.add_argument("--no-evidence", action="store_true", help=without)
    brought.add_argument("--case", metavar="CASE", help="for the log: in which case")


def _whom(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "values", nargs="*", metavar="VALUE", help="an e-mail, a telephone, a name, an order number; - reads stdin"
    )
    parser.add_argument("--people", metavar="FILE", help="JSONL as `subjects import` takes it: {ref, email, name, phone, …}")


def _people(arguments: argparse.Namespace) -> list[Sought]:
    values = [v for given in arguments.values for v in (sys.stdin.read().splitlines() if given == "-" else [given])]
    found = [one for person in _listed(arguments.people) for one in _of(person)] if arguments.people else []
    for number, value in enumerate(values, start=1):
        one = sought_value(f"value:{number}", value)
        if not one:
            raise EngineError("nothing_sought", f"value {number} has nothing to look for")
        found += one
    return found


def _listed(file: str) -> list[Person]:
    return read_people(read_file(file).splitlines())


def _of(person: Person) -> list[Sought]:
    orders = tuple(str(o) for o in person.order_ids)
    return sought(
        person.ref, email=person.email, name=person.name, phone=person.phone, address=person.address, order_numbers=orders
    )


def _find(arguments: argparse.Namespace) -> int:
    vault = open_vault(data_dir(arguments.data))
    people = _people(arguments)
    if not people:
        raise EngineError("nothing_sought", "give values to look for, or --people FILE")
    answer = _answer(vault_restore.find(vault, people), len(people))
    if arguments.json:
        print_json(answer)
    else:
        for s in answer["snapshots"]:
            mark = {"clean": "[green]clean[/green]", "unknown": "[yellow]unknown[/yellow]"}.get(
                s["verdict"], "[red]contaminated[/red]"
            )
            console.print(f"{mark} {s['id']} {s['time']}: {escape(s['why'])}", soft_wrap=True)
            for document in s["documents"][:5]:
                console.print(f"    {escape(document['component'])}: {escape(document['place'])}", soft_wrap=True)
        assessed = answer["assessed"]
        console.print(
            f"{assessed['identifiers']} identifiers in {assessed['snapshots']} states, {assessed['documents']} documents"
        )
    return OK if any(s["verdict"] == "contaminated" for s in answer["snapshots"]) else NO


def _answer(found: vault_restore.Found, identifiers: int) -> dict[str, Any]:
    judge, listed = found.judge, []
    for number, state in enumerate(judge.states):
        whole = judge.state(number)
        parts = [(v, judge.version(number, v.component)) for v in state.versions]
        documents = [
            {"component": v.component, "place": h.place, "categories": h.categories, "refs": h.refs}
            for v, said in parts
            for h in said.hits
        ]
        listed.append(
            {
                "id": state.id,
                "time": time_of(state.received_ms),
                "verdict": whole.verdict,
                "why": whole.why,
                "documents": documents[:LISTED],
                "documents_in_all": len(documents),
                "components": [{"component": v.component, "verdict": said.verdict, "why": said.why} for v, said in parts],
            }
        )
    versions = [v for s in judge.states for v in s.versions]
    assessed = {
        "identifiers": identifiers,
        "snapshots": len(judge.states),
        "documents": sum(v.documents for v in versions),
        "not_assessed": sorted({f"{v.component}: {line}" for v in versions for line in v.not_assessed}),
    }
    return {"snapshots": listed, "assessed": assessed}


def _verify(arguments: argparse.Namespace) -> int:
    vault = open_vault(data_dir(arguments.data))
    states = [s for s in vault.states() if arguments.what in (None, s.id)]
    if arguments.what is not None and not states and not Path(arguments.what).is_dir():
        raise EngineError("not_found", f"{arguments.what} is neither a signed state nor a directory")
    if states or arguments.what is None:
        wrong = vault_restore.verify_states(vault, states)
    else:
        wrong = vault_restore.verify_directory(vault, Path(arguments.what))
    if arguments.json:
        print_json({"ok": not wrong, "errors": wrong})
    else:
        console.print("[red]NOT as signed[/red]" if wrong else "[green]good[/green]: every byte is as signed")
        for line in wrong:
            console.print(f"  {escape(line)}", soft_wrap=True)
    return NO if wrong else OK


def _restore(arguments: argparse.Namespace) -> int:
    vault = open_vault(data_dir(arguments.data))
    people = _people(arguments)
    if not people and not arguments.before:
        raise EngineError("nothing_sought", "say what leaked (values, --people FILE) or until when it was well (--before T)")
    evidence = _evidence(arguments, vault) if arguments.to and not arguments.no_evidence else None
    found = vault_restore.find(vault, people)
    before = int(parse_time(arguments.before).timestamp() * 1000) if arguments.before else None
    proposal = propose(found.judge, accept_unknown=frozenset(arguments.accept_unknown), before_ms=before)
    losses = vault_restore.losses(vault, proposal, found)
    if arguments.to and proposal.parts:
        vault_restore.restore(vault, proposal.parts, Path(arguments.to).absolute())
        told(arguments, "modelstate_restored", {p.version.component: p.state for p in proposal.parts})
    if arguments.json:
        print_json({**_as_json(proposal, losses, arguments.to), "evidence": evidence.id if evidence else None})
    else:
        _tell(proposal, losses, arguments.to)
    return OK if proposal.parts else NO


def _evidence(arguments: argparse.Namespace, vault: Vault) -> Scanned | None:
    """What runs now, kept before another takes its place (AI Act Art. 73(6))."""
    if Path(arguments.to).exists():
        raise EngineError("exists", f"{arguments.to} exists; name a directory that does not, beside the running state")
    with bars(arguments) as bar:
        taken = vault_here.evidence(vault, now_ms(), bar)
    if arguments.json:
        return taken
    if taken is None:
        console.print("what runs now is not on this machine: take a snapshot there before it is stopped")
    elif taken.signed:
        console.print(f"evidence: {taken.id} is what runs now, signed and on hold")
    else:
        console.print(f"[red]not signed[/red] what runs now was kept as {taken.id}: {escape(taken.why)}", soft_wrap=True)
    return taken


def _as_json(proposal: Proposal, losses: list[vault_restore.Loss], to: str | None) -> dict[str, Any]:
    return {
        "composition": [
            {
                "component": p.version.component,
                "state": p.state,
                "time": time_of(p.received_ms),
                "verdict": p.verdict,
                "why_not_newest": p.why_not_newest,
            }
            for p in proposal.parts
        ],
        "left_out": dict(proposal.left_out),
        "lost": [
            {"component": x.component, "days": x.days, "documents": x.documents, "clean": x.of_them_clean} for x in losses
        ],
        "restored_to": to if proposal.parts else None,
    }


def _tell(proposal: Proposal, losses: list[vault_restore.Loss], to: str | None) -> None:
    for part in proposal.parts:
        why = f": {escape(part.why_not_newest)}" if part.why_not_newest else ""
        kept = "older" if part.why_not_newest else "newest"
        console.print(f"{part.version.component}: {kept}, of {time_of(part.received_ms)} ({part.state}){why}", soft_wrap=True)
    for component, why in proposal.left_out.items():
        console.print(f"[yellow]left out[/yellow] {component}: {escape(why)}", soft_wrap=True)
    for loss in losses:
        console.print(
            f"lost of {loss.component}: {loss.days} days, {loss.documents} documents, {loss.of_them_clean} of them clean"
        )
    if not proposal.parts:
        complain("no component has a clean version")
    elif to:
        console.print(
            f"[green]restored[/green] to {escape(to)}, every byte as signed; start it beside the running one", soft_wrap=True
        )
    else:
        console.print("a proposal; --to DIR brings it back")
