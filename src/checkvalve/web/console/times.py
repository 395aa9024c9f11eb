"""Times as people read them. Everything is UTC; a local reading is a note beside it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_datetime
from babel.numbers import format_decimal

from checkvalve.web.console.language import _, spoken

# The zone of countries that have one (or where nearly everybody lives in one). Others get no local note.
ZONES: Mapping[str, str] = {
    "AT": "Europe/Vienna", "BE": "Europe/Brussels", "BG": "Europe/Sofia", "CH": "Europe/Zurich", "CY": "Asia/Nicosia",
    "CZ": "Europe/Prague", "DE": "Europe/Berlin", "DK": "Europe/Copenhagen", "EE": "Europe/Tallinn", "ES": "Europe/Madrid",
    "FI": "Europe/Helsinki", "FR": "Europe/Paris", "GB": "Europe/London", "GR": "Europe/Athens", "HR": "Europe/Zagreb",
    "HU": "Europe/Budapest", "IE": "Europe/Dublin", "IS": "Atlantic/Reykjavik", "IT": "Europe/Rome", "LI": "Europe/Vaduz",
    "LT": "Europe/Vilnius", "LU": "Europe/Luxembourg", "LV": "Europe/Riga", "MT": "Europe/Malta", "NL": "Europe/Amsterdam",
    "NO": "Europe/Oslo", "PL": "Europe/Warsaw", "RO": "Europe/Bucharest", "SE": "Europe/Stockholm", "SI": "Europe/Ljubljana",
    "SK": "Europe/Bratislava",
}  # fmt: skip


class TimeError(Exception):
    """What a person typed is not a time. The text says what to type."""


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def utc(ms: int) -> str:
    return _written(_at(ms), _("EEE dd MMM yyyy, HH:mm:ss")) + " UTC"


def _written(at: datetime, pattern: str) -> str:
    """By a pattern of Unicode TR 35, which is translated as any text is."""
    return format_datetime(at, pattern, locale=spoken())


def utc_ms(ms: int) -> str:
    return f"{_at(ms):%Y-%m-%d %H:%M:%S}.{ms % 1000:03d}"


def iso(ms: int) -> str:
    """For the datetime attribute."""
    return f"{_at(ms):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def typed(ms: int) -> str:
    """For the value of a datetime-local field, to the second below."""
    return f"{_at(ms):%Y-%m-%dT%H:%M:%S}"


def hours(ms: int) -> str:
    """hh:mm of a duration, rounded down: a clock never shows more time than is left."""
    minutes = max(ms, 0) // 60_000
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def span(ms: int) -> str:
    """A duration in its two largest units."""
    if abs(ms) < 1000:
        return f"{abs(ms)} ms"
    if abs(ms) < 60_000:
        return f"{format_decimal(abs(ms) / 1000, '0.0', locale=spoken())} s"
    seconds = abs(ms) // 1000
    days, hour, minute, second = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60
    if days:
        return _("%(days)s d %(hours)s h", days=days, hours=hour)
    return f"{hour} h {minute} min" if hour else f"{minute} min {second} s"


def zone_of(country: str) -> ZoneInfo | None:
    name = ZONES.get(country.strip().upper())
    try:
        return ZoneInfo(name) if name else None
    except ZoneInfoNotFoundError:
        return None


def local(ms: int, zone: ZoneInfo) -> str:
    at = _at(ms).astimezone(zone)
    return f"{_written(at, _('EEE dd MMM, HH:mm'))} {at.tzname()}"


def parse(text: str, zone: ZoneInfo | None) -> int:
    """What a datetime-local field sent, as ms UTC. An hour that the clocks repeat is read as the first: never later."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise TimeError(_("Type date and time like 2027-03-26 22:30.")) from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone or UTC, fold=0)
        if at.astimezone(UTC).astimezone(at.tzinfo).replace(tzinfo=None) != at.replace(tzinfo=None):
            raise TimeError(_("The clocks were put forward over that time: it never was. Use UTC."))
    if not datetime(2000, 1, 1, tzinfo=UTC) <= at < datetime(2200, 1, 1, tzinfo=UTC):
        raise TimeError(_("The year cannot be right."))
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
