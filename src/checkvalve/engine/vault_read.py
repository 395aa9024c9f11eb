"""Reading a component: its files, from the disk or as they stream out of a repository, into sums, formats and documents.

Only regular files in formats that run no code are read; the rest is an EngineError or ModelStateError, for the whole. Weights
are summed and their metadata is read: what they learned is judged by what they were made from.
"""

import hashlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import msgspec

from checkvalve.actuators.restic import Repository
from checkvalve.engine import vault_stores
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import make_private
from checkvalve.engine.vault_index import Index, Take
from checkvalve.modelstates import reading
from checkvalve.modelstates.formats import HEAD_BYTES, PLAIN_PICKLES, gguf_metadata, identify, plain_strings
from checkvalve.modelstates.manifest import File
from checkvalve.modelstates.reading import Document

BLOCK: Final = 1 << 20
MAX_READ: Final = 512 * 1024 * 1024  # bytes of one file of documents; a longer one is not assessed
MAX_FILES: Final = 200_000  # of one component
TOKENIZERS: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
)
LANCE: Final = "lance"  # of the scratch directory: datasets, until they are whole

Told = Callable[[str, int], None]  # component, bytes read


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file to be read. `stamp` tells whether it changed since it was read the last time; "" when nothing can tell."""

    path: str
    size: int  # bytes
    open: Callable[[], IO[bytes]]
    stamp: str = ""


class Said(msgspec.Struct, kw_only=True, array_like=True):
    """What was read of one file."""

    file: File
    unread: list[str] = []
    vectors: bool = False
    tokenizer: str | None = None
    template: str | None = None


@dataclass(slots=True)
class Seen:
    """What was read of a component. `numbers`: its documents in the index. `unread`: what could not be read."""

    said: list[Said] = field(default_factory=list)
    numbers: set[int] = field(default_factory=set)
    datasets: list[str] = field(default_factory=list)  # why not all of the datasets was read

    @property
    def files(self) -> tuple[File, ...]:
        return tuple(s.file for s in self._ordered())

    @property
    def unread(self) -> list[str]:
        return [line for s in self._ordered() for line in s.unread] + self.datasets

    @property
    def vectors(self) -> tuple[str, ...]:
        return tuple(s.file.path for s in self._ordered() if s.vectors)

    @property
    def template(self) -> str | None:
        return next((s.template for s in reversed(self._ordered()) if s.template), None)

    @property
    def tokenizer(self) -> str | None:
        parts = [s.tokenizer for s in self._ordered() if s.tokenizer]
        return hashlib.sha256("".join(parts).encode()).hexdigest() if parts else None

    def _ordered(self) -> list[Said]:
        return sorted(self.said, key=lambda s: s.file.path)


def read(index: Index, name: str, members: Iterable[Member], scratch: Path, told: Told | None = None) -> Seen:
    """Every file of a component. What the index remembers under the same stamp is not read again."""
    seen, done = Seen(), 0
    make_private(scratch)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="scan-") as made, index.taking() as take:
        for member in members:
            if len(seen.said) >= MAX_FILES:
                raise EngineError("too_many", f"{name} holds more than {MAX_FILES} files")
            said, numbers = _remembered(index, name, member, take, Path(made))
            seen.said.append(said)
            seen.numbers |= numbers
            done += member.size
            if told:
                told(name, done)
        seen.numbers |= take(_datasets(seen, Path(made)))
    if not seen.said:
        raise EngineError("empty", f"{name} holds no file")
    return seen


def stored(repository: Repository, name: str, snapshot: str) -> Iterator[Member]:
    """The files of a snapshot as they stream by; each must be read before the next."""
    with repository.contents(snapshot) as archive:
        for entry in archive:
            if entry.isdir():
                continue
            stream = archive.extractfile(entry) if entry.isfile() else None
            if stream is None:
                raise EngineError("not_a_file", f"{name} holds a link or a device: {entry.name[:200]}")
            yield Member(path=entry.name.lstrip("./"), size=entry.size, open=lambda stream=stream: stream)  # type: ignore[misc]


def _remembered(index: Index, name: str, member: Member, take: Take, room: Path) -> tuple[Said, set[int]]:
    if member.stamp and (known := index.reading(name, member.path, member.stamp)):
        return msgspec.json.decode(known[0], type=Said), known[1]
    with member.open() as stream:
        said, documents = _file(member, stream, room)
        numbers = take(documents)
    if member.stamp and not _of_dataset(member.path):  # those are read together
        index.remember(name, member.path, member.stamp, msgspec.json.encode(said), numbers)
    return said, numbers


def _of_dataset(path: str) -> bool:
    return vault_stores.HAS_LANCE and vault_stores.dataset_of(path) is not None


def _file(member: Member, stream: IO[bytes], room: Path) -> tuple[Said, Iterator[Document]]:
    """One file: its sum, its format, its documents. `unread` is whole when these were taken."""
    path, size = member.path, member.size
    head = stream.read(min(size, HEAD_BYTES))
    kind = identify(path, head, size)
    strings = plain_strings(head) if kind == "pickle" and Path(path).name in PLAIN_PICKLES and size <= HEAD_BYTES else None
    if kind == "pickle" and strings is None:
        raise EngineError("pickle", f"{path} is a pickle, which runs code when it is loaded; convert it to safetensors or GGUF")
    summing, rest, length = hashlib.sha256(head), list[bytes](), len(head)
    kept = kind not in ("gguf", "safetensors", "vectors") and size <= MAX_READ
    while block := stream.read(BLOCK):
        summing.update(block)
        length += len(block)
        if kept:
            rest.append(block)
    if length != size:
        raise EngineError("changed", f"{path} changed while it was read")
    said = Said(file=File(path=path, size=size, sha256=summing.hexdigest()), vectors=kind in ("vectors", "hnsw"))
    if Path(path).name in TOKENIZERS:
        said.tokenizer = f"{path} {summing.hexdigest()}\n"
    return said, _documents(said, kind, head, b"".join((head, *rest)) if kept else b"", strings or (), room)


def _documents(said: Said, kind: str, head: bytes, data: bytes, strings: Iterable[str], room: Path) -> Iterator[Document]:
    path = said.file.path
    yield Document(place=f"{path} (its name)", text=path)
    match kind:
        case "gguf":
            yield from _gguf(said, head)
        case "safetensors":
            yield from reading.raw(f"{path} header", head[: 8 + int.from_bytes(head[:8], "little")])
        case "vectors":
            pass
        case "pickle":
            yield Document(place=path, text="\n".join(strings))
        case "hnsw":  # vectors by their names alone: their bytes are searched all the same
            yield from reading.raw(path, data)
        case _ if said.file.size > MAX_READ:
            said.unread.append(f"{path}: longer than {MAX_READ // 1024**2} MiB")
        case "sqlite":
            yield from _sqlite(said, data, room)
        case _ if _of_dataset(path):
            _put_by(room / LANCE, path, data)
        case _:
            taken = reading.read(path, data)
            yield from taken.documents
            said.unread += taken.not_assessed


def _put_by(room: Path, path: str, data: bytes) -> None:
    """Keep a file of a dataset until all of them are there."""
    if ".." in path.split("/"):
        raise EngineError("not_a_file", f"{path[:200]} leads out of its component")
    there = room / path
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_bytes(data)


def _datasets(seen: Seen, room: Path) -> Iterator[Document]:
    """Every row of every version of the datasets that were put by."""
    found = {vault_stores.dataset_of(s.file.path) for s in seen.said} if (room / LANCE).exists() else set()
    for name in sorted(n for n in found if n):
        dataset = room / LANCE / name
        try:
            yield from vault_stores.lance_documents(dataset, name)
            seen.datasets += vault_stores.beside_versions(dataset, name)
        except Exception as error:  # whatever the library raises for what it cannot read
            seen.datasets.append(f"{name}: Lance cannot read it ({type(error).__name__})")


def _gguf(said: Said, head: bytes) -> Iterator[Document]:
    path, found = said.file.path, gguf_metadata(head)
    said.tokenizer = f"{found.tokenizer}\n"
    if found.template is not None:
        said.template = hashlib.sha256(found.template.encode()).hexdigest()
        yield Document(place=f"{path} chat template", text=found.template)


def _sqlite(said: Said, data: bytes, room: Path) -> Iterator[Document]:
    """Every row of every table, and, where deleted rows may still lie between them, the raw bytes as well.

    A file that VACUUM gives back unchanged behind its header holds nothing but live rows.
    """
    path = said.file.path
    file, compact = room / "store.db", room / "compact.db"
    file.write_bytes(data)
    compact.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as db:
            db.text_factory = lambda b: b.decode("utf-8", "replace")
            schema = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
            yield from reading.rows(f"{path} schema", iter(schema))
            tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0")]
            for table in tables:
                quoted = table.replace('"', '""')
                yield from reading.rows(f"{path} {table}", db.execute(f'SELECT * FROM "{quoted}"'))  # noqa: S608 # quoted
            db.execute("VACUUM INTO ?", (str(compact),))
        if vault_stores.unmerged(file):
            said.unread.append(f"{path}: its full-text index may hold words of deleted rows")
        if compact.read_bytes()[100:] == data[100:]:
            return
        said.unread.append(f"{path}: may hold deleted rows; read as raw bytes as well, where names may be missed")
    except sqlite3.Error as error:
        said.unread.append(f"{path}: SQLite cannot read it ({error})")
    yield from reading.raw(path, data)
