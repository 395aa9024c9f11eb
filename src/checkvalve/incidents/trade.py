"""Whether a shop sells as it usually does while something in it is closed.

Orders that went through are held against the same hours of the weeks before, payments that failed and checkouts that broke
against their usual share. Both are statements about small numbers, so each is made only where the numbers carry it: a shop
with two orders an hour is never said to have lost them within minutes, and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, lgamma, log
from statistics import median
from typing import Final, Literal

HOUR_MS: Final = 3_600_000
DAY_H: Final = 24
WEEK_H: Final = 7 * DAY_H
WEEKS: Final = 8  # looked back
DAYS: Final = 14  # looked back where the weeks are too few
MIN_WEEKS: Final = 3
MIN_DAYS: Final = 5
ALPHA: Final = 1e-4  # a look; it is looked many times in an hour
LESS_THAN: Final = 0.5  # of what is usual: a smaller drop is no reason to open a way out again
MORE_THAN: Final = 2.0  # times the usual share of failures
MIN_FAILURES: Final = 5
MAD_TO_SIGMA: Final = 1.4826  # of a normal distribution
MIN_TOLD: Final = -log(ALPHA)  # orders that have to be due before none at all says something

NO_HISTORY: Final = f"not enough history: {MIN_DAYS} days of watched sales are needed"

State = Literal["not_heard", "no_history", "too_few", "usual", "fallen", "failing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """Orders that a span usually has: the sum of medians, and how far hours lie apart (median absolute deviation).

    `of`: whether hours are compared with the same hour of the week or of the day; `samples`: how many, at least.
    """

    expected: float
    low: float
    high: float
    of: Literal["week", "day"]
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was counted in a span. `answers`: requests to place an order; `broken`: those answered with a server's error."""

    taken: int = 0
    failed: int = 0
    answers: int = 0
    broken: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is known of the shop's sales since a step took effect, from ms to ms since the epoch, UTC."""

    since_ms: int
    until_ms: int
    state: State
    why: str
    tally: Tally = field(default=Tally())
    usual: Usual | None = None
    level: float = 1.0

    @property
    def suffers(self) -> bool:
        return self.state in ("fallen", "failing")

    @property
    def missing(self) -> tuple[int, int] | None:
        """Orders that would have been due and did not come: fewest and most. None when nobody can know."""
        if self.usual is None or self.state == "not_heard":
            return None
        low, high = (f * self.level for f in (self.usual.low, self.usual.high))
        fewest = low - 1.96 * low**0.5 - self.tally.taken
        return max(0, round(fewest)), max(0, round(high + 1.96 * high**0.5) - self.tally.taken)


def usual(hours: Mapping[int, int], first_hour: int, since_ms: int, until_ms: int) -> Usual | None:
    """What a span usually has; None while too little was watched.

    `hours`: hour since the epoch -> orders, none for an hour that is absent; `first_hour`: the first that was watched whole.
    """
    expected = low = high = 0.0
    found: list[tuple[list[int], Literal["week", "day"]]] = []
    for hour in range(since_ms // HOUR_MS, max(since_ms, until_ms - 1) // HOUR_MS + 1):
        before, kind = _alike(hours, first_hour, hour)
        if not before:
            return None
        share = (min(until_ms, (hour + 1) * HOUR_MS) - max(since_ms, hour * HOUR_MS)) / HOUR_MS
        middle = median(before)
        apart = MAD_TO_SIGMA * median(abs(n - middle) for n in before)
        expected, low, high = expected + middle * share, low + max(0.0, middle - apart) * share, high + (middle + apart) * share
        found.append((before, kind))
    of: Literal["week", "day"] = "day" if any(kind == "day" for _, kind in found) else "week"
    return Usual(expected=expected, low=low, high=high, of=of, samples=min(len(b) for b, _ in found))


def _alike(hours: Mapping[int, int], first: int, hour: int) -> tuple[list[int], Literal["week", "day"]]:
    weeks = [hours.get(h, 0) for k in range(1, WEEKS + 1) if (h := hour - k * WEEK_H) >= first]
    if len(weeks) >= MIN_WEEKS:
        return weeks, "week"
    days = [hours.get(h, 0) for k in range(1, DAYS + 1) if (h := hour - k * DAY_H) >= first]
    return (days if len(days) >= MIN_DAYS else []), "day"


def level(seen: int, due: float) -> float:
    """How today compares with what is usual, by the hours before the step; never more than 1: a good day proves nothing."""
    return min(1.0, (seen + 1) / (due + 1))


def judge(tally: Tally, before: Tally, due: Usual | None, today: float, since_ms: int, until_ms: int) -> Watch:
    """`before`: what was counted in the time looked back on; `today`: see `level`."""

    def said(state: State, why: str) -> Watch:
        return Watch(since_ms=since_ms, until_ms=until_ms, state=state, why=why, tally=tally, usual=due, level=today)

    if until_ms <= since_ms:
        return said("not_heard", "the shop has told nothing of the time since this step")
    if surged(tally.failed, tally.failed + tally.taken, before.failed, before.failed + before.taken):
        return said("failing", f"{tally.failed} of {tally.failed + tally.taken} payments failed, far more than usual")
    if surged(tally.broken, tally.answers, before.broken, before.answers):
        return said("failing", f"{tally.broken} of {tally.answers} checkouts were answered with an error, far more than usual")
    if due is None:
        return said("no_history", NO_HISTORY)
    wary = due.low * today
    what = f"{tally.taken} orders went through, {due.expected * today:.1f} are usual ({_compared(due)})"
    if wary < MIN_TOLD:
        return said("too_few", f"{what}: too few for a drop to be told from chance yet")
    if tally.taken < LESS_THAN * due.expected * today and at_most(tally.taken, wary) < ALPHA:
        return said("fallen", what)
    return said("usual", what)


def _compared(due: Usual) -> str:
    return f"the same hours of {due.samples} {'weeks' if due.of == 'week' else 'days'} before"


def surged(failures: int, of: int, failures_before: int, of_before: int) -> bool:
    """Whether failures are more than MORE_THAN times their usual share, not by chance. Without history one in 20 is usual."""
    share = min(0.9, MORE_THAN * (failures_before + 1) / (of_before + 20))
    return failures >= MIN_FAILURES and failures > share * of and _at_least(failures, of, share) < ALPHA


def at_most(seen: int, rate: float) -> float:
    """P(X <= seen) of a Poisson distribution."""
    if rate <= 0 or seen >= rate:  # at or above the mean nothing is asked of it
        return 1.0
    return sum(_terms([k * log(rate) - rate - lgamma(k + 1) for k in range(seen + 1)]))


def _at_least(seen: int, of: int, share: float) -> float:
    """P(X >= seen) of a binomial distribution."""
    whole = lgamma(of + 1)
    logs = [
        whole - lgamma(k + 1) - lgamma(of - k + 1) + k * log(share) + (of - k) * log(1 - share) for k in range(seen, of + 1)
    ]
    return min(1.0, sum(_terms(logs)))


def _terms(logs: Sequence[float]) -> list[float]:
    return [exp(x) for x in logs if x > -700]
