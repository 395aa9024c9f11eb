"""The story of one trace, in order: what the shop, the gateway, imported logs and detection told of one visitor's request."""

from typing import Any

from checkvalve.engine import completeness
from checkvalve.engine.offline import opened
from checkvalve.engine.settings import Settings
from checkvalve.regimes.deadline import from_ms, rfc3339


def in_order(settings: Settings, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the question `trace`, each with `time` by core's clock (UTC; the source's clock corrected by its skew),
    `clock_skew_ms`, and `within_ms`: how much later it may have happened (null: unknown)."""
    entries = [row["entry"] for row in rows]
    with opened(settings) as state, state.read() as db:
        doubt, skews = completeness.doubt(db, entries), completeness.skews(db, entries)
    by_entry = {row["entry"]: row["source"] for row in rows if row["kind"] == "event"}
    told = []
    for row in rows:
        skew = skews.get(by_entry.get(row["entry"], row["source"]), 0) if row["kind"] == "event" else 0
        at_ms = None if row["at_ms"] is None else row["at_ms"] - skew
        at = None if at_ms is None else rfc3339(from_ms(at_ms))
        told.append({**row, "time": at, "at_ms": at_ms, "clock_skew_ms": skew, "within_ms": doubt.get(row["entry"], 0)})
    return sorted(told, key=lambda r: (r["at_ms"] is None, r["at_ms"] or 0, r["entry"]))
