"""Every benchmark, one after the other, in one table: `make bench`, or `python -m benchmarks [NAME …] [--json]`.

A benchmark is a script of this directory with a main(); each runs in a process of its own with --json. Exit 1 when one failed.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.report import lines, machine
from rich.console import Console
from rich.markup import escape
from rich.table import Table

HERE: Final = Path(__file__).resolve().parent
PATIENCE_S: Final = 3600  # one benchmark


def scripts() -> list[str]:
    return sorted(p.stem for p in HERE.glob("*.py") if p.stem != "__main__" and "\ndef main(" in p.read_text("utf-8"))


def measured(name: str) -> dict[str, Any]:
    """What the benchmark printed, or {"failed": why}."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", "--json"],
            cwd=HERE.parent,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not ready after {PATIENCE_S} s"}
    if done.returncode:
        return {"failed": done.stderr.strip()[-2000:] or f"exit {done.returncode}"}
    try:
        result = json.loads(done.stdout)
        return {part: result[part] for part in ("machine", "figures", "peers")}
    except (ValueError, KeyError, TypeError):
        return {"failed": f"printed no result: {done.stdout[-200:]!r}"}


def table(results: dict[str, dict[str, Any]]) -> Table:
    shown = Table("benchmark", "figure", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    shown.add_column("value", justify="right", no_wrap=True)
    for name, result in results.items():
        if "failed" in result:
            shown.add_row(name, "[red]failed[/red]", "")
        for figure, value in lines(result.get("figures", {})):
            shown.add_row(name, escape(figure), value)
        for figure, value in lines(result.get("peers", {})):
            shown.add_row(name, f"{escape(figure)} [dim](peer)[/dim]", value)
    return shown


def main() -> int:
    known = scripts()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; default: all")
    parser.add_argument("--json", action="store_true", help="one JSON document: benchmark -> its result")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in known]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    progress, results = Console(stderr=True, highlight=False), dict[str, dict[str, Any]]()
    wanted = list(dict.fromkeys(arguments.names)) or known
    for number, name in enumerate(wanted, start=1):
        with progress.status(f"{name} ({number} of {len(wanted)}) …"):
            results[name] = measured(name)
        why = results[name].get("failed")
        progress.print(f"[red]✗[/red] {name}: {escape(why)}" if why else f"[green]✓[/green] {name}", soft_wrap=True)
    if arguments.json:
        print(json.dumps(results))
    else:
        m = machine()
        console = Console(highlight=False)
        console.print(f"\n{m['cpus']} cores, load {m['load']}, Python {m['python']}, {m['system']}\n")
        console.print(table(results))
    return 1 if any("failed" in result for result in results.values()) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
