"""A postcode and a surname near each other: the weakest key of a person, so the surname must look like one."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from checkvalve.detection.lexicon import lexicon
from checkvalve.detection.register import Register
from checkvalve.detection.tokens import Word
from checkvalve.detection.types import Match

WINDOW: Final = 12  # words between the two
_CODES: Final = 3  # postcodes kept in mind


class PostcodeNames:
    __slots__ = ("_codes", "_count", "_last", "_names", "_register", "_titled")

    def __init__(self, register: Register) -> None:
        self._register = register
        self._last: Word | None = None
        self._titled = False
        self._count = 0
        self._codes: deque[tuple[int, str, int, int]] = deque(maxlen=_CODES)  # (number of its word, postcode, start, end)
        self._names: deque[Word | None] = deque(maxlen=WINDOW)  # words that may be surnames, and places of others

    def word(self, word: Word) -> Iterator[Match]:
        lex = lexicon()
        self._count += 1
        while self._codes and self._codes[0][0] < self._count - WINDOW:
            self._codes.popleft()
        new = list(self._postcodes(word))
        for code, start in new:
            for name in self._names:
                if name is not None:
                    yield from self._look(code, name, min(start, name.start), word.end)
            self._codes.append((self._count, code, start, word.end))
        plausible = word.raw[:1].isupper() and not any(word.text in some for some in (lex.ordinary, lex.namelike, lex.function))
        lettered = word.text.isalpha() and len(word.text) > 1 and not new and not word.in_address
        surname = word if lettered and (plausible or self._titled) else None
        if surname:
            for _, code, start, end in self._codes:
                yield from self._look(code, surname, start, max(word.end, end))
        self._names.append(surname)
        self._titled = word.text in lex.titles
        self._last = word

    def finish(self) -> Iterator[Match]:
        yield from ()

    def _postcodes(self, word: Word) -> Iterator[tuple[str, int]]:
        """The word, alone or with the one before it ("SW1A 1AA", "00-950", "1011 AB")."""
        if not 2 <= len(word.text) <= 8 or (word.text.isalpha() and not (self._last and self._last.text.isdigit())):
            return
        if len(word.text) >= 3 and not word.text.isalpha():
            yield word.text, word.start
        last = self._last
        if last and len(last.text) <= 5 and len(word.text) <= 4 and any(c.isdigit() for c in last.text):
            yield last.text + word.text, last.start

    def _look(self, code: str, name: Word, start: int, end: int) -> Iterator[Match]:
        for text, _ in ((name.text, ""), *name.others[:2]):
            if owners := self._register.owners("postcode_name", f"{code}|{text}"):
                yield Match(owners, start, end, name.label)
                return
