"""Whose data a match is when several people share it, and whether words of everyday language are a name at all.

Both are settled by the data around them: of all the Anna Schmidts, the one whose e-mail address stands nearby. What nothing
settles within REACH counts for everybody who shares it; a weak match then counts for nobody.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from checkvalve.detection.register import Owner
from checkvalve.detection.types import Match

REACH: Final = 240  # code points
MAX_KEPT: Final = 24


@dataclass(frozen=True, slots=True)
class _Waiting:
    match: Match
    at: int  # raw position of the scanner when it came


class Attribution:
    __slots__ = ("_recent", "_waiting")

    def __init__(self) -> None:
        self._recent: deque[_Waiting] = deque(maxlen=MAX_KEPT)
        self._waiting: deque[_Waiting] = deque()

    def match(self, match: Match, at: int) -> Iterator[Match]:
        """The matches that this one settles, itself included if it is clear."""
        yield from self.passed(at)
        narrowed = self._narrowed(match, [r.match for r in self._recent if r.at >= at - REACH])
        if len(match.owners) == 1 and not match.weak:
            yield match
        elif narrowed:
            match = replace(match, owners=narrowed, weak=False)
            yield match
        else:
            self._waiting.append(_Waiting(match, at))
        self._recent.append(_Waiting(match, at))
        yield from self._settle(match)
        if len(self._waiting) > MAX_KEPT:
            yield from self._give_up(self._waiting.popleft())

    @property
    def undecided(self) -> int | None:
        """Where the earliest match begins that still waits."""
        return min((w.match.start for w in self._waiting), default=None)

    def passed(self, position: int) -> Iterator[Match]:
        """What has waited long enough by the time the scanner is here."""
        while self._waiting and self._waiting[0].at < position - REACH:
            yield from self._give_up(self._waiting.popleft())

    def finish(self) -> Iterator[Match]:
        while self._waiting:
            yield from self._give_up(self._waiting.popleft())

    def _settle(self, by: Match) -> Iterator[Match]:
        kept = []
        for waiting in list(self._waiting):
            narrowed = self._narrowed(waiting.match, [by])
            if narrowed:
                yield replace(waiting.match, owners=narrowed, weak=False)
            else:
                kept.append(waiting)
        self._waiting = deque(kept)

    @staticmethod
    def _narrowed(match: Match, others: list[Match]) -> tuple[Owner, ...]:
        """Its owners who are also owners of another kind of data nearby."""
        subjects = {o.subject for other in others if other.category != match.category for o in other.owners}
        return tuple(o for o in match.owners if o.subject in subjects)

    @staticmethod
    def _give_up(waiting: _Waiting) -> Iterator[Match]:
        if not waiting.match.weak:
            yield waiting.match
