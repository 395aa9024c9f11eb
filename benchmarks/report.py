"""What every benchmark says in the same way: on which machine, medians of runs, one figure a line."""

import json
import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from typing import Any


def machine(**more: Any) -> dict[str, Any]:
    """The machine as it is now; `load` is the number of processes that wanted a core in the last minute."""
    return {
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    } | more


def medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Figure by figure the median of the runs, which must have the same figures."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def lines(figures: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """(name, value) of each figure; figures within figures get both names."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from lines(value, f"{before}{name} ")
        else:
            yield before + name, f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1000 else _whole(value)


def _whole(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def tell(result: dict[str, Any], *, as_json: bool) -> None:
    """A benchmark's end: its result as one JSON document, or a figure a line."""
    if as_json:
        print(json.dumps(result))
        return
    for name, value in [*lines(result["figures"]), *lines(result["peers"])]:
        print(f"{name:60} {value:>14}")
