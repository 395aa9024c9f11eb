"""Stores that keep what was deleted: brought to rest before a backup, and looked into when they arrive.

SQLite's full-text index (Chroma has one) keeps words of deleted rows until its parts are merged; a Lance dataset (LanceDB)
keeps every version. Lance is read by its own library (`pip install checkvalve[lance]`); without it, nothing is said of it.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from checkvalve.modelstates import reading
from checkvalve.modelstates.reading import Document

FTS5: Final = re.compile(r"^\s*CREATE\s+VIRTUAL\s+TABLE\b.*\bUSING\s+fts5\b", re.I | re.S)
FTS: Final = re.compile(r"\bUSING\s+fts", re.I)
LANCE: Final = ".lance"  # the end of a dataset's directory
HAS_LANCE: Final = find_spec("lance") is not None
MAX_VERSIONS: Final = 10_000


def merge_indexes(file: Path) -> None:
    """Merge the parts of every full-text index of a database at rest; words of deleted rows go. One it does not know stays."""
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        for name in _indexes(db):
            _merge(db, name)
        db.execute("VACUUM")


def unmerged(file: Path) -> list[str]:
    """Full-text indexes that may hold words of deleted rows: those that a merge changes, or that cannot be merged. Writes."""
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        schema = [(n, str(sql)) for n, sql in db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")]
        known = set(_indexes(db))
        return [n for n, sql in schema if FTS.search(sql) and not (n in known and not _changes(db, n))]


def _indexes(db: sqlite3.Connection) -> list[str]:
    tables = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL")
    return [name for name, sql in tables if FTS5.match(sql)]


def _changes(db: sqlite3.Connection, name: str) -> bool:
    before = _content(db, name)
    try:
        _merge(db, name)
    except sqlite3.Error:
        return True
    return _content(db, name) != before


def _merge(db: sqlite3.Connection, name: str) -> None:
    quoted = name.replace('"', '""')
    db.execute(f'INSERT INTO "{quoted}" ("{quoted}") VALUES (\'optimize\')')  # noqa: S608 # quoted


def _content(db: sqlite3.Connection, name: str) -> str:
    quoted = name.replace('"', '""')
    try:
        rows = db.execute(f'SELECT id, block FROM "{quoted}_data" ORDER BY id')  # noqa: S608 # quoted
        return hashlib.sha256(repr(rows.fetchall()).encode()).hexdigest()
    except sqlite3.Error:
        return "unreadable"


def dataset_of(path: str) -> str | None:
    """The Lance dataset a file belongs to: the first directory on its way that is one."""
    parts = path.split("/")
    return next(("/".join(parts[: n + 1]) for n, part in enumerate(parts[:-1]) if part.endswith(LANCE)), None)


def forget_versions(dataset: Path) -> None:
    """Leave a Lance dataset with its newest version alone, deleted rows rewritten away. The directory is a copy at rest."""
    import lance

    data = lance.dataset(str(dataset))
    data.optimize.compact_files(materialize_deletions=True, materialize_deletions_threshold=0.0)
    lance.dataset(str(dataset)).cleanup_old_versions(timedelta(0), delete_unverified=True)


def lance_documents(dataset: Path, name: str) -> Iterator[Document]:
    """Every row of every version. An exception of the library for what is no dataset."""
    import lance

    newest = lance.dataset(str(dataset))
    for version in newest.versions()[:MAX_VERSIONS]:
        number = version["version"]
        for batch in lance.dataset(str(dataset), version=number).to_batches():
            yield from reading.rows(f"{name} version {number}", (_said(tuple(row.values())) for row in batch.to_pylist()))


def beside_versions(dataset: Path, name: str) -> list[str]:
    """Why not everything of a dataset was read: files that no version names, and indexes, which keep words of their own."""
    import lance

    newest = lance.dataset(str(dataset))
    named: set[str] = set()
    for version in newest.versions()[:MAX_VERSIONS]:
        for fragment in lance.dataset(str(dataset), version=version["version"]).get_fragments():
            named |= {Path(file.path).name for file in fragment.data_files()}
    there = {f.name for f in (dataset / "data").rglob("*") if f.is_file()}
    why = [f"{name}: {len(there - named)} data files that no version names"] if there - named else []
    if any((dataset / "_indices").rglob("*.*")):
        why.append(f"{name}: its indexes may hold words of deleted rows")
    return why


def _said(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Without vectors: they say nothing in words."""
    return tuple(v for v in row if not (isinstance(v, list) and v and isinstance(v[0], float)))
