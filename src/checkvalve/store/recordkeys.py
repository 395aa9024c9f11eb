"""The keys of the log's records, in a database of their own, so that erasing is deleting keys.

`secure_delete` overwrites; the write-ahead log is truncated after an erasure so that no copy stays behind.
"""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path


class RecordKeys:
    """Thread-safe. Key ids are 16 bytes as hex."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE IF NOT EXISTS record_keys (id TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID")

    def put(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        """Durable when it returns."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT INTO record_keys VALUES (?, ?)", pairs)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def get(self, key_id: str) -> bytes | None:
        with self._lock:
            row = self._db.execute("SELECT key FROM record_keys WHERE id = ?", (key_id,)).fetchone()
        return row[0] if row else None

    def delete(self, ids: Iterable[str]) -> int:
        """Erase for good. Returns how many were there."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            cursor = self._db.executemany("DELETE FROM record_keys WHERE id = ?", [(i,) for i in ids])
            count = cursor.rowcount
            self._db.execute("COMMIT")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return count

    def close(self) -> None:
        with self._lock:
            self._db.close()
