"""What a case costs so far, against a budget. Every amount shows the assumption it rests on; fines are legal maxima alone."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
import yaml

from checkvalve.incidents.case import Incident, IncidentError

HOUR_MS: Final = 3_600_000
MAX_AMOUNT: Final = 1e12


class Assumptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """EUR, hours. All may be changed by the shop."""

    rates_per_hour: dict[str, float]
    hours_once: dict[str, float]
    hours_per_open_hour: dict[str, float]
    outside_help: dict[str, float]
    letter_per_person: float
    average_order: float
    lost_orders: float
    budget: float


class Maximum(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    regime: str
    article: str
    eur: float
    percent: float
    evidence: str
    text: str

    def ceiling(self, turnover_eur: float | None) -> float:
        """The higher of the fixed amount and the share of turnover."""
        return max(self.eur, (turnover_eur or 0) * self.percent / 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    what: str
    eur: float
    assumes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    items: tuple[Item, ...]
    budget: float
    turnover_eur: float | None
    maxima: tuple[Maximum, ...]

    @property
    def total(self) -> float:
        return round(sum(i.eur for i in self.items), 2)

    def as_json(self) -> dict[str, Any]:
        share = round(100 * self.total / self.turnover_eur, 2) if self.turnover_eur else None
        return {
            "items": [{"what": i.what, "eur": i.eur, "assumes": i.assumes} for i in self.items],
            "total_eur": self.total,
            "budget_eur": self.budget,
            "left_eur": round(self.budget - self.total, 2),
            "percent_of_turnover": share,
            "legal_maxima": [
                {"article": m.article, "max_eur": m.ceiling(self.turnover_eur), "evidence": m.evidence, "text": m.text}
                for m in self.maxima
            ],
            "note": "legal maxima are ceilings, not forecasts",
        }


@cache
def assumed() -> Assumptions:
    return msgspec.convert(_read("assumptions.yaml"), Assumptions)


@cache
def maxima() -> tuple[Maximum, ...]:
    return msgspec.convert(_read("maxima.yaml")["maxima"], tuple[Maximum, ...])


def _read(name: str) -> Any:
    return yaml.safe_load(files("checkvalve.content.costs").joinpath(name).read_text("utf-8"))


def changed(raw: bytes) -> Assumptions:
    """The shop's own figures over those that are shipped; a mapping is completed, not replaced. IncidentError for nonsense."""
    known = msgspec.to_builtins(assumed())
    try:
        given = msgspec.json.decode(raw, type=dict[str, Any])
        merged = {**known, **{k: {**known[k], **v} if isinstance(known.get(k), dict) else v for k, v in given.items()}}
        found = msgspec.convert(merged, Assumptions)
    except (msgspec.DecodeError, TypeError, RecursionError, UnicodeDecodeError) as error:
        raise IncidentError(f"the assumptions cannot be read: {str(error)[:200]}", f"Known: {', '.join(known)}") from error
    flat = [
        v for value in msgspec.to_builtins(found).values() for v in (value.values() if isinstance(value, dict) else [value])
    ]
    if not all(0 <= v <= MAX_AMOUNT for v in flat):
        raise IncidentError("an assumption is negative or no amount", "Give amounts of 0 or more")
    return found


def cost(
    incident: Incident, people: int, assumptions: Assumptions, turnover_eur: float | None, regimes: frozenset[str], now_ms: int
) -> Cost:
    """So far. `people`: to be written to. `regimes`: those that apply, whose maxima are shown."""
    a = assumptions
    end = incident.contained_ms if incident.contained_ms is not None else now_ms
    open_hours = max(0.0, (end - incident.first_seen_ms) / HOUR_MS)
    items = [_role(role, rate, open_hours, a) for role, rate in a.rates_per_hour.items()]
    items += [Item(what=name, eur=eur, assumes="outside help, once") for name, eur in a.outside_help.items()]
    letters, lost = round(people * a.letter_per_person, 2), round(a.lost_orders * a.average_order, 2)
    items.append(Item(what="letters", eur=letters, assumes=f"{people} people at EUR {a.letter_per_person:g}"))
    items.append(Item(what="lost orders", eur=lost, assumes=f"{a.lost_orders:g} orders of EUR {a.average_order:g}"))
    shown = tuple(m for m in maxima() if m.regime in regimes)
    return Cost(items=tuple(i for i in items if i.eur), budget=a.budget, turnover_eur=turnover_eur, maxima=shown)


def _role(role: str, rate: float, open_hours: float, a: Assumptions) -> Item:
    once, running = a.hours_once.get(role, 0), a.hours_per_open_hour.get(role, 0)
    hours = once + running * open_hours
    assumes = f"{hours:.1f} h at EUR {rate:g}: {once:g} h once, {running:g} h an hour open ({open_hours:.1f} h)"
    return Item(what=role, eur=round(hours * rate, 2), assumes=assumes)
