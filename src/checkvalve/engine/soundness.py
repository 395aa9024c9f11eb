"""Whether the databases beside the log are what they should be: `keys.db` and `state.db`; and core's own keys.

The log proves itself; these do not. Of `keys.db`: each record opens with its key (AES-GCM sees one changed bit), and a key that
is missing was erased by a decision. Of both: SQLite's own check of structure and indexes, and, as long as nobody has written to
the file since core stopped, its digest from then, which sees a changed bit anywhere. While core runs, a value of the state that
goes bad by itself is not always seen. Reducing the log anew does away with it, for the log is the truth.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import msgspec

from checkvalve.engine.settings import write_private
from checkvalve.evidence import entry
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.verify import MAX_ERRORS, Flaw
from checkvalve.store.recordkeys import KeysError, RecordKeys
from checkvalve.store.segments import LogFiles

AT_ONCE: Final = 2000

DATABASES: Final = ("keys.db", "state.db")
AT_REST: Final = (*DATABASES, "keys/log.key", "keys/core.key", "keys/installation")
SEAL: Final = "at-rest.json"

Numbered = tuple[int, entry.Record]


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """A file as core left it: bytes, time of its last writing (ns), BLAKE2b-256."""

    size: int
    mtime_ns: int
    digest: str


def seal(data: Path) -> None:
    """Note the digests of the databases and keys, which nobody writes to any more. Without room there is none."""
    with suppress(OSError):
        found = {name: _sealed(data / name) for name in AT_REST if (data / name).exists()}
        write_private(data / SEAL, msgspec.json.encode(found))


def at_rest(data: Path) -> list[Flaw]:
    """Databases and keys that nobody has written to since core stopped, and that differ all the same."""
    path = data / SEAL
    try:
        seals = msgspec.json.decode(path.read_bytes(), type=dict[str, Seal]) if path.exists() else {}
    except msgspec.DecodeError:
        return [Flaw(entry=None, file=SEAL, what="cannot be read; it is written anew when core stops")]
    flaws = []
    for name, known in seals.items():
        if name not in AT_REST or not (data / name).exists() or _written(data / name) != (known.size, known.mtime_ns):
            continue
        if _sealed(data / name).digest != known.digest:
            flaws.append(
                Flaw(entry=None, file=name, what="its bytes are not those that core left, and nobody has written to it")
            )
    return flaws


def _written(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _sealed(path: Path) -> Seal:
    size, mtime_ns = _written(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32))
    return Seal(size=size, mtime_ns=mtime_ns, digest=digest.hexdigest())


def database(path: Path) -> list[Flaw]:
    """What SQLite finds wrong with its file; nothing is changed."""
    try:
        with closing(sqlite3.connect(path, timeout=30)) as db:
            db.execute("PRAGMA query_only = ON")
            told = [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({MAX_ERRORS})")]
            orphans = db.execute("PRAGMA foreign_key_check")
            told += [f"a row of {row[0]} refers to one of {row[2]} that is not there" for row in orphans]
    except sqlite3.DatabaseError as error:
        told = [str(error)]
    return [Flaw(entry=None, file=path.name, what=what) for what in told if what != "ok"]


def record_keys(log: LogFiles, path: Path, size: int) -> list[Flaw]:
    """Of the first `size` entries, those that do not open with their key, or have lost it without a decision."""
    try:
        keys = RecordKeys(path)
    except KeysError as error:
        return [Flaw(entry=None, file=path.name, what=str(error))]
    flaws: list[Flaw] = []
    missing: set[int] = set()
    erased: set[int] = set()
    try:
        for some in _batches(log, 0, size):
            known = keys.get_many([record.header.key for _, record in some])
            for number, record in some:
                key = known.get(record.header.key)
                if key is None:
                    missing.add(number)
                    continue
                try:
                    erased |= _erased(record, entry.unseal(record, key))
                except VerificationError as error:
                    flaws.append(Flaw(entry=number, file=path.name, what=error.what))
        if missing - erased:  # by a core that runs, while we looked
            for some in _batches(log, size, None):
                erased = erased.union(*(_erased(r, entry.unseal(r, key)) for _, r in some if (key := keys.get(r.header.key))))
    except (sqlite3.DatabaseError, VerificationError) as error:
        flaws.append(Flaw(entry=None, file=path.name, what=str(error)))
    finally:
        keys.close()
    what = "its key is missing, and no decision erased it"
    return flaws + [Flaw(entry=number, file=path.name, what=what) for number in sorted(missing - erased)]


def _erased(record: entry.Record, clear: bytes) -> set[int]:
    """The entries that this one decided to erase."""
    if record.header.kind != "decision" or b'"erased"' not in clear[:40]:
        return set()
    return set(msgspec.json.decode(clear).get("entries", ()))


def _batches(log: LogFiles, first: int, until: int | None) -> Iterator[list[Numbered]]:
    """Records from `first` on that can be read; the others are flaws of the log itself."""
    some: list[Numbered] = []
    for number, (_, record) in enumerate(log.records()):
        if (until is not None and number >= until) or not isinstance(record, bytes):
            break
        if number < first:
            continue
        try:
            some.append((number, entry.parse(record)))
        except VerificationError:
            continue
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some
