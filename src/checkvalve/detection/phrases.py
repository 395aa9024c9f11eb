"""Names and street lines in a stream of words: two to five in a row, as written, in other order, turned round.

A name is reported one word after it ends, so that a longer name that holds it can take its place: "Ana García López" is not
Ana García.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product
from typing import Final

from checkvalve.detection.lexicon import lexicon
from checkvalve.detection.register import Owner, Register
from checkvalve.detection.tokens import Word
from checkvalve.detection.types import Match
from checkvalve.events.pseudonym import MAX_WORDS, Category, words

LONGEST: Final = 9  # words of a name or street line that is registered by its first and last word
MAX_TURNED: Final = 4  # words of a phrase that is also read backwards and as rot13
_HIDING: Final = frozenset({"invisible", "lookalike", "transliterated", "reversed", "rot13"})
MAX_SPELLINGS: Final = 4
_UNSPEAKABLE = re.compile(r"[^aeiouy ]{6}|(?:^| )[^aeiouy ]{2,}(?: |$)")  # nobody's name: a word without a vowel
_ROT13: Final = str.maketrans({chr(base + i): chr(base + (i + 13) % 26) for base in (65, 97) for i in range(26)})


class Phrases:
    __slots__ = ("_core", "_held", "_register", "_skipped", "_words")

    def __init__(self, register: Register) -> None:
        self._register = register
        self._words: deque[Word] = deque(maxlen=LONGEST)
        self._core: deque[tuple[Word, bool]] = deque(maxlen=MAX_WORDS)  # without titles and labels; left out before it?
        self._skipped = False
        self._held: list[tuple[Match, bool]] = []  # names, and whether no white space is in them

    def word(self, word: Word) -> Iterator[Match]:
        if word.in_address:
            yield from self._release(())
            self._words.clear()
            self._core.clear()
            return
        if self._words and _ends_sentence(self._words[-1], word):
            self._core.clear()
        self._words.append(word)
        found = list(self._ending(list(self._words)))
        lex = lexicon()
        if word.text in lex.titles or word.text in lex.labels:
            self._skipped = True
        else:
            self._core.append((word, self._skipped))
            self._skipped = False
            if any(left_out for _, left_out in islice(self._core, 1, None)):
                found += self._read([w for w, _ in self._core], told=True)
        names = [m for m in found if m.category == "name"]
        yield from self._release(names, mail="@" in word.before or word.text in lex.at)
        yield from (m for m in found if m.category != "name")
        longest = max((m.end - m.start for m in names), default=0)
        solid = not any(c.isspace() for c in word.before)
        self._held = [(m, solid) for m in names if m.end - m.start == longest]

    def finish(self) -> Iterator[Match]:
        yield from self._release(())

    def _release(self, longer: Iterable[Match], *, mail: bool = False) -> Iterator[Match]:
        """The held names, save those inside a longer one, and "anna.schmidt" when an @ follows."""
        for held, solid in self._held:
            inside = any(m.start <= held.start and m.end > held.end for m in longer)
            if not inside and not (mail and solid):
                yield held
        self._held = []

    def _ending(self, window: Sequence[Word]) -> Iterator[Match]:
        """Every phrase that ends at the last word of the window."""
        yield from self._read(window, told=False)
        yield from self._long(window)
        if window[-1].raw[:1].isupper():
            yield from self._rotated(window)

    def _read(self, window: Sequence[Word], *, told: bool) -> Iterator[Match]:
        """`told`: a field or title stands inside, so these are a person's."""
        function = lexicon().function
        last = window[-1]
        phrase, label = last.text, last.label
        numbered = ends_in_number = _has_digit(phrase)
        if phrase in function:
            return
        lettered, varied = not phrase.isdigit(), bool(last.others) or phrase[-1] == "s"
        lone = one_sentence = True
        for count in range(2, min(len(window), MAX_WORDS) + 1):
            first, text = window[-count], window[-count].text
            starts_with_number = _has_digit(text)
            numbered = numbered or starts_with_number
            lone = lone and text not in function
            one_sentence = one_sentence and not _ends_sentence(first, window[1 - count])
            if not numbered and not (lone and one_sentence):
                return  # no name goes on over a word that cannot be part of one
            phrase = f"{text} {phrase}"
            lettered = lettered or not text.isdigit()
            varied = varied or bool(first.others)
            if label == "plain":
                label = first.label
            if lettered and (not numbered or starts_with_number or ends_in_number or count == MAX_WORDS):
                yield from self._try(phrase, window, count, label, numbered=numbered, varied=varied, turned=lone, told=told)

    def _try(
        self,
        phrase: str,
        window: Sequence[Word],
        count: int,
        label: str,
        *,
        numbered: bool,
        varied: bool,
        turned: bool,
        told: bool,
    ) -> Iterator[Match]:
        """One phrase in all its readings."""
        owners = self._register.owners
        category: Category = "address" if numbered else "name"
        if found := owners(category, phrase):
            yield self._match(found, phrase, window, count, label, told=told)
        # A street may lack its number; of a longer line only the first words are registered.
        streetlike = not numbered and (window[-1].raw[:1].isupper() or count == MAX_WORDS)
        if streetlike and (found := owners("address", phrase)):
            yield self._match(found, phrase, window, count, label, told=told)
        if varied or numbered:
            for spelling, other in _spellings(window[-count:], numbered=numbered):
                if found := owners("address" if _has_digit(spelling) else "name", spelling):
                    yield self._match(found, spelling, window, count, label if other == "plain" else other, told=told)
        if turned:
            category = "address" if count > MAX_TURNED else category  # the first words of a longer street line
            part = window[-count:]
            if any(w.raw[-1:].isupper() or w.raw.islower() for w in part) and (found := owners(category, phrase[::-1])):
                yield self._match(found, phrase[::-1], window, count, "reversed", told=told)
            reading = _rot13(phrase, part)
            if (numbered or not _UNSPEAKABLE.search(reading)) and (found := owners(category, reading)):
                yield self._match(found, reading, window, count, "rot13", told=told)

    @staticmethod
    def _match(owners: tuple[Owner, ...], phrase: str, window: Sequence[Word], count: int, label: str, *, told: bool) -> Match:
        before, part = window[max(0, len(window) - count - 3) : len(window) - count], window[-count:]
        if owners[0].category == "address":
            weak = not told and _vague_address(phrase.split(" "), before)
        else:
            hidden = label in _HIDING  # nobody hides words of everyday language
            small = all(w.raw.islower() for w in part)
            weak = not told and not hidden and _everyday_name(phrase.split(" "), before, small=small)
        return Match(owners, window[-count].start, window[-1].end, label, weak)

    def _long(self, window: Sequence[Word]) -> Iterator[Match]:
        """Names of six words and more are registered by the first and the last."""
        last = window[-1]
        if not last.raw[:1].isupper():
            return
        for count in range(2, len(window) + 1):
            first = window[-count]
            if _breaks(window[-count + 1]):
                return
            if count <= MAX_WORDS or not first.raw[:1].isupper():
                continue
            if owners := self._register.owners("name", f"{first.text} {last.text}"):
                yield Match(owners, first.start, last.end, first.label)

    def _rotated(self, window: Sequence[Word]) -> Iterator[Match]:
        """ "de la Cruz, María" and "Le Gall Claude" are María de la Cruz and Claude Le Gall."""
        texts: list[str] = [window[-1].text]
        for count in range(2, min(len(window), MAX_WORDS) + 1):
            first = window[-count]
            if _breaks(window[1 - count]):
                return
            texts.insert(0, first.text)
            if count == 2 or not (first.raw[:1].isupper() or first.text in lexicon().particles):
                continue
            for cut in range(2, count):
                if owners := self._register.owners("name", " ".join((*texts[cut:], *texts[:cut]))):
                    yield Match(owners, first.start, window[-1].end, first.label)


def _ends_sentence(word: Word, after: Word) -> bool:
    """A full stop between two words, and not one that shortens the first."""
    end = after.before[:1] in ".!?" and after.before[1:2].isspace()
    return end and len(word.text) > 3 and word.text not in lexicon().titles


def _breaks(word: Word) -> bool:
    """A word that cannot go on a long name."""
    punctuated = any(c in ".;:!?\n()" for c in word.before)
    return punctuated or not (word.raw[:1].isupper() or word.text in lexicon().particles)


def _everyday_name(texts: Sequence[str], before: Sequence[Word], *, small: bool) -> bool:
    """Words of everyday language alone, and nothing before them says that they are somebody."""
    lex = lexicon()
    if not all(w in lex.ordinary or w in lex.function or (small and w in lex.namelike) for w in texts):
        return False
    return not any(w.text in lex.titles or w.text in lex.persons for w in before)


def _vague_address(texts: Sequence[str], before: Sequence[Word]) -> bool:
    """ "Flat 4", "cuesta 8", a street without a number; unless an address was announced."""
    lex = lexicon()
    lettered = [t for t in texts if not t[0].isdigit()]
    named = [t for t in lettered if t not in lex.dwellings and t not in lex.function]
    if (
        (len(lettered) < len(texts) or len(texts) == MAX_WORDS)
        and named
        and (len(lettered) > 1 or named[0] not in lex.ordinary)
    ):
        return False
    return not any(w.text in lex.addresses for w in before)


def _has_digit(text: str) -> bool:
    return not text.isalpha() and any(map(str.isdigit, text))


def _rot13(phrase: str, part: Sequence[Word]) -> str:
    if phrase.isascii() and all(w.raw.isascii() for w in part):
        return phrase.translate(_ROT13)
    return " ".join(words(" ".join(w.raw for w in part).translate(_ROT13)))


def _spellings(part: Sequence[Word], *, numbered: bool) -> Iterator[tuple[str, str]]:
    """Other ways to write the same phrase: (text, disguise). At most MAX_SPELLINGS."""
    if any(w.others for w in part):
        yield from _alike(part)
    choices = [[(w.text, "plain"), *w.others, *(_streets(w.text) if numbered else ())] for w in part]
    if part[-1].text[-1] == "s" and len(part[-1].text) > 4:
        choices[-1].append((part[-1].text[:-1], "plain"))  # Anna Schmidts Bestellung
    if all(len(c) == 1 for c in choices):
        choices = []
    for chosen in islice(product(*choices), 1, MAX_SPELLINGS + 1):
        yield " ".join(t for t, _ in chosen), next((label for _, label in chosen if label != "plain"), "plain")
    if numbered:
        yield from _house_numbers([w.text for w in part])


def _alike(part: Sequence[Word]) -> Iterator[tuple[str, str]]:
    """All words in the same disguise, where they have a reading in it."""
    labels = dict.fromkeys(label for w in part for _, label in w.others)
    for label in labels:
        readings = [[t for t, other in w.others if other == label] or [w.text] for w in part]
        for i in range(max(map(len, readings))):
            yield " ".join(r[min(i, len(r) - 1)] for r in readings), label


def _streets(text: str) -> Iterator[tuple[str, str]]:
    for other in lexicon().streets.get(text, ()):
        yield other, "plain"
    if text.endswith("strasse") and len(text) > 7:
        yield text[:-4], "plain"
    elif text.endswith("str") and len(text) > 4:
        yield text + "asse", "plain"


def _house_numbers(texts: list[str]) -> Iterator[tuple[str, str]]:
    """12a, 12 a."""
    for i, text in enumerate(texts):
        if i and len(text) == 1 and text.isalpha() and texts[i - 1].isdigit():
            yield " ".join([*texts[: i - 1], texts[i - 1] + text, *texts[i + 1 :]]), "plain"
        if len(text) > 1 and text[:-1].isdigit() and text[-1].isalpha():
            yield " ".join([*texts[:i], text[:-1], text[-1], *texts[i + 1 :]]), "plain"
