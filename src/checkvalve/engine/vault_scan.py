"""What the vault does with what hosts sent: read every byte of it, index what it says, sign it if it may be used.

Sums are over the bytes as they come out of the repository, so that what is signed is what will be restored. Only on one machine
are they of the files beside the backup, and only if those stayed the same until it ended (engine/vault_here.py). A state that
is refused is kept and never proposed.
"""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import msgspec

from checkvalve.actuators.restic import ResticError, Snapshot
from checkvalve.engine import vault_read
from checkvalve.engine.errors import EngineError
from checkvalve.engine.vault import STATES, Vault, digest_of_names
from checkvalve.engine.vault_index import Index
from checkvalve.engine.vault_read import Seen, Told
from checkvalve.engine.vault_snapshot import AT_ONCE, COMMIT, Commit
from checkvalve.modelstates.description import Component, Description
from checkvalve.modelstates.errors import ModelStateError
from checkvalve.modelstates.manifest import State, Version, digest_of, needed_digest

AHEAD_MS: Final = 10 * 60 * 1000  # a host's clock may be so far ahead
_SNAPSHOT = re.compile(r"[0-9a-f]{8,64}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """`signed` None: not signed, and why."""

    id: str
    signed: State | None
    why: str = ""


def scan(vault: Vault, now_ms: int, told: Told | None = None) -> list[Scanned]:
    """Take in every committed state that is neither signed nor refused yet, in the order they arrived."""
    with vault.alone():
        return take_in(vault, now_ms, told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A component's snapshot as it lies in its repository. `names`: the repository's files then; `seen`: read already."""

    snapshot: Snapshot
    paths: frozenset[str]  # of the files in it
    names: list[str]
    seen: Seen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A commit that was made here just now."""

    commit: Commit
    parts: Mapping[str, Part]


def take_in(vault: Vault, now_ms: int, told: Told | None, ours: Ours | None = None) -> list[Scanned]:
    """As `scan`, by who is alone."""
    described = vault.description()
    states = vault.states()
    done = {s.id for s in states} | set(vault.refused())
    known = {(v.component, v.tree): v for s in states for v in s.versions if v.tree}
    results = []
    with vault.index() as index:
        for arrived, commit in _commits(vault, now_ms, done, ours):
            parts = ours.parts if ours is not None and commit is ours.commit else {}
            taking = _Taking(vault=vault, index=index, described=described, told=told, parts=parts)
            results.append(_accept(taking, known, commit, min(arrived, now_ms)))
            known |= {(v.component, v.tree): v for s in results if s.signed for v in s.signed.versions if v.tree}
    return results


def reindex(vault: Vault, told: Told | None = None) -> int:
    """Read into the index again what it lacks of signed states; how many versions. EngineError: one is not as signed."""
    count = 0
    with vault.alone(), vault.index() as index:
        for state in vault.states():
            for version in state.versions:
                if index.covers(version.component, version.snapshot):
                    continue
                with vault.as_signed(state, version.component) as repository:
                    members = vault_read.stored(repository, version.component, version.snapshot)
                    seen = vault_read.read(index, version.component, members, vault.scratch, told)
                if digest_of(seen.files) != version.digest:
                    raise EngineError("not_as_signed", f"{version.component} of {state.id} is not what was signed")
                index.hold(version.component, version.snapshot, seen.numbers)
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


def _commits(vault: Vault, now_ms: int, done: set[str], ours: Ours | None) -> list[tuple[int, Commit]]:
    """(when the vault received it, commit), in that order. What is no commit is passed over: only a host that plays tricks
    can have made it. The first of an id counts."""
    arrivals = {f.name: f.stat().st_mtime_ns // 1_000_000 for f in (vault.repositories / STATES / "snapshots").iterdir()}
    if ours is not None and len(arrivals) == len(done) + 1:  # nothing else can be new
        return [(now_ms, ours.commit)]
    repository = vault.repository(STATES)
    found: list[tuple[int, Commit]] = []
    for snapshot in repository.snapshots():
        tagged = {tag.removeprefix("state=") for tag in snapshot.tags}
        if tagged & done or snapshot.id not in arrivals:
            continue
        try:
            own = ours.commit if ours is not None and ours.commit.id in tagged else None
            commit = own or msgspec.json.decode(repository.get(snapshot.id, COMMIT), type=Commit)
        except (ResticError, msgspec.DecodeError):
            continue
        if _ID.fullmatch(commit.id) and commit.id not in done:
            found.append((arrivals[snapshot.id], commit))
    first: dict[str, tuple[int, Commit]] = {}
    for arrived, commit in sorted(found, key=lambda f: (f[0], f[1].id)):
        first.setdefault(commit.id, (arrived, commit))
    return list(first.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taking:
    vault: Vault
    index: Index
    described: Description
    told: Told | None
    parts: Mapping[str, Part]  # that are listed already


def _accept(taking: _Taking, known: Mapping[tuple[str, str], Version], commit: Commit, arrived_ms: int) -> Scanned:
    """`known`: signed versions by component and tree; what has the same tree is not read again."""
    vault, described = taking.vault, taking.described
    try:
        if commit.claimed_ms > arrived_ms + AHEAD_MS:
            raise EngineError("future", "its host dates it later than it arrived here")
        if set(commit.snapshots) != set(described.components):
            raise EngineError("incomplete", "its components are not those that are enrolled")
        parts = taking.parts or _parts(vault, commit)
        versions = {c: _version(taking, c, p, known.get((c, p.snapshot.tree))) for c, p in parts.items()}
        state = State(
            id=commit.id,
            received_ms=arrived_ms,
            claimed_ms=commit.claimed_ms,
            versions=tuple(_with_needs(v, described.components[n], versions) for n, v in versions.items()),
            sealed={c: digest_of_names(p.names) for c, p in parts.items()},
        )
    except (EngineError, ModelStateError) as error:
        vault.refuse(commit.id, error.hint)
        return Scanned(id=commit.id, signed=None, why=error.hint)
    except ResticError as error:  # may pass: it is tried again the next time
        return Scanned(id=commit.id, signed=None, why=error.hint)
    vault.keep(state, {c: p.names for c, p in parts.items()})
    return Scanned(id=commit.id, signed=state)


def _parts(vault: Vault, commit: Commit) -> dict[str, Part]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        listed = pool.map(lambda named: list_part(vault, *named), commit.snapshots.items())
        return dict(zip(commit.snapshots, listed, strict=True))


def list_part(vault: Vault, component: str, named: str) -> Part:
    """The snapshot a commit names; EngineError unless it is there and holds files and directories alone."""
    if not _SNAPSHOT.fullmatch(named):
        raise EngineError("incomplete", f"its commit names no snapshot of {component}")
    names = vault.names(component)
    try:
        with vault.view(component, names) as repository:
            snapshot, nodes = repository.listed(named)
    except ResticError as error:
        if error.code != "no_snapshot":
            raise
        raise EngineError("incomplete", f"its snapshot of {component} cannot be read: {error.hint}") from error
    for kind, path in nodes:
        if kind not in ("file", "dir"):
            raise EngineError("not_a_file", f"{component} holds a link or a device: {path[:200]}")
    paths = frozenset(path.lstrip("/") for kind, path in nodes if kind == "file")
    return Part(snapshot=snapshot, paths=paths, names=names)


def _version(taking: _Taking, name: str, part: Part, same: Version | None) -> Version:
    component, index, snapshot = taking.described.components[name], taking.index, part.snapshot
    if same is not None and index.again(name, same.snapshot, snapshot.id):
        return msgspec.structs.replace(
            same, snapshot=snapshot.id, kind=component.kind, made_from=component.made_from, needs=None
        )
    seen = part.seen
    if seen is None or {f.path for f in seen.files} != part.paths:
        with taking.vault.view(name, part.names) as repository:
            members = vault_read.stored(repository, name, snapshot.id)
            seen = vault_read.read(index, name, members, taking.vault.scratch, taking.told)
    index.hold(name, snapshot.id, seen.numbers)
    return _of(name, component, snapshot, seen)


def _of(name: str, component: Component, snapshot: Snapshot, seen: Seen) -> Version:
    digest = digest_of(seen.files)
    return Version(
        component=name,
        kind=component.kind,
        snapshot=snapshot.id,
        tree=snapshot.tree,
        digest=digest,
        tokenizer=seen.tokenizer or digest,
        files=seen.files,
        made_from=component.made_from,
        documents=len(seen.numbers),
        not_assessed=tuple(seen.unread[:100]),
        vectors=seen.vectors,
        template=seen.template,
    )


def _with_needs(version: Version, component: Component, versions: dict[str, Version]) -> Version:
    if component.needs is None:
        return version
    return msgspec.structs.replace(version, needs=(component.needs, needed_digest(component.kind, versions[component.needs])))
