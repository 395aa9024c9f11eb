"""How fast plugins are read, and how many of the findings are true: `python -m benchmarks.plugins [DIR …]`.

DIR: sources of a public plugin, named by its slug; also CHECKVALVE_PLUGINS=DIR:DIR. Findings are compared with those that a
person labelled (plugin_labels.csv): `true`, `guarded` (something stands before it that the rule did not see), `undecided`, and
`unresolved`, which the rule itself says of it. The rules were mended on what this sample showed; expect less on other plugins.
Without a DIR only the speed is measured, on the test's own plugin.
"""

import argparse
import csv
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks.report import machine

from checkvalve.engine.plugins import assess_plugin

HERE: Final = Path(__file__).resolve().parent
FIXTURE: Final = HERE.parent / "tests" / "unit" / "posture" / "plugins" / "holey"
COPIES: Final = 100


def labels() -> dict[tuple[str, str, str, str], str]:
    """(plugin, rule, file, line) -> verdict."""
    with (HERE / "plugin_labels.csv").open(encoding="utf-8", newline="") as file:
        return {(r["plugin"], r["rule"], r["file"], r["line"]): r["verdict"] for r in csv.DictReader(file)}


def speed() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as room:
        for number in range(COPIES):
            shutil.copytree(FIXTURE, Path(room) / "plugin" / str(number))
        started = perf_counter()
        found = assess_plugin(str(Path(room) / "plugin"), None)
        return {"files_per_second": round(found["assessed"]["files"] / (perf_counter() - started))}


def precision(directories: list[str]) -> dict[str, Any]:
    known, seconds, files = labels(), 0.0, 0
    by_rule: dict[str, Counter[str]] = {}
    for directory in directories:
        started = perf_counter()
        found = assess_plugin(directory, None)
        seconds += perf_counter() - started
        files += found["assessed"]["files"]
        for f in found["findings"]:
            verdict = known.get((found["slug"], f["rule"], f["file"], str(f["line"])), "unlabelled")
            by_rule.setdefault(f["rule"], Counter())[verdict] += 1
    rules = {
        rule: dict(counted) | {"precision": round(counted["true"] / judged, 3)}
        for rule, counted in sorted(by_rule.items())
        if (judged := counted["true"] + counted["guarded"])
    }
    return {"plugins": len(directories), "files_per_second": round(files / seconds) if seconds else 0, "rules": rules}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugins", description=__doc__)
    parser.add_argument("directories", nargs="*", metavar="DIR")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    directories = arguments.directories or [d for d in os.environ.get("CHECKVALVE_PLUGINS", "").split(":") if d]
    figures: dict[str, Any] = {"labelled": len(labels()), "own_plugin": speed()}
    if directories:
        figures["public_plugins"] = precision(directories)
    result = {"machine": machine(), "figures": figures, "peers": {}}
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
