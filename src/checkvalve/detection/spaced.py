"""Names and street lines spelt letter by letter: "A n n a  S c h m i d t", "a-n-n-a", one letter a line."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Final

from checkvalve.detection.kinds import Kind
from checkvalve.detection.mail import find
from checkvalve.detection.register import Register
from checkvalve.detection.tokens import Word
from checkvalve.detection.types import Match
from checkvalve.events.pseudonym import MAX_WORDS, Category, normal_email

MIN_LETTERS: Final = 5
MAX_LETTERS: Final = 64
MAX_CUT: Final = 24  # letters without word ends that are cut in three


class Spelt:
    """To be given letters that stand alone, and the word after a run of them."""

    __slots__ = ("_register", "letters")

    def __init__(self, register: Register) -> None:
        self._register = register
        self.letters: list[Word] = []

    def word(self, word: Word) -> Iterator[Match]:
        if word.kind & Kind.LETTER:
            self.letters.append(word)
            if len(self.letters) < MAX_LETTERS:
                return
        yield from self.finish()

    def finish(self) -> Iterator[Match]:
        letters, self.letters = self.letters, []
        if letters and letters[-1].before[:1] in ("'", "’"):
            letters.pop()  # the s of a possessive
        if len(letters) >= MIN_LETTERS and not all(w.text.isdigit() for w in letters):  # digits alone are the telephone's
            address = list(self._address(letters)) if any("@" in w.before for w in letters) else []
            yield from address or self._names(letters)

    def _address(self, letters: list[Word]) -> Iterator[Match]:
        """An e-mail address whose letters are held apart by marks that could be part of it: "a.n.n.a.@.e…"."""
        gap = Counter(w.before for w in letters[1:]).most_common(1)[0][0]
        if not any(c.isspace() for c in gap):  # white space ends it
            breaks = [i for i, w in enumerate(letters) if i and any(c.isspace() for c in w.before)]
            at = next(i for i, w in enumerate(letters) if "@" in w.before)
            low, high = max((i for i in breaks if i < at), default=0), min((i for i in breaks if i > at), default=len(letters))
            letters = letters[low:high]
        parts = [letters[0].text]
        for word in letters[1:]:
            inner = word.before[len(gap) : -len(gap)] if len(word.before) > 2 * len(gap) else ""
            parts.append("".join(inner.split()) + word.text)
        text = "".join(parts)
        if (normal := normal_email(text)) and (owners := find(self._register, normal)):
            yield Match(owners, letters[0].start, letters[-1].end, "spaced")

    def _names(self, letters: list[Word]) -> Iterator[Match]:
        """A word of one letter may stand before or behind ("à", "a", "y"): the first reading that is somebody's."""
        for part in (letters, letters[:-1], letters[1:], letters[1:-1]):
            if found := list(self._phrases(part)) if len(part) >= MIN_LETTERS else []:
                yield from found
                return

    def _phrases(self, letters: list[Word]) -> Iterator[Match]:
        """Gaps of unusual width tell where words end; otherwise every way to cut in two or three is tried."""
        gaps = [_width(w.before) for w in letters[1:]]
        usual = Counter(gaps).most_common(1)[0][0]
        cuts = [i + 1 for i, gap in enumerate(gaps) if gap != usual]
        texts = [w.text for w in letters]
        if cuts:
            starts = [0, *cuts, len(letters)]
            parts = ["".join(texts[a:b]) for a, b in pairwise(starts)]
            for size in range(min(MAX_WORDS, len(parts)), 1, -1):
                found = [
                    match
                    for low in range(len(parts) - size + 1)
                    for match in self._look(
                        " ".join(parts[low : low + size]), letters[starts[low]].start, letters[starts[low + size] - 1].end
                    )
                ]
                if found:
                    yield from found
                    return
            return
        inner = range(1, len(letters))
        for cut in (*combinations(inner, 1), *(combinations(inner, 2) if len(letters) <= MAX_CUT else ())):
            phrase = " ".join("".join(texts[a:b]) for a, b in pairwise((0, *cut, len(letters))))
            yield from self._look(phrase, letters[0].start, letters[-1].end)

    def _look(self, phrase: str, start: int, end: int) -> Iterator[Match]:
        category: Category = "address" if any(c.isdigit() for c in phrase) else "name"
        for reading in (phrase, phrase[::-1]):
            if owners := self._register.owners(category, reading):
                yield Match(owners, start, end, "spaced")


def _width(before: str) -> int:
    """Of a gap: white space is wider than any mark, a new line or a slash between words wider still."""
    return len(before) + 20 * sum(c.isspace() for c in before)
