"""Sealed segments: rows of digested events as immutable Parquet files that any engine can ask (docs/spec/log.md, section 9).

    DIR/archive/<table>/<first entry>-<entry after the last>.parquet
    DIR/archive/manifest                 signed note whose first line is the list of files, as JSON

Files are written, synced and renamed before the manifest names them, and are never changed. A file that no manifest names is
what a crash left. Files that were merged into others stay for a while, for readers with the list of before.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import msgspec
import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.evidence.checkpoint import open_note, sign_note
from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.verify import Flaw

# The tables and their columns. All times in ms since the epoch, UTC. Order within a file: `ORDER`.
TABLES: Final[Mapping[str, pa.Schema]] = {
    "events": pa.schema(
        [
            ("entry", pa.int64()),
            ("sensor", pa.string()),
            ("seq", pa.int64()),
            ("digest", pa.string()),
            ("received_ms", pa.int64()),
            ("time_ms", pa.int64()),
            ("site", pa.string()),
            ("class_uid", pa.int32()),
            ("activity_id", pa.int32()),
            ("trace", pa.string()),
            ("session", pa.string()),
            ("requester", pa.string()),
            ("plugin", pa.string()),
            ("route", pa.string()),
            ("summary", pa.string()),
            ("object", pa.string()),
        ]
    ),
    "inferences": pa.schema(
        [
            ("id", pa.string()),
            ("entry", pa.int64()),
            ("site", pa.string()),
            ("started_ms", pa.int64()),
            ("ended_ms", pa.int64()),
            ("model", pa.string()),
            ("outcome", pa.string()),
            ("prompt_tokens", pa.int32()),
            ("completion_tokens", pa.int32()),
            ("plugin", pa.string()),
            ("route", pa.string()),
            ("session", pa.string()),
            ("recipient", pa.string()),
            ("trace", pa.string()),
        ]
    ),
    "exposures": pa.schema(
        [
            ("inference", pa.string()),
            ("subject", pa.string()),
            ("category", pa.string()),
            ("recipient", pa.string()),
            ("shown", pa.bool_()),
            ("entry", pa.int64()),
            ("site", pa.string()),
            ("seen_ms", pa.int64()),
            ("detected_ms", pa.int64()),
            ("plugin", pa.string()),
            ("route", pa.string()),
            ("session", pa.string()),
            ("model", pa.string()),
            ("trace", pa.string()),
        ]
    ),
    "postings": pa.schema([("token", pa.int32()), ("entry", pa.int64())]),
}
ORDER: Final = {name: "token, entry" if name == "postings" else "entry" for name in TABLES}
MERGED: Final = 8  # segments of about one size that become one
LARGEST: Final = 1_000_000  # entries of a segment that is not merged any more
GRACE_MS: Final = 3_600_000
MEMORY: Final = "400MB"
OPTIONS: Final = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, PARQUET_VERSION v2, ROW_GROUP_SIZE 122880"
# Only columns with a dictionary get a Bloom filter, by which a trace or a session is looked up in few row groups.
BLOOM: Final = "DICTIONARY_SIZE_LIMIT 122880, STRING_DICTIONARY_PAGE_SIZE_LIMIT 16777216"
REBUILD: Final = "The log is whole without it; stop core and run `checkvalve evidence rebuild`"


class ArchiveError(Exception):
    """The archive cannot be read or written. `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. {hint}")
        self.hint = hint


class SealedFile(msgspec.Struct, frozen=True, kw_only=True):
    name: str  # below DIR/archive
    bytes: int
    rows: int
    sha256: str


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Entries first … until - 1."""

    first: int
    until: int
    files: dict[str, SealedFile]  # by table; a table without rows has none


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`segments` leave no entry out from 0 to `until`. `dropped`: file -> when it was merged away, ms."""

    segments: list[Segment] = []
    dropped: dict[str, int] = {}

    @property
    def until(self) -> int:
        return self.segments[-1].until if self.segments else 0

    def files(self, table: str) -> list[SealedFile]:
        return [s.files[table] for s in self.segments if table in s.files]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What it takes to read an archive, in any process."""

    directory: Path  # DIR/archive
    origin: str
    public_key: bytes

    def manifest(self) -> Manifest:
        path = self.directory / "manifest"
        if not path.exists():
            return Manifest()
        try:
            text = open_note(path.read_bytes(), name=self.origin, public_key=self.public_key)
            manifest = msgspec.json.decode(text, type=Manifest)
        except (VerificationError, msgspec.DecodeError) as error:
            what = error.what if isinstance(error, VerificationError) else "not a list of segments"
            raise ArchiveError(f"archive/manifest: {what}", REBUILD) from error
        if [s.first for s in manifest.segments] != [0, *(s.until for s in manifest.segments)][: len(manifest.segments)]:
            raise ArchiveError("archive/manifest: segments are missing", REBUILD)
        return manifest

    def flaws(self) -> list[Flaw]:
        """Every listed file that is not as it was sealed."""
        try:
            manifest = self.manifest()
        except ArchiveError as error:
            return [Flaw(entry=None, file="archive/manifest", what=str(error))]
        listed = (f for s in manifest.segments for f in s.files.values())
        return [Flaw(entry=None, file=f"archive/{f.name}", what=what) for f in listed if (what := self._flaw(f))]

    def _flaw(self, file: SealedFile) -> str | None:
        try:
            with (self.directory / file.name).open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        return (
            None
            if digest == file.sha256
            else "is not as it was sealed; `checkvalve evidence rebuild` makes it anew from the log"
        )


class Archive:
    """The one writer (core's). Nothing here is needed to trust the log; all of it follows from the log."""

    def __init__(self, directory: Path, key: Ed25519PrivateKey, origin: str) -> None:
        self._key = key
        self.reading = Reading(directory=directory, origin=origin, public_key=key.public_key().public_bytes_raw())
        self.directory = directory
        for table in TABLES:
            (directory / table).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.manifest = self.reading.manifest()
        self._sweep_strays()

    def seal(self, until: int, rows: Mapping[str, pa.Table]) -> Segment:
        """Make a segment of all entries from the last one to `until`. On return it is on disk and listed."""
        first = self.manifest.until
        if until <= first:
            raise ValueError(f"entries up to {first} are sealed already")
        with _engine() as db:
            files = {}
            for table, content in rows.items():
                if content.num_rows:
                    db.register("fresh", content)
                    query = f"SELECT * FROM fresh ORDER BY {ORDER[table]}"  # noqa: S608 - our own names
                    files[table] = self._write(db, table, first, until, query)
                    db.unregister("fresh")
        segment = Segment(first=first, until=until, files=files)
        self._publish(Manifest(segments=[*self.manifest.segments, segment], dropped=self.manifest.dropped))
        return segment

    def merge(self, now_ms: int, erased: Iterable[int] = ()) -> Segment | None:
        """Make one of several small segments that follow each other; the blind index of erased entries ends here."""
        run = _mergeable(self.manifest.segments)
        if not run:
            return None
        first, until = run[0].first, run[-1].until
        gone = pa.table({"entry": pa.array([e for e in erased if first <= e < until], pa.int64())})
        files = {}
        with _engine() as db:
            db.register("gone", gone)
            for table in TABLES:
                paths = [str(self.directory / s.files[table].name) for s in run if table in s.files]
                if paths:
                    kept = "WHERE entry NOT IN (SELECT entry FROM gone)" if table == "postings" else ""
                    query = f"SELECT * FROM read_parquet({paths!r}) {kept} ORDER BY {ORDER[table]}"  # noqa: S608 - our names
                    files[table] = self._write(db, table, first, until, query)
        merged = Segment(first=first, until=until, files=files)
        others = self.manifest.segments
        place = others.index(run[0])
        dropped = self.manifest.dropped | {f.name: now_ms for s in run for f in s.files.values()}
        self._publish(Manifest(segments=[*others[:place], merged, *others[place + len(run) :]], dropped=dropped))
        return merged

    def sweep(self, now_ms: int) -> int:
        """Remove files that were merged away long enough ago. Returns how many."""
        old = [name for name, at_ms in self.manifest.dropped.items() if at_ms < now_ms - GRACE_MS]
        if old:
            kept = {n: t for n, t in self.manifest.dropped.items() if n not in old}
            self._publish(Manifest(segments=self.manifest.segments, dropped=kept))
        for name in old:
            (self.directory / name).unlink(missing_ok=True)
        return len(old)

    def _write(self, db: duckdb.DuckDBPyConnection, table: str, first: int, until: int, query: str) -> SealedFile:
        name = f"{table}/{first:016d}-{until:016d}.parquet"
        path, fresh = self.directory / name, self.directory / f"{name}.new"
        options = f"{OPTIONS}, {BLOOM}" if table != "postings" else OPTIONS
        try:
            counted = db.execute(f"COPY ({query}) TO '{fresh}' ({options})").fetchone()
            with fresh.open("rb") as file:
                os.fsync(file.fileno())
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            fresh.chmod(0o600)
            fresh.replace(path)
        except duckdb.Error as error:
            fresh.unlink(missing_ok=True)
            raise ArchiveError(f"archive/{name} cannot be written ({error})", "Free disk space; it is tried again") from error
        _sync(path.parent)
        return SealedFile(name=name, bytes=path.stat().st_size, rows=counted[0] if counted else 0, sha256=digest)

    def _publish(self, manifest: Manifest) -> None:
        note = sign_note(msgspec.json.encode(manifest).decode() + "\n", name=self.reading.origin, key=self._key)
        fresh = self.directory / "manifest.new"
        with fresh.open("wb") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.directory / "manifest")
        _sync(self.directory)
        self.manifest = manifest

    def _sweep_strays(self) -> None:
        known = {f.name for s in self.manifest.segments for f in s.files.values()} | set(self.manifest.dropped)
        for table in TABLES:
            for path in (self.directory / table).iterdir():
                if f"{table}/{path.name}" not in known:
                    path.unlink()


def _mergeable(segments: list[Segment]) -> list[Segment]:
    """The first run of MERGED neighbours of about one size."""
    for start in range(len(segments) - MERGED + 1):
        run = segments[start : start + MERGED]
        sizes = [s.until - s.first for s in run]
        if max(sizes) < MERGED * min(sizes) and sum(sizes) <= LARGEST:
            return run
    return []


@contextlib.contextmanager
def _engine() -> Iterator[duckdb.DuckDBPyConnection]:
    db = duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": 2, "enable_external_file_cache": False})
    try:
        yield db
    finally:
        db.close()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
