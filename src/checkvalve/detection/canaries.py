"""Planted people who do not exist: wherever one is seen, the store it was planted in has leaked.

A canary is put into the register like a person, under the ref `canary:<store>`; so it is found in every disguise and by every
scanner. It cannot be guessed without the key, and the same key and store give the same canary again.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from checkvalve.events.pseudonym import identifiers

PREFIX: Final = "canary:"
KINDS: Final = ("system-prompt", "document", "dataset", "customer", "file")
_STORE: Final = re.compile(rf"(?:{'|'.join(KINDS)})(?::[a-z0-9][a-z0-9._-]{{0,59}})?")
_OPEN: Final = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "br")
_VOWEL: Final = ("a", "e", "i", "o", "u", "ai", "au", "ei")
_CLOSE: Final = ("", "l", "m", "n", "r", "s", "t", "x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    store: str  # "system-prompt", "document:returns", "orders-table"
    name: str
    email: str

    @property
    def ref(self) -> str:
        return PREFIX + self.store

    def identifiers(self, key: bytes) -> list[tuple[str, str]]:
        """As `Register.put` takes them, under the site's pseudonym key."""
        return identifiers(key, name=self.name, email=self.email)


def valid_store(store: str) -> bool:
    """A kind of store, or a kind and a name: "system-prompt", "document:returns", "dataset:orders-2026"."""
    return _STORE.fullmatch(store) is not None


def canary(seed: bytes, store: str, domain: str = "example.net") -> Canary:
    """The canary of one store. `seed` is secret, 16 to 64 bytes; six syllables carry 60 bits of it."""
    drawn = hashlib.blake2b(store.encode(), key=seed, digest_size=18, person=b"cv-canary").digest()
    syllables = [
        _OPEN[drawn[i] % len(_OPEN)] + _VOWEL[drawn[i + 1] % len(_VOWEL)] + _CLOSE[drawn[i + 2] % len(_CLOSE)]
        for i in range(0, 18, 3)
    ]
    first, last = "".join(syllables[:3]), "".join(syllables[3:])
    return Canary(store=store, name=f"{first.title()} {last.title()}", email=f"{first}.{last}@{domain}")


def store_of(ref: str) -> str | None:
    """The store a ref names, if it is a canary's."""
    return ref.removeprefix(PREFIX) if ref.startswith(PREFIX) else None
