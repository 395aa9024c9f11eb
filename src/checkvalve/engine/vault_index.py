"""The look-up index of the vault: which keyed digests each document has, which snapshot holds which documents. SQLite.

A document is known by a keyed digest of its text, so what many snapshots hold is read once. Nothing in it is clear text but
the places of documents (file and line). It can be made anew from the repositories at any time.
"""

import hashlib
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from checkvalve.modelstates.reading import Document, forms
from checkvalve.modelstates.terms import Digester, Sought, raw_terms, terms
from checkvalve.modelstates.verdict import Hit

MOST_POSTINGS: Final = 500_000  # kept in memory
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS documents (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, place TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS postings (term INTEGER NOT NULL, document INTEGER NOT NULL,
  PRIMARY KEY (term, document)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holdings (component TEXT NOT NULL, snapshot TEXT NOT NULL, bits BLOB NOT NULL,
  PRIMARY KEY (component, snapshot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS readings (component TEXT NOT NULL, path TEXT NOT NULL, stamp TEXT NOT NULL, said BLOB NOT NULL,
  numbers BLOB NOT NULL, PRIMARY KEY (component, path)) WITHOUT ROWID;
"""

Take = Callable[[Iterable[Document]], set[int]]  # documents -> their numbers


class Index:
    """Not for use by two threads. `key`: 32 bytes that only the vault has."""

    def __init__(self, file: Path, key: bytes) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA cache_size=-65536")
        self._db.executescript(_SCHEMA)
        self._digester = Digester(key)
        self._key = key

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def taking(self) -> Iterator[Take]:
        """Takes in what is new of documents. All that is taken within the block counts, or nothing."""
        postings: list[tuple[int, int]] = []

        def take(documents: Iterable[Document]) -> set[int]:
            numbers = set()
            for document in documents:
                number, new = self._number(document)
                numbers.add(number)
                if new:
                    postings.extend((t, number) for t in self._terms(document))
                    if len(postings) > MOST_POSTINGS:
                        self._post(postings)
            return numbers

        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield take
            self._post(postings)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def hold(self, component: str, snapshot: str, numbers: set[int]) -> None:
        """Note which documents a snapshot holds. Only then is it covered."""
        self._db.execute("INSERT OR REPLACE INTO holdings VALUES (?, ?, ?)", (component, snapshot, _pack(numbers)))

    def reading(self, component: str, path: str, stamp: str) -> tuple[bytes, set[int]] | None:
        """What `remember` was told of a file with this stamp."""
        ask = "SELECT said, numbers FROM readings WHERE component = ? AND path = ? AND stamp = ?"
        row = self._db.execute(ask, (component, path, stamp)).fetchone()
        return (row[0], set(array("Q", row[1]))) if row else None

    def remember(self, component: str, path: str, stamp: str, said: bytes, numbers: set[int]) -> None:
        """Keep what was read of a file, so that it need not be read again as long as it has this stamp."""
        row = component, path, stamp, said, array("Q", sorted(numbers)).tobytes()
        self._db.execute("INSERT OR REPLACE INTO readings VALUES (?, ?, ?, ?, ?)", row)

    def _number(self, document: Document) -> tuple[int, bool]:
        kind = b"raw" if document.raw else b"text"
        text = document.text.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, key=self._key, digest_size=16, person=kind).digest()
        known = self._db.execute("SELECT id FROM documents WHERE digest = ?", (digest,)).fetchone()
        if known:
            return int(known[0]), False
        row = self._db.execute("INSERT INTO documents (digest, place) VALUES (?, ?)", (digest, document.place))
        return int(row.lastrowid or 0), True

    def _terms(self, document: Document) -> set[int]:
        found: set[int] = set()
        for text in dict.fromkeys(forms(document.text)):
            found |= self._digester.of(raw_terms(text) if document.raw else terms(text))
        return found

    def _post(self, postings: list[tuple[int, int]]) -> None:
        postings.sort()  # the tree grows in order, which is several times faster
        self._db.executemany("INSERT OR IGNORE INTO postings VALUES (?, ?)", postings)
        postings.clear()

    def find(self, people: Sequence[Sought]) -> dict[tuple[str, str], tuple[Hit, ...]]:
        """(component, snapshot) -> the documents in it that hold any of these identifiers. Nothing is restored."""
        matched = self._matched(people)
        found = {}
        for component, snapshot, bits in self._db.execute("SELECT component, snapshot, bits FROM holdings"):
            held = tuple(h for n, h in matched.items() if n >> 3 < len(bits) and bits[n >> 3] >> (n & 7) & 1)
            if held:
                found[component, snapshot] = held
        return found

    def _matched(self, people: Sequence[Sought]) -> dict[int, Hit]:
        holders = self._holders({t for s in people for r in s.readings for t in self._digester.of(set(r))})
        said: dict[int, list[Sought]] = {}
        for one in people:
            for number in {n for reading in one.readings for n in self._all(reading, holders)}:
                said.setdefault(number, []).append(one)
        places = self._places(said)
        return {
            number: Hit(
                document=number,
                place=places[number],
                categories=tuple(sorted({s.category for s in ones})),
                refs=tuple(sorted({s.ref for s in ones})),
                certain=any(s.certain for s in ones),
            )
            for number, ones in said.items()
        }

    def _all(self, reading: frozenset[tuple[str, str]], holders: Mapping[int, frozenset[int]]) -> frozenset[int]:
        sets = [holders.get(t, frozenset()) for t in self._digester.of(set(reading))]  # type: ignore[arg-type]
        return frozenset.intersection(*sets) if sets else frozenset()

    def _holders(self, digests: set[int]) -> dict[int, frozenset[int]]:
        """Digest -> documents. Asked in order: neighbours lie on one page."""
        found: dict[int, set[int]] = {}
        ordered = sorted(digests)
        for low in range(0, len(ordered), 500):
            part = ordered[low : low + 500]
            marks = ",".join("?" * len(part))
            for term, number in self._db.execute(f"SELECT term, document FROM postings WHERE term IN ({marks})", part):  # noqa: S608 # marks only
                found.setdefault(term, set()).add(number)
        return {term: frozenset(numbers) for term, numbers in found.items()}

    def _places(self, numbers: Iterable[int]) -> dict[int, str]:
        ask = "SELECT place FROM documents WHERE id = ?"
        return {n: str(self._db.execute(ask, (n,)).fetchone()[0]) for n in numbers}

    def holds(self, component: str, snapshot: str) -> int:
        """The documents of a snapshot as bits."""
        row = self._db.execute(
            "SELECT bits FROM holdings WHERE component = ? AND snapshot = ?", (component, snapshot)
        ).fetchone()
        return int.from_bytes(row[0], "little") if row else 0

    def again(self, component: str, snapshot: str, other: str) -> bool:
        """Note that another snapshot holds the same documents; False when the first is not in the index."""
        ask = "INSERT OR REPLACE INTO holdings SELECT component, ?, bits FROM holdings WHERE component = ? AND snapshot = ?"
        return self._db.execute(ask, (other, component, snapshot)).rowcount > 0

    def keep_only(self, held: set[tuple[str, str]]) -> None:
        """Remove what is known of other (component, snapshot) pairs, and of documents that none of these holds."""
        self._db.execute("BEGIN IMMEDIATE")
        known = self._db.execute("SELECT component, snapshot, bits FROM holdings").fetchall()
        for component, snapshot, _ in known:
            if (component, snapshot) not in held:
                self._db.execute("DELETE FROM holdings WHERE component = ? AND snapshot = ?", (component, snapshot))
        alive = 0
        for component, snapshot, bits in known:
            if (component, snapshot) in held:
                alive |= int.from_bytes(bits, "little")
        dead = [(n,) for (n,) in self._db.execute("SELECT id FROM documents") if not alive >> n & 1]
        self._db.execute("CREATE TEMP TABLE dead (document INTEGER PRIMARY KEY)")
        self._db.executemany("INSERT INTO dead VALUES (?)", dead)
        self._db.execute("DELETE FROM postings WHERE document IN (SELECT document FROM dead)")
        self._db.execute("DELETE FROM documents WHERE id IN (SELECT document FROM dead)")
        self._db.execute("DROP TABLE dead")
        self._db.execute("DELETE FROM readings")  # they name documents
        self._db.execute("COMMIT")
        self._db.execute("VACUUM")

    def covers(self, component: str, snapshot: str) -> bool:
        ask = "SELECT 1 FROM holdings WHERE component = ? AND snapshot = ?"
        return self._db.execute(ask, (component, snapshot)).fetchone() is not None


def _pack(numbers: set[int]) -> bytes:
    bits = bytearray(max(numbers, default=0) // 8 + 1)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return bytes(bits)
