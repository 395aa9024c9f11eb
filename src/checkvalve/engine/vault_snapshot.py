"""What a host does: take each component as it is at one moment and add it to the vault. A state exists when its commit does.

Live SQLite files are copied by a transaction of SQLite itself, compacted, so that neither a write-ahead log nor a deleted row
goes along; of a Lance dataset the newest version goes alone (engine/vault_stores.py). A component without any is backed up
where it lies; its files must not change meanwhile, and one that does fails the vault's scan of formats or is what it is at that
moment.
"""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from checkvalve.actuators.restic import BackedUp, Repository
from checkvalve.engine import vault_stores
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import make_private, require_private
from checkvalve.engine.vault import SERVER_USER, STATES, Vault
from checkvalve.modelstates.description import Description

COMMIT: Final = "commit.json"
SQLITE: Final = b"SQLite format 3\x00"
BUSY_S: Final = 30.0  # how long a live database is waited for
BESIDE: Final = ("-wal", "-shm", "-journal")

AT_ONCE: Final = 2  # programs of restic; each uses more than one core, and has pauses of its own

Progress = Callable[[str, int, int], None]  # component, bytes done, bytes in all
Around = Callable[[str, Path, Callable[[], BackedUp]], BackedUp]  # component, the directory that is backed up, the backup


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """Which snapshots make one state, as the host says."""

    id: str
    claimed_ms: int
    snapshots: dict[str, str]  # component -> restic snapshot, or its first 8 digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    commit: Commit
    parts: dict[str, BackedUp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a host's backups go: the vault on this machine, or its server with the credentials that `enrol` made."""

    repository: Callable[[str], Repository]


def local(vault: Vault) -> Target:
    return Target(repository=vault.repository)


def remote(url: str, credentials: Path, cache: Path) -> Target:
    """`url`: http(s)://host:port of `modelstate serve`. `credentials`: a copy of the vault's directory of that name."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EngineError("bad_url", "the vault's address looks like https://vault.example:8472")
    server = credentials / "server.password"
    if not server.exists():
        raise EngineError("no_credentials", f"{credentials} holds no server.password; copy the vault's credentials/ there")
    require_private(credentials)
    password = quote(server.read_text("utf-8").strip(), safe="")
    make_private(cache)

    def repository(component: str) -> Repository:
        location = f"rest:{parts.scheme}://{SERVER_USER}:{password}@{parts.netloc.rpartition('@')[2]}/{component}/"
        return Repository(location=location, password_file=credentials / f"{component}.password", cache=cache)

    return Target(repository=repository)


def new_id(now_ms: int) -> str:
    """Ids sort by the time the host claims; nothing relies on it."""
    return f"S{now_ms // 1000:010x}-{secrets.token_hex(4)}"


def take(
    described: Description,
    target: Target,
    scratch: Path,
    now_ms: int,
    progress: Progress | None = None,
    around: Around = lambda _name, _directory, backup: backup(),
) -> Taken:
    """Back up every component and commit. Nothing counts until the commit; what was sent before a failure is not sent again.

    `around` runs the backup of a component, with whatever is done beside it; several at the same time.
    """
    state = new_id(now_ms)

    def one(name: str) -> BackedUp:
        told = (lambda done, total: progress(name, done, total)) if progress else None
        with staged(name, Path(described.components[name].path), scratch) as directory:
            backup = partial(target.repository(name).backup, directory, tags=(f"state={state}",), progress=told)
            return around(name, directory, backup)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = dict(zip(described.components, pool.map(one, described.components), strict=True))
    commit = Commit(id=state, claimed_ms=now_ms, snapshots={n: p.snapshot for n, p in parts.items()})
    target.repository(STATES).put(COMMIT, msgspec.json.encode(commit), tags=(f"state={state}",))
    return Taken(commit=commit, parts=parts)


@contextmanager
def staged(name: str, root: Path, scratch: Path) -> Iterator[Path]:
    """The directory to back up: the component itself, or a copy of it with its databases at rest."""
    if not root.is_dir():
        raise EngineError("no_component", f"component {name}: {root} is no directory")
    files = _files(name, root)
    live = [f for f in files if _is_sqlite(f)]
    kept = {f for f in files if vault_stores.dataset_of(f.relative_to(root).as_posix())} if vault_stores.HAS_LANCE else set()
    if not live and not kept:
        yield root
        return
    make_private(scratch)
    copy = scratch / name
    shutil.rmtree(copy, ignore_errors=True)
    try:
        copy.mkdir(mode=0o700)
        beside = {f.with_name(f.name + end) for f in live for end in BESIDE}
        for file in sorted(files, key=lambda f: "_versions" not in f.parts):  # of Lance, first what says which files belong
            there = copy / file.relative_to(root)
            there.parent.mkdir(parents=True, exist_ok=True)
            if file in live:
                _at_rest(file, there)
            elif file in kept:
                shutil.copy2(file, there)
            elif file not in beside:
                _link(file, there)
        for dataset in {vault_stores.dataset_of(f.relative_to(root).as_posix()) for f in kept}:
            _one_version(copy / str(dataset), root / str(dataset))
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _files(name: str, root: Path) -> list[Path]:
    found = []
    for directory, inner, files in os.walk(root):
        for each in (*inner, *files):
            path = Path(directory) / each
            if not (path.is_dir() or path.is_file()) or path.is_symlink():
                raise EngineError("not_a_file", f"component {name}: {path} is a link or a device; put the file itself there")
        found += [Path(directory) / f for f in files]
    return sorted(found)


def _is_sqlite(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(16) == SQLITE


def _at_rest(file: Path, there: Path) -> None:
    try:
        with sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=BUSY_S) as db:
            db.execute("VACUUM INTO ?", (str(there),))
        db.close()
        with suppress(sqlite3.Error):  # an index of another kind: what arrives is looked into
            vault_stores.merge_indexes(there)
    except sqlite3.Error as error:
        raise EngineError(
            "store_busy", f"{file} cannot be copied at rest ({error}); stop what writes to it, or try again"
        ) from error


def _one_version(copy: Path, dataset: Path) -> None:
    try:
        vault_stores.forget_versions(copy)
    except Exception as error:  # whatever the library raises for what it cannot read
        why = f"{dataset} cannot be read as a Lance dataset ({type(error).__name__}); stop what writes to it, or try again"
        raise EngineError("store_busy", why) from error


def _link(file: Path, there: Path) -> None:
    try:
        os.link(file, there)
    except OSError:
        shutil.copy2(file, there)
