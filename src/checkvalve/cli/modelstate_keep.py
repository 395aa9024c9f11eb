"""checkvalve modelstate probe | bom | seal | hold | prune | forget | drill: states kept, tried, and gone at their time."""

import argparse
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from checkvalve import __version__
from checkvalve.cli.modelstate_search import Action
from checkvalve.cli.modelstate_shared import bars, drill_json, now_ms, signed_state, text_of, time_of, told
from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.engine import vault_erasure
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir
from checkvalve.engine.vault import open_vault
from checkvalve.modelstates.bom import bom
from checkvalve.modelstates.retention import Policy
from checkvalve.regimes.deadline import rfc3339

PROBED: Final = {
    "suspicious": "[red]suspicious  [/red]",
    "nothing_seen": "[green]nothing seen[/green]",
    "not_assessed": "[yellow]not assessed[/yellow]",
}


def add_actions(action: Action) -> None:
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
    _add_keeping(action)


def _add_keeping(action: Action) -> None:
    held = action("hold", _hold, "keep a state whatever its age; it can neither be pruned nor forgotten")
    held.add_argument("state", metavar="STATE")
    held.add_argument("--reason", metavar="TEXT", help="why (no names of people)")
    held.add_argument("--lift", action="store_true", help="it may go again")
    pruned = action("prune", _prune, "on the vault: which states are past their time; with --yes they go for good")
    for period, number in asdict(Policy()).items():
        text = f"the newest of each of the last N {period.replace('ly', '').replace('dai', 'day')}s stays (default: {number})"
        pruned.add_argument(f"--{period}", type=_count, default=number, metavar="N", help=text)
    pruned.add_argument("--yes", action="store_true", help="remove them; what stays is proven and signed anew")
    gone = action("forget", _forget, "erase states from the repositories; what stays is proven and signed anew")
    gone.add_argument("states", nargs="*", metavar="STATE", help="none: only what no signed state holds")
    tried = action(
        "drill", _drill, "bring the newest clean state back to another place, prove it, start it; the result is kept"
    )
    tried.add_argument(
        "--start", metavar="COMMAND", help="serves its model: llama-server -m {dir}/base/model.gguf --port {port}"
    )


def _count(given: str) -> int:
    number = int(given)
    if not 0 <= number <= 10_000:
        raise ValueError
    return number


def _probe(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import probing  # slow to import

    if not probing.MIN <= arguments.others <= probing.MAX:
        raise EngineError("bad_number", f"--others is a number from {probing.MIN} to {probing.MAX}")
    values = [v.strip() for given in arguments.values for v in (sys.stdin if given == "-" else [given]) if v.strip()]
    decoys = [line for line in text_of(arguments.decoys).splitlines() if line.strip()] if arguments.decoys else []
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
    state = signed_state(open_vault(data_dir(arguments.data)), arguments.state)
    print_json(bom(state, rfc3339(datetime.now(UTC)), __version__))
    return OK


def _seal(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import vault_sealed  # slow to import

    vault, keys = open_vault(data_dir(arguments.data)), vault_sealed.recipients(arguments.recipient)
    state = signed_state(vault, arguments.state)
    output = Path(arguments.output or f"{state.id}.tar.zst.age")
    with bars(arguments) as bar:
        made = vault_sealed.seal(vault, state, keys, output, rfc3339(datetime.now(UTC)), bar)
    entry = told(arguments, "modelstate_sealed", [state.id], made.sha256)
    if arguments.json:
        print_json({"bundle": str(made.path), "bytes": made.bytes, "sha256": made.sha256, "entry": entry})
        return OK
    console.print(f"{made.path}: {made.bytes} bytes, sha256 {made.sha256}", soft_wrap=True)
    console.print("its sum is " + ("in no log: there is none here" if entry is None else f"entry {entry} of the log"))
    console.print("open it with: age -d -i KEY FILE | zstd -d | tar -x    Keep it in another place than the vault.")
    return OK


def _forget(arguments: argparse.Namespace) -> int:
    kept = vault_erasure.forget(open_vault(data_dir(arguments.data)), arguments.states)
    told(arguments, "modelstate_forgotten", arguments.states)
    if arguments.json:
        print_json({"forgotten": arguments.states, "kept": [s.id for s in kept]})
    else:
        console.print(f"{len(arguments.states)} states erased; {len(kept)} stay, every byte of them as signed")
    return OK


def _hold(arguments: argparse.Namespace) -> int:
    vault = open_vault(data_dir(arguments.data))
    if arguments.lift:
        vault.release(arguments.state)
    else:
        vault.hold(arguments.state, arguments.reason or "")
    if arguments.json:
        print_json({"held": vault.held()})
    else:
        console.print(f"{escape(arguments.state)} is {'no longer ' if arguments.lift else ''}on hold", soft_wrap=True)
    return OK


def _prune(arguments: argparse.Namespace) -> int:
    vault = open_vault(data_dir(arguments.data))
    policy = Policy(daily=arguments.daily, weekly=arguments.weekly, monthly=arguments.monthly)
    if arguments.yes:
        gone, kept = vault_erasure.prune(vault, policy)
        if gone:
            told(arguments, "modelstate_forgotten", [s.id for s in gone])
    else:
        gone = vault_erasure.due(vault, policy)
        kept = [s for s in vault.states() if s not in gone]
    if arguments.json:
        print_json({"past": [s.id for s in gone], "kept": [s.id for s in kept], "done": arguments.yes})
        return OK
    for state in gone:
        console.print(f"{'gone' if arguments.yes else 'past its time'} {state.id} {time_of(state.received_ms)}")
    console.print(f"{len(kept)} states stay" + ("" if arguments.yes or not gone else "; --yes removes the others for good"))
    return OK


def _drill(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import vault_drill  # slow to import

    vault = open_vault(data_dir(arguments.data))
    found = vault_drill.drill(vault, now_ms(), arguments.start)
    entry = vault_drill.review(vault, found, "user:cli")
    if arguments.json:
        print_json({**drill_json(found), "entry": entry})
        return OK if found.good else NO
    console.print(f"{'[green]good[/green]' if found.good else '[red]NOT good[/red]'}: {escape(found.said)}", soft_wrap=True)
    console.print("kept beside the vault" + ("" if entry is None else f", and as the review restore-drill: entry {entry}"))
    return OK if found.good else NO
