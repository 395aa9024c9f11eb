"""Knowing a record again: the same file, a file that grew, or one that overlaps is imported once.

A record that names itself (an id, a time) is known by its bytes and by how many like it came before in its file: two
equal requests in one second are two. A record that does not is known by what stands before it, back to the last that
does. So a log without any times is known again from its beginning only.
"""

import hashlib
from collections import OrderedDict
from typing import Final

REMEMBERED: Final = 200_000  # equal records further apart than so many distinct ones are not told apart


class Keyer:
    """Keys of a file's records, in their order: 32 hex digits, keyed, so that they tell nothing of the content."""

    def __init__(self, secret: bytes, source: str, site: str) -> None:
        scope = f"{source}\x1f{site}".encode()
        self._secret = hashlib.blake2b(scope, key=secret, digest_size=32).digest()
        self._like: OrderedDict[bytes, int] = OrderedDict()
        self._last = b""

    def next(self, raw: bytes, unique: bool) -> str:
        digest = self._hash(b"record", raw)
        if unique:
            before = self._like.pop(digest, 0)
            self._like[digest] = before + 1
            if len(self._like) > REMEMBERED:
                self._like.popitem(last=False)
            self._last = self._hash(b"unique", digest + before.to_bytes(8))
        else:
            self._last = self._hash(b"chained", self._last + digest)
        return self._last.hex()

    def next_file(self) -> None:
        """The records of a file that goes on where the last one ended: equal ones of one moment stay as many as they are."""
        self._last = b""

    def _hash(self, what: bytes, message: bytes) -> bytes:
        return hashlib.blake2b(message, key=self._secret, digest_size=16, person=what).digest()
