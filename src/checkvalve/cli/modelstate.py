"""checkvalve modelstate enrol | snapshot | serve | scan | list | find | verify | restore | probe | bom | seal | forget."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from checkvalve import __version__
from checkvalve.actuators.restic import serve_command, serve_environment
from checkvalve.cli.output import NO, OK, complain, console, print_json
from checkvalve.engine import vault_erasure, vault_here, vault_restore, vault_scan, vault_snapshot
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir
from checkvalve.engine.vault import SERVER_USER, Vault, enrol, open_vault
from checkvalve.modelstates import description
from checkvalve.modelstates.bom import bom
from checkvalve.modelstates.composition import Proposal, propose
from checkvalve.modelstates.manifest import State
from checkvalve.modelstates.terms import Sought, sought, sought_value
from checkvalve.regimes.deadline import parse_time, rfc3339

if TYPE_CHECKING:
    from checkvalve.engine.offline import Person

PROBED: Final = {
    "suspicious": "[red]suspicious  [/red]",
    "nothing_seen": "[green]nothing seen[/green]",
    "not_assessed": "[yellow]not assessed[/yellow]",
}
DEFAULT_SERVER: Final = "127.0.0.1:8472"
LISTED: Final = 1000  # documents of one state that are named; all are counted


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("modelstate", help="model states: back up, search for leaked data, bring back clean")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(name, parents=[common], help=text)
        parser.set_defaults(run=run)
        return parser

    made = action("enrol", _enrol, "on the vault: make repositories and passwords for what FILE describes")
    made.add_argument("file", metavar="FILE", help="YAML: the components of the state (docs/modelstates.md)")
    taken = action("snapshot", _snapshot, "back up the state now; without --to also scan and sign it")
    taken.add_argument("file", metavar="FILE", help="YAML: the components of the state (docs/modelstates.md)")
    taken.add_argument("--to", metavar="URL", help="the vault's server, e.g. https://vault.example:8472")
    taken.add_argument("--credentials", metavar="DIR", help="a copy of the vault's credentials/, with --to")
    served = action("serve", _serve, "on the vault: the append-only server for hosts")
    served.add_argument("--listen", default=DEFAULT_SERVER, metavar="ADDR", help="default: %(default)s; put TLS in front")
    scanned = action("scan", _scan, "on the vault: read, index and sign what hosts sent")
    scanned.add_argument("--again", action="store_true", help="also read into the index what it lacks")
    action("list", _list, "the states, newest last")
    found = action("find", _find, "which states hold leaked data, without restoring any")
    _whom(found)
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

    brought.add_argument("--case", metavar="CASE", help="for the log: in which case")

    probed = action("probe", _probe, "does a model server answer, and does it know values by heart? Before it is put to work")
    probed.add_argument("url", metavar="URL", help="llama.cpp's server with the state that was brought back, on another port")
    probed.add_argument("values", nargs="*", metavar="VALUE", help="numbers, canaries; - reads them from stdin, one a line")
    probed.add_argument(
        "--prefix", default="My number is ", metavar="TEXT", help="the words before the value (default: %(default)r)"
    )
    probed.add_argument(
        "--others", type=int, default=50, metavar="N", help="how many others each is compared with (default: 50)"
    )
    probed.add_argument(
        "--decoys", metavar="FILE", help="values nobody can have trained on, one a line: for names and addresses"
    )

    described = action("bom", _bom, "a signed state as a CycloneDX ML-BOM")
    described.add_argument("state", metavar="STATE")
    sealed = action("seal", _seal, "a state as evidence: one file that only the named keys open (age), its sum in the log")
    sealed.add_argument("state", metavar="STATE")
    sealed.add_argument(
        "--recipient", action="append", default=[], metavar="KEY", help="age1…, or a file of such; of the DPO, of counsel"
    )
    sealed.add_argument("--output", "-o", metavar="FILE", help="default: STATE.tar.zst.age")
    sealed.add_argument("--case", metavar="CASE", help="for the log: in which case")

    gone = action("forget", _forget, "erase states from the repositories; what stays is proven and signed anew")
    gone.add_argument("states", nargs="*", metavar="STATE", help="none: only what no signed state holds")


def _whom(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "values", nargs="*", metavar="VALUE", help="an e-mail, a telephone, a name, an order number; - reads stdin"
    )
    parser.add_argument("--people", metavar="FILE", help="JSONL as `subjects import` takes it: {ref, email, name, phone, …}")


def _enrol(arguments: argparse.Namespace) -> int:
    text = _text(arguments.file)
    description.parse(text)  # before anything is made
    vault = open_vault(data_dir(arguments.data), make=True)
    described = enrol(vault, text)
    if arguments.json:
        print_json({"components": sorted(described.components), "credentials": str(vault.credentials)})
    else:
        console.print(
            f"{len(described.components)} components enrolled. Hosts need a copy of {vault.credentials}", soft_wrap=True
        )
    return OK


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _text(file: str) -> str:
    from checkvalve.engine.offline import read_file  # slow to import

    try:
        return read_file(file).decode()
    except UnicodeDecodeError as error:
        raise EngineError("bad_description", f"{file} is not UTF-8") from error


def _snapshot(arguments: argparse.Namespace) -> int:
    data = data_dir(arguments.data)
    if arguments.to:
        described = description.parse(_text(arguments.file))
        credentials = Path(arguments.credentials or data / "vault" / "credentials")
        target = vault_snapshot.remote(arguments.to, credentials, data / "cache")
        with _bars(arguments) as bar:
            taken = vault_snapshot.take(described, target, data / "staging", _now_ms(), bar)
        return _told(arguments, taken, None)
    if arguments.credentials:
        raise EngineError("no_server", "--credentials goes with --to URL")
    text = _text(arguments.file)
    description.parse(text)  # before anything is made
    vault = open_vault(data, make=True)
    enrol(vault, text)
    vault_scan.heal(vault)
    with _bars(arguments) as bar:
        taken, done = vault_here.snapshot(vault, _now_ms(), bar)
    return _told(arguments, taken, next(s for s in done if s.id == taken.commit.id))


def _told(arguments: argparse.Namespace, taken: vault_snapshot.Taken, scanned: vault_scan.Scanned | None) -> int:
    signed = scanned.signed if scanned else None
    if arguments.json:
        parts = {
            n: {"snapshot": p.snapshot, "files": p.files, "bytes": p.bytes, "added": p.added} for n, p in taken.parts.items()
        }
        refused = scanned.why if scanned and signed is None else None
        print_json({"id": taken.commit.id, "components": parts, "signed": signed is not None, "refused": refused})
    else:
        added = sum(p.added for p in taken.parts.values())
        console.print(f"{taken.commit.id}: {sum(p.files for p in taken.parts.values())} files, {added / 1e6:.1f} MB new")
        if signed:
            console.print(f"[green]signed[/green]: {sum(v.documents for v in signed.versions)} documents read")
            _doubts(signed)
        elif scanned:
            console.print(f"[red]NOT signed[/red]: {escape(scanned.why)}", soft_wrap=True)
        else:
            console.print("sent; it counts once the vault has read and signed it (`checkvalve modelstate scan` there)")
    return NO if scanned and signed is None else OK


def _doubts(state: State) -> None:
    for version in state.versions:
        for line in version.not_assessed:
            console.print(f"  [yellow]not assessed[/yellow] {version.component}: {escape(line)}", soft_wrap=True)


@contextmanager
def _bars(arguments: argparse.Namespace) -> Iterator[vault_snapshot.Progress]:
    """A bar with rate and remaining time for each component, on stderr's side of a terminal; silent with --json."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=arguments.json or not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def told(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done, total=max(done, total))

        yield told


def _serve(arguments: argparse.Namespace) -> NoReturn:
    vault = open_vault(data_dir(arguments.data))
    vault.description()
    vault_scan.heal(vault)
    password = (vault.credentials / "server.password").read_text("utf-8").strip()
    if not arguments.json:
        console.print(f"append-only server for hosts on http://{arguments.listen} (Ctrl-C ends it)")
    command, environment = serve_command(vault.repositories, arguments.listen), serve_environment(SERVER_USER, password)
    sys.stdout.flush()
    os.execve(command[0], command, environment)  # noqa: S606 # in our place: what ends us ends the server


def _scan(arguments: argparse.Namespace) -> int:
    vault = open_vault(data_dir(arguments.data))
    again = vault_scan.reindex(vault) if arguments.again else 0
    done = vault_scan.scan(vault, _now_ms())
    if arguments.json:
        states = [{"id": s.id, "signed": s.signed is not None, "why": s.why} for s in done]
        print_json({"states": states, "indexed_again": again})
    else:
        for one in done:
            mark = "[green]signed[/green]" if one.signed else "[red]NOT signed[/red]"
            console.print(f"{mark} {one.id} {escape(one.why)}", soft_wrap=True)
            if one.signed:
                _doubts(one.signed)
        console.print(f"{len(done)} new states" + (f"; {again} component versions indexed again" if again else ""))
    return NO if any(s.signed is None for s in done) else OK


def _list(arguments: argparse.Namespace) -> int:
    vault = open_vault(data_dir(arguments.data))
    states, refused = vault.states(), vault.refused()
    if arguments.json:
        listed = [
            {
                "id": s.id,
                "time": _time(s.received_ms),
                "claimed": _time(s.claimed_ms),
                "components": {
                    v.component: {"kind": v.kind, "digest": v.digest, "files": len(v.files), "documents": v.documents}
                    for v in s.versions
                },
            }
            for s in states
        ]
        print_json({"states": listed, "refused": refused})
        return OK
    table = Table("state", "received", "components", "documents", box=None)
    for s in states:
        table.add_row(
            s.id, _time(s.received_ms), ", ".join(v.component for v in s.versions), str(sum(v.documents for v in s.versions))
        )
    console.print(table)
    for name, why in refused.items():
        console.print(f"[red]not signed[/red] {name}: {escape(why)}", soft_wrap=True)
    return OK


def _time(ms: int) -> str:
    return rfc3339(datetime.fromtimestamp(ms / 1000, UTC))


# --- looking ---------------------------------------------------------------------------------------------------------


def _people(arguments: argparse.Namespace) -> list[Sought]:
    values = [v for given in arguments.values for v in (sys.stdin.read().splitlines() if given == "-" else [given])]
    found = [one for person in _listed(arguments.people) for one in _of(person)] if arguments.people else []
    for number, value in enumerate(values, start=1):
        one = sought_value(f"value:{number}", value)
        if not one:
            raise EngineError("nothing_sought", f"value {number} has nothing to look for")
        found += one
    return found


def _listed(file: str) -> "list[Person]":
    from checkvalve.engine.offline import read_file, read_people  # slow to import

    return read_people(read_file(file).splitlines())


def _of(person: "Person") -> list[Sought]:
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
                "time": _time(state.received_ms),
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


# --- bringing back ---------------------------------------------------------------------------------------------------


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
    found = vault_restore.find(vault, people)
    before = int(parse_time(arguments.before).timestamp() * 1000) if arguments.before else None
    proposal = propose(found.judge, accept_unknown=frozenset(arguments.accept_unknown), before_ms=before)
    losses = vault_restore.losses(vault, proposal, found)
    if arguments.to and proposal.parts:
        vault_restore.restore(vault, proposal.parts, Path(arguments.to).absolute())
        _log(arguments, "modelstate_restored", {p.version.component: p.state for p in proposal.parts})
    if arguments.json:
        print_json(_as_json(proposal, losses, arguments.to))
    else:
        _tell(proposal, losses, arguments.to)
    return OK if proposal.parts else NO


def _as_json(proposal: Proposal, losses: list[vault_restore.Loss], to: str | None) -> dict[str, Any]:
    return {
        "composition": [
            {
                "component": p.version.component,
                "state": p.state,
                "time": _time(p.received_ms),
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
        console.print(f"{part.version.component}: {kept}, of {_time(part.received_ms)} ({part.state}){why}", soft_wrap=True)
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


def _log(arguments: argparse.Namespace, what: Any, states: dict[str, str] | list[str], sha256: str | None = None) -> int | None:
    from checkvalve.engine.vault_told import Told, tell  # slow to import, and most commands here tell nothing

    case = getattr(arguments, "case", None)
    return tell(data_dir(arguments.data), Told(what=what, by="user:cli", states=states, case=case, sha256=sha256))


def _probe(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import probing  # slow to import

    if not probing.MIN <= arguments.others <= probing.MAX:
        raise EngineError("bad_number", f"--others is a number from {probing.MIN} to {probing.MAX}")
    values = [v.strip() for given in arguments.values for v in (sys.stdin if given == "-" else [given]) if v.strip()]
    decoys = [line for line in _text(arguments.decoys).splitlines() if line.strip()] if arguments.decoys else []
    answers = probing.smoke(arguments.url)
    columns = (TextColumn("asked"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=arguments.json or not console.is_terminal, transient=True) as progress:
        task = progress.add_task("asked", total=None)
        found = probing.probe(
            arguments.url,
            values,
            arguments.prefix,
            arguments.others,
            decoys,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    bad = answers.answered < answers.asked or any(p.verdict == "suspicious" for p in found)
    if arguments.json:
        told = [{"value": n, **p.as_json()} for n, p in enumerate(found, start=1)]
        print_json({"smoke": asdict(answers), "probes": told, "limits": list(probing.LIMITS)})
        return NO if bad else OK
    console.print(f"answers: {answers.answered} of {answers.asked} questions, the slowest in {answers.slowest_ms} ms")
    for number, p in enumerate(found, start=1):  # by its place: a value of somebody's does not go to the screen
        console.print(f"{PROBED[p.verdict]}  value {number}: {p.why}", soft_wrap=True)
    for limit in probing.LIMITS if found else ():
        console.print(f"    {limit}", soft_wrap=True)
    return NO if bad else OK


def _bom(arguments: argparse.Namespace) -> int:
    state = _state(open_vault(data_dir(arguments.data)), arguments.state)
    print_json(bom(state, rfc3339(datetime.now(UTC)), __version__))
    return OK


def _state(vault: Vault, name: str) -> State:
    found = next((s for s in vault.states() if s.id == name), None)
    if found is None:
        raise EngineError("not_found", f"there is no signed state {name[:60]!r}; see `checkvalve modelstate list`")
    return found


def _seal(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import vault_sealed  # slow to import

    vault, keys = open_vault(data_dir(arguments.data)), vault_sealed.recipients(arguments.recipient)
    state = _state(vault, arguments.state)
    output = Path(arguments.output or f"{state.id}.tar.zst.age")
    with _bars(arguments) as bar:
        made = vault_sealed.seal(vault, state, keys, output, rfc3339(datetime.now(UTC)), bar)
    entry = _log(arguments, "modelstate_sealed", [state.id], made.sha256)
    if arguments.json:
        print_json({"bundle": str(made.path), "bytes": made.bytes, "sha256": made.sha256, "entry": entry})
        return OK
    console.print(f"{made.path}: {made.bytes} bytes, sha256 {made.sha256}", soft_wrap=True)
    console.print("its sum is " + ("in no log: there is none here" if entry is None else f"entry {entry} of the log"))
    console.print("open it with: age -d -i KEY FILE | zstd -d | tar -x    Keep it in another place than the vault.")
    return OK


def _forget(arguments: argparse.Namespace) -> int:
    kept = vault_erasure.forget(open_vault(data_dir(arguments.data)), arguments.states)
    _log(arguments, "modelstate_forgotten", arguments.states)
    if arguments.json:
        print_json({"forgotten": arguments.states, "kept": [s.id for s in kept]})
    else:
        console.print(f"{len(arguments.states)} states erased; {len(kept)} stay, every byte of them as signed")
    return OK
