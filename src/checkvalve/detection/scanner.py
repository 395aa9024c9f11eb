"""Registered people's data in text that streams by (docs/spec/wire.md, section 6 for the normal forms).

Exact look-ups in the register, no guessing: what is read into a text is checked against a keyed hash, so a wild reading costs
time and finds nothing. The cost does not grow with the number of people, the state is bounded, time is linear, and what is
found does not depend on how the text was chunked. A match is reported when the word after the one that completes it has
begun, at the latest; text that was encoded when it has ended.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from checkvalve.detection import mail
from checkvalve.detection.attribution import Attribution
from checkvalve.detection.canaries import store_of
from checkvalve.detection.encoded import Blobs, Decoded
from checkvalve.detection.exits import Exits
from checkvalve.detection.numbers import Orders, Phones
from checkvalve.detection.patterns import Patterns
from checkvalve.detection.phrases import Phrases
from checkvalve.detection.postcodes import PostcodeNames
from checkvalve.detection.register import Owner, Register
from checkvalve.detection.repeats import Repeats
from checkvalve.detection.spaced import Spelt
from checkvalve.detection.tokens import Cutter, Piece, Words
from checkvalve.detection.types import Exposure, Finding, Match, Severity, Sighting
from checkvalve.events.pseudonym import Category

MAX_DEPTH: Final = 2  # encodings within encodings
MAX_FINDINGS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the shop gave the model: its system prompt, and the hosts that are its own."""

    system: str = ""
    hosts: frozenset[str] = frozenset()


NO_CONTEXT: Final = Context()


class Scanner:
    """One text, fed in chunks. `feed` yields matches in the order they complete; `finish` yields the rest."""

    __slots__ = (
        *("_blobs", "_context", "_cutter", "_depth", "_exits", "_patterns", "_readers", "_register", "_repeats", "_words"),
        "position",
    )

    def __init__(self, register: Register, context: Context = NO_CONTEXT, depth: int = MAX_DEPTH) -> None:
        self._register, self._context, self._depth = register, context, depth
        self._cutter, self._words, self._blobs, self._patterns = Cutter(), Words(), Blobs(), Patterns()
        self._exits, self._repeats = Exits(context.hosts), Repeats(context.system)
        self._readers = (
            mail.Apart(register),
            Phones(register),
            Orders(register),
            Phrases(register),
            PostcodeNames(register),
            Spelt(register),
        )
        self.position = 0  # raw end of what has been read

    def feed(self, text: str) -> Iterator[Match | Sighting]:
        for piece in self._cutter.feed(text):
            yield from self._piece(piece)

    def finish(self) -> Iterator[Match | Sighting]:
        for piece in self._cutter.feed("", last=True):
            yield from self._piece(piece)
        for reader in self._readers:
            yield from reader.finish(self._words.between) if isinstance(reader, Phones) else reader.finish()
        for decoded in self._blobs.finish():
            yield from self._inside(decoded)

    @property
    def undecided(self) -> int | None:
        """Where encoded text begins that may go on."""
        return self._blobs.undecided

    def _piece(self, piece: Piece) -> Iterator[Match | Sighting]:
        addresses: list[tuple[int, int]] = []
        if "@" in piece.folded:
            found, addresses = mail.in_piece(self._register, piece)
            yield from found
        for word in self._words.of(piece, addresses):
            for reader in self._readers:
                yield from reader.word(word)
            yield from self._repeats.word(word)
        yield from self._patterns.piece(piece)
        yield from self._exits.piece(piece)
        if self._depth:
            for decoded in self._blobs.piece(piece):
                yield from self._inside(decoded)
        self.position = piece.places[-1]

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
        seen: set[tuple[str, Category]] | None = None,
        context: Context = NO_CONTEXT,
    ) -> None:
        """`seen` is shared by the scanners of one inference's several texts."""
        self._scanner = Scanner(register, context)
        self._attribution = Attribution()
        self._reader, self._inference = reader, inference
        self._seen = set() if seen is None else seen
        self.findings: list[Finding] = []
        self.own: list[tuple[int, int]] = []

    @property
    def undecided(self) -> int | None:
        """The raw offset of the earliest text that was read but not settled; None when there is none but the last words."""
        waiting = (self._attribution.undecided, self._scanner.undecided)
        return min((at for at in waiting if at is not None), default=None)

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
