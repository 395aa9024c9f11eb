"""The 72 hours of GDPR Art. 33(1), counted strictly in UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.regimes.deadline import (
    Clock,
    deadline,
    from_ms,
    parse_time,
    rfc3339,
)
from checkvalve.regimes.law import RegimeError, regime

AWARE = "controller_aware"
MOMENTS = st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2200, 1, 1))
ZONES = st.integers(min_value=-14 * 60, max_value=14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


def clock(at: str) -> Clock:
    (found,) = deadline("gdpr_art33", AWARE, parse_time(at))
    return found


def test_the_answer_has_the_shape_of_the_contract_on_the_night_the_clocks_change() -> None:
    # 28 March 2027 has 23 hours in Berlin, and the 29th is Easter Monday: neither moves a period given in hours.
    assert clock("2027-03-26T22:30:00Z").as_json() == {
        "id": "gdpr_72h",
        "start_event": AWARE,
        "due_utc": "2027-03-29T22:30:00Z",
        "disputed_later_utc": "2027-03-29T23:00:00Z",
        "unit": "clock_hours",
        "article": "33(1)",
        "text": "without undue delay and, where feasible, within the limit",
        "evidence": "V1",
    }


@pytest.mark.parametrize(
    ("at", "due"),
    [
        ("2027-03-26T23:30:00+01:00", "2027-03-29T22:30:00Z"),  # the same moment, said in Berlin
        ("2027-10-29T12:00:00+02:00", "2027-11-01T10:00:00Z"),  # the night with 25 hours
        ("2028-02-27T00:00:00Z", "2028-03-01T00:00:00Z"),  # over 29 February
        ("2026-12-30T23:59:59Z", "2027-01-02T23:59:59Z"),
        ("2026-12-25T18:00:00-05:00", "2026-12-28T23:00:00Z"),  # Christmas and a weekend count
        ("2026-06-01T12:00:00.250Z", "2026-06-04T12:00:00.250Z"),
    ],
)
def test_seventy_two_hours_are_counted_in_utc(at: str, due: str) -> None:
    assert clock(at).as_json()["due_utc"] == due


@pytest.mark.parametrize(
    ("at", "later"),
    [
        ("2027-03-26T22:00:00Z", "2027-03-29T23:00:00Z"),  # the hour that begins with the event is its hour too
        ("2027-03-26T22:59:59.999Z", "2027-03-29T23:00:00Z"),
    ],
)
def test_the_disputed_reading_leaves_out_the_hour_of_the_event(at: str, later: str) -> None:
    assert clock(at).as_json()["disputed_later_utc"] == later


@given(moment=MOMENTS, zone=ZONES)
def test_the_alarm_is_exactly_72_hours_in_any_zone_and_never_the_disputed_reading(moment: datetime, zone: timezone) -> None:
    at = moment.replace(tzinfo=zone)
    (found,) = deadline("gdpr_art33", AWARE, at)
    assert found.due is not None
    assert found.disputed_later is not None
    assert found.due - at == timedelta(hours=72)
    assert found.due.tzinfo is UTC
    assert timedelta(0) < found.disputed_later - found.due <= timedelta(hours=1)


@given(first=MOMENTS, second=MOMENTS)
def test_later_awareness_never_gives_an_earlier_deadline(first: datetime, second: datetime) -> None:
    early, late = sorted((first.replace(tzinfo=UTC), second.replace(tzinfo=UTC)))
    due = [deadline("gdpr_art33", AWARE, at)[0].due for at in (early, late)]
    assert due[0] is not None
    assert due[1] is not None
    assert due[0] <= due[1]


@given(moment=MOMENTS, zone=ZONES)
def test_what_is_written_is_never_later_than_what_was_meant(moment: datetime, zone: timezone) -> None:
    at = moment.replace(tzinfo=zone)
    assert timedelta(0) <= at - parse_time(rfc3339(at)) < timedelta(milliseconds=1)


def test_telling_the_people_has_no_fixed_limit() -> None:
    (found,) = deadline("gdpr_art34", AWARE, parse_time("2027-03-26T22:30:00Z"))
    assert found.as_json() == {
        "id": "gdpr_34",
        "start_event": AWARE,
        "due_utc": None,
        "disputed_later_utc": None,
        "unit": "no_fixed_limit",
        "article": "34(1)",
        "text": "without undue delay where a high risk is likely",
        "evidence": "V1",
    }


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "2027-13-01T00:00:00Z", "2027-02-29T00:00:00Z", "2027-03-26T25:00:00Z", "\x00", "0000-01-01T00:00:00Z"],
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RegimeError, match="is not a time") as caught:
        parse_time(text)
    assert caught.value.hint == "Write it like 2027-03-26T22:30:00Z"


@pytest.mark.parametrize("text", ["2027-03-26", "2027-03-26T22:30:00"])
def test_a_time_without_a_zone_is_not_guessed(text: str) -> None:
    with pytest.raises(RegimeError, match="has no time zone"):
        parse_time(text)
    with pytest.raises(RegimeError, match="has no time zone"):
        deadline("gdpr_art33", AWARE, datetime.fromisoformat(text))


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_time_beyond_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(RegimeError, match="out of range"):
        parse_time(text)


def test_a_deadline_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(RegimeError, match="out of range"):
        deadline("gdpr_art33", AWARE, parse_time("9999-12-30T00:00:00Z"))


def test_a_wrong_value_is_not_repeated_at_length() -> None:
    with pytest.raises(RegimeError) as caught:
        parse_time("x" * 100_000)
    assert len(str(caught.value)) < 200


def test_an_unknown_regime_or_event_names_the_known_ones() -> None:
    at = parse_time("2027-03-26T22:30:00Z")
    with pytest.raises(RegimeError) as caught:
        deadline("gdpr_art99", AWARE, at)
    assert "gdpr_art33" in caught.value.hint
    with pytest.raises(RegimeError) as caught:
        deadline("gdpr_art33", "full_moon", at)
    assert AWARE in caught.value.hint
    with pytest.raises(RegimeError):
        regime("")


@pytest.mark.parametrize("ms", [-(2**63), -(10**30), 2**53, 2**63, 10**30])
def test_a_senseless_number_from_a_sensor_becomes_the_end_of_the_calendar(ms: int) -> None:
    assert rfc3339(from_ms(ms))[:4] in ("0001", "9999")


@given(ms=st.integers(min_value=0, max_value=4_102_444_800_000))
def test_milliseconds_survive_the_way_through_text(ms: int) -> None:
    assert parse_time(rfc3339(from_ms(ms))) == from_ms(ms)
