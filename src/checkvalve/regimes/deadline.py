"""The arithmetic of deadlines. Everything in UTC; the strict reading is the one that alarms.

Product policy: awareness plus exactly N x 3600 s (N x 24 h for days, the same time of day for months and business days) is
never later than the legal end. Any later reading is shown as disputed and never used. Months are calendar months, clamped to
the month's end, by the date in UTC or by the date where the event was noted, whichever ends first.
"""

from calendar import monthrange
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from checkvalve.regimes.law import SHOWN, ClockRule, RegimeError, Unit, regime

HINT_TIME = "Write it like 2027-03-26T22:30:00Z"
HINT_ZONE = "Add Z for UTC or an offset like +02:00"
FIRST_MS = -62_135_596_800_000  # year 1
LAST_MS = 253_402_300_799_999  # year 9999
SATURDAY: Final = 5
MAX_CONTRACT_HOURS: Final = 24 * 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A running or unlimited clock. `due` None: no fixed limit, or another event starts it."""

    id: str
    start_event: str
    due: datetime | None
    disputed_later: datetime | None
    unit: str
    article: str
    text: str
    evidence: str
    small_due: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """The shape of `checkvalve deadline` (contract.md)."""
        said: dict[str, Any] = {
            "id": self.id,
            "start_event": self.start_event,
            "due_utc": rfc3339(self.due) if self.due else None,
            "disputed_later_utc": rfc3339(self.disputed_later) if self.disputed_later else None,
            "unit": self.unit,
            "article": self.article,
            "text": self.text,
            "evidence": self.evidence,
        }
        return said | ({"due_small_utc": rfc3339(self.small_due)} if self.small_due else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the act is to be done: the holidays there, and hours that a contract sets."""

    holidays: Container[date] = field(default_factory=frozenset)
    contract_hours: int | None = None

    def works(self, day: date) -> bool:
        return day.weekday() < SATURDAY and day not in self.holidays


def place(regime_id: str, country: str | None, contract_hours: int | None = None) -> Place:
    """The regime's own calendar, else the country's (ISO 3166-1, with a subdivision like DE-BY)."""
    if contract_hours is not None and not 0 < contract_hours <= MAX_CONTRACT_HOURS:
        raise RegimeError("that is no number of hours a contract sets", f"Give 1 to {MAX_CONTRACT_HOURS}")
    code = regime(regime_id).holidays or country
    return Place(holidays=_calendar(code) if code else frozenset(), contract_hours=contract_hours)


def _calendar(code: str) -> Container[date]:
    import holidays  # imported when a calendar is asked for: it is large, and most answers need none

    country, _, subdivision = code.upper().partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        raise RegimeError(f"no calendar of holidays for {code[:SHOWN]!r}", "Give an ISO country code like DE, or DE-BY")
    if subdivision and subdivision not in known[country]:
        raise RegimeError(
            f"no subdivision {subdivision[:SHOWN]!r} of {country}", f"Known: {', '.join(known[country]) or 'none'}"
        )
    return holidays.country_holidays(country, subdiv=subdivision or None)


def deadline(regime_id: str, start_event: str, at: datetime, where: Place | None = None) -> list[Clock]:
    """Every clock of the regime. Those that another event starts have no due time yet. `at` has a time zone."""
    if at.tzinfo is None:
        raise RegimeError(f"{at.isoformat()} has no time zone", HINT_ZONE)
    rules = regime(regime_id).clocks
    events = dict.fromkeys(e for r in rules for e in r.start_events)
    if start_event not in events:
        raise RegimeError(f"no clock of {regime_id} starts with {start_event[:SHOWN]!r}", f"Known: {', '.join(sorted(events))}")
    try:
        return [_clock(rule, start_event, at, where or Place()) for rule in rules]
    except (OverflowError, ValueError) as error:
        raise RegimeError(f"{at.isoformat()} is out of range", HINT_TIME) from error


def _clock(rule: ClockRule, start_event: str, at: datetime, where: Place) -> Clock:
    amount, unit, started = rule.amount, rule.unit, start_event == rule.start_event
    if rule.hard_stop and start_event == rule.hard_stop.start_event:
        amount, unit, started = rule.hard_stop.amount, rule.hard_stop.unit, True
    if rule.contract and where.contract_hours is not None:
        amount, unit = where.contract_hours, "clock_hours"
    counted = started and amount is not None
    return Clock(
        id=rule.id,
        start_event=start_event if started else rule.start_event,
        due=_strict(at, amount or 0, unit, where) if counted else None,
        disputed_later=_reg_1182_71(at, amount or 0, unit, where) if counted and rule.disputed else None,
        unit=unit,
        article=rule.article,
        text=rule.text,
        evidence=rule.evidence,
        small_due=_strict(at, rule.small, unit, where) if counted and rule.small else None,
    )


def _strict(at: datetime, amount: int, unit: Unit, where: Place) -> datetime:
    match unit:
        case "calendar_months":
            return min(
                _same_time(at, _month_end(at.date(), amount)), _same_time(at.astimezone(UTC), _month_end(_utc(at), amount))
            )
        case "business_days":
            return _same_time(at, _business_day(at.date(), amount, where))
        case "calendar_days":
            return at.astimezone(UTC) + timedelta(days=amount)
        case _:
            return at.astimezone(UTC) + timedelta(hours=amount)


def _reg_1182_71(at: datetime, amount: int, unit: Unit, where: Place) -> datetime | None:
    """The later end that Regulation 1182/71 may allow: the hour or day of the event is not counted (Art. 3(1)), and a period
    not in hours that ends on a weekend or holiday ends with the next working day (Art. 3(4))."""
    if unit == "clock_hours":
        # Counting starts with the next full hour, also for an event at the very start of one.
        hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return hour + timedelta(hours=1 + amount)
    if unit == "business_days":
        return None
    last = _month_end(at.date(), amount) if unit == "calendar_months" else at.date() + timedelta(days=amount)
    while not where.works(last):
        last += timedelta(days=1)
    return _midnight(last + timedelta(days=1), at.tzinfo)


def _utc(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _month_end(day: date, months: int) -> date:
    """The same day `months` later; the month's last day where there is none (Art. 3(2)(c): 31 Jan + 1 month = 28 Feb)."""
    count = day.year * 12 + day.month - 1 + months
    year, month = divmod(count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _business_day(day: date, amount: int, where: Place) -> date:
    while amount:
        day += timedelta(days=1)
        amount -= where.works(day)
    return day


def _same_time(at: datetime, day: date) -> datetime:
    return datetime.combine(day, at.timetz()).astimezone(UTC)


def _midnight(day: date, zone: tzinfo | None) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def parse_local(text: str) -> datetime:
    """RFC 3339 with an offset, which is kept: it tells the date where the event was noted."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise RegimeError(f"{text[:SHOWN]!r} is not a time", HINT_TIME) from error
    if at.tzinfo is None:
        raise RegimeError(f"{text[:SHOWN]!r} has no time zone", HINT_ZONE)
    return at


def parse_time(text: str) -> datetime:
    """RFC 3339 with an offset, as UTC."""
    try:
        return parse_local(text).astimezone(UTC)
    except OverflowError as error:
        raise RegimeError(f"{text[:SHOWN]!r} is out of range", HINT_TIME) from error


def rfc3339(at: datetime) -> str:
    """UTC with Z; fractions of a second only where there are any."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def from_ms(ms: int) -> datetime:
    """UTC. A time beyond what a calendar holds (a sensor may send any number) becomes the calendar's end."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=max(FIRST_MS, min(ms, LAST_MS)))
