"""Does an answer recite text its reader is not meant to see: the system prompt, an internal document?"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from checkvalve.detection.tokens import Word
from checkvalve.detection.types import Sighting
from checkvalve.events.pseudonym import words

SHINGLE: Final = 6  # words in a row that do not recur by accident
MIN_SHINGLES: Final = 12  # shorter texts are not told apart from what anybody says
SHARE: Final = 0.5  # of the text, recited
LONGEST_RUN: Final = 40  # words recited in one go, however long the text is: quotations of a policy are shorter
MAX_WORDS: Final = 20_000


class Repeats:
    """Reads the words of an answer; `known` is what must not be recited."""

    __slots__ = ("_last", "_run", "_seen", "_shingles", "_start", "watches")

    def __init__(self, known: str) -> None:
        text = words(known)[:MAX_WORDS]
        self._shingles = {" ".join(text[i : i + SHINGLE]) for i in range(len(text) - SHINGLE + 1)}
        self._last: deque[Word] = deque(maxlen=SHINGLE)
        self._seen: set[str] = set()
        self._run, self._start = 0, 0
        self.watches = len(self._shingles) >= MIN_SHINGLES  # whether it is to be given words

    def word(self, word: Word) -> Iterator[Sighting]:
        self._last.append(word)
        shingle = " ".join(w.text for w in self._last)
        if shingle not in self._shingles:
            self._run = 0
            return
        if not self._run:
            self._start = self._last[0].start
        self._run += 1
        self._seen.add(shingle)
        if len(self._seen) >= SHARE * len(self._shingles) or self._run + SHINGLE > LONGEST_RUN:
            self.watches = False
            yield Sighting("system-prompt-repeated", "the system prompt is recited", "medium", False, self._start, word.end)
