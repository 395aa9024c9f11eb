"""Names and street lines in a stream of words: two to five in a row, as written, in other order, turned round.

A name is reported one word after it ends, so that a longer name that holds it can take its place: "Ana García López" is not
Ana García.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product
from typing import Final, NamedTuple

from checkvalve.detection.kinds import Kind
from checkvalve.detection.lexicon import lexicon
from checkvalve.detection.reach import BACKWARD, FORWARD, ROT13, ROTATED, reach, streets
from checkvalve.detection.register import Owner, Register
from checkvalve.detection.tokens import Word
from checkvalve.detection.types import Match, Sighting
from checkvalve.events.pseudonym import MAX_WORDS, Category, words

LONGEST: Final = 9  # words of a name or street line that is registered by its first and last word
MAX_TURNED: Final = 4  # words of a phrase that is also read backwards and as rot13
_HIDING: Final = frozenset({"invisible", "lookalike", "transliterated", "reversed", "rot13"})
MAX_SPELLINGS: Final = 4
_UNSPEAKABLE = re.compile(r"[^aeiouy ]{6}|(?:^| )[^aeiouy ]{2,}(?: |$)")  # nobody's name: a word without a vowel


class Phrases:
    __slots__ = ("_core", "_held", "_left_out", "_register", "_skipped", "_words")

    def __init__(self, register: Register) -> None:
        self._register = register
        self._words: deque[Word] = deque(maxlen=LONGEST)
        self._core: deque[Word] = deque(maxlen=MAX_WORDS)  # without titles and labels
        self._skipped = False  # a title or label was the last word
        self._left_out = LONGEST  # words of the core since something was left out
        self._held: list[tuple[Match, bool]] = []  # names, and whether no white space is in them

    def word(self, word: Word, out: list[Match | Sighting]) -> None:
        """Adds what is found to `out`."""
        if word.in_address:
            out += self._release(())
            self._words.clear()
            self._core.clear()
            return
        if word.before not in (" ", "") and self._words and _ends_sentence(self._words[-1], word):
            self._core.clear()
        self._words.append(word)
        known = reach(self._register, word)
        found = self._ending(known) if known and len(self._words) > 1 else []
        if word.kind & (Kind.TITLE | Kind.LABEL):
            self._skipped = True
        else:
            self._left_out = 1 if self._skipped else self._left_out + 1
            self._skipped = False
            self._core.append(word)
            if known and self._left_out < len(self._core) and (both := known & reach(self._register, self._core[-2])):
                found += self._read(list(self._core), both, told=True)
        if found or self._held:
            self._hold(found, word, out)

    def _hold(self, found: list[Match], word: Word, out: list[Match | Sighting]) -> None:
        """What ends with a word, save names, and of the names that were held those that it leaves."""
        names = [m for m in found if m.category == "name"]
        out += self._release(names, mail="@" in word.before or bool(word.kind & Kind.AT))
        out += [m for m in found if m.category != "name"]
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

    def _ending(self, known: int) -> list[Match]:
        """Every phrase that ends at the last word; `known` is its reach."""
        both = known & reach(self._register, self._words[-2])
        capital = known & FORWARD and self._words[-1].kind & Kind.CAPITAL
        if not both and not (capital and len(self._words) > MAX_WORDS):
            return []
        window = list(self._words)
        found = list(self._read(window, both, told=False)) if both else []
        if capital:
            found += self._long(window)
            if both & FORWARD:
                found += self._rotated(window)
        return found

    def _read(self, window: Sequence[Word], known: int, *, told: bool) -> Iterator[Match]:
        """`known`: the reach of the last two words; `told`: a field or title stands inside, so these are a person's."""
        last = window[-1]
        phrase, label = last.text, last.label
        numbered = ends_in_number = bool(last.kind & Kind.NUMBERED)
        if last.kind & Kind.FUNCTION:
            return
        lettered, varied = not phrase.isdigit(), bool(last.others) or phrase[-1] == "s"
        lone = one_sentence = True
        for count in range(2, min(len(window), MAX_WORDS) + 1):
            first, text = window[-count], window[-count].text
            known &= reach(self._register, first)
            if not known:
                return
            starts_with_number = bool(first.kind & Kind.NUMBERED)
            numbered = numbered or starts_with_number
            lone = lone and not first.kind & Kind.FUNCTION
            one_sentence = one_sentence and not _ends_sentence(first, window[1 - count])
            if not numbered and not (lone and one_sentence):
                return  # no name goes on over a word that cannot be part of one
            phrase = f"{text} {phrase}"
            lettered = lettered or not text.isdigit()
            varied = varied or bool(first.others)
            if label == "plain":
                label = first.label
            if lettered and (not numbered or starts_with_number or ends_in_number or count == MAX_WORDS):
                part = _Part(phrase, window, count, label, numbered, varied, told)
                if known & FORWARD:
                    yield from self._forward(part)
                if lone and known & (BACKWARD | ROTATED):
                    yield from self._turned(part, known)

    def _forward(self, part: "_Part") -> Iterator[Match]:
        """One phrase as written and in other spellings."""
        owners, phrase = self._register.owners, part.phrase
        if found := owners("address" if part.numbered else "name", phrase):
            yield part.match(found, phrase, part.label)
        # A street may lack its number; of a longer line only the first words are registered.
        streetlike = not part.numbered and (part.window[-1].kind & Kind.CAPITAL or part.size == MAX_WORDS)
        if streetlike and (found := owners("address", phrase)):
            yield part.match(found, phrase, part.label)
        if part.varied or part.numbered:
            for spelling, other in _spellings(part.words, numbered=part.numbered):
                if found := owners("address" if _has_digit(spelling) else "name", spelling):
                    yield part.match(found, spelling, part.label if other == "plain" else other)

    def _turned(self, part: "_Part", known: int) -> Iterator[Match]:
        """One phrase backwards, and by rot13."""
        owners, words_ = self._register.owners, part.words
        # The first words of a longer street line are a phrase as well.
        category: Category = "address" if part.numbered or part.size > MAX_TURNED else "name"
        if known & BACKWARD and any(w.raw[-1:].isupper() or w.raw.islower() for w in words_):
            backwards = part.phrase[::-1]
            if found := owners(category, backwards):
                yield part.match(found, backwards, "reversed")
        if known & ROTATED:
            rotated = _rot13(part.phrase, words_)
            if (part.numbered or not _UNSPEAKABLE.search(rotated)) and (found := owners(category, rotated)):
                yield part.match(found, rotated, "rot13")

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


class _Part(NamedTuple):
    """The last `size` words of a window as one phrase."""

    phrase: str
    window: Sequence[Word]
    size: int
    label: str
    numbered: bool
    varied: bool  # its words have other spellings
    told: bool

    @property
    def words(self) -> Sequence[Word]:
        return self.window[-self.size :]

    def match(self, owners: tuple[Owner, ...], phrase: str, label: str) -> Match:
        start, words_ = len(self.window) - self.size, self.words
        before, texts = self.window[max(0, start - 3) : start], phrase.split(" ")
        if owners[0].category == "address":
            weak = not self.told and vague_address(texts, before)
        else:
            hidden = label in _HIDING  # nobody hides words of everyday language
            small = all(w.raw.islower() for w in words_)
            weak = not self.told and not hidden and _everyday_name(texts, before, small=small)
        return Match(owners, words_[0].start, words_[-1].end, label, weak)


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


def vague_address(texts: Sequence[str], before: Sequence[Word]) -> bool:
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
        return phrase.translate(ROT13)
    return " ".join(words(" ".join(w.raw for w in part).translate(ROT13)))


def _spellings(part: Sequence[Word], *, numbered: bool) -> Iterator[tuple[str, str]]:
    """Other ways to write the same phrase: (text, disguise). At most MAX_SPELLINGS."""
    if any(w.others for w in part):
        yield from _alike(part)
    choices = [[(w.text, "plain"), *w.others, *((t, "plain") for t in streets(w.text) if numbered)] for w in part]
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


def _house_numbers(texts: list[str]) -> Iterator[tuple[str, str]]:
    """12a, 12 a."""
    for i, text in enumerate(texts):
        if i and len(text) == 1 and text.isalpha() and texts[i - 1].isdigit():
            yield " ".join([*texts[: i - 1], texts[i - 1] + text, *texts[i + 1 :]]), "plain"
        if len(text) > 1 and text[:-1].isdigit() and text[-1].isalpha():
            yield " ".join([*texts[:i], text[:-1], text[-1], *texts[i + 1 :]]), "plain"
