"""Durable events a second of the log, and of SQLite and PostgreSQL with the same lines; verification rate.

`python -m benchmarks.journal --json`. Each side must have a group on disk before the next. The log also seals each record,
stores its key, grows the tree and signs its head; the peers write the lines into one table and do nothing else (SQLite: WAL,
synchronous=FULL; PostgreSQL as it comes).
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from benchmarks.report import machine, tell
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.simulators import postgres

from checkvalve.evidence.verify import verify_log
from checkvalve.store.journal import Draft, Journal
from checkvalve.store.segments import LogFiles

GROUPS = (1, 10, 100)
ROUNDS = 3
SECONDS = 0.7  # a round
LINE = (b'{"class_uid":6003,"activity_id":1,"time":1764000000000,"message":"' + b"x" * 520 + b'"}')[:600]
ORIGIN = "checkvalve/benchmark"


def rate(write: Callable[[int], object], group: int) -> float:
    """Events a second."""
    start = time.perf_counter()
    count = 0
    while (elapsed := time.perf_counter() - start) < SECONDS:
        write(group)
        count += group
    return count / elapsed


def journal_writer(journal: Journal) -> Callable[[int], object]:
    draft = Draft(kind="event", source="wp.s-aaaaaaaaaaaa", seq=1, clear=LINE, t=1_764_000_000_000)
    return lambda group: journal.append_many([draft] * group)


ROW = (1_764_000_000_000, "wp.s-aaaaaaaaaaaa", 1, LINE)


def sqlite_writer(db: sqlite3.Connection) -> Callable[[int], object]:
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        db.execute(f"PRAGMA {pragma}")
    db.execute("CREATE TABLE lines (entry INTEGER PRIMARY KEY, t INTEGER, source TEXT, seq INTEGER, line BLOB)")

    def write(group: int) -> None:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO lines (t, source, seq, line) VALUES (?, ?, ?, ?)", [ROW] * group)
        db.execute("COMMIT")

    return write


def postgresql_writer(db: "psycopg.Connection[tuple[object, ...]]") -> Callable[[int], object]:
    db.execute("CREATE TABLE lines (entry BIGSERIAL PRIMARY KEY, t BIGINT, source TEXT, seq BIGINT, line BYTEA)")

    def write(group: int) -> None:
        with db.transaction(), db.cursor() as cursor:
            cursor.executemany("INSERT INTO lines (t, source, seq, line) VALUES (%s, %s, %s, %s)", [ROW] * group)

    return write


def measure(directory: Path) -> dict[str, Any]:
    key = Ed25519PrivateKey.generate()
    rates: dict[str, list[float]] = {}
    with (
        closing(Journal.open(directory, key=key, origin=ORIGIN)) as journal,
        closing(sqlite3.connect(directory / "peer.db", isolation_level=None)) as db,
        postgres.room() as room,
        postgres.running(room) as url,
        psycopg.connect(url, autocommit=True) as server,
    ):
        writers = {
            "log": journal_writer(journal),
            "sqlite": sqlite_writer(db),
            "postgresql": postgresql_writer(server),
        }
        for _ in range(ROUNDS):  # taken in turn, so that noise on the machine meets both
            for group in GROUPS:
                for name, write in writers.items():
                    rates.setdefault(f"{name}_events_per_second_groups_of_{group}", []).append(rate(write, group))
    start = time.perf_counter()
    result = verify_log(LogFiles(directory / "log"), origin=ORIGIN, public_key=key.public_key().public_bytes_raw())
    verifying = time.perf_counter() - start
    start = time.perf_counter()
    Journal.open(directory, key=key, origin=ORIGIN).close()
    opening = time.perf_counter() - start
    if not result.ok:
        raise SystemExit(f"the log of the benchmark does not verify: {result.errors[:3]}")
    figures = {name: round(statistics.median(values)) for name, values in rates.items()}
    return {
        "machine": machine(line_bytes=len(LINE)),
        "figures": {n: v for n, v in figures.items() if n.startswith("log")}
        | {
            "verified_entries": result.entries,
            "verify_entries_per_second": round(result.entries / verifying),
            "open_entries_per_second": round(result.entries / opening),
        },
        "peers": {n: v for n, v in figures.items() if not n.startswith("log")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:  # not /tmp, which may be memory
        tell(measure(Path(directory)), as_json=as_json)


if __name__ == "__main__":
    main()
