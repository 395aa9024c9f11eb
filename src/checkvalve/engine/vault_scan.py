"""What the vault does with what hosts sent: read every byte from the repository, index what it says, sign it if it may be used.

Only regular files in formats that run no code are signed. Sums are over the bytes as they come out of the repository, so what
is signed is what will be restored. A state that is refused is kept and never proposed.
"""

import hashlib
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import msgspec

from checkvalve.actuators.restic import Repository, ResticError, Snapshot
from checkvalve.engine import vault_stores
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import make_private
from checkvalve.engine.vault import STATES, Vault, digest_of_names
from checkvalve.engine.vault_index import Index
from checkvalve.engine.vault_snapshot import COMMIT, Commit
from checkvalve.modelstates import reading
from checkvalve.modelstates.description import Component, Description
from checkvalve.modelstates.errors import ModelStateError
from checkvalve.modelstates.formats import HEAD_BYTES, PLAIN_PICKLES, gguf_metadata, identify, plain_strings
from checkvalve.modelstates.manifest import File, State, Version, digest_of, needed_digest
from checkvalve.modelstates.reading import Document

BLOCK: Final = 1 << 20
MAX_READ: Final = 512 * 1024 * 1024  # bytes of one file of documents; a longer one is not assessed
MAX_FILES: Final = 200_000  # of one component
AHEAD_MS: Final = 10 * 60 * 1000  # a host's clock may be so far ahead
_SNAPSHOT = re.compile(r"[0-9a-f]{8,64}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
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
class Scanned:
    """`signed` None: not signed, and why."""

    id: str
    signed: State | None
    why: str = ""


@dataclass(slots=True)
class _Seen:
    """What was read of one component so far."""

    files: list[File] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    vectors: list[str] = field(default_factory=list)
    tokenizer: str | None = None
    template: str | None = None


def scan(vault: Vault, now_ms: int, told: Told | None = None) -> list[Scanned]:
    """Take in every committed state that is neither signed nor refused yet, in the order they arrived."""
    described = vault.description()
    states = vault.states()
    done = {s.id for s in states} | set(vault.refused())
    known = {(v.component, v.tree): v for s in states for v in s.versions}
    results = []
    with vault.index() as index:
        for arrived, commit in _commits(vault, done):
            if commit.id not in done:
                results.append(_accept(vault, index, described, known, commit, min(arrived, now_ms), told))
                known |= {(v.component, v.tree): v for s in results if s.signed for v in s.signed.versions}
    return results


def reindex(vault: Vault, told: Told | None = None) -> int:
    """Read into the index again what it lacks of signed states; how many versions. EngineError: one is not as signed."""
    count = 0
    with vault.index() as index:
        for state in vault.states():
            for version in state.versions:
                if index.covers(version.component, version.snapshot):
                    continue
                with vault.as_signed(state, version.component) as repository:
                    seen, _ = _component(index, repository, version.component, version.snapshot, vault.scratch, told)
                if digest_of(tuple(seen.files)) != version.digest:
                    raise EngineError("not_as_signed", f"{version.component} of {state.id} is not what was signed")
                count += 1
    return count


def heal(vault: Vault) -> list[str]:
    """Clear up after backups that were killed: dead locks go, what was sent is used again. Tells for which components."""
    healed = []
    for component in (*vault.description().components, STATES):
        if any((vault.repositories / component / "locks").glob("*")):
            repository = vault.repository(component)
            repository.unlock()
            repository.rebuild_index()
            healed.append(component)
    return healed


def _commits(vault: Vault, done: set[str]) -> list[tuple[int, Commit]]:
    """(when the vault received it, commit), in that order. What is no commit is passed over: only a host that plays tricks
    can have made it. The first of an id counts."""
    repository = vault.repository(STATES)
    found: list[tuple[int, Commit]] = []
    for snapshot in repository.snapshots():
        if any(tag.removeprefix("state=") in done for tag in snapshot.tags):
            continue
        try:
            commit = msgspec.json.decode(repository.get(snapshot.id, COMMIT), type=Commit)
            arrived = (vault.repositories / STATES / "snapshots" / snapshot.id).stat().st_mtime_ns // 1_000_000
        except (ResticError, msgspec.DecodeError, FileNotFoundError):
            continue
        if _ID.fullmatch(commit.id):
            found.append((arrived, commit))
    first: dict[str, tuple[int, Commit]] = {}
    for arrived, commit in sorted(found, key=lambda f: (f[0], f[1].id)):
        first.setdefault(commit.id, (arrived, commit))
    return list(first.values())


def _accept(
    vault: Vault,
    index: Index,
    described: Description,
    known: Mapping[tuple[str, str], Version],
    commit: Commit,
    arrived_ms: int,
    told: Told | None,
) -> Scanned:
    """`known`: signed versions by component and tree; what has the same tree is not read again."""
    try:
        if commit.claimed_ms > arrived_ms + AHEAD_MS:
            raise EngineError("future", "its host dates it later than it arrived here")
        if set(commit.snapshots) != set(described.components):
            raise EngineError("incomplete", "its components are not those that are enrolled")
        names = {c: vault.names(c) for c in described.components}
        versions = {}
        for name, component in described.components.items():
            with vault.view(name, names[name]) as repository:
                snapshot = _snapshot(repository, name, commit.snapshots[name])
                same = known.get((name, snapshot.tree))
                if same is not None and index.again(name, same.snapshot, snapshot.id):
                    versions[name] = msgspec.structs.replace(
                        same, snapshot=snapshot.id, kind=component.kind, made_from=component.made_from, needs=None
                    )
                    continue
                seen, documents = _component(index, repository, name, snapshot.id, vault.scratch, told)
            versions[name] = _version(name, component, snapshot, seen, documents)
        state = State(
            id=commit.id,
            received_ms=arrived_ms,
            claimed_ms=commit.claimed_ms,
            versions=tuple(_with_needs(v, described.components[n], versions) for n, v in versions.items()),
            sealed={c: digest_of_names(n) for c, n in names.items()},
        )
    except (EngineError, ModelStateError) as error:
        vault.refuse(commit.id, error.hint)
        return Scanned(id=commit.id, signed=None, why=error.hint)
    except ResticError as error:  # may pass: it is tried again the next time
        return Scanned(id=commit.id, signed=None, why=error.hint)
    vault.keep(state, names)
    return Scanned(id=commit.id, signed=state)


def _snapshot(repository: Repository, component: str, named: str) -> Snapshot:
    """The snapshot a commit names; EngineError unless it is there and holds files and directories alone."""
    if not _SNAPSHOT.fullmatch(named):
        raise EngineError("incomplete", f"its commit names no snapshot of {component}")
    try:
        snapshot, nodes = repository.listed(named)
    except ResticError as error:
        if error.code != "no_snapshot":
            raise
        raise EngineError("incomplete", f"its snapshot of {component} cannot be read: {error.hint}") from error
    for kind, path in nodes:
        if kind not in ("file", "dir"):
            raise EngineError("not_a_file", f"{component} holds a link or a device: {path[:200]}")
    return snapshot


def _component(
    index: Index, repository: Repository, name: str, snapshot: str, scratch: Path, told: Told | None
) -> tuple[_Seen, int]:
    seen = _Seen()
    make_private(scratch)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="scan-") as room, repository.contents(snapshot) as archive:

        def documents() -> Iterator[Document]:
            read = 0
            for member in archive:
                if member.isdir():
                    continue
                if not member.isfile():
                    raise EngineError("not_a_file", f"{name} holds a link or a device: {member.name[:200]}")
                if len(seen.files) >= MAX_FILES:
                    raise EngineError("too_many", f"{name} holds more than {MAX_FILES} files")
                stream = archive.extractfile(member)
                if stream is None:
                    raise EngineError("not_a_file", f"{name}: {member.name[:200]} cannot be read")
                yield from _file(seen, member.name.lstrip("./"), member.size, stream, Path(room))
                read += member.size
                if told:
                    told(name, read)
            yield from _datasets(seen, Path(room))

        count = index.add(name, snapshot, documents())
    if not seen.files:
        raise EngineError("empty", f"{name} holds no file")
    return seen, count


def _file(seen: _Seen, path: str, size: int, stream: IO[bytes], room: Path) -> Iterator[Document]:
    """One file: its sum, its format, its documents."""
    head = stream.read(min(size, HEAD_BYTES))
    kind = identify(path, head, size)
    plain = kind == "pickle" and Path(path).name in PLAIN_PICKLES and size <= HEAD_BYTES
    if kind == "pickle" and (not plain or plain_strings(head) is None):
        raise EngineError("pickle", f"{path} is a pickle, which runs code when it is loaded; convert it to safetensors or GGUF")
    summing = hashlib.sha256(head)
    if kind in ("gguf", "safetensors", "vectors") or size > MAX_READ:
        while block := stream.read(BLOCK):
            summing.update(block)
        data = b""
    else:
        data = head + stream.read()
        summing.update(data[len(head) :])
    seen.files.append(File(path=path, size=size, sha256=summing.hexdigest()))
    if Path(path).name in TOKENIZERS:
        seen.tokenizer = hashlib.sha256(((seen.tokenizer or "") + path + summing.hexdigest()).encode()).hexdigest()
    yield Document(place=f"{path} (its name)", text=path)
    match kind:
        case "gguf":
            yield from _gguf(seen, path, head)
        case "safetensors":
            yield from reading.raw(f"{path} header", head[: 8 + int.from_bytes(head[:8], "little")])
        case "vectors":
            seen.vectors.append(path)
        case "pickle":
            yield Document(place=path, text="\n".join(plain_strings(data) or ()))
        case "hnsw":  # vectors by their names alone: their bytes are searched all the same
            seen.vectors.append(path)
            yield from reading.raw(path, data)
        case _ if size > MAX_READ:
            seen.unread.append(f"{path}: longer than {MAX_READ // 1024**2} MiB")
        case "sqlite":
            yield from _sqlite(seen, path, data, room)
        case _ if vault_stores.HAS_LANCE and vault_stores.dataset_of(path):
            _put_by(room / LANCE, path, data)
        case _:
            read = reading.read(path, data)
            yield from read.documents
            seen.unread += read.not_assessed


def _put_by(room: Path, path: str, data: bytes) -> None:
    """Keep a file of a dataset until all of them are there."""
    if ".." in path.split("/"):
        raise EngineError("not_a_file", f"{path[:200]} leads out of its component")
    there = room / path
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_bytes(data)


def _datasets(seen: _Seen, room: Path) -> Iterator[Document]:
    """Every row of every version of the datasets that were put by."""
    found = {vault_stores.dataset_of(f.path) for f in seen.files} if (room / LANCE).exists() else set()
    for name in sorted(n for n in found if n):
        dataset = room / LANCE / name
        try:
            yield from vault_stores.lance_documents(dataset, name)
            seen.unread += vault_stores.beside_versions(dataset, name)
        except Exception as error:  # whatever the library raises for what it cannot read
            seen.unread.append(f"{name}: Lance cannot read it ({type(error).__name__})")


def _gguf(seen: _Seen, path: str, head: bytes) -> Iterator[Document]:
    found = gguf_metadata(head)
    seen.tokenizer = hashlib.sha256(((seen.tokenizer or "") + found.tokenizer).encode()).hexdigest()
    if found.template is not None:
        seen.template = hashlib.sha256(found.template.encode()).hexdigest()
        yield Document(place=f"{path} chat template", text=found.template)


def _sqlite(seen: _Seen, path: str, data: bytes, room: Path) -> Iterator[Document]:
    """Every row of every table, and, where deleted rows may still lie between them, the raw bytes as well.

    A file that VACUUM gives back unchanged behind its header holds nothing but live rows.
    """
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
            seen.unread.append(f"{path}: its full-text index may hold words of deleted rows")
        if compact.read_bytes()[100:] == data[100:]:
            return
        seen.unread.append(f"{path}: may hold deleted rows; read as raw bytes as well, where names may be missed")
    except sqlite3.Error as error:
        seen.unread.append(f"{path}: SQLite cannot read it ({error})")
    yield from reading.raw(path, data)


def _version(name: str, component: Component, snapshot: Snapshot, seen: _Seen, documents: int) -> Version:
    files = tuple(sorted(seen.files, key=lambda f: f.path))
    digest = digest_of(files)
    return Version(
        component=name,
        kind=component.kind,
        snapshot=snapshot.id,
        tree=snapshot.tree,
        digest=digest,
        tokenizer=seen.tokenizer or digest,
        files=files,
        made_from=component.made_from,
        documents=documents,
        not_assessed=tuple(seen.unread[:100]),
        vectors=tuple(sorted(seen.vectors)),
        template=seen.template,
    )


def _with_needs(version: Version, component: Component, versions: dict[str, Version]) -> Version:
    if component.needs is None:
        return version
    return msgspec.structs.replace(version, needs=(component.needs, needed_digest(component.kind, versions[component.needs])))
