"""Clocks that never show more time than there is, and typed times read as early as they can be meant."""

import pytest

from checkvalve.web.console import times

HOUR = 3_600_000
MARCH_26_2027 = 1_806_100_200_000  # 2027-03-26T22:30:00Z


def test_a_clock_rounds_down() -> None:
    assert times.hours(72 * HOUR - 1) == "71:59"
    assert times.hours(59_999) == "00:00"
    assert times.hours(-5) == "00:00"


@pytest.mark.parametrize(
    ("ms", "said"),
    [(0, "0 ms"), (999, "999 ms"), (4_210, "4.2 s"), (61_000, "1 min 1 s"), (2 * HOUR, "2 h 0 min"), (49 * HOUR, "2 d 1 h")],
)
def test_a_span_has_two_units(ms: int, said: str) -> None:
    assert times.span(ms) == said


def test_a_typed_time_is_utc_unless_said_otherwise() -> None:
    assert times.parse("2027-03-26T22:30", None) == MARCH_26_2027
    assert times.parse("2027-03-26T23:30:00", times.zone_of("DE")) == MARCH_26_2027


def test_an_hour_that_comes_twice_is_read_as_the_first() -> None:
    berlin = times.zone_of("de")
    assert times.utc_ms(times.parse("2027-10-31T02:30", berlin)) == "2027-10-31 00:30:00.000"


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2027-13-01T00:00", "1815-06-18T11:00", "9999-12-31T23:59", "2027-03-28T02:30"]
)
def test_what_is_no_time_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(times.TimeError):
        times.parse(text, times.zone_of("DE"))


def test_an_unknown_country_has_no_local_note() -> None:
    assert times.zone_of("Germany") is None
    assert times.zone_of("") is None
