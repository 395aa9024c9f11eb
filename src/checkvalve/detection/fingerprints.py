"""Was a passage of this answer written for somebody else before? Keyed fingerprints of the words around a person's data.

A fingerprint is the hash of WINDOW words in a row of which one at least is the person's data. Two answers that were made apart
may share the data; they hardly share it within the same words.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from checkvalve.events.pseudonym import words

WINDOW: Final = 8
BYTES: Final = 8
ENOUGH: Final = 3  # fingerprints in common
MAX_PRINTS: Final = 256
REACH: Final = 400  # code points that hold the words beside a place


def fingerprints(key: bytes, text: str, spans: Iterable[tuple[int, int]]) -> frozenset[bytes]:
    """Of the passages around these places of a text, MAX_PRINTS at most."""
    found: set[bytes] = set()
    for start, end in spans:
        before = words(text[max(0, start - REACH) : start])[1 - WINDOW :]
        around = before + words(text[start:end]) + words(text[end : end + REACH])[: WINDOW - 1]
        for i in range(max(1, len(around) - WINDOW + 1)):
            if len(found) < MAX_PRINTS:
                found.add(_hash(key, " ".join(around[i : i + WINDOW])))
    return frozenset(found)


def same_passage(earlier: frozenset[bytes], later: frozenset[bytes]) -> bool:
    """Whether `later` repeats a passage of `earlier`; a passage shorter than a window has one fingerprint."""
    return len(earlier & later) >= min(ENOUGH, max(1, len(later)))


def pack(prints: frozenset[bytes]) -> bytes:
    return b"".join(sorted(prints))


def unpack(data: bytes) -> frozenset[bytes]:
    return frozenset(data[i : i + BYTES] for i in range(0, len(data), BYTES))


def _hash(key: bytes, passage: str) -> bytes:
    return hashlib.blake2b(passage.encode("utf-8", "surrogatepass"), key=key, digest_size=BYTES, person=b"cv-answer").digest()
