"""Which words say numbers, in the languages of the shops (content/detectors/numerals.yaml)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from checkvalve.detection.content import load
from checkvalve.events.pseudonym import fold

MAX_NUMERAL: Final = 40  # code points of a number in one word
HUNDRED: Final = -100
THOUSAND: Final = -1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Numerals:
    """Folded words (content/detectors/numerals.yaml)."""

    values: dict[str, int]  # below 1000
    scales: dict[str, int]  # HUNDRED, THOUSAND
    joining: frozenset[str]
    common: frozenset[str]  # articles and such: numbers only in the company of others
    times: dict[str, int]

    def may_be_part(self, word: str, raw: str) -> bool:
        return bool(tokens(word)) or word in self.times or raw == "O"


@cache
def numerals() -> Numerals:
    raw = load("numerals")
    values: dict[str, int] = {}
    for language in raw["languages"].values():
        small, tens = fold(language["small"]).split(), fold(language["tens"]).split()
        values.update(zip(tens, range(20, 100, 10), strict=True))
        values.update(zip(fold(language.get("hundreds", "")).split(), range(100, 1000, 100), strict=False))
        for ten, value in zip(tens, range(20, 100, 10), strict=True):
            for unit, word in enumerate(small[1:10], start=1):
                values.update(dict.fromkeys(_compounds(language, ten, word), value + unit))
        values.update({word: value for value, word in enumerate(small)})
    values |= _pairs(raw["others"])
    scales = dict.fromkeys(fold(raw["hundred"]).split(), HUNDRED) | dict.fromkeys(fold(raw["thousand"]).split(), THOUSAND)
    return Numerals(
        values={w: v for w, v in values.items() if w not in scales},
        scales=scales,
        joining=frozenset(fold(raw["and"]).split()),
        common=frozenset(fold(raw["common"]).split()),
        times=_pairs(raw["times"]),
    )


def _pairs(text: str) -> dict[str, int]:
    return {word: int(value) for word, value in (pair.split("=") for pair in fold(text).split())}


def _compounds(language: dict[str, Any], ten: str, unit: str) -> Iterator[str]:
    """A ten and a unit in one word."""
    if joined := language.get("inside"):
        yield f"{'ein' if unit == 'eins' else unit}{joined}{ten}"
    if language.get("tight"):
        yield ten + unit
        yield ten[:-1] + unit  # ventuno, ventotto


@cache
def tokens(word: str) -> tuple[int, ...]:
    """A folded word as the numbers it is made of, scales below zero; empty when it is no numeral."""
    known = numerals()
    if (value := known.values.get(word)) is not None or (value := known.scales.get(word)) is not None:
        return (value,)
    if not 6 <= len(word) <= MAX_NUMERAL or not word.isascii():
        return ()
    for scale, mark in known.scales.items():  # "zweihundertdreizehn", "viertausendsiebenhundertelf", "duecento"
        head, found, tail = word.partition(scale)
        if found and len(scale) > 3:
            before, after = tokens(head) if head else (1,), tokens(tail.removeprefix("und")) if tail else (0,)
            if before and after:
                return (*before, mark, *(after if tail else ()))
    return ()
