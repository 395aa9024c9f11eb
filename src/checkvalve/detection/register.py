"""The register of one shop's people: which pseudonym belongs to whom. Clear data never enters it."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from checkvalve.events.pseudonym import CATEGORIES, DIGEST_BYTES, MAX_WORDS, WORD_BYTES, WORDS, Category

_INDEX: Final[dict[str, int]] = {c: i for i, c in enumerate(CATEGORIES)}
_WORDED: Final = frozenset(("name", "address", "postcode_name"))  # what is made of words

PUBLIC: Final = "shop"  # whose data is nobody's secret: the shop itself, as `shop` or `shop:<anything>`


@dataclass(frozen=True, slots=True)
class Owner:
    subject: str
    category: Category


class Register:
    """Pseudonym -> owners. One pseudonym may belong to several people: a name, a shared telephone.

    It also knows which words names and street lines are made of, if those who registered people told; `selective` when all
    did. `reached` and `romanised` are kept here for detection.reach, and emptied when another word becomes known.
    """

    __slots__ = (
        *("_hashes", "_kept", "_owners", "_people", "_places", "_refs", "_untold", "_word_hash", "_words"),
        *("key", "reached", "rev", "romanised"),
    )

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.rev = 0
        self.reached: dict[str, int] = {}
        self.romanised: dict[str, tuple[str, ...]] = {}
        self._refs: list[str] = []  # subject number -> ref
        self._places: dict[str, int] = {}
        self._kept: list[bytes] = []  # by subject number, what `_packed` makes; empty when gone
        self._people = 0
        # One owner is an int, several a tuple of them: subject number * 8 + category. Small, because there are many.
        self._owners: dict[bytes, int | tuple[int, ...]] = {}
        self._words: dict[int, int] = {}  # pseudonym of a word, cut short -> how many people's
        self._untold = 0  # people whose words are not known
        # The hash of a pseudonym (events.pseudonym) up to where the value begins: half of its cost, paid once.
        self._hashes = {c: hashlib.blake2b(c.encode() + b"\x1f", key=key, digest_size=DIGEST_BYTES) for c in CATEGORIES}
        self._word_hash = hashlib.blake2b(WORDS.encode() + b"\x1f", key=key, digest_size=DIGEST_BYTES)

    def __len__(self) -> int:
        return self._people

    @property
    def identifiers(self) -> int:
        return len(self._owners)

    @property
    def selective(self) -> bool:
        """Whether a word that it does not know is in nobody's name or street line."""
        return not self._untold

    def put(self, ref: str, ids: Iterable[tuple[str, str]], rev: int) -> None:
        """Replace what is known of one person. Unknown categories, and what is as long as no pseudonym, are left out."""
        self.drop(ref, rev)
        place = self._places.setdefault(ref, len(self._refs))
        if place == len(self._refs):
            self._refs.append(ref)
            self._kept.append(b"")
        kept, told, worded = [], [], False
        for category, value in ids:
            digest = bytes.fromhex(value) if category in _INDEX or category == WORDS else b""
            if len(digest) != DIGEST_BYTES:
                continue
            if category == WORDS:
                told.append(digest)
            else:
                worded = worded or category in _WORDED
                kept.append(digest)
                self._add(digest, place * 8 + _INDEX[category])
        if kept:
            self._kept[place] = _packed(kept, told)
            self._people += 1
            self._tell(told, untold=worded and not told)

    def _tell(self, told: Iterable[bytes], *, untold: bool) -> None:
        known = len(self._words)
        for word in _cut(told):
            self._words[word] = self._words.get(word, 0) + 1
        self._untold += untold
        if len(self._words) > known or untold:
            self._forget()

    def _forget(self) -> None:
        self.reached.clear()
        self.romanised.clear()

    def drop(self, ref: str, rev: int) -> None:
        self.rev = max(self.rev, rev)
        place = self._places.get(ref, -1)
        if place < 0 or not self._kept[place]:
            return
        digests, told = _unpacked(self._kept[place])
        self._kept[place] = b""
        self._people -= 1
        worded = False
        for digest in digests:
            owned = self._tuple(digest)
            worded = worded or any(o // 8 == place and CATEGORIES[o % 8] in _WORDED for o in owned)
            owners = tuple(o for o in owned if o // 8 != place)
            if not owners:
                self._owners.pop(digest, None)
            else:
                self._owners[digest] = owners[0] if len(owners) == 1 else owners
        for word in _cut(told):
            self._words[word] -= 1
            if not self._words[word]:
                del self._words[word]
        if worded and not told:
            self._untold -= 1
            self._forget()

    def owners(self, category: Category, normal: str) -> tuple[Owner, ...]:
        """Whose identifier this is; empty for nobody's, and for what the shop itself shows everybody."""
        hashed = self._hashes[category].copy()
        hashed.update(normal.encode("utf-8", "surrogatepass"))
        found = self._owners.get(hashed.digest())
        if found is None:
            return ()
        owners = tuple(Owner(self._refs[o // 8], CATEGORIES[o % 8]) for o in (found if isinstance(found, tuple) else (found,)))
        return () if any(o.subject.partition(":")[0] == PUBLIC for o in owners) else owners

    def knows(self, word: str) -> bool:
        """Whether somebody's name or street line has this word, or one with the same short pseudonym."""
        hashed = self._word_hash.copy()
        hashed.update(word.encode("utf-8", "surrogatepass"))
        return int.from_bytes(hashed.digest()[:WORD_BYTES]) in self._words

    def _add(self, digest: bytes, owner: int) -> None:
        existing = self._tuple(digest)
        if owner not in existing:
            self._owners[digest] = owner if not existing else (*existing, owner)

    def _tuple(self, digest: bytes) -> tuple[int, ...]:
        found = self._owners.get(digest, ())
        return found if isinstance(found, tuple) else (found,)

    def export(self) -> list[tuple[str, list[list[str]]]]:
        """Everything held, as `put` takes it: [(ref, [[category, hex], …])]."""
        rows = []
        for place, (ref, kept) in enumerate(zip(self._refs, self._kept, strict=True)):
            if kept:
                digests, told = _unpacked(kept)
                ids = [[CATEGORIES[o % 8], d.hex()] for d in digests for o in self._tuple(d) if o // 8 == place]
                rows.append((ref, [*ids, *([WORDS, d.hex()] for d in told)]))
        return rows


def _packed(digests: list[bytes], told: list[bytes]) -> bytes:
    """Digests of identifiers and of words as one value: there are many of them."""
    return len(digests).to_bytes(4) + b"".join((*digests, *told))


def _unpacked(kept: bytes) -> tuple[list[bytes], list[bytes]]:
    all_ = [kept[at : at + DIGEST_BYTES] for at in range(4, len(kept), DIGEST_BYTES)]
    count = int.from_bytes(kept[:4])
    return all_[:count], all_[count:]


def _cut(told: Iterable[bytes]) -> Iterator[int]:
    """The pseudonyms of single words (events.pseudonym.words_pseudonym)."""
    for digest in told:
        for at in range(0, MAX_WORDS * WORD_BYTES, WORD_BYTES):
            yield int.from_bytes(digest[at : at + WORD_BYTES])
