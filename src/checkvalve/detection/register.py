"""The register of one shop's people: which pseudonym belongs to whom. Clear data never enters it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from checkvalve.events.pseudonym import CATEGORIES, DIGEST_BYTES, Category

_INDEX = {c: i for i, c in enumerate(CATEGORIES)}

PUBLIC: Final = "shop"  # whose data is nobody's secret: the shop itself, as `shop` or `shop:<anything>`


@dataclass(frozen=True, slots=True)
class Owner:
    subject: str
    category: Category


class Register:
    """Pseudonym -> owners. One pseudonym may belong to several people: a name, a shared telephone."""

    __slots__ = ("_hashes", "_ids", "_owners", "_places", "_refs", "key", "rev")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.rev = 0
        self._refs: list[str] = []  # subject number -> ref
        self._places: dict[str, int] = {}
        self._ids: dict[str, list[bytes]] = {}
        # One owner is an int, several a tuple of them: subject number * 8 + category. Small, because there are many.
        self._owners: dict[bytes, int | tuple[int, ...]] = {}
        # The hash of a pseudonym (events.pseudonym) up to where the value begins: half of its cost, paid once.
        self._hashes = {c: hashlib.blake2b(c.encode() + b"\x1f", key=key, digest_size=DIGEST_BYTES) for c in CATEGORIES}

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def identifiers(self) -> int:
        return len(self._owners)

    def put(self, ref: str, ids: Iterable[tuple[str, str]], rev: int) -> None:
        """Replace what is known of one person. Unknown categories are left out."""
        self.drop(ref, rev)
        place = self._places.setdefault(ref, len(self._refs))
        if place == len(self._refs):
            self._refs.append(ref)
        kept = []
        for category, value in ids:
            if category in _INDEX:
                digest = bytes.fromhex(value)
                kept.append(digest)
                self._add(digest, place * 8 + _INDEX[category])
        if kept:
            self._ids[ref] = kept

    def drop(self, ref: str, rev: int) -> None:
        self.rev = max(self.rev, rev)
        place = self._places.get(ref, -1)
        for digest in self._ids.pop(ref, ()):
            owners = tuple(o for o in self._tuple(digest) if o // 8 != place)
            if not owners:
                self._owners.pop(digest, None)
            else:
                self._owners[digest] = owners[0] if len(owners) == 1 else owners

    def owners(self, category: Category, normal: str) -> tuple[Owner, ...]:
        """Whose identifier this is; empty for nobody's, and for what the shop itself shows everybody."""
        hashed = self._hashes[category].copy()
        hashed.update(normal.encode("utf-8", "surrogatepass"))
        found = self._owners.get(hashed.digest())
        if found is None:
            return ()
        owners = tuple(Owner(self._refs[o // 8], CATEGORIES[o % 8]) for o in (found if isinstance(found, tuple) else (found,)))
        return () if any(o.subject.partition(":")[0] == PUBLIC for o in owners) else owners

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
        for ref, digests in self._ids.items():
            place = self._places[ref]
            rows.append(
                (
                    ref,
                    [[CATEGORIES[o % 8], d.hex()] for d in digests for o in self._tuple(d) if o // 8 == place],
                )
            )
        return rows
