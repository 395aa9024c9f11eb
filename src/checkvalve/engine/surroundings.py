"""What core has of the world outside its data directory: the time, hands, a way to people. An exercise gives others.

A data directory with the mark of an exercise is opened by an exercise alone (`engine/exercise.py`): no hand of such a core
reaches a shop, no page of it a person, and every decision in its log says so.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from checkvalve.engine.hands import Hands
from checkvalve.store.journal import Draft
from checkvalve.transports import pages


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`page` sends (channels, title, body) and says of each channel whether it took it. `exercise`: its id, empty when real."""

    now_ms: Callable[[], int] = now_ms
    hands: type[Hands] | Callable[..., Hands] = Hands
    page: Callable[[Sequence[str], str, str], list[bool]] = pages.send
    exercise: str = ""

    def marked(self, drafts: list[Draft]) -> list[Draft]:
        """Every decision of an exercise says that it is one."""
        if not self.exercise:
            return drafts
        said = {"exercise": f"EXERCISE {self.exercise}"}
        return [replace(d, clear=msgspec.json.encode(msgspec.json.decode(d.clear) | said)) for d in drafts]


REAL: Final = Surroundings()
