"""Text as it streams by, cut into pieces and words that do not depend on how it was chunked.

A piece is a run without white space, at most MAX_PIECE code points; longer runs are cut there. Its escapes are undone and
it is folded, with the place in the raw text kept for each code point, so that spans point into the text as it was sent.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from checkvalve.detection.readings import character, spellings, unescape
from checkvalve.events.pseudonym import words

MAX_PIECE: Final = 512
MAX_BETWEEN: Final = 20
MAX_BLANKS: Final = 12
MAX_WORD: Final = 40  # longer words have no other readings
_PIECE = re.compile(rf"\S{{1,{MAX_PIECE}}}")
_WORD = re.compile(r"[0-9a-z\x80-\U0010ffff]+")
_PLAIN = re.compile(r"[A-Za-z0-9.,;:!?'\"()@+/#-]*\Z")  # nothing in it needs undoing
_MARKER = re.compile(r"\(?[0-9]{1,3}[.)]|[-*+•‣–]|#{1,6}|>+")  # opens an item of a list, a heading, a quotation


class Word(NamedTuple):
    """A folded word and its place in the raw text. (A named tuple: there is one for every word that streams by.)"""

    text: str
    raw: str  # as written, escapes undone
    start: int
    end: int
    before: str  # what stood between it and the word before, its last MAX_BETWEEN code points; a line's end is one "\n"
    label: str  # the disguise undone to read it, or "plain"
    others: tuple[tuple[str, str], ...]  # other readings: (text, disguise)
    in_address: bool  # part of an e-mail address


class Piece(NamedTuple):
    clear: str  # escapes undone, case kept
    folded: str
    sources: Sequence[int]  # place in `clear` of each folded code point, and one more for the end
    places: Sequence[int]  # the same in the raw text
    labels: dict[int, str]  # disguise undone, by raw place
    gap: str  # white space before it: a line's end is one "\n" in front, the rest blanks, MAX_BLANKS at most

    def label(self, start: int, end: int) -> str:
        """The disguise undone in a raw span, or "plain"."""
        if self.labels:
            for place, label in self.labels.items():
                if start <= place < end:
                    return label
        return "plain"


def read_piece(raw: str, start: int, gap: str) -> Piece:
    if raw.isascii() and _PLAIN.match(raw):
        return Piece(raw, raw.lower(), range(len(raw) + 1), range(start, start + len(raw) + 1), {}, gap)
    clear, clear_places, labels = unescape(raw, list(range(start, start + len(raw) + 1)))
    folded: list[str] = []
    sources: list[int] = []
    for i, char in enumerate(clear):
        plain, label = character(char)
        folded.append(plain)
        sources += [i] * len(plain)
        if label:
            labels[clear_places[i]] = label
    sources.append(len(clear))
    return Piece(clear, "".join(folded), sources, [clear_places[i] for i in sources], labels, gap)


@lru_cache(maxsize=4096)
def _spellings(text: str, raw: str) -> tuple[tuple[str, str], ...]:
    return spellings(text, raw)


class Words:
    """Pieces into words, each with what stood before it."""

    __slots__ = ("between",)

    def __init__(self) -> None:
        self.between = ""  # what has come since the last word

    def of(self, piece: Piece, addresses: Sequence[tuple[int, int]] = ()) -> Iterator[Word]:
        """The words of a piece; `addresses` are ranges of its folded text that are e-mail addresses."""
        folded = piece.folded
        if piece.gap:
            self.between += piece.gap
            if piece.gap[:1] == "\n" and _MARKER.fullmatch(folded):
                return
        at = 0
        for found in _WORD.finditer(folded):
            start, end = found.span()
            before, at = self.between + folded[at:start], end
            self.between = ""
            inside = any(low <= start < high for low, high in addresses)
            if found.group().isascii():
                yield self._word(piece, start, end, before, inside)
                continue
            here = start
            for part in words(found.group()):  # separators beyond ASCII are in the fold table
                here = folded.index(part, here)
                yield self._word(piece, here, here + len(part), before if here == start else " ", inside)
                here += len(part)
        self.between = (self.between + folded[at:])[-MAX_BETWEEN:]

    def _word(self, piece: Piece, start: int, end: int, before: str, inside: bool) -> Word:
        text = piece.folded[start:end]
        raw = piece.clear[piece.sources[start] : piece.sources[end]]
        others = _spellings(text, raw) if len(text) <= MAX_WORD else ()
        low, high = piece.places[start], piece.places[end]
        return Word(text, raw, low, high, before[-MAX_BETWEEN:], piece.label(low, high), others, inside)


class Cutter:
    """feed() text in any chunks; the pieces that come out are the same."""

    __slots__ = ("_at", "_gap", "_tail")

    def __init__(self) -> None:
        self._tail = ""
        self._at = 0  # raw offset of the tail's first code point
        self._gap = "\n"

    def feed(self, text: str, *, last: bool = False) -> Iterator[Piece]:
        data = self._tail + text
        done = 0
        for found in _PIECE.finditer(data):
            self._space(data[done : found.start()])
            done = found.start()
            # A piece that touches the end may go on in the next chunk, unless it is as long as pieces get.
            if found.end() == len(data) and not last and found.end() - found.start() < MAX_PIECE:
                break
            yield read_piece(found.group(), self._at + found.start(), self._gap)
            self._gap = ""
            done = found.end()
        else:
            self._space(data[done:])
            done = len(data)
        self._tail, self._at = data[done:], self._at + done

    def _space(self, white: str) -> None:
        if white:
            line = "\n" if "\n" in white or "\r" in white or self._gap[:1] == "\n" else ""
            blanks = len(self._gap) + len(white) - len(line)
            self._gap = line + " " * min(blanks, MAX_BLANKS)
