"""E-mail addresses: written as such in one piece, or taken apart ("anna . schmidt at example dot de", over several lines)."""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from checkvalve.detection.kinds import Kind
from checkvalve.detection.lexicon import lexicon
from checkvalve.detection.readings import latin, leet
from checkvalve.detection.register import Owner, Register
from checkvalve.detection.romanised import addresses
from checkvalve.detection.tokens import Piece, Word, addresses_in
from checkvalve.detection.types import Match
from checkvalve.events.pseudonym import normal_email, untagged

MAX_LEFT: Final = 32  # words of a local part that was taken apart
MAX_LOCAL: Final = 64  # code points of it, RFC 5321
MAX_RIGHT: Final = 40  # words of its domain
MAX_OPEN: Final = 3  # @ signs followed at once
_LOOSE = re.compile(r"\n\s*[-*+•](?=\s)|[^.@_+\-]")  # marks of a list, and what no address holds


def find(register: Register, normal: str) -> tuple[Owner, ...]:
    """Whose address; one with a tag (anna+shop@…) also stands for the address without it."""
    owners = register.owners("email", normal)
    if not owners and (bare := untagged(normal)):
        owners = register.owners("email", bare)
    return owners


def in_piece(register: Register, piece: Piece) -> list[Match]:
    """Matches in a piece that holds an @."""
    found: list[Match] = []
    for text, label, backwards in _readings(piece.reading.folded):
        for low, high in piece.reading.addresses if label == "plain" else addresses_in(text):
            for start in _starts(text, low):
                normal = normal_email(text[start:high])
                if normal and (owners := find(register, normal)):
                    first, last = (len(text) - high, len(text) - start) if backwards else (start, high)
                    span = piece.span(first, last)
                    undone = label if label != "plain" else piece.reading.label(span[0] - piece.start, span[1] - piece.start)
                    found.append(Match(owners, *span, undone))
                    break
        if found:
            break
    if not found and not piece.reading.folded.isascii():
        found += _romanised(register, piece)
    return found


def _romanised(register: Register, piece: Piece) -> Iterator[Match]:
    """Addresses in the letters of another alphabet."""
    for low, high in piece.reading.addresses:
        for text in addresses(piece.reading.folded[low:high].strip("._-")):
            if (normal := normal_email(text)) and (owners := find(register, normal)):
                yield Match(owners, *piece.span(low, high), "transliterated")
                break


def _readings(folded: str) -> Iterator[tuple[str, str, bool]]:
    """A folded piece read in each way that keeps its length: (text, disguise, backwards)."""
    yield folded, "plain", False
    yield folded[::-1], "reversed", True
    yield codecs.encode(folded, "rot13"), "rot13", False
    if not folded.isascii():
        yield latin(folded), "lookalike", False
    elif any(c.isdigit() for c in folded):
        yield leet(folded), "lookalike", False


def _starts(text: str, low: int) -> Iterator[int]:
    """Where a local part may begin: the widest reading, then after each mark that opens one. At most nine."""
    yield low
    at = text.index("@", low)
    marks = [i + 1 for i in range(low, at - 1) if text[i] in "'/=*#|{`&?!+._~-" or ord(text[i]) > 127]
    yield from marks[-8:]


@dataclass(slots=True)
class _Open:
    """An @ whose domain is still being read."""

    locals: list[tuple[str, int]]  # each possible local part, and where it begins
    spelt: bool  # "at" instead of @, or words instead of dots
    solid: bool = False  # begun in one piece, so only words for signs take it on over white space
    signed: bool = False  # the last word was one
    domain: str = ""
    words: int = 0
    tried: set[str] = field(default_factory=set)


class Apart:
    """Addresses taken apart. To be given the words "at", those with an @ before them, and while one is `open` every word."""

    __slots__ = ("_register", "open")

    def __init__(self, register: Register) -> None:
        self._register = register
        self.open: list[_Open] = []

    def word(self, word: Word, left: Sequence[Word]) -> Iterator[Match]:
        """`left`: what stands before it, MAX_LEFT words and one more."""
        joiner = _joiner(word.before)
        if left and left[-1].kind & (Kind.AT | Kind.SIGN):
            joiner = joiner.strip("_-")
        if "@" in joiner:
            self._begin(left, spelt=False, tail=joiner.partition("@")[0], solid=word.in_address)
            joiner = joiner.rpartition("@")[2]
        if word.kind & Kind.AT:
            self._begin(left, spelt=True, tail="")
        elif self.open:
            yield from self._go_on(word, joiner, lexicon().sign(word.text))

    def _begin(self, left: Sequence[Word], *, spelt: bool, tail: str, solid: bool = False) -> None:
        text, locals_ = tail, []
        for i in range(len(left) - 1, max(-1, len(left) - 1 - MAX_LEFT), -1):
            text = (_local_part(left[i], left[i - 1] if i else None) + text).replace("-\0", "_")
            if len(text) > MAX_LOCAL:
                break
            locals_.append((text.lstrip(".-_+\0"), left[i].start))
            apart = left[i].before[-1:].isspace() and not left[i].kind & Kind.SIGN
            if solid and apart and not (i and left[i - 1].kind & Kind.SIGN):
                break
        if locals_:
            spelt = spelt or any(w.kind & Kind.SIGN for w in left[-MAX_LEFT:])
            self.open = [*self.open[1 - MAX_OPEN :], _Open(locals_, spelt, solid)]

    def _go_on(self, word: Word, joiner: str, sign: str) -> Iterator[Match]:
        kept = []
        for state in self.open:
            state.words += 1
            if state.solid and state.words > 1 and word.before[-1:].isspace() and not (sign or state.signed):
                continue
            state.signed = bool(sign)
            state.spelt = state.spelt or bool(sign)
            state.domain += sign or joiner + word.text
            if state.words > MAX_RIGHT or (state.words > 4 and "." not in state.domain and len(word.text) > 1):
                continue
            found = False
            if not sign and "." in state.domain[:-2] and len(state.domain) <= 80:
                for local, start in state.locals:
                    owners = find(self._register, f"{local}@{state.domain}") if local else ()
                    if owners:
                        label = "at_dot" if state.spelt else ("spaced" if state.words > 4 else "split")
                        yield Match(owners, start, word.end, label if word.label == "plain" else word.label)
                        found = True
                        break
            if not found:
                kept.append(state)
        self.open = kept


def _local_part(word: Word, before: Word | None) -> str:
    """A word as part of a local part, with the signs that join it to the one before."""
    if sign := lexicon().sign(word.text):
        return sign
    if word.text in lexicon().low and before is not None and lexicon().sign(before.text) == "-":
        return "\0"  # "tiret bas": with the dash before it, an underscore
    joiner = _joiner(word.before)
    if before is not None and before.kind & (Kind.AT | Kind.SIGN):
        joiner = joiner.strip("_-")
    return joiner.rpartition("@")[2] + word.text


def _joiner(before: str) -> str:
    """What of the text between two words belongs to an address."""
    return _LOOSE.sub("", before) if before and before != " " else ""
