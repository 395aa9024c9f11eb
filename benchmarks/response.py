"""How long the first response takes, as `make demo` runs it. `python -m benchmarks.response --json`.

Each run is the whole demo with a real model, a real WordPress (where PHP is to be had) and customers who go on buying. Times
are medians in ms from the first leaked token. A run in which a line of the summary does not hold ends the benchmark: its
times would mean nothing. There is no peer that does this.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.report import machine, medians, tell
from tests.simulators.processes import free_port

RUNS: Final = 3
PATIENCE_S: Final = 900  # a run
TIMES: Final = ("detect_ms", "contain_ms", "draft_ms")


def run(home: Path) -> dict[str, Any]:
    """The summary of one run of the demo."""
    environment = {
        **os.environ,
        "DEMO_EXIT": "1",
        "DEMO_HOME": str(home),
        "DEMO_CONSOLE_PORT": str(free_port()),
        "DEMO_GATEWAY_PORT": str(free_port()),
    }
    done = subprocess.run(
        [sys.executable, "-m", "demo"], env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    if done.returncode:
        raise SystemExit(f"the demo did not hold (exit {done.returncode}):\n{done.stdout}{done.stderr}")
    summary: dict[str, Any] = json.loads((home / "summary.json").read_text())
    return summary


def measure(directory: Path, runs: int) -> dict[str, Any]:
    now = machine(runs=runs)
    summaries = [run(directory / str(number)) for number in range(runs)]
    figures: dict[str, Any] = medians([{name: summary[name] for name in (*TIMES, "seconds")} for summary in summaries])
    figures["people_counted"] = [summary["subjects_counted"] for summary in summaries]
    figures["people_true"] = [summary["subjects_true"] for summary in summaries]
    figures["checkouts"] = sum(summary["checkouts"]["attempted"] for summary in summaries)
    figures["checkouts_failed"] = sum(summary["checkouts"]["failed"] for summary in summaries)
    shop = {name: summaries[0][name] for name in ("shop", "woocommerce", "model")}
    return {"machine": now | shop, "figures": figures, "peers": {}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--runs", type=int, default=RUNS, choices=range(1, 101), metavar="N", help="default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".response-") as directory:
        result = measure(Path(directory), arguments.runs)
    tell(result, as_json=arguments.json)


if __name__ == "__main__":
    main()
