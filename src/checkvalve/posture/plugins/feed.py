"""Known vulnerabilities out of a local feed file (Wordfence Intelligence's form). No feed is "unknown", never "none"."""

import re
from collections.abc import Iterable
from typing import Any, Final

NOTICE = "from a feed file that you supplied; its licence and age are its publisher's"


ORDER: Final = {"dev": -5, "alpha": -4, "a": -4, "beta": -3, "b": -3, "rc": -2, "pl": 1, "p": 1}


def version_key(version: str) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """Compares as PHP's version_compare does: numbers by value, then dev < alpha < beta < rc < nothing < p."""
    parts = re.findall(r"\d+|[a-z]+", version.lower())
    count = next((n for n, p in enumerate(parts) if not p.isdigit()), len(parts))
    numbers = [int(p) for p in parts[:count]]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    tag = ORDER.get(parts[count], -6) if count < len(parts) else 0
    return tuple(numbers), tag, tuple(int(p) for p in parts[count:] if p.isdigit())


def hits(records: Iterable[tuple[str, Any]], slug: str, version: str) -> list[dict[str, Any]]:
    """Records about this plugin in this version. `records`: (id, record) as the feed has them."""
    found = []
    for identifier, record in records:
        for software in record.get("software") or () if isinstance(record, dict) else ():
            if not isinstance(software, dict) or software.get("type") != "plugin" or software.get("slug") != slug:
                continue
            ranges = software.get("affected_versions")
            if not version or any(_affected(version, r) for r in (ranges.values() if isinstance(ranges, dict) else ())):
                found.append(
                    {
                        "id": identifier,
                        "title": str(record.get("title", ""))[:200],
                        "cve": record.get("cve"),
                        "cvss": (record.get("cvss") or {}).get("score"),
                        "patched_versions": software.get("patched_versions") or [],
                        "certain": bool(version),
                    }
                )
    return found


def _affected(version: str, limits: Any) -> bool:
    if not isinstance(limits, dict):
        return False
    here = version_key(version)
    low, high = str(limits.get("from_version", "*")), str(limits.get("to_version", "*"))
    above = low == "*" or here > version_key(low) or (bool(limits.get("from_inclusive")) and here == version_key(low))
    below = high == "*" or here < version_key(high) or (bool(limits.get("to_inclusive")) and here == version_key(high))
    return above and below
