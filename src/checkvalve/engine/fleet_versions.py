"""Versions of plugins in the order that PHP's version_compare gives them, which is WordPress' own (php.net, version_compare).

Parts are compared from the left: numbers by value, words as dev < alpha < beta < RC < any number < pl; any other word comes
before `dev`. A version that goes on with a number is the later one: 1.0 < 1.0.0.
"""

import re
from itertools import zip_longest
from typing import Final

_PART: Final = re.compile(r"[0-9]+|[^0-9.]+")
_SEPARATORS: Final = re.compile(r"[^0-9A-Za-z]+")
# The first that a word begins with counts; they are told from each other by case, as PHP does.
_WORDS: Final = (("dev", 0), ("alpha", 1), ("a", 1), ("beta", 2), ("b", 2), ("RC", 3), ("rc", 3), ("pl", 5), ("p", 5))
_NUMBER: Final = 4  # rank of a number among words, and of nothing
_UNKNOWN: Final = -1


def compare(one: str, other: str) -> int:
    """Negative, 0 or positive as `one` is the earlier, the same or the later version."""
    if not one or not other:
        return len(one) - len(other)
    for a, b in zip_longest(_parts(one), _parts(other)):
        found = _compare(a, b)
        if found:
            return found
    return 0


def below(version: str, limit: str) -> bool:
    """Whether a version is older than `limit`. One that is not known may be."""
    return not version or compare(version, limit) < 0


def _parts(version: str) -> list[str]:
    return _PART.findall(_SEPARATORS.sub(".", version))


def _compare(one: str | None, other: str | None) -> int:
    """Two parts in the same place; None where a version has ended."""
    if one is not None and other is not None and one.isdigit() and other.isdigit():
        return int(one) - int(other)
    if one is None or other is None:
        longer = one or other or ""
        later = 1 if longer.isdigit() else _rank(longer) - _NUMBER
        return later if other is None else -later
    return _rank(one) - _rank(other)


def _rank(part: str) -> int:
    if part.isdigit():
        return _NUMBER
    return next((rank for word, rank in _WORDS if part.startswith(word)), _UNKNOWN)
