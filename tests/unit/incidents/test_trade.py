"""Sales against what is usual: a real drop is seen within minutes, and small numbers never make one."""

import random
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.incidents import trade
from checkvalve.incidents.trade import DAY_H, HOUR_MS, MIN_TOLD, WEEK_H, Tally, Usual, at_most, judge, level, surged, usual

NOW_H = 500_000  # some hour since the epoch
SINCE = NOW_H * HOUR_MS
MINUTE = 60_000


def weeks(*counts: int, hour: int = NOW_H) -> dict[int, int]:
    """The newest week first."""
    return {hour - k * WEEK_H: n for k, n in enumerate(counts, start=1)}


def span(hours: dict[int, int], minutes: int, first: int = 0) -> Usual | None:
    return usual(hours, first, SINCE, SINCE + minutes * MINUTE)


def seen(taken: int, due: Usual | None, minutes: int = 10, **more: int) -> trade.Watch:
    tally = Tally(taken=taken, **more)
    return judge(tally, Tally(taken=2000, failed=40, answers=2000, broken=2), due, 1.0, SINCE, SINCE + minutes * MINUTE)


def test_usual_is_the_median_of_the_same_hour_of_the_week() -> None:
    due = span(weeks(60, 66, 54, 600, 63), 20)  # one week had a sale
    assert due is not None
    assert (due.of, due.samples) == ("week", 8)  # three more weeks had no order at all, and count
    assert due.expected == pytest.approx(57 / 3)
    whole = span(weeks(60, 66, 54, 600, 63), 20, first=NOW_H - 5 * WEEK_H)
    assert whole is not None and whole.expected == pytest.approx(63 / 3)
    assert whole.low == pytest.approx((63 - 1.4826 * 3) / 3) and whole.high == pytest.approx((63 + 1.4826 * 3) / 3)


def test_a_span_over_the_full_hour_takes_its_share_of_both() -> None:
    hours = weeks(60, 60, 60) | weeks(120, 120, 120, hour=NOW_H + 1)
    due = usual(hours, NOW_H - 3 * WEEK_H, SINCE + 45 * MINUTE, SINCE + 75 * MINUTE)
    assert due is not None and due.expected == pytest.approx(15 + 30)


def test_a_shop_of_some_days_is_held_against_the_same_hour_of_the_day() -> None:
    hours = {NOW_H - k * DAY_H: 30 for k in range(1, 7)}
    due = span(hours, 60, first=NOW_H - 6 * DAY_H)
    assert due is not None and (due.of, due.samples, due.expected) == ("day", 6, 30)


def test_without_enough_history_nothing_is_said() -> None:
    hours = {NOW_H - k * DAY_H: 30 for k in range(1, 5)}
    due = span(hours, 60, first=NOW_H - 4 * DAY_H)
    assert due is None
    found = seen(0, due, 60)
    assert (found.state, found.suffers, found.missing) == ("no_history", False, None)
    assert "not enough history" in found.why


def test_a_shop_that_sells_two_a_minute_is_seen_to_have_stopped_within_six_minutes() -> None:
    hours = weeks(120, 118, 124, 121, 119, 120, 122, 120)
    told = [m for m in range(1, 20) if seen(0, span(hours, m), m).suffers]
    assert told[0] <= 6
    assert told == list(range(told[0], 20))
    assert not seen(12, span(hours, 6), 6).suffers


def test_a_smaller_drop_is_no_reason_to_open_a_way_out_again() -> None:
    due = span(weeks(*[6000] * 8), 60)
    assert due is not None and at_most(3600, due.low) < 1e-9  # not by chance, and yet
    assert not seen(3600, due, 60).suffers
    assert seen(2400, due, 60).suffers


@given(
    counts=st.lists(st.integers(0, 9), min_size=8, max_size=8),
    minutes=st.integers(1, 60),
    taken=st.integers(0, 20),
    today=st.floats(0.01, 1),
)
def test_low_counts_never_say_that_sales_have_fallen(counts: list[int], minutes: int, taken: int, today: float) -> None:
    """Nine orders an hour, and none for an hour: that happens once in eight thousand hours, and is said of nobody."""
    found = judge(Tally(taken=taken), Tally(), span(weeks(*counts), minutes), today, SINCE, SINCE + minutes * MINUTE)
    assert found.state == "too_few" and not found.suffers


@given(rate=st.floats(0.1, 2000), taken=st.integers(0, 4000))
def test_what_is_said_never_rests_on_less_than_one_in_ten_thousand(rate: float, taken: int) -> None:
    due = Usual(expected=rate, low=rate, high=rate, of="week", samples=8)
    found = seen(taken, due)
    assert found.suffers == (at_most(taken, rate) < trade.ALPHA and taken < rate / 2 and rate >= MIN_TOLD)
    if taken >= rate / 2:
        assert not found.suffers


@given(taken=st.integers(0, 200), more=st.integers(1, 50), rate=st.floats(1, 300))
def test_more_orders_never_make_it_worse(taken: int, more: int, rate: float) -> None:
    due = Usual(expected=rate, low=rate, high=rate, of="week", samples=8)
    assert seen(taken, due).suffers or not seen(taken + more, due).suffers


@given(seen_=st.integers(0, 60), rate=st.floats(0.01, 80))
def test_the_poisson_tail_is_the_sum_of_its_terms(seen_: int, rate: float) -> None:
    term = total = exp(-rate)
    for k in range(1, seen_ + 1):
        term *= rate / k
        total += term
    assert at_most(seen_, rate) == pytest.approx(1.0 if seen_ >= rate else total, rel=1e-6, abs=1e-12)


def test_ordinary_hours_looked_at_every_minute_raise_next_to_no_alarm() -> None:
    """Shops whose hours swing by a third from week to week, on good days and bad ones, watched for an hour each."""
    chance = random.Random(7)
    alarms = 0
    for _ in range(300):
        rate = chance.choice((20, 60, 240))
        hours = weeks(*(max(0, round(chance.gauss(rate, rate / 3))) for _ in range(8)))
        today = max(0.3, chance.gauss(1, 1 / 3)) * rate
        times = [chance.uniform(0, 60) for _ in range(round(today))]
        level_ = level(round(3 * today), 3 * rate)
        found = [Tally(taken=sum(t <= m for t in times)) for m in range(1, 61)]
        looked = [judge(t, Tally(), span(hours, m), level_, SINCE, SINCE + m * MINUTE) for m, t in enumerate(found, start=1)]
        alarms += any(w.suffers for w in looked)
    assert alarms <= 3


def test_a_slow_day_is_held_against_itself() -> None:
    due = Usual(expected=30, low=28, high=32, of="week", samples=8)
    assert level(20, 100) == pytest.approx(21 / 101)
    assert level(500, 100) == 1.0  # a good day proves nothing
    quiet = judge(Tally(taken=5), Tally(), due, level(20, 100), SINCE, SINCE + 30 * MINUTE)
    assert not quiet.suffers
    assert judge(Tally(taken=5), Tally(), due, 1.0, SINCE, SINCE + 30 * MINUTE).suffers


def test_payments_that_fail_are_seen_without_any_history_of_sales() -> None:
    assert seen(2, None, failed=9).state == "failing"
    assert seen(2, None, answers=10, broken=8).state == "failing"
    assert "9 of 11 payments failed" in seen(2, None, failed=9).why


@given(failures=st.integers(0, 4), of=st.integers(0, 50), before=st.integers(0, 5000))
def test_a_handful_of_failures_is_nothing(failures: int, of: int, before: int) -> None:
    assert not surged(failures, max(of, failures), 0, before)


def test_a_shop_whose_payments_often_fail_is_held_against_itself() -> None:
    assert not surged(8, 20, 400, 1000)
    assert surged(8, 20, 10, 1000)


def test_lost_orders_are_a_range_that_chance_is_part_of() -> None:
    due = Usual(expected=40, low=36, high=44, of="week", samples=8)
    found = seen(10, due, 60)
    assert found.missing == (round(36 - 1.96 * 6 - 10), round(44 + 1.96 * 44**0.5) - 10)
    assert seen(60, due, 60).missing == (0, 0)


def test_a_shop_that_has_not_spoken_is_not_said_to_sell_nothing() -> None:
    due = Usual(expected=400, low=400, high=400, of="week", samples=8)
    found = judge(Tally(), Tally(), due, 1.0, SINCE, SINCE)
    assert (found.state, found.suffers, found.missing) == ("not_heard", False, None)
