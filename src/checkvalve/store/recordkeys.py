"""The keys of the log's records, in a database of their own, so that erasing is deleting keys.

`secure_delete` overwrites; the write-ahead log is truncated after an erasure so that no copy stays behind.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class KeysError(Exception):
    """The key database cannot do what was asked. `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. {hint}")
        self.hint = hint


class RecordKeys:
    """Thread-safe. Key ids are 16 bytes as hex. KeysError when the file is not such a database.

    `patience_s` is how long to wait for another process that uses it.
    """

    def __init__(self, path: Path, *, patience_s: float = 10) -> None:
        self._lock = threading.Lock()
        path.touch(mode=0o600)
        path.chmod(0o600)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=patience_s)
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.execute("CREATE TABLE IF NOT EXISTS record_keys (id TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID")
        except sqlite3.Error as error:
            self._db.close()
            raise KeysError(f"{path}: {error}", "Restore keys.db from a backup; without it no entry can be read") from error

    def put(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        """Durable when it returns."""
        with self._lock, self._transaction():
            self._db.executemany("INSERT INTO record_keys VALUES (?, ?)", pairs)

    def get(self, key_id: str) -> bytes | None:
        with self._lock:
            row = self._db.execute("SELECT key FROM record_keys WHERE id = ?", (key_id,)).fetchone()
        return row[0] if row else None

    def get_many(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Those that are there."""
        with self._lock:
            query = "SELECT id, key FROM record_keys WHERE id IN (SELECT value FROM json_each(?))"
            return dict(self._db.execute(query, (json.dumps(ids),)).fetchall())

    def delete(self, ids: Iterable[str]) -> int:
        """Erase for good. Returns how many were there. KeysError when a reader kept old pages from being dropped."""
        with self._lock:
            with self._transaction():
                count = self._db.executemany("DELETE FROM record_keys WHERE id = ?", [(i,) for i in ids]).rowcount
            busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise KeysError(
                "the keys are deleted, but copies may stand in keys.db-wal until no other command reads it",
                "Erase again once that command has ended",
            )
        return count

    def discard(self, ids: Iterable[str]) -> None:
        """Drop keys that were never used, if possible: a key without a record opens nothing."""
        try:
            with self._lock, self._transaction():
                self._db.executemany("DELETE FROM record_keys WHERE id = ?", [(i,) for i in ids])
        except sqlite3.Error:
            return

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
