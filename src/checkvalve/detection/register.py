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
    did. `reached` is kept here for detection.reach, and emptied when another word becomes known.
    """

    __slots__ = ("_hashes", "_ids", "_owners", "_places", "_refs", "_untold", "_word_hash", "_words", "key", "reached", "rev")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.rev = 0
        self.reached: dict[str, int] = {}
        self._refs: list[str] = []  # subject number -> ref
        self._places: dict[str, int] = {}
        self._ids: dict[str, tuple[bytes, bytes]] = {}  # the digests of identifiers, of words; one after the other
        # One owner is an int, several a tuple of them: subject number * 8 + category. Small, because there are many.
        self._owners: dict[bytes, int | tuple[int, ...]] = {}
        self._words: dict[int, int] = {}  # pseudonym of a word, cut short -> how many people's
        self._untold = 0  # people whose words are not known
        # The hash of a pseudonym (events.pseudonym) up to where the value begins: half of its cost, paid once.
        self._hashes = {c: hashlib.blake2b(c.encode() + b"\x1f", key=key, digest_size=DIGEST_BYTES) for c in CATEGORIES}
        self._word_hash = hashlib.blake2b(WORDS.encode() + b"\x1f", key=key, digest_size=DIGEST_BYTES)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def identifiers(self) -> int:
        return len(self._owners)

    @property
    def selective(self) -> bool:
        """Whether a word that it does not know is in nobody's name or street line."""
        return not self._untold

    def put(self, ref: str, ids: Iterable[tuple[str, str]], rev: int) -> None:
        """Replace what is known of one person. Unknown categories are left out."""
        self.drop(ref, rev)
        place = self._places.setdefault(ref, len(self._refs))
        if place == len(self._refs):
            self._refs.append(ref)
        kept, told, worded = [], [], False
        for category, value in ids:
            digest = bytes.fromhex(value) if category in _INDEX or category == WORDS else b""
            if category == WORDS:
                told.append(digest)
            elif digest:
                worded = worded or category in _WORDED
                kept.append(digest)
                self._add(digest, place * 8 + _INDEX[category])
        if kept:
            self._ids[ref] = (b"".join(kept), b"".join(told))
            self._tell(told, untold=worded and not told)

    def _tell(self, told: Iterable[bytes], *, untold: bool) -> None:
        known = len(self._words)
        for word in _cut(told):
            self._words[word] = self._words.get(word, 0) + 1
        self._untold += untold
        if len(self._words) > known or untold:
            self.reached.clear()

    def drop(self, ref: str, rev: int) -> None:
        self.rev = max(self.rev, rev)
        place = self._places.get(ref, -1)
        digests, told = self._ids.pop(ref, (b"", b""))
        worded = False
        for digest in _split(digests):
            owned = self._tuple(digest)
            worded = worded or any(o // 8 == place and CATEGORIES[o % 8] in _WORDED for o in owned)
            owners = tuple(o for o in owned if o // 8 != place)
            if not owners:
                self._owners.pop(digest, None)
            else:
                self._owners[digest] = owners[0] if len(owners) == 1 else owners
        for word in _cut(_split(told)):
            self._words[word] -= 1
            if not self._words[word]:
                del self._words[word]
        if worded and not told:
            self._untold -= 1
            self.reached.clear()

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
        for ref, (digests, told) in self._ids.items():
            place = self._places[ref]
            ids = [[CATEGORIES[o % 8], d.hex()] for d in _split(digests) for o in self._tuple(d) if o // 8 == place]
            rows.append((ref, [*ids, *([WORDS, d.hex()] for d in _split(told))]))
        return rows


def _split(digests: bytes) -> Iterator[bytes]:
    for at in range(0, len(digests), DIGEST_BYTES):
        yield digests[at : at + DIGEST_BYTES]


def _cut(told: Iterable[bytes]) -> Iterator[int]:
    """The pseudonyms of single words (events.pseudonym.words_pseudonym)."""
    for digest in told:
        for at in range(0, MAX_WORDS * WORD_BYTES, WORD_BYTES):
            yield int.from_bytes(digest[at : at + WORD_BYTES])
