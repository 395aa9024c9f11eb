"""Telephone and order numbers in a stream of words. Numbers mean little by themselves, so their surroundings decide."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from checkvalve.detection.kinds import Kind
from checkvalve.detection.lexicon import lexicon
from checkvalve.detection.register import Register
from checkvalve.detection.tokens import Word
from checkvalve.detection.types import Match
from checkvalve.events.pseudonym import normal_phone

MAX_GROUPS: Final = 17  # digit groups of one telephone number
MAX_DIGITS: Final = 16  # E.164 has 15; and "(0)"
MAX_GAP: Final = 6  # code points between two groups
MAX_GAP_SPELT: Final = 12  # between single digits
_NEAR: Final = 6  # words between "telephone" and its number
_FAR: Final = 1000


class Phones:
    """To be given digits, the words that announce numbers, and every word while there are `groups` or `other` is above 0."""

    __slots__ = ("_lettered", "_phone", "_register", "groups", "other")

    def __init__(self, register: Register) -> None:
        self._register = register
        self.groups: deque[Word] = deque(maxlen=MAX_GROUPS)
        self._lettered = 0  # words so far that are no digits
        self._phone = self.other = -_FAR  # the number of the last one that announces a telephone, or another number

    def word(self, word: Word, lettered: int) -> Iterator[Match]:
        """`lettered`: words so far that are no digits, this one included."""
        if self.other > 0 and any(c in ".;!?\n" for c in word.before):
            self.other = -_FAR  # another sentence
        if word.kind & Kind.DIGITS:
            self._lettered = lettered
            spelt = len(word.text) == 1 and self.groups and len(self.groups[-1].text) == 1
            if self.groups and len(word.before) > (MAX_GAP_SPELT if spelt else MAX_GAP):
                yield from self._ended()
            self.groups.append(word)
            yield from self._ending_here()
            return
        self._lettered = lettered - 1
        yield from self._ended(plus=word.before.startswith("+"))
        if word.kind & Kind.PHONE:
            self._phone = lettered
        if word.kind & Kind.OTHER_NUMBER:
            self.other = lettered

    def finish(self, after: str, lettered: int) -> Iterator[Match]:
        """`after`: what stands behind the last word."""
        self._lettered = lettered
        yield from self._ended(plus=after.startswith("+"))

    def _ended(self, *, plus: bool = False) -> Iterator[Match]:
        """The run of digits has ended, at a plus sign or not: it may have been written backwards."""
        if self.groups:
            digits = "".join(w.text for w in self.groups)[::-1]
            backwards = plus or self._since_phone <= _NEAR or (digits[0] == "0" and self._since_other > 3)
            normal = normal_phone(digits) if backwards and 9 <= len(digits) <= 13 else None
            if normal and (owners := self._register.owners("phone", normal)):
                yield Match(owners, self.groups[0].start, self.groups[-1].end, "reversed")
            self.groups.clear()

    @property
    def _since_phone(self) -> int:
        return self._lettered - self._phone

    @property
    def _since_other(self) -> int:
        return self._lettered - self.other

    def _ending_here(self) -> Iterator[Match]:
        end = self.groups[-1].end
        digits = ""
        widest: dict[str, tuple[int, int, str]] = {}
        for count, group in enumerate(reversed(self.groups), start=1):
            digits = group.text + digits
            if len(digits) > MAX_DIGITS:
                break
            opens = count == len(self.groups) or digits[0] == "0" or any(c in "+,;:\n(/|" for c in group.before)
            if opens and len(digits) >= 7 and self._plausible(digits, group, count):
                normal = normal_phone(digits)
                if normal:
                    widest[normal] = (group.start, count, group.label)
        for normal, (start, count, label) in widest.items():
            spaced = count > 5 and count >= len(normal) - 1
            if owners := self._register.owners("phone", normal):
                yield Match(owners, start, end, "spaced" if spaced and label == "plain" else label)

    def _plausible(self, digits: str, first: Word, groups: int) -> bool:
        """A number without prefix, in one piece, is more often something else."""
        if self._since_phone <= _NEAR or "+" in first.before:
            return True
        if self._since_other <= 3:
            return False
        if digits[0] == "0":
            return len(digits) >= 9
        return 9 <= len(digits) <= (10 if groups == 1 else 12)


class Orders:
    """A number is an order's when "order" or a # announces it and nothing after it says that it measures something.

    To be given digits, the words that announce an order's number, and while it `waits` every word.
    """

    __slots__ = ("_announced", "_carried", "_held", "_labelled", "_order", "_register", "_said", "_spelt", "waits")

    def __init__(self, register: Register) -> None:
        self._register = register
        self.waits = False
        self._announced = self._labelled = False  # "order …"; "order number …"
        self._order = -_FAR  # number of the last word "order"
        self._carried: tuple[int, int] | None = None  # digits of an order number just seen, words since
        self._spelt: list[Word] = []  # single digits in a row
        self._held: Match | None = None
        self._said = False  # the held one is said to be an order's number, whatever comes after it

    def word(self, word: Word, number: int, last: Word | None) -> Iterator[Match]:
        """`number`: how many words there were, this one included; `last`: the one before."""
        if self._held is not None:
            goes_on = self._spelt and (len(word.text) == 1 or word.label == "words") and word.kind & Kind.DIGITS
            if not goes_on and not _measured(word, self._held.end, said=self._said):
                yield self._held
            self._held = None
        if word.kind & Kind.DIGITS:
            self._number(word, last.text if last else "")
        else:
            self._other(word, number)
        self._look_ahead()

    def _look_ahead(self) -> None:
        self.waits = bool(self._held or self._announced or self._carried or self._spelt)

    def finish(self) -> Iterator[Match]:
        if self._held is not None:
            yield self._held
            self._held = None

    def _other(self, word: Word, number: int) -> None:
        lex = lexicon()
        self._spelt.clear()
        if word.text in lex.orders or (word.text in lex.number_words and number - self._order <= 8):
            self._announced, self._labelled = True, word.text in lex.number_words
            if word.text in lex.orders:
                self._order = number
        elif word.text not in lex.order_links:
            self._announced = self._labelled = False
        if self._carried:
            size, words = self._carried
            self._carried = (size, words + 1) if words < 4 else None

    def _number(self, word: Word, last: str) -> None:
        start, digits = word.start, word.text
        if (len(digits) == 1 or word.label == "words") and (self._spelt or self._announced):
            self._spelt = [*self._spelt[-11:], word]
            start, digits = self._spelt[0].start, "".join(w.text for w in self._spelt)
        else:
            self._spelt.clear()
        hashed = word.before.endswith("#") and len(digits) >= 3 and last not in lexicon().other_numbers
        opens = self._spelt[0] if self._spelt else word
        said = self._announced and (self._labelled or any(c in "#:=|" for c in opens.before))
        if self._in_a_row(word, digits, last) or hashed or self._is_announced(word, digits):
            self._carried = (len(digits), 0)
            if owners := self._register.owners("order_number", digits):
                self._said = said
                self._held = Match(owners, start, word.end, _label(word, len(self._spelt) > 1))
        else:
            self._carried = None
        if not self._spelt:
            self._announced = self._labelled = False

    def _is_announced(self, word: Word, digits: str) -> bool:
        if not self._announced or word.before.endswith(("€", "$", "£", "~")):
            return False
        if self._labelled or any(c in "#:=|" for c in word.before):
            return True
        small = len(digits) < 3 or (len(digits) == 3 and digits[-1] == "0")
        return not small and not 1990 <= int(digits[:5]) <= 2035

    def _in_a_row(self, word: Word, digits: str, last: str) -> bool:
        """ "orders 1042, 1043 and 1044"."""
        if self._carried is None:
            return False
        size, words = self._carried
        joined = any(c in ",;\n" for c in word.before) or (words == 1 and last in lexicon().order_links)
        return joined and abs(size - len(digits)) <= 1 and len(digits) >= 3


def _measured(after: Word, end: int, *, said: bool) -> bool:
    """The word after a number makes it an amount, a date, a time or a decimal."""
    before = after.before
    if any(c in "%€$£°" for c in before[:2]):
        return True
    tight = after.start - end == 1 and before[:1] in ".,:/-"
    return (tight and after.text[0].isdigit()) or (
        not said and after.text in lexicon().units and not any(c in before for c in ".;!?\n")
    )


def _label(word: Word, spelt: bool) -> str:
    return "spaced" if spelt and word.label == "plain" else word.label
