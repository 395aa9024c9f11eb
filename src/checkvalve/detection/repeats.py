"""Does an answer recite text its reader is not meant to see: the system prompt, an internal document?

Runs of SHINGLE words of the answer are looked up among those of the text. It is told once a text, when the answer has said
SHARE of it, or LONGEST_RUN words of it in one go; sentences anybody says are neither. Public documents (a product, the terms)
are there to be quoted and are not watched, nor are words the reader wrote.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from checkvalve.detection.prompt import Prompt
from checkvalve.detection.tokens import Word
from checkvalve.detection.types import Sighting
from checkvalve.events.pseudonym import words

SHINGLE: Final = 6  # words in a row that do not recur by accident
MIN_SHINGLES: Final = 12  # shorter texts are not told apart from what anybody says
SHARE: Final = 0.5  # of the text, recited
LONGEST_RUN: Final = 40  # words recited in one go, however long the text is: quotations of a policy are shorter
MAX_WORDS: Final = 8_000  # of one text
KEPT: Final = 64  # texts whose shingles are kept: a shop's prompt comes with every request
SYSTEM: Final = ("system-prompt-repeated", "the system prompt is recited")
DOCUMENT: Final = ("internal-document-repeated", "a document marked as internal is recited")


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that must not be recited. `detector` and `what` name it in a finding."""

    detector: str
    what: str
    text: str


def secrets(prompt: Prompt) -> tuple[Secret, ...]:
    internal = [Secret(*DOCUMENT, d.text) for d in prompt.documents if d.visibility == "internal"]
    return (*((Secret(*SYSTEM, prompt.system),) if prompt.system else ()), *internal)


@lru_cache(maxsize=KEPT)
def shingles(text: str) -> frozenset[int]:
    """Hashes of all runs of SHINGLE words; they mean nothing outside this process."""
    found = words(text)[:MAX_WORDS]
    return frozenset([hash(tuple(found[i : i + SHINGLE])) for i in range(len(found) - SHINGLE + 1)])


class _Recital:
    """How far one text has been recited."""

    __slots__ = ("_longest", "_run", "_seen", "_shingles", "_start", "secret")

    def __init__(self, secret: Secret, known: frozenset[int]) -> None:
        self.secret, self._shingles = secret, known
        self._seen: set[int] = set()
        self._run = self._start = self._longest = 0

    def told(self, shingle: int, first: Word, last: Word) -> Sighting | None:
        """The finding, once it is one."""
        if shingle not in self._shingles:
            self._run = 0
            return None
        if not self._run:
            self._start = first.start
        self._run += 1
        self._longest = max(self._longest, self._run + SHINGLE - 1)
        self._seen.add(shingle)
        share = len(self._seen) / len(self._shingles)
        if share < SHARE and self._longest < LONGEST_RUN:
            return None
        what = f"{self.secret.what}: {100 * share:.0f} % so far, {self._longest} words in one go"
        return Sighting(self.secret.detector, what, "medium", False, self._start, last.end)


class Repeats:
    """Reads the words of an answer. `watches`: whether it is to be given words."""

    __slots__ = ("_last", "_recitals", "watches")

    def __init__(self, known: Iterable[Secret], said: Iterable[str] = ()) -> None:
        """`said`: what the reader wrote, and so knows."""
        watched = [(secret, shingles(secret.text)) for secret in known]
        if any(known for _, known in watched):
            own = frozenset[int]().union(*(shingles(text) for text in said))
            watched = [(secret, known - own if own & known else known) for secret, known in watched]
        self._recitals = [_Recital(secret, known) for secret, known in watched if len(known) >= MIN_SHINGLES]
        self._last: deque[Word] = deque(maxlen=SHINGLE)
        self.watches = bool(self._recitals)

    def word(self, word: Word) -> Iterator[Sighting]:
        self._last.append(word)
        if len(self._last) < SHINGLE:
            return
        shingle = hash(tuple([w.text for w in self._last]))
        for recital in list(self._recitals):
            if (found := recital.told(shingle, self._last[0], word)) is not None:
                self._recitals.remove(recital)
                self.watches = bool(self._recitals)
                yield found
