"""checkvalve modelstate: the parsers of all its commands, and enrol | snapshot | serve | scan | list."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

from rich.markup import escape
from rich.table import Table

from checkvalve.actuators.restic import serve_command, serve_environment
from checkvalve.cli import modelstate_keep, modelstate_search
from checkvalve.cli.modelstate_shared import bars, drill_json, now_ms, text_of, time_of
from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine import vault_drill, vault_here, vault_scan, vault_snapshot
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir
from checkvalve.engine.vault import SERVER_USER, enrol, open_vault
from checkvalve.modelstates import description
from checkvalve.modelstates.manifest import State

DEFAULT_SERVER: Final = "127.0.0.1:8472"


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
    modelstate_search.add_actions(action)
    modelstate_keep.add_actions(action)


def _enrol(arguments: argparse.Namespace) -> int:
    text = text_of(arguments.file)
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


def _snapshot(arguments: argparse.Namespace) -> int:
    data = data_dir(arguments.data)
    if arguments.to:
        described = description.parse(text_of(arguments.file))
        credentials = Path(arguments.credentials or data / "vault" / "credentials")
        target = vault_snapshot.remote(arguments.to, credentials, data / "cache")
        with bars(arguments) as bar:
            taken = vault_snapshot.take(described, target, data / "staging", now_ms(), bar)
        return _told(arguments, taken, None)
    if arguments.credentials:
        raise EngineError("no_server", "--credentials goes with --to URL")
    text = text_of(arguments.file)
    description.parse(text)  # before anything is made
    vault = open_vault(data, make=True)
    enrol(vault, text)
    vault_scan.heal(vault)
    with bars(arguments) as bar:
        taken, done = vault_here.snapshot(vault, now_ms(), bar)
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
    done = vault_scan.scan(vault, now_ms())
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
    states, refused, held, drill = vault.states(), vault.refused(), vault.held(), vault_drill.last(vault)
    if arguments.json:
        listed = [
            {
                "id": s.id,
                "time": time_of(s.received_ms),
                "claimed": time_of(s.claimed_ms),
                "components": {
                    v.component: {"kind": v.kind, "digest": v.digest, "files": len(v.files), "documents": v.documents}
                    for v in s.versions
                },
            }
            for s in states
        ]
        age = round((now_ms() - states[-1].received_ms) / 86_400_000, 2) if states else None
        last = None if drill is None else drill_json(drill)
        print_json({"states": listed, "refused": refused, "held": held, "newest_age_days": age, "drill": last})
        return OK
    table = Table("state", "received", "components", "documents", box=None)
    for s in states:
        table.add_row(
            s.id, time_of(s.received_ms), ", ".join(v.component for v in s.versions), str(sum(v.documents for v in s.versions))
        )
    console.print(table)
    for name, why in held.items():
        console.print(f"on hold {name}: {escape(why)}", soft_wrap=True)
    if drill:
        console.print(
            f"last drill {time_of(drill.done_ms)}: {'good' if drill.good else 'NOT good'}, {escape(drill.said)}", soft_wrap=True
        )
    for name, why in refused.items():
        console.print(f"[red]not signed[/red] {name}: {escape(why)}", soft_wrap=True)
    return OK
