"""Data that was cut up: string literals put together, items of a list, cells, "the first half is … the rest is …", also over
several answers of one session.

Text is cut at everything that is no plain blank; what then stands alone, is marked or is named as a part is a fragment. Each
new one is joined to those before it, in a row or past others, and every reading that ends in it is looked up: a word is made
only if the register has it. What it costs is bounded for each fragment.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import Final, NamedTuple

from checkvalve.detection.kinds import Kind
from checkvalve.detection.lexicon import lexicon
from checkvalve.detection.mail import find
from checkvalve.detection.register import Owner, Register
from checkvalve.detection.tokens import Word
from checkvalve.detection.types import Match
from checkvalve.events.pseudonym import MAX_WORDS, normal_email, normal_phone

MAX_CHAIN: Final = 40  # fragments kept in mind
MAX_REMEMBERED: Final = 12  # of them, from one answer to the next
MAX_TOKENS: Final = 4  # between blanks, in text that stands alone
MAX_ATOMS: Final = 32  # parts of words that are joined
MAX_PROSE: Final = 2
MAX_WORD: Final = 24  # code points of a word that is put together
MAX_ADDRESS: Final = 80
MAX_DOMAIN: Final = 24  # fragments of what stands behind an @
MAX_STEPS: Final = 200  # words made for one fragment
SKIPPED: Final = 6  # fragments back that one may be joined to alone

_QUOTE = "[\"'`“”„«»‘’]"
_GLUE = re.compile(rf"{_QUOTE}\s*(?:[+.,&|~;]|\.\.|\+\+|<>|<<|\|\|)?\s*{_QUOTE}")
_TIGHT = re.compile(r"[._@+'’-]{1,2}")
_SIGNS = re.compile(r"[.@_+-]*")
_SIGNS_LAST = re.compile(r"[.@_+-]*\Z")
_APART = re.compile(r"(?<=\0)[.@_+-]+(?=\0)|(?<=\s)[.@_]+(?=\s)|(?<=\s)-(?=\n)")
_KEY = re.compile(rf"[^,;]*(?:[:=]|=>)\s*{_QUOTE}")
_DOTS = re.compile(r"\.{2,}|…")
_WEAK = re.compile(r"[\s,;.!?()€$£%#°–—-]*")
_DOMAIN = re.compile(r"@?[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}")


class Joint(NamedTuple):
    """What stands between two words."""

    breaks: bool  # and not a blank, or a sign inside an address
    closing: str  # signs of an address that belong to what stands before
    opening: str  # to what stands behind
    strong: bool  # more than commas and full stops
    keyed: bool = False  # what stands before names the literal behind
    colon: bool = False
    begins: bool = False  # nothing stands before


class Fragment(NamedTuple):
    words: tuple[str, ...]
    first: str  # up to the first blank, with the signs of an address
    last: str  # after the last blank
    leading: str  # digits it begins with
    trailing: str  # digits it ends with
    start: int
    end: int
    said: bool  # named as a part


class _Atom(NamedTuple):
    text: str
    loose: bool  # may be joined to the one before
    start: int


@lru_cache(maxsize=4096)
def joint(before: str) -> Joint:
    if before in ("", " ") or _TIGHT.fullmatch(before):
        return Joint(False, "", "", False)
    core = _GLUE.sub("\0", _DOTS.sub(" ", before))
    closing = _SIGNS.match(core)[0]  # type: ignore[index]  # it matches nothing, too
    opening = _SIGNS_LAST.search(core)[0]  # type: ignore[index]
    if len(closing) == len(core):
        closing, opening = "", core
    middle = "".join(_APART.findall(core))
    return Joint(
        True,
        closing,
        middle + opening,
        not _WEAK.fullmatch(before) or "\n" in before or core != before,
        bool(_KEY.match(before)),
        before.lstrip()[:1] in (":", "=", ")"),
    )


OPEN: Final = Joint(True, "", "", True, begins=True)


class Fragments:
    """To be given each word that something else than a blank stands before."""

    __slots__ = ("_cued", "_mail", "_opening", "_phone", "_prose", "_register", "_short", "_strong", "_whole", "since")

    def __init__(self, register: Register, before: Sequence[Fragment] = ()) -> None:
        """`before`: the fragments of the answers before, see `remembered`."""
        self._register = register
        self._whole: deque[Fragment] = deque(before, maxlen=MAX_CHAIN)
        self._strong: deque[Fragment] = deque((f for f in before if f.said), maxlen=MAX_CHAIN)
        # The ends of the last sentences: what is set apart may go on one; most never are.
        self._prose: deque[tuple[list[Word], Joint, Joint]] = deque(maxlen=MAX_PROSE)
        self._short = False  # what stands between the last breaks
        self._opening = OPEN
        self._cued = False  # a part was announced
        self._mail = MAX_DOMAIN if any("@" in f.last for f in before) else 0  # fragments to come that may end an address
        self._phone = any(f.trailing for f in before)  # digits are a telephone's, perhaps
        self.since = 0  # number of the word that the text since the last break begins with

    @property
    def remembered(self) -> tuple[Fragment, ...]:
        """What the next answer may go on. All of it counts as set apart."""
        self._remember_prose()
        return tuple(f._replace(start=0, end=0, said=True) for f in list(self._whole)[-MAX_REMEMBERED:])

    def word(self, word: Word, number: int, left: Sequence[Word]) -> Iterable[Match]:
        """`number`: how many words there were before it; `left`: the last of them."""
        here = joint(word.before)
        if not here.breaks:
            return ()
        if not number:
            self._opening = OPEN._replace(opening=here.opening)
            return ()
        found = list(self._close(left, number, here))
        self._opening = here
        return found

    def finish(self, after: str, number: int, left: Sequence[Word]) -> Iterator[Match]:
        signs = _SIGNS.match(after)
        yield from self._close(left, number, OPEN._replace(closing=signs[0] if signs else ""))

    def _close(self, left: Sequence[Word], number: int, closing: Joint) -> Iterator[Match]:
        count = number - self.since
        self.since = number
        words = list(left)[-count:] if 0 < count <= len(left) else list(left) if count else []
        opening = self._opening
        if not words:
            return
        kinds, tokens = 0, 0
        for word in words:
            kinds |= word.kind
            tokens += word.before == " "
        self._phone = self._phone or bool(kinds & Kind.PHONE)
        named = self._cued or bool(kinds & Kind.PART)
        short = tokens - (words[0].before == " ") < MAX_TOKENS
        after_short, self._short = self._short, short
        if not (named or short or opening.strong):
            self._prose.append((words[-MAX_WORDS:], opening, closing))
            return
        if named:
            parts = list(self._said(words, closing))
        elif short:
            strong = opening.strong or closing.strong
            parts = [] if closing.keyed or _counts(words) else [(words, strong, strong or after_short)]
        else:
            parts = [(words[:MAX_WORDS], False, True), (words[-MAX_WORDS:], False, False)]
        self._remember_prose()
        for part, strong, fresh in parts:
            said = opening.begins or opening.keyed or (strong and named)
            fragment = _fragment(part, words, opening, closing, said=said)
            if fresh and self._whole:
                yield from self._joined(fragment, past=strong or opening.strong)
            self._whole.append(fragment)
            self._mail = MAX_DOMAIN if "@" in fragment.last else self._mail - 1 if self._mail else 0
            if strong:
                self._strong.append(fragment)

    def _remember_prose(self) -> None:
        for words, opening, closing in self._prose:
            self._whole.append(_fragment(words, words, opening, closing, said=opening.begins))
        self._prose.clear()

    def _said(self, words: list[Word], closing: Joint) -> Iterator[tuple[list[Word], bool, bool]]:
        """What of some words is named as a part of something: (words, whether it is, True)."""
        run: list[Word] = []
        held: list[Word] = []  # a run that a part may be named behind
        beside, articles = lexicon().beside, lexicon().articles
        cued, after = self._cued, False
        for i, word in enumerate(words):
            last = i == len(words) - 1 and closing.colon  # "Part 2:"
            numbered = after and last and (word.kind & Kind.NUMERAL or (len(word.text) == 1 and word.kind & Kind.DIGITS))
            part = numbered or bool(word.kind & Kind.PART)
            if part or word.kind & Kind.FUNCTION or word.text in beside:
                while run and (run[-1].text if part else run[-1].raw) in articles:
                    run.pop()
                held, run = run or held, []
                if held and (cued or part):
                    yield (held[:MAX_WORDS] if cued else held[-MAX_WORDS:]), cued, True
                    held, cued = [], False
            elif run or word.raw not in articles:
                held = held if run else []
                run.append(word)
            cued, after = cued or bool(part), bool(part)
        if run:
            yield run[:MAX_WORDS], cued, True
        self._cued = cued and not run

    def _joined(self, new: Fragment, *, past: bool) -> Iterator[Match]:
        """The first reading that ends in it; also `past` fragments between, which others may have said."""
        mail = "@" in new.first or bool(_DOMAIN.fullmatch(new.first.rstrip(".")))
        whole, alone = list(self._whole), self._register.knows(new.words[0])
        chains = [whole]
        if past:
            if self._strong and self._strong[-1] is not whole[-1]:
                chains.append(list(self._strong))
            chains += [whole[:-skipped] for skipped in range(1, min(SKIPPED, len(whole)))]
        for chain in chains:
            figures = new.leading and chain[-1].trailing and (chain is whole or not _figures_between(chain[-1], whole))
            for reading in (
                self._phones(chain, new) if figures else (),
                self._addresses(chain, new) if mail or self._mail else (),
                self._phrases(chain, new) if self._may_meet(chain, new, alone) else (),
            ):
                for found in reading:
                    yield found
                    return

    def _may_meet(self, chain: list[Fragment], new: Fragment, alone: bool) -> bool:
        """Whether a known word goes on from the one into the other; or ends the one, if the other begins with one `alone`."""
        knows, tail = self._register.knows, ""
        for f in reversed(chain):
            tail = f.words[-1] + tail
            if len(tail) > MAX_WORD:
                return False
            if knows(tail + new.words[0]) or (alone and knows(tail)) or not self._register.selective:
                return True
            if len(f.words) > 1:
                return False
        return False

    def _phones(self, chain: list[Fragment], new: Fragment) -> Iterator[Match]:
        digits = new.leading
        for f in reversed(chain):
            digits = f.trailing + digits
            if not f.trailing or len(digits) > 17:
                return
            bare = digits.lstrip("+")
            if len(bare) >= 9 and (self._phone or digits[0] in "+0") and (normal := normal_phone(bare)):
                yield from self._match(self._register.owners("phone", normal), f.start, new)
            if f.trailing != f.leading:
                return

    def _addresses(self, chain: list[Fragment], new: Fragment) -> Iterator[Match]:
        end = new.first.rstrip(".")
        for keep in (True, False):  # full stops at the end of fragments
            text = end
            for f in reversed(chain):
                piece = f.last if keep else f.last.rstrip(".")
                text = piece + text
                if len(text) > MAX_ADDRESS or text.count("@") > 1:
                    break
                at = text.find("@")
                if at > 0 and "." in text[at:] and (normal := normal_email(text)):
                    yield from self._match(find(self._register, normal), f.start, new)
                if len(f.words) > 1 and f.first != f.last:
                    break
        if "@" not in end and _DOMAIN.fullmatch(end):
            for f in chain[-3:]:
                yield from self._match(find(self._register, f"{f.last.strip('.@')}@{end}"), f.start, new)

    def _phrases(self, chain: list[Fragment], new: Fragment) -> Iterator[Match]:
        atoms = [_Atom(w, i == 0, f.start) for f in chain[-MAX_ATOMS:] for i, w in enumerate(f.words)][-MAX_ATOMS:]
        fresh = len(atoms)
        atoms += [_Atom(w, i == 0, new.start) for i, w in enumerate(new.words)]
        steps = [MAX_STEPS]
        for end in range(fresh, len(atoms)):
            for phrase, first in self._back(atoms, end, "", 0, fresh if not new.said else -1, steps):
                if first < fresh:
                    yield from self._match(self._owners(phrase), atoms[first].start, new)

    def _back(
        self, atoms: Sequence[_Atom], end: int, after: str, made: int, fresh: int, steps: list[int]
    ) -> Iterator[tuple[str, int]]:
        """Phrases that end with the atoms up to `end` and `after`: (phrase, its first atom), of words somebody's data has.

        `made`: how many words of it were put together; at least one must be, unless `fresh` is below zero.
        """
        text = ""
        for first in range(end, -1, -1):
            text = atoms[first].text + text
            steps[0] -= 1
            if len(text) > MAX_WORD or steps[0] < 0:
                return
            if self._register.knows(text) or not self._register.selective:
                phrase = f"{text} {after}" if after else text
                put = made + (first < end)
                if after and (put or fresh < 0):
                    yield phrase, first
                if phrase.count(" ") < MAX_WORDS - 1:
                    yield from self._back(atoms, first - 1, phrase, put, fresh, steps)
            if not atoms[first].loose:
                return

    def _owners(self, phrase: str) -> tuple[Owner, ...]:
        return self._register.owners("name", phrase) or self._register.owners("address", phrase)

    def _match(self, owners: tuple[Owner, ...], start: int, new: Fragment) -> Iterator[Match]:
        if owners:
            yield Match(owners, min(start, new.start), new.end, "split")


def _figures_between(last: Fragment, whole: Sequence[Fragment]) -> bool:
    """Whether digits stand behind a fragment: no number is made past others."""
    for f in reversed(whole):
        if f is last:
            return False
        if f.trailing or f.leading:
            return True
    return False


def _counts(words: Sequence[Word]) -> bool:
    """The number of a row of a table."""
    first = words[0]
    row = "|" in first.before and "\n" in first.before
    return row and len(words) == 1 and len(first.text) < 3 and bool(first.kind & Kind.DIGITS)


def _fragment(part: Sequence[Word], words: Sequence[Word], opening: Joint, closing: Joint, *, said: bool) -> Fragment:
    tokens = [(opening.opening if part[0] is words[0] else "") + part[0].text]
    for word in part[1:]:
        if word.before == " ":
            tokens.append(word.text)
        else:
            tokens[-1] += word.before + word.text
    if part[-1] is words[-1]:
        tokens[-1] += closing.closing
    leading = trailing = ""
    if any(w.kind & Kind.DIGITS for w in part):
        leading = "".join(takewhile(bool, map(_digits, tokens)))
        trailing = "".join(reversed(list(takewhile(bool, map(_digits, reversed(tokens))))))
    return Fragment(tuple(w.text for w in part), tokens[0], tokens[-1], leading, trailing, part[0].start, part[-1].end, said)


def _digits(token: str) -> str:
    """A token of digits and what may stand between them: its digits, with a + in front if it has one."""
    bare = token.strip("+-.").replace("-", "").replace(".", "")
    return ("+" if token[0] == "+" else "") + bare if bare.isascii() and bare.isdigit() else ""
