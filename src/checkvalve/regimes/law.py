"""The law as it is shipped: regimes and their clocks out of content/regimes/*.yaml (its README has the form)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec
import yaml

SHOWN = 60  # of a wrong value, in an error message

Unit = Literal["clock_hours", "calendar_days", "business_days", "calendar_months", "no_fixed_limit"]
Grade = Literal["V1", "V2", "K"]


class RegimeError(Exception):
    """A question the data cannot answer. `hint` says what to ask instead."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. {hint}")
        self.hint = hint


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing a notification must say. `required`: True, or "when_late". `clocks`: the notices that alone ask it."""

    id: str
    article: str
    fact: str
    required: bool | str
    clocks: tuple[str, ...] = ()


class HardStop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The outer limit of a duty that is due at once."""

    start_event: str
    amount: int
    unit: Unit


class ClockRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One clock. `small`: the longer amount of small controllers. `contract`: hours may be set by a contract."""

    id: str
    start_event: str
    amount: int | None
    unit: Unit
    article: str
    evidence: Grade
    text: str
    late_rule: str = ""
    phased: str | None = None  # the article that lets the rest follow later
    disputed: Literal["reg_1182_71"] | None = None
    hard_stop: HardStop | None = None
    small: int | None = None
    contract: bool = False

    @property
    def start_events(self) -> tuple[str, ...]:
        return (self.start_event, self.hard_stop.start_event) if self.hard_stop else (self.start_event,)


class Regime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    name: str
    status: str
    who: str
    whom: str
    clocks: tuple[ClockRule, ...]
    fields: tuple[Field, ...]
    effective_from: date | None = None
    holidays: str | None = None  # country whose holidays count, whatever the shop's country


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How old the file of a regime is, and when somebody has to look again."""

    as_of: date
    review_by: date


@cache
def _read() -> tuple[Mapping[str, Regime], Mapping[str, Age]]:
    found: dict[str, Regime] = {}
    ages: dict[str, Age] = {}
    for file in sorted(files("checkvalve.content.regimes").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml"):
            raw: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
            for regime_ in msgspec.convert(raw["regimes"], tuple[Regime, ...]):
                found[regime_.id] = regime_
                ages[regime_.id] = Age(as_of=raw["as_of"], review_by=raw["review_by"])
    return found, ages


def regimes() -> Mapping[str, Regime]:
    return _read()[0]


def regime(regime_id: str) -> Regime:
    known = regimes()
    if regime_id not in known:
        raise RegimeError(f"there is no regime {regime_id[:SHOWN]!r}", f"Known: {', '.join(known)}")
    return known[regime_id]


def age(regime_id: str) -> Age:
    return _read()[1][regime(regime_id).id]
