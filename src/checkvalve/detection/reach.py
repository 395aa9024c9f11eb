"""Which words can be part of a registered name or street line at all, in any reading: what lets most text pass at once."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from checkvalve.detection.kinds import Kind
from checkvalve.detection.lexicon import lexicon
from checkvalve.detection.register import Register
from checkvalve.detection.romanised import MAX_KNOWN, readings
from checkvalve.detection.tokens import Word
from checkvalve.events.pseudonym import words

MAX_KEPT: Final = 65_536  # words whose reach is kept
ROT13: Final = str.maketrans({chr(base + i): chr(base + (i + 13) % 26) for base in (65, 97) for i in range(26)})

FORWARD: Final = 1  # as written, or in another spelling
BACKWARD: Final = 2
ROTATED: Final = 4  # by rot13
ALL: Final = FORWARD | BACKWARD | ROTATED


def reach(register: Register, word: Word) -> int:
    """The readings in which the word is one of the register's: bits. A register that was given no words knows all."""
    kept = register.reached
    bits = kept.get(word.raw)
    if bits is None:
        if len(kept) >= MAX_KEPT:
            kept.clear()
        bits = kept[word.raw] = _reach(register, word)
    return bits


def romanised(register: Register, word: Word) -> Word:
    """The word with the registered words it may be in Latin letters, if it is in others."""
    kept = register.romanised
    found = kept.get(word.text)
    if found is None:
        if len(kept) >= MAX_KEPT:
            kept.clear()
        found = kept[word.text] = tuple(islice(filter(register.knows, readings(word.text)), MAX_KNOWN))
    return word._replace(others=(*((text, "transliterated") for text in found), *word.others)) if found else word


def _reach(register: Register, word: Word) -> int:
    # A house number may be cut off its letter, or the two be put together: each part stands for words it is not.
    if not register.selective or word.kind & Kind.NUMBERED or len(word.text) == 1:
        return ALL
    rotated = words(word.raw.translate(ROT13))
    return (
        FORWARD * any(map(register.knows, _spellings(word)))
        | BACKWARD * register.knows(word.text[::-1])
        | ROTATED * (not rotated or any(map(register.knows, rotated)))
    )


def _spellings(word: Word) -> Iterator[str]:
    yield word.text
    yield from (text for text, _ in word.others)
    yield from streets(word.text)
    if word.text[-1] == "s":
        yield word.text[:-1]


def streets(text: str) -> Iterator[str]:
    """Other ways to write a word of a street line."""
    yield from lexicon().streets.get(text, ())
    if text.endswith("strasse") and len(text) > 7:
        yield text[:-4]
    elif text.endswith("str") and len(text) > 4:
        yield text + "asse"
