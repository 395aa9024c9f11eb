"""A postcode and a surname near each other: the weakest key of a person, so the surname must look like one."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from checkvalve.detection.kinds import Kind
from checkvalve.detection.reach import FORWARD, reach
from checkvalve.detection.register import Register
from checkvalve.detection.tokens import Word
from checkvalve.detection.types import Match

WINDOW: Final = 12  # words between the two
_CODES: Final = 3  # postcodes kept in mind


class PostcodeNames:
    """To be given numbers, the word after digits, and after a number every word until the one numbered `watched_until`."""

    __slots__ = ("_codes", "_register", "watched_until")

    def __init__(self, register: Register) -> None:
        self._register = register
        self.watched_until = 0
        self._codes: deque[tuple[int, str, int, int]] = deque(maxlen=_CODES)  # (number of its word, postcode, start, end)

    def word(self, word: Word, number: int, left: deque[Word]) -> Iterator[Match]:
        """`left`: what stands before it, WINDOW words and one more."""
        last = left[-1] if left else None
        if new := list(_postcodes(word, last)):
            before = list(left)[-WINDOW - 1 :]
            pairs = zip(before[-WINDOW:], before[:-1] if len(before) > WINDOW else (None, *before), strict=False)
            names = [w for w, earlier in pairs if self._is_surname(w, earlier)]
            for code, start in new:
                for name in names:
                    yield from self._look(code, name, min(start, name.start), word.end)
                self._codes.append((number, code, start, word.end))
            self.watched_until = number + WINDOW
        elif self._is_surname(word, last):
            for of, code, start, end in self._codes:
                if of >= number - WINDOW:
                    yield from self._look(code, word, start, max(word.end, end))

    def _is_surname(self, word: Word, before: Word | None) -> bool:
        """Whether it may be somebody's: by its look or a title before it, and by its letters."""
        if not word.kind & Kind.LETTERED or word.in_address:
            return False
        if word.kind & Kind.PLAIN and not (before is not None and before.kind & Kind.TITLE):
            return False
        return bool(reach(self._register, word) & FORWARD) and not any(_postcodes(word, before))

    def _look(self, code: str, name: Word, start: int, end: int) -> Iterator[Match]:
        for text, _ in ((name.text, ""), *name.others[:2]):
            if owners := self._register.owners("postcode_name", f"{code}|{text}"):
                yield Match(owners, start, end, name.label)
                return


def _postcodes(word: Word, last: Word | None) -> Iterator[tuple[str, int]]:
    """The word, alone or with the one before it ("SW1A 1AA", "00-950", "1011 AB")."""
    if not 2 <= len(word.text) <= 8 or (word.text.isalpha() and not (last and last.text.isdigit())):
        return
    if len(word.text) >= 3 and not word.text.isalpha():
        yield word.text, word.start
    if last and len(last.text) <= 5 and len(word.text) <= 4 and any(c.isdigit() for c in last.text):
        yield last.text + word.text, last.start
