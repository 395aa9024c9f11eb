"""E-mail addresses: written as such in one piece, or taken apart ("anna . schmidt at example dot de", over several lines)."""

import codecs
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from checkvalve.detection.lexicon import lexicon
from checkvalve.detection.readings import latin, leet
from checkvalve.detection.register import Owner, Register
from checkvalve.detection.tokens import Piece, Word
from checkvalve.detection.types import Match
from checkvalve.events.pseudonym import normal_email, untagged

_LOCAL: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-")
MAX_LEFT: Final = 32  # words of a local part that was taken apart
MAX_RIGHT: Final = 40  # words of its domain
MAX_OPEN: Final = 3  # @ signs followed at once
_LOOSE = re.compile(r"\n\s*[-*+•](?=\s)|[^.@_+\-]")  # marks of a list, and what no address holds


def find(register: Register, normal: str) -> tuple[Owner, ...]:
    """Whose address; one with a tag (anna+shop@…) also stands for the address without it."""
    owners = register.owners("email", normal)
    if not owners and (bare := untagged(normal)):
        owners = register.owners("email", bare)
    return owners


def in_piece(register: Register, piece: Piece) -> tuple[list[Match], list[tuple[int, int]]]:
    """Matches in a piece that holds an @, and the ranges of its folded text that are addresses."""
    found: list[Match] = []
    ranges = list(_addresses(piece.folded))
    for text, label, backwards in _readings(piece):
        for low, high in _addresses(text) if text is not piece.folded else ranges:
            for start in _starts(text, low):
                normal = normal_email(text[start:high])
                if normal and (owners := find(register, normal)):
                    first, last = (len(text) - high, len(text) - start) if backwards else (start, high)
                    span = (piece.places[first], piece.places[last])
                    found.append(Match(owners, *span, piece.label(*span) if label == "plain" else label))
                    break
        if found:
            break
    return found, [(max(low, *(piece.folded.rfind(c, low, high) + 1 for c in "/=?&#|")), high) for low, high in ranges]


def _readings(piece: Piece) -> Iterator[tuple[str, str, bool]]:
    """The folded piece read in each way that keeps its length: (text, disguise, backwards)."""
    yield piece.folded, "plain", False
    yield piece.folded[::-1], "reversed", True
    yield codecs.encode(piece.folded, "rot13"), "rot13", False
    if not piece.folded.isascii():
        yield latin(piece.folded), "lookalike", False
    elif any(c.isdigit() for c in piece.folded):
        yield leet(piece.folded), "lookalike", False


def _addresses(text: str) -> Iterator[tuple[int, int]]:
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


def _starts(text: str, low: int) -> Iterator[int]:
    """Where a local part may begin: the widest reading, then after each mark that opens one. At most nine."""
    yield low
    at = text.index("@", low)
    marks = [i + 1 for i in range(low, at - 1) if text[i] in "'/=*#|{`&?!+._-" or ord(text[i]) > 127]
    yield from marks[-8:]


@dataclass(slots=True)
class _Open:
    """An @ whose domain is still being read."""

    locals: list[tuple[str, int]]  # each possible local part, and where it begins
    spelt: bool  # "at" instead of @, or words instead of dots
    domain: str = ""
    words: int = 0
    tried: set[str] = field(default_factory=set)


class Apart:
    """Addresses taken apart. Reads every word; costs little until an @ or "at" comes."""

    __slots__ = ("_after_spoken", "_left", "_open", "_register")

    def __init__(self, register: Register) -> None:
        self._register = register
        self._left: deque[tuple[str, int, bool]] = deque(maxlen=MAX_LEFT)  # (text with its joiner, start, spelt)
        self._open: list[_Open] = []
        self._after_spoken = False  # the last word stood for a sign: "_DOT_"

    def word(self, word: Word) -> Iterator[Match]:
        joiner = _joiner(word.before)
        lex = lexicon()
        spoken = _spoken(word.text)
        if self._after_spoken:
            joiner = joiner.strip("_-")
        self._after_spoken = bool(spoken) or word.text in lex.at
        if "@" in joiner and not word.in_address:
            self._begin(spelt=False, tail=joiner.partition("@")[0])
            joiner = joiner.rpartition("@")[2]
        if word.text in lex.at:
            self._begin(spelt=True, tail="")
        elif self._open:
            yield from self._go_on(word, joiner, spoken)
        self._left.append((spoken or joiner.rpartition("@")[2] + word.text, word.start, bool(spoken)))

    def finish(self) -> Iterator[Match]:
        yield from ()

    def _begin(self, *, spelt: bool, tail: str) -> None:
        text, locals_ = tail, []
        for part, start, _ in reversed(self._left):
            text = part + text
            if len(text) > 64:
                break
            locals_.append((text.lstrip(".-_+"), start))
        spelt = spelt or any(s for _, _, s in self._left)
        self._open = [*self._open[1 - MAX_OPEN :], _Open(locals_, spelt)] if locals_ else self._open

    def _go_on(self, word: Word, joiner: str, spoken: str) -> Iterator[Match]:
        kept = []
        for state in self._open:
            state.words += 1
            state.spelt = state.spelt or bool(spoken)
            state.domain += spoken or joiner + word.text
            if state.words > MAX_RIGHT or (state.words > 4 and "." not in state.domain and len(word.text) > 1):
                continue
            found = False
            if not spoken and "." in state.domain[:-2] and len(state.domain) <= 80:
                for local, start in state.locals:
                    owners = find(self._register, f"{local}@{state.domain}") if local else ()
                    if owners:
                        label = "at_dot" if state.spelt else ("spaced" if state.words > 4 else "split")
                        yield Match(owners, start, word.end, label if word.label == "plain" else word.label)
                        found = True
                        break
            if not found:
                kept.append(state)
        self._open = kept


def _joiner(before: str) -> str:
    """What of the text between two words belongs to an address."""
    return _LOOSE.sub("", before) if before and before != " " else ""


def _spoken(text: str) -> str:
    lex = lexicon()
    if text in lex.dot:
        return "."
    if text in lex.dash:
        return "-"
    if text in lex.underscore:
        return "_"
    return "+" if text in lex.plus else ""
