"""Text as it streams by, cut into pieces and words that do not depend on how it was chunked.

A piece is a run without white space, at most MAX_PIECE code points; longer runs are cut there. Its escapes are undone and
it is folded, with the place in the raw text kept for each code point, so that spans point into the text as it was sent.

How a piece reads does not depend on where it stands, and texts say the same words again and again. So readings are kept,
together with what each piece and word can be part of at all (`Kind`): most can be part of nothing, and cost next to nothing.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from checkvalve.detection.kinds import Kind, kind_of_piece, kind_of_word
from checkvalve.detection.readings import character, spellings, unescape
from checkvalve.events.pseudonym import words

MAX_PIECE: Final = 512
MAX_BETWEEN: Final = 20
MAX_BLANKS: Final = 12
MAX_WORD: Final = 40  # longer words have no other readings, and are not kept
MAX_KEPT: Final = 32_768  # readings
_PIECE = re.compile(rf"\S{{1,{MAX_PIECE}}}")
_WORD = re.compile(r"[0-9a-z\x80-\U0010ffff]+")
_PLAIN = re.compile(r"[A-Za-z0-9.,;:!?'\"()@+/#-]*\Z")  # nothing in it needs undoing
_BULLETS: Final = frozenset("-*+•‣–")
_LOCAL: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-")  # of an e-mail address


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
    kind: int  # Kind


class Token(NamedTuple):
    """A word of a piece. Places count from the piece's first code point."""

    text: str
    raw: str
    start: int
    end: int
    lead: str | None  # what stands before it in the piece; None when a separator beyond ASCII does
    label: str
    others: tuple[tuple[str, str], ...]
    in_address: bool
    kind: int


NOTHING: Final = Token("", "", 0, 0, None, "plain", (), False, 0)  # signs beyond ASCII, which part words as a blank does


class Reading(NamedTuple):
    """How a piece reads, wherever it stands. Places count from its first code point."""

    clear: str  # escapes undone, case kept
    folded: str
    sources: Sequence[int]  # place in `clear` of each folded code point, and one more for the end
    places: Sequence[int]  # the same in the raw text
    labels: dict[int, str]  # disguise undone, by raw place
    addresses: tuple[tuple[int, int], ...]  # ranges of `folded`: the widest reading of each e-mail address
    tokens: tuple[Token, ...]
    rest: str  # what follows the last word
    kind: int  # Kind

    def label(self, start: int, end: int) -> str:
        """The disguise undone in a raw span, or "plain"."""
        if self.labels:
            for place, label in self.labels.items():
                if start <= place < end:
                    return label
        return "plain"


class Piece(NamedTuple):
    reading: Reading
    start: int  # in the raw text
    end: int
    gap: str  # white space before it: a line's end is one "\n" in front, the rest blanks, MAX_BLANKS at most

    def span(self, low: int, high: int) -> tuple[int, int]:
        """The raw span of a span of the folded text."""
        places = self.reading.places
        return self.start + places[low], self.start + places[high]


def read(raw: str) -> Reading:
    if raw.isascii() and _PLAIN.match(raw):
        clear, folded, labels = raw, raw.lower(), dict[int, str]()
        sources: Sequence[int] = range(len(raw) + 1)
        places: Sequence[int] = sources
    else:
        clear, folded, sources, places, labels = _undone(raw)
    bare = Reading(clear, folded, sources, places, labels, (), (), "", 0)
    addresses = tuple(addresses_in(folded)) if "@" in folded else ()
    # What stands around an address in a link is none of its words.
    inner = [(max(low, *(folded.rfind(c, low, high) + 1 for c in "/=?&#|")), high) for low, high in addresses]
    tokens, rest = _tokens(bare, inner)
    return bare._replace(addresses=addresses, tokens=tokens, rest=rest, kind=kind_of_piece(clear, folded))


_kept = lru_cache(maxsize=MAX_KEPT)(read)


def _undone(raw: str) -> tuple[str, str, list[int], list[int], dict[int, str]]:
    clear, clear_places, labels = unescape(raw, list(range(len(raw) + 1)))
    folded: list[str] = []
    sources: list[int] = []
    for i, char in enumerate(clear):
        plain, label = character(char)
        folded.append(plain)
        sources += [i] * len(plain)
        if label:
            labels[clear_places[i]] = label
    sources.append(len(clear))
    return clear, "".join(folded), sources, [clear_places[i] for i in sources], labels


def _tokens(piece: Reading, addresses: Sequence[tuple[int, int]]) -> tuple[tuple[Token, ...], str]:
    folded = piece.folded
    found: list[Token] = []
    at = 0
    for run in _WORD.finditer(folded):
        start, end = run.span()
        inside = any(low <= start < high for low, high in addresses)
        lead, at, here = folded[at:start], end, start
        parts = (run.group(),) if run.group().isascii() else words(run.group())
        if not parts:
            found.append(NOTHING)
        for part in parts:
            here = folded.index(part, here)  # separators beyond ASCII are in the fold table
            found.append(_token(piece, here, here + len(part), lead if here == start else None, inside))
            here += len(part)
    return tuple(found), folded[at:]


def _token(piece: Reading, start: int, end: int, lead: str | None, inside: bool) -> Token:
    text = piece.folded[start:end]
    raw = piece.clear[piece.sources[start] : piece.sources[end]]
    others = spellings(text, raw) if len(text) <= MAX_WORD else ()
    low, high = piece.places[start], piece.places[end]
    label = piece.label(low, high)
    return Token(text, raw, low, high, lead, label, others, inside, kind_of_word(text, raw, label))


def addresses_in(text: str) -> Iterator[tuple[int, int]]:
    """The widest reading of each e-mail address in a folded piece."""
    at = -1
    while (at := text.find("@", at + 1)) >= 0:
        low, high = at, at + 1
        while low > 0 and (text[low - 1] in _LOCAL or ord(text[low - 1]) > 127):
            low -= 1
        while high < len(text) and (text[high] in ".-" or text[high].isalnum()):
            high += 1
        while high > at + 1 and text[high - 1] in ".-":
            high -= 1
        if low < at and high > at + 1:
            yield low, high


class Words:
    """Pieces into words, each with what stood before it."""

    __slots__ = ("_opened", "between")

    def __init__(self) -> None:
        self.between = ""  # what has come since the last word
        self._opened = False  # what has come of this line opens an item of a list

    def of(self, piece: Piece) -> list[Word]:
        reading, at, between = piece.reading, piece.start, self.between + piece.gap
        deeper = self._opened and reading.folded not in _BULLETS  # "- 1.", "- [x]"; but "- -" is an item
        self._opened = bool(reading.kind & Kind.MARKER) and (deeper or piece.gap[:1] == "\n")
        if self._opened:
            self.between = between[-MAX_BETWEEN:]
            return []
        found = []
        for text, raw, start, end, lead, label, others, inside, kind in reading.tokens:
            if text:
                before = (between + lead)[-MAX_BETWEEN:] if lead is not None else " "
                found.append(Word(text, raw, at + start, at + end, before, label, others, inside, kind))
            between = ""
        self.between = (between + reading.rest)[-MAX_BETWEEN:]
        return found


class Cutter:
    """feed() text in any chunks; the pieces that come out are the same."""

    __slots__ = ("_at", "_gap", "_tail")

    def __init__(self) -> None:
        self._tail = ""
        self._at = 0  # raw offset of the tail's first code point
        self._gap = "\n"

    def feed(self, text: str, *, last: bool = False) -> Iterator[Piece]:
        data = self._tail + text
        done, size = 0, len(data)
        for found in _PIECE.finditer(data):
            start, end = found.span()
            if start > done:
                self._space(data[done:start])
            done = start
            # A piece that touches the end may go on in the next chunk, unless it is as long as pieces get.
            if end == size and not last and end - start < MAX_PIECE:
                break
            raw = found.group()
            reading = _kept(raw) if end - start <= MAX_WORD else read(raw)
            yield Piece(reading, self._at + start, self._at + end, self._gap)
            self._gap = ""
            done = end
        else:
            self._space(data[done:])
            done = size
        self._tail, self._at = data[done:], self._at + done

    def _space(self, white: str) -> None:
        if white == " " and not self._gap:
            self._gap = " "
        elif white:
            line = "\n" if "\n" in white or "\r" in white or self._gap[:1] == "\n" else ""
            blanks = len(self._gap) + len(white) - len(line)
            self._gap = line + " " * min(blanks, MAX_BLANKS)
