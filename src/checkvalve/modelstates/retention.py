"""Which states may go by age: all but the newest of each of the last days, weeks and months, as restic's `forget` counts them.

Never those on hold, the newest, the newest that was read whole, and those that show what a kept adapter, index or model was
made from: without them what was trained from a leak would look clean.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from checkvalve.modelstates.manifest import State
from checkvalve.modelstates.verdict import Judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Of how many days, ISO weeks and months (UTC) with a state the newest one stays."""

    daily: int = 14
    weekly: int = 8
    monthly: int = 12


def expired(judge: Judge, held: Collection[str], policy: Policy) -> list[State]:
    """By the time the vault received them; oldest first."""
    states = judge.states
    kept = {n for n, s in enumerate(states) if s.id in held} | set(range(len(states))[-1:])
    kept |= set([n for n in range(len(states)) if judge.state(n).verdict == "clean"][-1:])
    kept |= _newest(states, policy.daily, lambda t: t.date())
    kept |= _newest(states, policy.weekly, lambda t: t.isocalendar()[:2])
    kept |= _newest(states, policy.monthly, lambda t: (t.year, t.month))
    waiting = list(kept)
    while waiting:
        number = waiting.pop()
        more = {n for v in states[number].versions for n in judge.made_at(number, v.component)} - kept
        kept |= more
        waiting += more
    return [s for n, s in enumerate(states) if n not in kept]


def _newest(states: list[State], count: int, period: Callable[[datetime], object]) -> set[int]:
    """The newest of each of the last `count` periods that have any."""
    last: dict[object, int] = {}
    for number, state in enumerate(states):
        last[period(datetime.fromtimestamp(state.received_ms / 1000, UTC))] = number
    return set(sorted(last.values(), reverse=True)[:count])
