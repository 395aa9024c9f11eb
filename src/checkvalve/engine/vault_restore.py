"""Asking the vault: which states hold leaked data, what to bring back, and bringing it back beside the running one.

A restore goes into a directory that is not there yet, under another name until every file has the signed sum; only then does
it get its name. Whoever starts a model from it sees all of it or nothing.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from checkvalve.actuators.restic import Repository, ResticError
from checkvalve.engine.errors import EngineError
from checkvalve.engine.vault import Vault
from checkvalve.modelstates import manifest
from checkvalve.modelstates.composition import Part, Proposal
from checkvalve.modelstates.manifest import State, Version
from checkvalve.modelstates.terms import Sought
from checkvalve.modelstates.verdict import Hit, Judge

BLOCK: Final = 1 << 20
COMPOSITION: Final = "composition.json"  # in a restored directory: which versions it was restored from


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`held` is what the index says; the judge draws the verdicts."""

    judge: Judge
    held: Mapping[tuple[str, str], tuple[Hit, ...]]
    unindexed: tuple[str, ...]  # component@state that the index does not know


def find(vault: Vault, people: Sequence[Sought]) -> Found:
    """Over all signed states, without restoring anything."""
    states = vault.states()
    with vault.index() as index:
        held = index.find(people)
        known = {(v.component, v.snapshot): index.covers(v.component, v.snapshot) for s in states for v in s.versions}
    unknown = tuple(f"{c}@{s[:8]}" for (c, s), covered in known.items() if not covered)
    if unknown:
        raise EngineError("not_indexed", f"the index lacks {', '.join(unknown[:5])}; run `checkvalve modelstate scan --again`")
    return Found(judge=Judge(states, held), held=held, unindexed=unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a component's chosen version lacks compared with the newest."""

    component: str
    days: float
    documents: int
    of_them_clean: int


def losses(vault: Vault, proposal: Proposal, found: Found) -> list[Loss]:
    newest = found.judge.states[-1] if found.judge.states else None
    result = []
    with vault.index() as index:
        for part in proposal.parts:
            version = newest.version(part.version.component) if newest else None
            if version is None or version.digest == part.version.digest:
                continue
            gone = index.holds(version.component, version.snapshot) & ~index.holds(version.component, part.version.snapshot)
            hit = {h.document for h in found.held.get((version.component, version.snapshot), ())}
            result.append(
                Loss(
                    component=version.component,
                    days=round((part.newest_ms - part.received_ms) / 86_400_000, 2),
                    documents=gone.bit_count(),
                    of_them_clean=gone.bit_count() - sum(1 for n in hit if gone >> n & 1),
                )
            )
    return result


def restore(vault: Vault, parts: Sequence[Part], target: Path) -> None:
    """Bring back these versions into `target`, which must not exist. EngineError, and no `target`, when a byte differs."""
    if target.exists():
        raise EngineError("exists", f"{target} exists; name a directory that does not, beside the running state")
    if not parts:
        raise EngineError("nothing", "there is nothing to restore")
    states = {s.id: s for s in vault.states()}
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    try:
        for part in parts:
            _bring(vault, states[part.state], part.version.component, partial)
        chosen = {p.version.component: p.state for p in parts}
        (partial / COMPOSITION).write_bytes(msgspec.json.format(msgspec.json.encode(chosen), indent=1))
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _bring(vault: Vault, state: State, component: str, partial: Path) -> None:
    version = state.version(component)
    if version is None:
        raise EngineError("not_found", f"{state.id} has no {component}")
    with vault.as_signed(state, component) as repository:
        repository.restore(version.snapshot, partial / component)
    if wrong := manifest.flaws(version, sums(partial / component)):
        raise EngineError("not_as_signed", f"the restored {component} is not what was signed: {wrong[0]}")


def sums(root: Path) -> dict[str, tuple[int, str]]:
    """path -> size, sha256 of all files below a directory. A link is no file: it is told with an empty sum."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            found[name] = (0, "a link or a device")
        elif path.is_file():
            found[name] = (path.stat().st_size, _sum(path))
    return found


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_directory(vault: Vault, directory: Path) -> list[str]:
    """What differs between a restored directory and what was signed; do this right before a model is started from it."""
    try:
        chosen = msgspec.json.decode((directory / COMPOSITION).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError) as error:
        raise EngineError("not_restored", f"{directory} was not made by `checkvalve modelstate restore`") from error
    states = {s.id: s for s in vault.states()}
    lines = [f"{p.name}: not part of the composition" for p in directory.iterdir() if p.name not in (*chosen, COMPOSITION)]
    for component, name in chosen.items():
        version = states[name].version(component) if name in states else None
        if version is None:
            lines.append(f"{component}: {name} is no signed state with it")
        else:
            lines += manifest.flaws(version, sums(directory / component))
    return lines


def verify_states(vault: Vault, states: Sequence[State]) -> list[str]:
    """Every byte of these states, read out of the repositories as they were when each was signed."""
    lines, done = [], set()
    for state in states:
        for version in state.versions:
            same = version.component, version.tree, state.sealed[version.component]
            if same in done:
                continue
            done.add(same)
            try:
                lines += manifest.flaws(version, _stored(vault, state, version))
            except (EngineError, ResticError) as error:
                lines.append(f"{version.component} of {state.id}: {error.hint}")
    return lines


def _stored(vault: Vault, state: State, version: Version) -> dict[str, tuple[int, str]]:
    with vault.as_signed(state, version.component) as repository:
        return contents_of(repository, version.snapshot)


def contents_of(repository: Repository, snapshot: str) -> dict[str, tuple[int, str]]:
    """path -> size, sha256 of all files of a snapshot, read out of the repository."""
    found = {}
    with repository.contents(snapshot) as archive:
        for member in archive:
            if member.isdir():
                continue
            summing, stream = hashlib.sha256(), archive.extractfile(member) if member.isfile() else None
            while stream is not None and (block := stream.read(BLOCK)):
                summing.update(block)
            found[member.name.lstrip("./")] = (member.size, summing.hexdigest() if stream else "a link or a device")
    return found
