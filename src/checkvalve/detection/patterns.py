"""Secrets and numbers that are recognised by their shape and proved by a check (content/detectors/*.yaml).

Looked for in each piece of text together with what stood right before it, so a match is reported when its last piece has
ended, and only pieces that hold a hint cost anything. (A compiled multi-pattern engine was measured: the words' look-ups cost
so much more that it changed nothing.)
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from checkvalve.detection.checks import CHECKS
from checkvalve.detection.content import load
from checkvalve.detection.tokens import Piece
from checkvalve.detection.types import Severity, Sighting
from checkvalve.events.pseudonym import words

FILES: Final = ("secrets", "numbers")
MAX_CONTEXT: Final = 200  # code points before a piece that a match may begin in
MAX_PIECES: Final = 24
_NEAR: Final = 60
_MANY_DIGITS = re.compile(r"[0-9]{2}|[0-9][A-Z]|[0-9](?:[^0-9][0-9]){3}")


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
    __slots__ = ("_last_end", "_recent", "_rules")

    def __init__(self) -> None:
        self._rules = rules()
        self._recent: deque[tuple[str, int, int, str]] = deque(maxlen=MAX_PIECES)  # (text with gap, start, end, disguise)
        self._last_end: dict[str, int] = {}

    def piece(self, piece: Piece) -> Iterator[Sighting]:
        start, end = piece.places[0], piece.places[-1]
        label = next(iter(piece.labels.values()), "plain") if piece.labels else "plain"
        self._recent.append((piece.gap + piece.clear, start, end, label))
        hinted = self._rules.hints.search(piece.clear) is not None or "_" in piece.clear or "'" in piece.clear
        digits = _MANY_DIGITS.search(piece.clear) is not None
        grouped = len(piece.clear.strip(".,;:\"'`*")) == 4  # the last group of an application password
        if hinted or digits or grouped:
            yield from self._find(digits=digits, grouped=grouped)

    def _find(self, *, digits: bool, grouped: bool) -> Iterator[Sighting]:
        parts = list(self._recent)
        while len(parts) > 1 and sum(len(p[0]) for p in parts[1:]) > MAX_CONTEXT:
            parts = parts[1:]
        text = "".join(p[0] for p in parts)
        newest = len(text) - len(parts[-1][0])
        for one in self._rules.all:
            tried = digits if one.digits else (any(h in text for h in one.hint) if one.hint else grouped)
            if not tried:
                continue
            for low, high in one.find(text):
                if high > newest and (span := _span(parts, low, high))[0] >= self._last_end.get(one.id, -1):
                    self._last_end[one.id] = span[1]
                    yield Sighting(one.id, one.what, one.severity, one.leak, span[0], span[1], span[2])


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
