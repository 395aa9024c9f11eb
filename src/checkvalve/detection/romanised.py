"""Latin names written in Cyrillic or Greek letters: what they may be in Latin ones, by every scheme people write them in."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import islice, product
from typing import Final

from checkvalve.detection.content import load

MAX_READINGS: Final = 128  # of one word
MAX_KNOWN: Final = 3
MAX_LABEL: Final = 12  # readings of one label of an address
PER_LETTER: Final = 16
_LABEL = re.compile(r"([.@_+-])")
_LONGEST: Final = 2  # letters that are read together


@cache
def _options() -> dict[str, tuple[str, ...]]:
    """Letter, or two of them -> what it stands for, the likeliest first (content/detectors/scripts.yaml)."""
    pairs = (pair.partition("=") for pair in load("scripts")["romanised"].split())
    return {letter: tuple(latin.split(",")) for letter, _, latin in pairs}


def may_be(text: str) -> bool:
    return any(letter in _options() for letter in text.lower())


@lru_cache(maxsize=4096)
def readings(text: str, most: int = MAX_READINGS) -> tuple[str, ...]:
    """A word in Latin letters, the likeliest first, `most` at most; before others those in which each letter stays the same."""
    units = [_options().get(u, (u,)) for u in _units(text)]
    unsure = list(dict.fromkeys(u for u in units if len(u) > 1))
    chosen = _likeliest([range(len(u)) for u in unsure], most)
    found = ["".join(u[choice[unsure.index(u)] if len(u) > 1 else 0] for u in units) for choice in chosen]
    found += ["".join(parts) for parts in islice(product(*units), most)]
    return tuple(t for t in dict.fromkeys(found) if t.isascii())[:most]


def addresses(text: str) -> Iterator[str]:
    """An e-mail address in Latin letters, each label read by itself; a bounded number for each code point."""
    labels = _LABEL.split(text)
    choices = [readings(label, MAX_LABEL) if i % 2 == 0 and label else (label,) for i, label in enumerate(labels)]
    for choice in _likeliest([range(len(c)) for c in choices], PER_LETTER * len(text)):
        yield "".join(c[i] for c, i in zip(choices, choice, strict=True))


def _likeliest(choices: Sequence[range], most: int) -> list[tuple[int, ...]]:
    return sorted(islice(product(*choices), 8 * most), key=sum)[:most]


def _units(text: str) -> list[str]:
    letters = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if c == "\u0306" or not unicodedata.combining(c))
    letters = unicodedata.normalize("NFC", letters)  # й, ў
    options, units, at = _options(), list[str](), 0
    while at < len(letters):
        size = _LONGEST if letters[at : at + _LONGEST] in options else 1
        units.append(letters[at : at + size])
        at += size
    return units
