"""Law as data, and the arithmetic of its deadlines. Everything in UTC; the strict reading is the one that alarms.

Source of the rules: content/regimes/*.yaml. Product policy: awareness plus exactly N x 3600 s is never later than the legal
end; any later reading is shown as disputed and never used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

SHOWN = 60  # of a wrong value, in an error message
HINT_TIME = "Write it like 2027-03-26T22:30:00Z"
HINT_ZONE = "Add Z for UTC or an offset like +02:00"
FIRST_MS = -62_135_596_800_000  # year 1
LAST_MS = 253_402_300_799_999  # year 9999


class RegimeError(Exception):
    """A question the data cannot answer. `hint` says what to ask instead."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. {hint}")
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing a notification must say. `required`: True, or "when_late"."""

    id: str
    article: str
    fact: str
    question: str
    required: bool | str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRule:
    id: str
    start_event: str
    amount: int | None
    unit: str
    article: str
    late_rule: str
    phased: str | None  # the article that lets the rest follow later
    disputed: Mapping[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    id: str
    name: str
    whom: str
    clocks: tuple[ClockRule, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A running or unlimited clock. `due` None: no fixed limit."""

    id: str
    start_event: str
    due: datetime | None
    disputed_later: datetime | None
    unit: str
    article: str

    def as_json(self) -> dict[str, Any]:
        """The shape of `checkvalve deadline` (contract.md)."""
        return {
            "id": self.id,
            "start_event": self.start_event,
            "due_utc": rfc3339(self.due) if self.due else None,
            "disputed_later_utc": rfc3339(self.disputed_later) if self.disputed_later else None,
            "unit": self.unit,
            "article": self.article,
        }


@cache
def regimes() -> Mapping[str, Regime]:
    found: dict[str, Regime] = {}
    for file in sorted(files("checkvalve.content.regimes").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml"):
            for raw in yaml.safe_load(file.read_text("utf-8"))["regimes"]:
                found[raw["id"]] = _regime(raw)
    return found


def _regime(raw: dict[str, Any]) -> Regime:
    names = ClockRule.__dataclass_fields__
    return Regime(
        id=raw["id"],
        name=raw["name"],
        whom=raw["whom"],
        clocks=tuple(ClockRule(**{k: c[k] for k in names}) for c in raw["clocks"]),
        fields=tuple(Field(**f) for f in raw["fields"]),
    )


def regime(regime_id: str) -> Regime:
    known = regimes()
    if regime_id not in known:
        raise RegimeError(f"there is no regime {regime_id[:SHOWN]!r}", f"Known: {', '.join(known)}")
    return known[regime_id]


def deadline(regime_id: str, start_event: str, at: datetime) -> list[Clock]:
    """Every clock of the regime. Those that another event starts have no due time yet. `at` has a time zone."""
    if at.tzinfo is None:
        raise RegimeError(f"{at.isoformat()} has no time zone", HINT_ZONE)
    rules = regime(regime_id).clocks
    events = {r.start_event for r in rules}
    if start_event not in events:
        raise RegimeError(f"no clock of {regime_id} starts with {start_event[:SHOWN]!r}", f"Known: {', '.join(sorted(events))}")
    try:
        return [_clock(rule, at if rule.start_event == start_event else None) for rule in rules]
    except OverflowError as error:
        raise RegimeError(f"{at.isoformat()} is out of range", HINT_TIME) from error


def _clock(rule: ClockRule, at: datetime | None) -> Clock:
    due = disputed = None
    if at is not None and rule.amount is not None and rule.unit == "clock_hours":
        start = at.astimezone(UTC)
        due = start + timedelta(hours=rule.amount)
        if rule.disputed and rule.disputed["rule"] == "hour_of_event_not_counted":
            # Reg. 1182/71 Art. 3(1): counting starts with the next full hour, also for an event at the very start of one
            hour = start.replace(minute=0, second=0, microsecond=0)
            disputed = hour + timedelta(hours=1 + rule.amount)
    return Clock(
        id=rule.id,
        start_event=rule.start_event,
        due=due,
        disputed_later=disputed,
        unit=rule.unit,
        article=rule.article,
    )


def parse_time(text: str) -> datetime:
    """RFC 3339 with an offset."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise RegimeError(f"{text[:SHOWN]!r} is not a time", HINT_TIME) from error
    if at.tzinfo is None:
        raise RegimeError(f"{text[:SHOWN]!r} has no time zone", HINT_ZONE)
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise RegimeError(f"{text[:SHOWN]!r} is out of range", HINT_TIME) from error


def rfc3339(at: datetime) -> str:
    """UTC with Z; fractions of a second only where there are any."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def from_ms(ms: int) -> datetime:
    """UTC. A time beyond what a calendar holds (a sensor may send any number) becomes the calendar's end."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=max(FIRST_MS, min(ms, LAST_MS)))
