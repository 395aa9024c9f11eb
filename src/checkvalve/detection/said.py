"""Numbers that are said, not written: digit by digit, in pairs, "einundzwanzig", "double seven", "deux cent trente".

Said turns them into digits as the words stream by; Houses reads street lines whose number is said.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import product

from checkvalve.detection.kinds import Kind
from checkvalve.detection.lexicon import lexicon
from checkvalve.detection.numerals import HUNDRED, THOUSAND, numerals, tokens
from checkvalve.detection.phrases import vague_address
from checkvalve.detection.reach import streets
from checkvalve.detection.register import Register
from checkvalve.detection.tokens import Word
from checkvalve.detection.types import Match
from checkvalve.events.pseudonym import MAX_WORDS


class Said:
    """Turns number words into digits, and lets other words through. To be given numerals, and every word while it `waits`."""

    __slots__ = ("_and", "_common", "_first", "_last", "_part", "_plus", "_positive", "_repeat", "_room", "_total", "waits")

    def __init__(self) -> None:
        self.waits = False
        self._plus = False  # the word before was "plus"
        self._clear()

    def _clear(self) -> None:
        self._first: Word | None = None  # of the number that is being said
        self._last: Word | None = None
        self._total = self._part = 0  # its thousands; the rest
        self._room = 0  # what may still be added to the rest
        self._repeat = 0  # times the next digit comes
        self._and: Word | None = None
        self._common = False  # an article, perhaps
        self._positive = False  # "plus" stands before it

    def word(self, word: Word, last: Word | None) -> list[Word]:
        """What is to be read in its place, numbers that it ends first. `last`: the word before."""
        said = numerals()
        out: list[Word] = []
        if found := (0,) if word.raw == "O" else tokens(word.text):
            company = last is not None and bool(last.kind & (Kind.DIGITS | Kind.NUMERAL))
            for i, number in enumerate(found):
                self._number(number, word, out, inside=i > 0, company=company)
        elif word.text in said.times and word.kind & Kind.NUMERAL:
            self._end(out)
            self._first, self._repeat, self._positive = word, said.times[word.text], self._plus
        elif self._last is not None and self._and is None and word.text in said.joining and _is_close(word):
            self._and = word
        else:
            self._end(out)
            out.append(word)
        self._plus = word.text in lexicon().plus
        self.waits = self._first is not None or self._plus
        return out

    def finish(self) -> list[Word]:
        out: list[Word] = []
        self._end(out)
        return out

    def _number(self, number: int, word: Word, out: list[Word], *, inside: bool, company: bool) -> None:
        if self._repeat and self._first is not None:
            digits = str(number) * self._repeat if 0 <= number < 10 else str(abs(number))
            out.append(_figure(digits, self._first, word, plus=self._positive))
            self._clear()
        elif not (self._last is not None and (inside or _is_close(word)) and self._added(number, word.text)):
            self._end(out, followed=True)
            self._first, self._positive = word, self._plus
            self._common = not company and (word.raw == "O" or word.text in numerals().common)
            self._total, self._part = (1000, 0) if number == THOUSAND else (0, abs(number))
            self._room = 999 if number == THOUSAND else 9 if word.text == "dix" else _room(self._part)
            self._last = word
        else:
            self._last, self._and, self._common = word, None, False

    def _added(self, number: int, text: str) -> bool:
        """Whether the number goes on the one before: "vingt deux", "two hundred and thirty"."""
        part = self._part
        if number == HUNDRED and 0 < part < 10:
            self._part, self._room = part * 100, 99
        elif number == THOUSAND and part and not self._total:
            self._total, self._part, self._room = part * 1000, 0, 999
        elif text.startswith("vingt") and part % 100 == 4:
            self._part, self._room = part + 76, 19  # quatre-vingts
        elif self._and is not None and 0 < part < 10 and 20 <= number < 100 and number % 10 == 0:
            self._part, self._room = part + number, 0  # "ein und zwanzig"
        elif 0 < number <= self._room:
            self._part = part + number
            self._room = 9 if text == "dix" else _room(number)  # soixante-dix-sept
        else:
            return False
        return True

    def _end(self, out: list[Word], *, followed: bool = False) -> None:
        """The number is complete; an article that no other number stands beside is none."""
        if self._first is not None and self._last is not None:
            digits = str(self._total + self._part)
            article = self._common and not followed
            out.append(self._first if article else _figure(digits, self._first, self._last, plus=self._positive))
            if self._and is not None:
                out.append(self._and)
        elif self._first is not None:
            out.append(self._first)
        self._clear()


def _room(number: int) -> int:
    if number >= 100:
        return 99 if number % 100 == 0 else _room(number % 100)
    if number in (60, 80):
        return 19  # soixante-dix
    return 9 if number >= 20 and number % 10 == 0 else 0


def _is_close(word: Word) -> bool:
    return word.before.strip() in ("", "-", "\u2010", "\u2011")  # and no comma


def _figure(digits: str, first: Word, last: Word, *, plus: bool) -> Word:
    before = "+" if plus else first.before
    return Word(digits, digits, first.start, last.end, before, "words", (), False, Kind.DIGITS | Kind.NUMBERED)


class Houses:
    """Street lines whose number is said. To be given numbers that Said made, and while it `waits` the words after them."""

    __slots__ = ("_register", "_words", "waits")

    def __init__(self, register: Register) -> None:
        self._register = register
        self._words: deque[Word] = deque(maxlen=MAX_WORDS)
        self.waits = 0  # how many more words

    def word(self, word: Word, left: Sequence[Word]) -> Iterator[Match]:
        """`left`: what stands before it, as it was written."""
        figure = word.label == "words"
        if not self.waits:
            self._words.extend([w for w in left if w.end <= word.start][-MAX_WORDS:])
        last = self._words[-1] if self._words else None
        if figure and self.waits and last is not None and last.label == "words" and _is_close(word):
            self._words[-1] = last._replace(text=last.text + word.text, end=word.end)
        else:
            self._words.append(word)
        self.waits = MAX_WORDS - 1 if figure else self.waits - 1
        yield from self._ending()

    def _ending(self) -> Iterator[Match]:
        """Street lines that end at the last word: only of words that somebody's has."""
        parts: list[list[str]] = []
        window, figures = list(self._words), False
        for count, word in enumerate(reversed(window), start=1):
            known = [t for t in dict.fromkeys((word.text, *streets(word.text))) if self._register.knows(t)]
            if self._register.selective and not known:
                return
            parts.insert(0, known[:2] or [word.text])
            figures = figures or word.label == "words"
            if count == 1 or not figures:
                continue
            for phrase in map(" ".join, product(*parts)):
                if owners := self._register.owners("address", phrase):
                    yield Match(owners, word.start, window[-1].end, "words", vague_address(phrase.split(" "), window[:-count]))
