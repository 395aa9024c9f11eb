"""The table for lawyers (docs/law/deadlines.md) is what the product answers, row by row."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from checkvalve.regimes.deadline import deadline, parse_local, parse_time, place
from checkvalve.regimes.law import regimes

TABLE = Path(__file__).parents[2] / "docs" / "law" / "deadlines.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLE.read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| regime")
]


def moment(text: str) -> datetime | None:
    """24:00 is the end of a day."""
    if "T24:00:00" in text:
        return parse_time(text.replace("T24", "T00")) + timedelta(days=1)
    return parse_time(text) if text else None


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r[0]}-{r[4]}-{r[2]}")
def test_a_row_of_the_table(row: list[str]) -> None:
    regime_id, event, at, where, clock_id, due, later, _ = row
    hours = int(where.removesuffix(" h")) if where.endswith(" h") else None
    country = where if where and hours is None else None
    found = deadline(regime_id, event, parse_local(at), place(regime_id, country, hours))
    (clock,) = [c for c in found if c.id == clock_id]
    assert clock.due == moment(due)
    assert clock.disputed_later == moment(later)


def test_every_regime_that_counts_has_a_row() -> None:
    counting = {r.id for r in regimes().values() if any(c.amount or c.hard_stop for c in r.clocks)}
    assert counting <= {row[0] for row in ROWS}


def test_what_is_shown_as_due_is_never_after_what_is_shown_as_later() -> None:
    for regime_id, regime in regimes().items():
        for event in {e for c in regime.clocks for e in c.start_events}:
            for day in range(0, 800, 7):
                at = datetime(2027, 1, 1, 23, 30, tzinfo=UTC) + timedelta(days=day)
                for clock in deadline(regime_id, event, at, place(regime_id, "DE")):
                    if clock.due and clock.disputed_later:
                        assert at < clock.due <= clock.disputed_later
