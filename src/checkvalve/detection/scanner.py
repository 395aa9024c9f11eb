"""Registered people's data in text that streams by (docs/spec/wire.md, section 6 for the normal forms).

Exact look-ups in the register, no guessing: the cost does not grow with the number of people, the state is bounded, and
what is found does not depend on how the text was chunked. A match is reported when the word that completes it has ended.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from checkvalve.detection.register import Owner, Register
from checkvalve.detection.tokens import Cutter, Piece, Word
from checkvalve.detection.types import Exposure
from checkvalve.events.pseudonym import MAX_WORDS, Category, normal_email, normal_phone

WINDOW: Final = 12  # words between a postcode and the surname it goes with
ORDER_DISTANCE: Final = 3  # words between "order" and its number
MAX_GROUPS: Final = 17  # digit groups of one telephone number
ORDER_WORDS: Final = frozenset(
    (
        *("order", "orders", "number", "no", "nr", "num", "invoice"),
        *("bestellung", "bestellnummer", "auftrag", "rechnung"),
        *("commande", "commandes", "facture", "numero", "pedido", "encomenda", "ordine"),
        *("zamowienie", "zamowienia", "zamowieniu", "bestelling", "objednavka", "tilaus", "ordre"),
    )
)
_EMAIL_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-")


@dataclass(frozen=True, slots=True)
class Match:
    owners: tuple[Owner, ...]
    start: int
    end: int


class Scanner:
    """One text, fed in chunks. `feed` yields matches in the order they complete; `finish` yields the rest."""

    __slots__ = ("_cutter", "_digits", "_postcodes", "_register", "_words")

    def __init__(self, register: Register) -> None:
        self._register = register
        self._cutter = Cutter()
        self._words: deque[Word] = deque(maxlen=WINDOW)
        self._postcodes: deque[tuple[int, str, int]] = deque(maxlen=WINDOW)  # (words since, postcode, start)
        self._digits: deque[Word] = deque(maxlen=MAX_GROUPS)

    def feed(self, text: str) -> Iterator[Match]:
        for piece in self._cutter.feed(text):
            yield from self._piece(piece)

    def finish(self) -> Iterator[Match]:
        for piece in self._cutter.feed("", last=True):
            yield from self._piece(piece)

    def _piece(self, piece: Piece) -> Iterator[Match]:
        addresses: list[tuple[int, int]] = []
        if "@" in piece.folded:
            addresses = list(_addresses(piece.folded))
            yield from self._emails(piece, addresses)
        for word in piece.words(addresses):
            yield from self._phrases(word)
            yield from self._postcode(word)
            if word.text[0].isascii() and word.text.isdigit():
                yield from self._order(word)
                yield from self._phone(word)
            else:
                self._digits.clear()
            self._words.append(word)

    def _look(self, category: Category, normal: str, start: int, end: int) -> Iterator[Match]:
        owners = self._register.owners(category, normal)
        if owners:
            yield Match(owners, start, end)

    def _emails(self, piece: Piece, addresses: list[tuple[int, int]]) -> Iterator[Match]:
        for low, high in addresses:
            # "'anna@…" and "to=anna@…" start later than the widest reading: try each plausible start.
            for start in _starts(piece.folded, low, high):
                normal = normal_email(piece.folded[start:high])
                if normal and (owners := self._register.owners("email", normal)):
                    yield Match(owners, piece.offsets[start], piece.offsets[high])
                    break

    def _phrases(self, word: Word) -> Iterator[Match]:
        phrase, start = word.text, word.start
        for count, earlier in enumerate(reversed(self._words), start=2):
            if count > MAX_WORDS:
                break
            phrase, start = f"{earlier.text} {phrase}", earlier.start
            yield from self._look("name", phrase, start, word.end)
            yield from self._look("address", phrase, start, word.end)

    def _postcode(self, word: Word) -> Iterator[Match]:
        self._postcodes = deque(((n + 1, p, s) for n, p, s in self._postcodes if n < WINDOW), maxlen=WINDOW)
        codes = list(self._codes(word))
        for code, start in codes:
            for earlier in self._words:
                if not earlier.text.isdigit():
                    yield from self._look("postcode_name", f"{code}|{earlier.text}", min(start, earlier.start), word.end)
            self._postcodes.append((0, code, start))
        if not any(c.isdigit() for c in word.text):
            for distance, code, start in self._postcodes:
                if distance:
                    yield from self._look("postcode_name", f"{code}|{word.text}", start, word.end)

    def _codes(self, word: Word) -> Iterator[tuple[str, int]]:
        if 3 <= len(word.text) <= 8 and any(c.isdigit() for c in word.text):
            yield word.text, word.start
        if self._words:
            before = self._words[-1]
            joined = before.text + word.text
            if len(before.text) <= 5 and len(word.text) <= 4 and any(c.isdigit() for c in before.text):
                yield joined, before.start

    def _order(self, word: Word) -> Iterator[Match]:
        near = list(self._words)[-ORDER_DISTANCE:]
        if word.hash_before or any(w.text in ORDER_WORDS for w in near):
            yield from self._look("order_number", word.text, word.start, word.end)

    def _phone(self, word: Word) -> Iterator[Match]:
        if self._digits and word.start - self._digits[-1].end > 3:
            self._digits.clear()
        self._digits.append(word)
        digits, tried = "", set()
        for group in reversed(self._digits):
            digits = group.text + digits
            normal = normal_phone(digits)
            if normal and normal not in tried:
                tried.add(normal)
                yield from self._look("phone", normal, group.start, word.end)
            if len(digits.lstrip("0")) >= 9 or len(digits) > 24:
                break


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """The widest reading of each e-mail address in a folded piece."""
    at = -1
    while (at := text.find("@", at + 1)) >= 0:
        low, high = at, at + 1
        while low > 0 and text[low - 1] in _EMAIL_CHARS:
            low -= 1
        while high < len(text) and (text[high] in ".-" or text[high].isalnum()):
            high += 1
        while high > at + 1 and text[high - 1] in ".-":
            high -= 1
        if low < at and high > at + 1:
            yield low, high


def _starts(text: str, low: int, high: int) -> Iterator[int]:
    """Where a local part may begin: the widest reading, then after each mark that opens one. At most nine."""
    yield low
    at = text.index("@", low)
    marks = [i + 1 for i in range(low, at - 1) if text[i] in "'/=*#|{`&?!" and i + 1 < high]
    yield from marks[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who gets the text: the requester's register ref if known, and how the recipient is named (wire.md, section 8)."""

    ref: str | None
    recipient: str


class ExposureScanner:
    """Matches of one inference turned into exposures: each person and category once, never the reader's own."""

    __slots__ = ("_inference", "_reader", "_scanner", "_seen")

    def __init__(
        self, register: Register, reader: Reader, inference: str, seen: set[tuple[str, Category]] | None = None
    ) -> None:
        """`seen` is shared by the scanners of one inference's several texts."""
        self._scanner = Scanner(register)
        self._reader, self._inference = reader, inference
        self._seen = set() if seen is None else seen

    def feed(self, text: str, now_ms: int) -> list[Exposure]:
        return self._exposures(self._scanner.feed(text), now_ms)

    def finish(self, now_ms: int) -> list[Exposure]:
        return self._exposures(self._scanner.finish(), now_ms)

    def _exposures(self, matches: Iterable[Match], now_ms: int) -> list[Exposure]:
        found = []
        for match in matches:
            if any(o.subject == self._reader.ref for o in match.owners):
                continue  # shared by the reader: their own data
            for owner in match.owners:
                if (owner.subject, owner.category) not in self._seen:
                    self._seen.add((owner.subject, owner.category))
                    found.append(
                        Exposure(
                            subject=owner.subject,
                            category=owner.category,
                            recipient=self._reader.recipient,
                            span=(match.start, match.end),
                            encoding="plain",
                            inference=self._inference,
                            seen_ms=now_ms,
                        )
                    )
        return found


def scan(text: str, register: Register, reader: Reader, inference: str, now_ms: int) -> list[Exposure]:
    """All exposures of a whole text."""
    scanner = ExposureScanner(register, reader, inference)
    return [*scanner.feed(text, now_ms), *scanner.finish(now_ms)]
