"""Secrets and numbers that are recognised by their shape and proved by a check (content/detectors/*.yaml).

Looked for in each piece of text together with what stood right before it, so a match is reported when its last piece has
ended, and only pieces that hold a hint cost anything. (A compiled multi-pattern engine would not help: the words' look-ups cost
so much more that it changed nothing.)
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from checkvalve.detection.checks import CHECKS
from checkvalve.detection.content import load
from checkvalve.detection.types import Severity, Sighting
from checkvalve.events.pseudonym import words

if TYPE_CHECKING:
    from checkvalve.detection.tokens import Piece

FILES: Final = ("secrets", "numbers")
MAX_CONTEXT: Final = 200  # code points before a piece that a match may begin in
MAX_PIECES: Final = 24
_NEAR: Final = 60
DIGIT: Final = re.compile(r"[0-9]")
_NUMBER = re.compile(r"(?:[0-9][ .-]?){7}|[A-Z]{2}[0-9]{2}[A-Z0-9 -]{11}|[A-Z]{6}[0-9]{2}[A-Z]")  # long enough to prove itself
PUNCTUATION: Final = ".,;:\"'`*"
GROUPS: Final = 6  # of four signs each: an application password
STAYS: Final = 4  # pieces after a hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    id: str
    what: str
    severity: Severity
    leak: bool  # one sighting is a leak by itself
    digits: bool  # tried on pieces with digits; else on those with a hint, or on all that look random
    hint: tuple[str, ...]
    pattern: re.Pattern[str]
    check: str | None
    near: frozenset[str]
    not_near: frozenset[str]

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        for found in self.pattern.finditer(text):
            before = set(words(text[max(0, found.start() - _NEAR) : found.start()])) if self.near or self.not_near else set()
            if (self.near and not (self.near & before)) or self.not_near & before:
                continue
            if self.check is None or CHECKS[self.check](found[1]):
                yield found.span(1)


def rule(raw: dict[str, Any]) -> Rule:
    return Rule(
        id=raw["id"],
        what=raw["what"],
        severity=raw["severity"],
        leak=raw.get("leak", False),
        digits=raw.get("digits", False),
        hint=tuple(raw.get("hint", ())),
        pattern=re.compile(raw["pattern"]),
        check=raw.get("check"),
        near=frozenset(raw.get("near", ())),
        not_near=frozenset(raw.get("not_near", ())),
    )


@dataclass(frozen=True, slots=True)
class Rules:
    all: tuple[Rule, ...]
    hints: re.Pattern[str]  # any hint of any rule


@cache
def rules() -> Rules:
    found = tuple(rule(raw) for name in FILES for raw in load(name))
    return Rules(found, re.compile("|".join(re.escape(h) for r in found for h in r.hint)))


class Patterns:
    """`recent` is to be given every piece; `piece` those with a hint, a digit or four signs, and while it `waits` all."""

    __slots__ = ("_fours", "_hinted", "_last_end", "_rules", "recent", "waits")

    def __init__(self) -> None:
        self._rules = rules()
        self.recent: deque[Piece] = deque(maxlen=MAX_PIECES)
        self.waits = False
        self._last_end: dict[str, int] = {}
        self._hinted = 0  # pieces for which the last hint still stands
        self._fours = 0  # pieces of four signs in a row

    def piece(self, *, hint: bool, digit: bool, four: bool) -> Iterator[Sighting]:
        """What ends with the newest of `recent`."""
        self._hinted = STAYS if hint else max(0, self._hinted - 1)
        self._fours = self._fours + 1 if four else 0
        self.waits = self._hinted > 0 or self._fours > 0
        if self._hinted or digit or self._fours >= GROUPS:
            yield from self._find(digits=digit)

    def _find(self, *, digits: bool) -> Iterator[Sighting]:
        pieces, size = [], 0
        for piece in reversed(self.recent):
            pieces.append(piece)
            size += len(piece.gap[:1]) + len(piece.reading.clear)
            if size > MAX_CONTEXT:
                break
        pieces.reverse()
        text = "".join([piece.gap[:1] + piece.reading.clear for piece in pieces])
        digits = digits and _NUMBER.search(text) is not None
        if not digits and not self.waits:
            return
        parts = [_part(piece) for piece in pieces]
        newest = len(text) - len(parts[-1][0])
        for one in self._rules.all:
            tried = digits if one.digits else (self._hinted if one.hint else self._fours >= GROUPS)
            if not tried:
                continue
            for low, high in one.find(text):
                if high > newest and (span := _span(parts, low, high))[0] >= self._last_end.get(one.id, -1):
                    self._last_end[one.id] = span[1]
                    yield Sighting(one.id, one.what, one.severity, one.leak, span[0], span[1], span[2])


def _part(piece: "Piece") -> tuple[str, int, int, str]:
    """(text with gap, start, end, disguise)."""
    labels = piece.reading.labels
    start, end = piece.span(0, -1)
    return piece.gap[:1] + piece.reading.clear, start, end, next(iter(labels.values()), "plain") if labels else "plain"


def _span(parts: list[tuple[str, int, int, str]], low: int, high: int) -> tuple[int, int, str]:
    """Places of a match in the raw text: exact in pieces written plainly, else the pieces' own."""
    at, start, end, label = 0, parts[0][1], parts[-1][2], "plain"
    for text, first, last, disguise in parts:
        gap = len(text) - len(text.lstrip(" \n")) if text[:1] in " \n" else 0
        exact = last - first == len(text) - gap
        if at <= low < at + len(text):
            start = first + (max(0, low - at - gap) if exact else 0)
            label = disguise
        if at < high <= at + len(text):
            end = first + (high - at - gap) if exact else last
        at += len(text)
    return start, end, label
