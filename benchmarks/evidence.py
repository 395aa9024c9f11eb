"""Responder questions over sealed segments: cold, warm, memory, bytes. `python -m benchmarks.evidence --json [--full]`.

A million made-up events (ten million with --full) are sealed and merged as core does it; a process of its own then asks each
question twice: cold with an engine just opened and the files dropped from the page cache, warm right after. SQLite and
PostgreSQL are given rows of the same kind and the indexes the questions want. Finding and erasing are measured on a real log.
"""

import argparse
import io
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
from benchmarks import generator
from benchmarks.report import machine, tell
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.integration.evidence.installation import installation

from checkvalve.store.archive import Archive, Reading
from checkvalve.store.asking import Asker
from checkvalve.store.questions import QUESTIONS, Question, text, value
from checkvalve.store.state import open_state

ORIGIN: Final = "checkvalve/benchmark"
SEGMENT: Final = 100_000
EVENTS, FULL = 1_000_000, 10_000_000
PEER_EVENTS: Final = 200_000
RECORDS: Final = 300  # of a real log, for finding and erasing
WARM: Final = 5
POSTGRES: Final = Path("/usr/lib/postgresql/15/bin")


def questions(total: int) -> dict[str, tuple[Question, dict[str, Any]]]:
    """What is asked, of a moment in the middle of the month."""
    middle = generator.START_MS + generator.MONTH_MS // 2
    rows = {t: r.to_pylist() for t, r in generator.segment(total // 2 - 5000, total // 2, total).items()}
    event = next(r for r in rows["events"] if r["requester"] != "anonymous")
    inference, shown = rows["inferences"][0], rows["exposures"][0]
    said = sorted(r["token"] for r in rows["postings"] if r["entry"] == inference["entry"])
    week = {"since": middle - 7 * 24 * 3_600_000, "until": middle}
    return {
        "trace": (QUESTIONS["trace"], {"trace": inference["trace"]}),
        "session_1h": (
            QUESTIONS["session"],
            {
                "session": event["session"],
                "since": event["time_ms"] - 3_600_000,
                "until": event["time_ms"] + 3_600_000,
            },
        ),
        "scope_plugin_7_days": (QUESTIONS["scope"], {"plugin": shown["plugin"], **week}),
        "subject": (QUESTIONS["subject"], {"subject": event["requester"]}),
        "value_rare": (value([[generator.order_token(inference["entry"])]]), {}),
        "value_of_three_words": (value([said[20:120:40]]), {}),
        "counts_30_days": (
            QUESTIONS["counts"],
            {"since": generator.START_MS, "until": generator.START_MS + generator.MONTH_MS},
        ),
    }


# --- the archive -----------------------------------------------------------------------------------------------------


def seal(directory: Path, total: int) -> dict[str, Any]:
    archive = Archive(directory / "archive", Ed25519PrivateKey.from_private_bytes(bytes(range(32))), ORIGIN)
    made = sealed = merged = 0.0
    for first in range(0, total, SEGMENT):
        start = time.perf_counter()
        rows = generator.segment(first, first + SEGMENT, total)
        made += (between := time.perf_counter()) - start
        archive.seal(first + SEGMENT, rows)
        sealed += (after := time.perf_counter()) - between
        while archive.merge(1):
            archive.sweep(10**12)
        merged += time.perf_counter() - after
    sizes = {t: sum(f.bytes for f in archive.manifest.files(t)) for t in ("events", "inferences", "exposures", "postings")}
    return {
        "events": total,
        "generate_events_per_second": round(total / made),
        "seal_events_per_second": round(total / sealed),
        "seal_and_merge_events_per_second": round(total / (sealed + merged)),
        "segments": len(archive.manifest.segments),
        "bytes_per_event": round(sum(sizes.values()) / total, 1),
        **{f"bytes_per_event_{t}": round(size / total, 1) for t, size in sizes.items()},
    }


def ask(directory: Path, total: int) -> dict[str, Any]:
    """In a process of its own: milliseconds of each question, and the most memory this process ever had."""
    public = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw()
    reading = Reading(directory=directory / "archive", origin=ORIGIN, public_key=public)
    asked = questions(total)
    figures: dict[str, Any] = {}
    with closing(open_state(directory / "state.db")) as state:
        for name, (question, parameters) in asked.items():
            drop_from_page_cache(directory / "archive")
            start = time.perf_counter()
            asker = Asker(reading, state)
            rows = asker.ask(question, **parameters)
            figures[f"{name}_cold_ms"] = ms(start)
            figures[f"{name}_warm_ms"] = best(lambda q=question, p=parameters, a=asker: a.ask(q, **p))  # type: ignore[misc]
            figures[f"{name}_rows"] = len(rows)
            asker.close()
    figures["memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return figures


def drop_from_page_cache(directory: Path) -> None:
    for path in directory.rglob("*.parquet"):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def ms(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 1)


def best(work: Callable[[], object]) -> float:
    """Median of some runs, ms."""
    times = []
    for _ in range(WARM):
        start = time.perf_counter()
        work()
        times.append(ms(start))
    return sorted(times)[WARM // 2]


# --- finding and erasing ---------------------------------------------------------------------------------------------


def real_log(directory: Path) -> dict[str, float]:
    """Every record holds one of ten people: how long to find an address, and to erase a person."""
    with installation(directory / "installation") as here:
        for person in range(10):
            here.person(f"customer:{person}", email=f"person-{person}@example.com")
        for number in range(RECORDS):
            here.inference("Whose order is this?", f"It is person-{number % 10}@example.com and nobody else. " * 20)
        here.find("warm@example.com")
        start = time.perf_counter()
        found = here.find("person-3@example.com")
        finding = time.perf_counter() - start
        keys = [here.core.journal.read(h.entry).header.key for h in here.find("person-4@example.com").hits]
        start = time.perf_counter()
        here.core.journal.keys.delete(keys)
        deleting = time.perf_counter() - start
        start = time.perf_counter()
        erased = here.erase("customer:5")
        erasing = time.perf_counter() - start
    assert len(found.hits) == erased.records == RECORDS // 10
    return {
        "find_ms_for_30_records": round(finding * 1000, 1),
        "erase_ms_a_record": round(erasing * 1000 / erased.records, 2),
        "key_deletion_ms_a_record": round(deleting * 1000 / len(keys), 3),
    }


# --- peers -----------------------------------------------------------------------------------------------------------

_INDEXES: Final = (
    "CREATE INDEX e_trace ON events (trace)",
    "CREATE INDEX e_session ON events (session, time_ms)",
    "CREATE INDEX e_requester ON events (requester)",
    "CREATE INDEX e_time ON events (time_ms)",
    "CREATE INDEX i_trace ON inferences (trace)",
    "CREATE INDEX i_session ON inferences (session)",
    "CREATE INDEX i_recipient ON inferences (recipient)",
    "CREATE INDEX x_subject ON exposures (subject)",
    "CREATE INDEX x_plugin ON exposures (plugin, seen_ms)",
)
PEER_TABLES: Final = ("events", "inferences", "exposures")


def peer_questions() -> dict[str, tuple[Question, dict[str, Any]]]:
    """Those that need no inverted index."""
    return {n: q for n, q in questions(PEER_EVENTS).items() if not n.startswith("value")}


def sqlite(directory: Path, rows: dict[str, Any]) -> dict[str, Any]:
    path = directory / "peer.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            db.execute(f"PRAGMA {pragma}")
        start = time.perf_counter()
        for table in PEER_TABLES:
            names = rows[table].schema.names
            db.execute(f"CREATE TABLE {table} ({', '.join(names)})")
            db.execute("BEGIN")
            values = zip(*(rows[table][n].to_pylist() for n in names), strict=True)
            db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", values)
            db.execute("COMMIT")
        for index in _INDEXES:
            db.execute(index)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        figures: dict[str, Any] = {"sqlite_load_events_per_second": round(PEER_EVENTS / (time.perf_counter() - start))}
        figures["sqlite_bytes_per_event"] = round(path.stat().st_size / PEER_EVENTS)
        for name, (question, parameters) in peer_questions().items():
            sql = text(question, "sqlite", parameters)
            figures[f"sqlite_{name}_warm_ms"] = best(lambda s=sql: db.execute(s).fetchall())  # type: ignore[misc]
    return figures


@contextmanager
def postgres() -> Iterator[Callable[..., str]]:
    """A server of its own, reached by a socket; root lends it the user `nobody`, for it refuses to run as root."""
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    home = Path(tempfile.mkdtemp(prefix="cv-", dir="/tmp"))
    if drop:
        shutil.chown(home, 65534, 65534)
    environment = {**os.environ, "HOME": str(home)}

    def run(program: str, *arguments: str, given: str | None = None) -> str:
        command = [*drop, str(POSTGRES / program), *arguments]
        return subprocess.run(
            command, input=given, cwd=home, env=environment, text=True, capture_output=True, check=True, timeout=120
        ).stdout

    try:
        run("initdb", "-D", str(home / "data"), "-U", "cv", "--auth=trust", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses= -c unix_socket_directories={home} -c shared_buffers=256MB -c jit=off"
        run("pg_ctl", "-D", str(home / "data"), "-w", "-l", str(home / "log"), "-o", options, "start")
        try:
            reach = ("-h", str(home), "-U", "cv", "-d", "postgres", "-XqAt", "-v", "ON_ERROR_STOP=1")
            yield lambda given, *more: run("psql", *reach, *more, given=given)
        finally:
            run("pg_ctl", "-D", str(home / "data"), "-m", "fast", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def postgresql(rows: dict[str, Any]) -> dict[str, Any]:
    if not (POSTGRES / "initdb").exists():
        return {"postgresql": "not installed (apt-get install postgresql)"}
    kinds = {"int64": "bigint", "int32": "integer", "string": "text", "bool": "boolean"}
    with postgres() as run:
        start = time.perf_counter()
        for table in PEER_TABLES:
            content = io.BytesIO()
            pa.csv.write_csv(rows[table], content, pa.csv.WriteOptions(include_header=False))
            columns = ", ".join(f"{f.name} {kinds[str(f.type)]}" for f in rows[table].schema)
            run(f"CREATE TABLE {table} ({columns})")
            run(content.getvalue().decode(), "-c", f"\\copy {table} FROM pstdin (FORMAT csv)")
        run(";".join(_INDEXES) + "; CHECKPOINT; ANALYZE;")
        figures: dict[str, Any] = {"postgresql_load_events_per_second": round(PEER_EVENTS / (time.perf_counter() - start))}
        total = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname IN ('events', 'inferences', 'exposures')"
        figures["postgresql_bytes_per_event"] = round(int(run(total)) / PEER_EVENTS)
        for name, (question, parameters) in peer_questions().items():
            asked = f"\\o /dev/null\n\\timing on\n{'; '.join([text(question, 'postgres', parameters)] * WARM)};\n"
            times = sorted(float(t) for t in re.findall(r"Time: ([\d.]+) ms", run(asked)))
            figures[f"postgresql_{name}_warm_ms"] = round(times[len(times) // 2], 1)
    return figures


def measure(directory: Path, total: int) -> dict[str, Any]:
    figures = seal(directory, total)
    open_state(directory / "state.db").close()
    command = [sys.executable, "-m", "benchmarks.evidence", "--ask", str(directory), "--events", str(total)]
    asked = subprocess.run(command, capture_output=True, text=True, check=True)
    figures |= json.loads(asked.stdout)
    figures |= real_log(directory)
    rows = generator.segment(0, PEER_EVENTS, PEER_EVENTS)
    peers = {"peer_events": PEER_EVENTS} | sqlite(directory, rows) | postgresql(rows)
    return {
        "machine": machine(),
        "figures": figures,
        "peers": peers,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--full", action="store_true", help="ten million events")
    parser.add_argument("--events", type=int, help="so many events")
    parser.add_argument("--ask", metavar="DIR", help=argparse.SUPPRESS)
    given = parser.parse_args()
    total = given.events or (FULL if given.full else EVENTS)
    if given.ask:
        print(json.dumps(ask(Path(given.ask), total)))
        return
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:  # not /tmp, which may be memory
        result = measure(Path(directory), total)
    tell(result, as_json=given.json)


if __name__ == "__main__":
    main()
