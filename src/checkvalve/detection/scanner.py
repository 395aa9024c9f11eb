"""Registered people's data in text that streams by (docs/spec/wire.md, section 6 for the normal forms).

Exact look-ups in the register, no guessing: what is read into a text is checked against a keyed hash, so a wild reading finds
nothing, and is not made where it could find nothing. The cost does not grow with the number of people, the state is bounded,
time is linear, and what is found does not depend on how the text was chunked. A match is reported when the word after the one
that completes it has begun, at the latest; text that was encoded when it has ended.
"""

from collections import deque
from collections.abc import Iterable, Iterator, MutableSet, Sequence
from dataclasses import dataclass, replace
from typing import Final

from checkvalve.detection import mail
from checkvalve.detection.attribution import Attribution
from checkvalve.detection.canaries import store_of
from checkvalve.detection.encoded import Blobs, Decoded
from checkvalve.detection.exits import Exits
from checkvalve.detection.fragments import Fragment, Fragments
from checkvalve.detection.kinds import Kind
from checkvalve.detection.numbers import Orders, Phones
from checkvalve.detection.patterns import Patterns
from checkvalve.detection.phrases import Phrases
from checkvalve.detection.postcodes import PostcodeNames
from checkvalve.detection.reach import romanised
from checkvalve.detection.register import Owner, Register
from checkvalve.detection.repeats import Repeats, Secret
from checkvalve.detection.said import Houses, Said
from checkvalve.detection.spaced import Spelt
from checkvalve.detection.tokens import Cutter, Piece, Word, Words
from checkvalve.detection.types import Exposure, Finding, Match, Severity, Sighting
from checkvalve.events.pseudonym import Category

MAX_DEPTH: Final = 2  # encodings within encodings
MAX_FINDINGS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the model was given: what it must not recite, what the reader said, and the hosts that are the shop's own."""

    secrets: tuple[Secret, ...] = ()
    said: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()


NO_CONTEXT: Final = Context()


class Scanner:
    """One text, fed in chunks. `feed` yields matches in the order they complete; `finish` yields the rest.

    A reader is given only the words that it could begin with, and then those it waits for (see each reader's docstring).
    """

    __slots__ = (
        *(
            "_apart",
            "_blobs",
            "_context",
            "_cutter",
            "_depth",
            "_exits",
            "_fragments",
            "_houses",
            "_left",
            "_lettered",
            "_number",
            "_orders",
            "_patterns",
        ),
        *("_phones", "_phrases", "_postcodes", "_register", "_repeats", "_said", "_spelt", "_words", "position"),
    )

    def __init__(
        self, register: Register, context: Context = NO_CONTEXT, depth: int = MAX_DEPTH, earlier: Sequence[Fragment] = ()
    ) -> None:
        """`earlier`: what is `remembered` of the answers before, in the same session."""
        self._register, self._context, self._depth = register, context, depth
        self._cutter, self._words, self._blobs, self._patterns = Cutter(), Words(), Blobs(), Patterns()
        self._exits, self._repeats = Exits(context.hosts), Repeats(context.secrets, context.said)
        self._apart, self._phones, self._orders = mail.Apart(register), Phones(register), Orders(register)
        self._phrases, self._postcodes, self._spelt = Phrases(register), PostcodeNames(register), Spelt(register)
        self._fragments = Fragments(register, earlier)
        self._said, self._houses = Said(), Houses(register)
        self._left: deque[Word] = deque(maxlen=mail.MAX_LEFT + 1)  # the words before
        self._number = self._lettered = 0  # of words so far, of those that are no digits
        self.position = 0  # raw end of what has been read

    def feed(self, text: str) -> Iterator[Match | Sighting]:
        for piece in self._cutter.feed(text):
            if found := self._piece(piece):
                yield from found
            self.position = piece.end

    def finish(self) -> Iterator[Match | Sighting]:
        for piece in self._cutter.feed("", last=True):
            yield from self._piece(piece)
            self.position = piece.end
        found: list[Match | Sighting] = []
        for said in self._said.finish():
            self._figure(said, None, found)
        yield from found
        yield from self._fragments.finish(self._words.between, self._number, self._left)
        yield from self._phones.finish(self._words.between, self._lettered)
        for reader in (self._orders, self._phrases, self._spelt):
            yield from reader.finish()
        for decoded in self._blobs.finish():
            yield from self._inside(decoded)

    @property
    def remembered(self) -> tuple[Fragment, ...]:
        """What the next answer may go on: the last fragments of this one."""
        return self._fragments.remembered

    @property
    def undecided(self) -> int | None:
        """Where encoded text begins that may go on."""
        return self._blobs.undecided

    def _piece(self, piece: Piece) -> list[Match | Sighting]:
        found: list[Match | Sighting] = []
        kind = piece.reading.kind
        if kind & Kind.ADDRESS:
            found += mail.in_piece(self._register, piece)
        for word in self._words.of(piece):
            self._word(word, found)
        patterns, exits, blobs = self._patterns, self._exits, self._blobs
        patterns.recent.append(piece)
        if patterns.waits or kind & (Kind.SECRET | Kind.FIGURE | Kind.FOUR):
            hint, digit, four = kind & Kind.SECRET, kind & Kind.FIGURE, kind & Kind.FOUR
            found += patterns.piece(hint=bool(hint), digit=bool(digit), four=bool(four))
        if exits.image or kind & Kind.EXIT:
            found += exits.piece(piece)
        if self._depth and (blobs.lines or blobs.codes or kind & Kind.CODED):
            for decoded in blobs.piece(piece):
                found += self._inside(decoded)
        return found

    def _word(self, word: Word, found: list[Match | Sighting]) -> None:
        kind, before, left = word.kind, word.before, self._left
        if kind & Kind.SCRIPT and self._register.selective:
            word = romanised(self._register, word)
        self._number += 1
        if not kind & Kind.DIGITS:
            self._lettered += 1
        marked = before != " " and before != ""
        if marked:
            found += self._fragments.word(word, self._number - 1, left)
        if self._apart.open or kind & Kind.AT or (marked and "@" in before):
            found += self._apart.word(word, list(left))
        last = left[-1] if left else None
        if self._said.waits or kind & Kind.NUMERAL:
            for said in self._said.word(word, last):
                self._figure(said, last, found)
        else:
            self._figure(word, last, found)
        self._phrases.word(word, found)
        if kind & Kind.NUMBERED or self._postcodes.watched_until >= self._number or (left and left[-1].kind & Kind.DIGITS):
            found += self._postcodes.word(word, self._number, left)
        if self._spelt.letters or kind & Kind.LETTER:
            found += self._spelt.word(word)
        if self._repeats.watches:
            found += self._repeats.word(word)
        left.append(word)

    def _figure(self, word: Word, last: Word | None, found: list[Match | Sighting]) -> None:
        kind, phones, orders = word.kind, self._phones, self._orders
        if phones.groups or kind & (Kind.DIGITS | Kind.PHONE | Kind.OTHER_NUMBER) or phones.other > 0:
            found += phones.word(word, self._lettered)
        if orders.waits or kind & (Kind.DIGITS | Kind.ORDER):
            found += orders.word(word, self._number, last)
        if self._houses.waits or word.label == "words":
            found += self._houses.word(word, self._left)

    def _inside(self, decoded: Decoded) -> Iterator[Match | Sighting]:
        inner = Scanner(self._register, self._context, self._depth - 1)
        for found in (*inner.feed(decoded.text), *inner.finish()):
            placed = replace(found, start=decoded.start, end=decoded.end, encoding=decoded.encoding)
            # Nobody hides words of everyday language.
            yield replace(placed, weak=False) if isinstance(placed, Match) else placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who gets the text: the requester's register ref if known, and how the recipient is named (wire.md, section 8)."""

    ref: str | None
    recipient: str


class ExposureScanner:
    """What one inference shows, as exposures and findings: each person and category once, never the reader's own.

    `findings` grows while text is fed; each detector and place once, MAX_FINDINGS at most. `own`: the places of the
    reader's own data.
    """

    __slots__ = ("_attribution", "_inference", "_reader", "_scanner", "_seen", "findings", "own")

    def __init__(
        self,
        register: Register,
        reader: Reader,
        inference: str,
        seen: MutableSet[tuple[str, Category]] | None = None,
        context: Context = NO_CONTEXT,
        earlier: Sequence[Fragment] = (),
    ) -> None:
        """`seen` is shared by the scanners of one inference's several texts; `earlier` is `remembered` of those before."""
        self._scanner = Scanner(register, context, earlier=earlier)
        self._attribution = Attribution()
        self._reader, self._inference = reader, inference
        self._seen: MutableSet[tuple[str, Category]] = set() if seen is None else seen
        self.findings: list[Finding] = []
        self.own: list[tuple[int, int]] = []

    @property
    def undecided(self) -> int | None:
        """The raw offset of the earliest text that was read but not settled; None when there is none but the last words."""
        waiting = (self._attribution.undecided, self._scanner.undecided)
        return min((at for at in waiting if at is not None), default=None)

    @property
    def remembered(self) -> tuple[Fragment, ...]:
        return self._scanner.remembered

    def feed(self, text: str, now_ms: int) -> list[Exposure]:
        found = self._exposures(self._scanner.feed(text), now_ms)
        return found + self._facts(self._attribution.passed(self._scanner.position), now_ms)

    def finish(self, now_ms: int) -> list[Exposure]:
        return self._exposures(self._scanner.finish(), now_ms) + self._facts(self._attribution.finish(), now_ms)

    def _exposures(self, seen: Iterable[Match | Sighting], now_ms: int) -> list[Exposure]:
        found: list[Exposure] = []
        for one in seen:
            if isinstance(one, Sighting):
                self._find(one.detector, one, one.severity, one.what, leak=one.leak)
            elif not any(o.subject == self._reader.ref for o in one.owners):
                found += self._facts(self._attribution.match(one, self._scanner.position), now_ms)
            elif not one.weak and len(self.own) < MAX_FINDINGS:  # also what the reader shares with others
                self.own.append((one.start, one.end))
        return found

    def _facts(self, settled: Iterable[Match], now_ms: int) -> list[Exposure]:
        found = []
        for match in settled:
            for owner in match.owners:
                if store := store_of(owner.subject):
                    self._find("canary", match, "critical", f"the canary of {store} was shown", leak=True, store=store)
                elif (owner.subject, owner.category) not in self._seen:
                    self._seen.add((owner.subject, owner.category))
                    found.append(self._exposure(match, owner, now_ms))
        return found

    def _exposure(self, match: Match, owner: Owner, now_ms: int) -> Exposure:
        return Exposure(
            subject=owner.subject,
            category=owner.category,
            recipient=self._reader.recipient,
            span=(match.start, match.end),
            encoding=match.encoding,
            inference=self._inference,
            seen_ms=now_ms,
        )

    def _find(self, detector: str, at: Match | Sighting, severity: Severity, summary: str, *, leak: bool, **data: str) -> None:
        finding = Finding(
            detector=detector,
            severity=severity,
            summary=summary,
            leak=leak,
            data={"span": (at.start, at.end), "encoding": at.encoding, **data},
        )
        if len(self.findings) < MAX_FINDINGS and finding not in self.findings:
            self.findings.append(finding)


def scan(text: str, register: Register, reader: Reader, inference: str, now_ms: int) -> list[Exposure]:
    """All exposures of a whole text."""
    scanner = ExposureScanner(register, reader, inference)
    return [*scanner.feed(text, now_ms), *scanner.finish(now_ms)]
