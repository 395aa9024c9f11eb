"""Asking: sealed segments and the rows not sealed yet, as one set of tables in an in-memory DuckDB of whoever asks.

Any number of processes may ask at once; nothing is written. The rows of the state are read before the manifest, so that a
segment sealed in between is seen once and not missed.
"""

import threading
from array import array
from collections.abc import Mapping
from typing import Any, Final

import duckdb
import pyarrow as pa
from sqlalchemy import Connection, select

from checkvalve.store.archive import REBUILD, TABLES, ArchiveError, Manifest, Reading
from checkvalve.store.questions import Question, Value, text
from checkvalve.store.schema import cursor, events, exposures, inferences
from checkvalve.store.state import State

MEMORY: Final = "600MB"
_OF: Final = {"events": events, "inferences": inferences, "exposures": exposures}


def rows(db: Connection, table: str, first: int, until: int | None = None) -> pa.Table:
    """A table's rows of entries first … until - 1, from the state."""
    if table == "postings":
        return _postings(db, first, until)
    schema, source = TABLES[table], _OF[table]
    query = select(*(source.c[name] for name in schema.names)).where(source.c.entry >= first)
    if until is not None:
        query = query.where(source.c.entry < until)
    found = db.execute(query).all()
    columns = list(zip(*found, strict=True)) if found else [()] * len(schema)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _postings(db: Connection, first: int, until: int | None) -> pa.Table:
    query = select(events.c.entry, events.c.tokens).where(events.c.entry >= first, events.c.tokens.is_not(None))
    if until is not None:
        query = query.where(events.c.entry < until)
    tokens, entries = array("i"), array("q")
    for entry, packed in db.execute(query):
        tokens.frombytes(packed)
        entries.extend([entry] * (len(packed) // 4))
    columns = [pa.array(memoryview(part), kind) for part, kind in ((tokens, pa.int32()), (entries, pa.int64()))]
    return pa.table(columns, schema=TABLES["postings"])


class Asker:
    """Keeps its engine between questions; call `close`. Thread-safe, one question at a time."""

    def __init__(self, reading: Reading, state: State) -> None:
        self._reading, self._state = reading, state
        self._lock = threading.Lock()
        # Nothing but our own SQL runs here, and it reads nothing but listed files.
        self._db = duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": 2})

    def close(self) -> None:
        self._db.close()

    def ask(self, question: Question, **parameters: Value) -> list[dict[str, Any]]:
        """Rows as dicts, in the question's order. ArchiveError when a segment cannot be read."""
        with self._lock:
            return self._ask(question, parameters, again=True)

    def _ask(self, question: Question, parameters: Mapping[str, Value], *, again: bool) -> list[dict[str, Any]]:
        manifest, recent = self._state_of(question.tables)
        try:
            for table, content in recent.items():
                self._db.register(f"recent_{table}", content)
                self._db.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS {view(manifest, self._reading, table)}")
            found = self._db.execute(text(question, "duckdb", parameters))
            names = [d[0] for d in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        except duckdb.Error as error:
            if again and self._reading.manifest() != manifest:  # merged in between, long ago enough to be gone
                return self._ask(question, parameters, again=False)
            raise ArchiveError(f"the archive cannot be read ({error})", REBUILD) from error

    def _state_of(self, tables: tuple[str, ...]) -> tuple[Manifest, dict[str, pa.Table]]:
        """What is sealed, and the rows that are not."""
        with self._state.read() as db:
            db.execute(select(cursor.c.value)).first()  # from here on the state is seen as it is now
            manifest = self._reading.manifest()
            return manifest, {table: rows(db, table, manifest.until) for table in tables}


def view(manifest: Manifest, reading: Reading, table: str) -> str:
    """SQL of a whole table: its sealed files and `recent_<table>`."""
    names = ", ".join(TABLES[table].names)
    paths = [str(reading.directory / f.name) for f in manifest.files(table)]
    recent = f"SELECT {names} FROM recent_{table}"  # noqa: S608 - our own names
    if not paths:
        return recent
    quoted = ", ".join("'" + p.replace("'", "''") + "'" for p in paths)
    return f"SELECT {names} FROM read_parquet([{quoted}]) UNION ALL {recent}"  # noqa: S608
