"""Times as logs write them, with how exact they are. What cannot be known stays unknown."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from checkvalve.events.imports.types import Context, Moment

SECOND: Final = 1000
_HOUR: Final = 3_600_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMERIC = re.compile(r"(\d{1,4})[-./](\d{1,2})[-./](\d{1,4})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,6}))?)?\s*([ap])?\.?m?\.?", re.IGNORECASE)
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED_MONTH = re.compile(r"(?:(\d{1,2})\.?\s+)?([A-Za-z]{3})[a-z]*\.?\s+(\d{1,2})?,?\s*(\d{4})")


def local(naive: datetime, zone: tzinfo, grain_ms: int) -> Moment:
    """A local time that is exact to `grain_ms`. In the hour that a clock change repeats it may be either of two."""
    either = [_ms(naive.replace(tzinfo=zone, fold=fold).astimezone(UTC)) for fold in (0, 1)]
    return Moment(ms=min(either), within_ms=grain_ms + max(either) - min(either))


def rfc3339(text: str, zone: tzinfo) -> Moment | None:
    """An ISO 8601 time; local in `zone` when it has no offset. Exact to its last digit."""
    try:
        parsed = datetime.fromisoformat(_six_digits(text.strip()))
    except ValueError:
        return None
    grain = _grain(text)
    if parsed.tzinfo is None:
        return local(parsed, zone, grain)
    try:
        return Moment(ms=_ms(parsed.astimezone(UTC)), within_ms=grain)
    except OverflowError:
        return None


def epoch(value: object) -> Moment | None:
    """Seconds or milliseconds since 1970, as a number or its text. Exact to a second when it is a whole number of them."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        return None
    if not 0 < number < 2**53:
        return None
    if number >= 1e11:
        return Moment(ms=int(number), within_ms=1)
    return Moment(ms=int(number * 1000), within_ms=SECOND if number.is_integer() else 1)


def displayed(text: str, context: Context) -> Moment | None:
    """A date and time as a site shows them to people, e.g. "06.05.2026 3:04:05.123 pm". None when two readings are possible."""
    clock = _CLOCK.search(text)
    date = _numeric_date(text, context.day_first) or _named_date(text)
    if clock is None or date is None:
        return None
    hour = int(clock[1])
    if clock[5]:
        hour = hour % 12 + (12 if clock[5].lower() == "p" else 0)
    fraction = (clock[4] or "").ljust(6, "0")
    try:
        naive = datetime(*date, hour, int(clock[2]), int(clock[3] or 0), int(fraction))
    except ValueError:
        return None
    grain = 60_000 if clock[3] is None else SECOND if clock[4] is None else 10 ** max(0, 3 - len(clock[4]))
    return local(naive, context.zone, grain)


def _numeric_date(text: str, day_first: bool | None) -> tuple[int, int, int] | None:
    found = _NUMERIC.search(text)
    if found is None:
        return None
    a, b, c = (int(g) for g in found.groups())
    if len(found[1]) == 4:
        return a, b, c
    if len(found[3]) != 4:
        return None
    if "." in found[0]:
        day_first = True if day_first is None else day_first
    if day_first is None:
        if a <= 12 and b <= 12 and a != b:
            return None
        day_first = a > 12
    return (c, b, a) if day_first else (c, a, b)


def _named_date(text: str) -> tuple[int, int, int] | None:
    found = _NAMED_MONTH.search(text)
    if found is None or found[2].lower() not in MONTHS or not (found[1] or found[3]):
        return None
    return int(found[4]), MONTHS.index(found[2].lower()) + 1, int(found[1] or found[3])


def without_year(month: int, day: int, clock: str, context: Context) -> Moment | None:
    """A date without a year: the latest one that is not after the file was written."""
    if context.written_ms is None:
        return None
    latest = datetime.fromtimestamp(context.written_ms / 1000, context.zone)
    for year in (latest.year, latest.year - 1):
        try:
            naive = datetime.fromisoformat(f"{year:04d}-{month:02d}-{day:02d} {clock}")
        except ValueError:
            continue
        found = local(naive, context.zone, SECOND)
        if found.ms <= context.written_ms + 24 * _HOUR:
            return found
    return None


def _grain(text: str) -> int:
    fraction = re.search(r":\d{2}[.,](\d+)", text)
    if fraction is None:
        return SECOND
    return int(10 ** max(0, 3 - len(fraction[1])))


def _six_digits(text: str) -> str:
    """datetime takes at most six digits of a second."""
    return re.sub(r"([.,]\d{6})\d+", r"\1", text)


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
