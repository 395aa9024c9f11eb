"""Text as it streams by, cut into pieces that do not depend on how it was chunked.

A piece is a run without white space, at most MAX_PIECE code points; longer runs are cut there. Each piece is folded with
the offsets of its raw code points kept, so that spans point into the text as it was sent.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from checkvalve.events.pseudonym import fold, words

MAX_PIECE: Final = 512
_PIECE = re.compile(rf"\S{{1,{MAX_PIECE}}}")
_ASCII_WORD = re.compile(r"[0-9a-z\x80-\U0010ffff]+")


@dataclass(frozen=True, slots=True)
class Word:
    """A folded word and its place in the raw text; `hash_before` says that a # stood right before it."""

    text: str
    start: int
    end: int
    hash_before: bool


@dataclass(frozen=True, slots=True)
class Piece:
    folded: str
    offsets: range | list[int]  # raw offset of each folded code point, and one more for the end

    def words(self, without: Sequence[tuple[int, int]] = ()) -> Iterator[Word]:
        """The words, save those inside the given ranges of the folded text."""
        for found in _ASCII_WORD.finditer(self.folded):
            start, end = found.span()
            if any(low <= start < high for low, high in without):
                continue
            text = found.group()
            hashed = start > 0 and self.folded[start - 1] == "#"
            if text.isascii():
                yield Word(text, self.offsets[start], self.offsets[end], hashed)
            else:  # separators beyond ASCII are in the fold table
                for part in words(text):
                    at = text.index(part)
                    yield Word(part, self.offsets[start + at], self.offsets[start + at + len(part)], hashed)


def fold_piece(raw: str, start: int) -> Piece:
    if raw.isascii():
        return Piece(raw.lower(), range(start, start + len(raw) + 1))
    folded: list[str] = []
    offsets: list[int] = []
    for i, char in enumerate(raw):
        for out in fold(char):
            folded.append(out)
            offsets.append(start + i)
    return Piece("".join(folded), [*offsets, start + len(raw)])


class Cutter:
    """feed() text in any chunks; the pieces that come out are the same."""

    __slots__ = ("_at", "_tail")

    def __init__(self) -> None:
        self._tail = ""
        self._at = 0  # raw offset of the tail's first code point

    def feed(self, text: str, *, last: bool = False) -> Iterator[Piece]:
        data = self._tail + text
        done = 0
        for found in _PIECE.finditer(data):
            # A piece that touches the end may go on in the next chunk, unless it is as long as pieces get.
            if found.end() == len(data) and not last and found.end() - found.start() < MAX_PIECE:
                done = found.start()
                break
            yield fold_piece(found.group(), self._at + found.start())
            done = found.end()
        else:
            done = len(data)
        self._tail, self._at = data[done:], self._at + done
