"""Erasure from the vault: whole states are removed from the repositories; what stays is proven and signed anew, every byte.

Only the vault can do this; the server lets no host. A repository has one key, so nothing less than removing and rewriting its
files erases: what one person's removal costs is the states that hold them. A run that was cut is made good by the next one.
"""

from collections.abc import Iterable

import msgspec

from checkvalve.actuators.restic import Repository
from checkvalve.engine.errors import EngineError
from checkvalve.engine.vault import STATES, Vault, digest_of_names
from checkvalve.engine.vault_restore import contents_of
from checkvalve.modelstates import manifest
from checkvalve.modelstates.manifest import State


def forget(vault: Vault, ids: Iterable[str]) -> list[State]:
    """Remove these states, and whatever else no signed state holds (refused, uncommitted, not yet scanned); what stays.

    EngineError when a state is not there, or when something that stays is not as it was signed: then it keeps its old manifest.
    """
    with vault.alone():
        return _forget(vault, set(ids))


def _forget(vault: Vault, wanted: set[str]) -> list[State]:
    states = vault.states()
    if unknown := wanted - {s.id for s in states}:
        raise EngineError("not_found", f"there is no signed state {min(unknown)[:60]}; see `checkvalve modelstate list`")
    for state in wanted:
        vault.drop(state)  # first: what is half removed is never proposed
    kept = [s for s in states if s.id not in wanted]
    _thin_out(
        vault.repository(STATES), {x.id for x in vault.repository(STATES).snapshots() if _state(x.tags) in {s.id for s in kept}}
    )
    held = {(v.component, v.snapshot) for s in kept for v in s.versions}
    for component in vault.description().components:
        _thin_out(vault.repository(component), {snapshot for name, snapshot in held if name == component})
    with vault.index() as index:
        index.keep_only(held)
    return _signed_again(vault, kept)


def _state(tags: tuple[str, ...]) -> str:
    return next((t.removeprefix("state=") for t in tags if t.startswith("state=")), "")


def _thin_out(repository: Repository, keep: set[str]) -> None:
    for snapshot in repository.snapshots():
        if snapshot.id not in keep:
            repository.forget(snapshot.id)
    repository.prune()


def _signed_again(vault: Vault, kept: list[State]) -> list[State]:
    """The repositories' files are others now: read everything, compare with what was signed, sign the new list of files."""
    names: dict[str, list[str]] = {}
    proven: set[tuple[str, str]] = set()
    result = []
    for state in kept:
        for version in state.versions:
            names.setdefault(version.component, vault.names(version.component))
            if (version.component, version.tree) in proven:
                continue
            with vault.view(version.component, names[version.component]) as repository:
                wrong = manifest.flaws(version, contents_of(repository, version.snapshot))
            if wrong:
                raise EngineError("not_as_signed", f"{state.id}: {wrong[0]}")
            proven.add((version.component, version.tree))
        mine = {v.component: names[v.component] for v in state.versions}
        sealed = {component: digest_of_names(listed) for component, listed in mine.items()}
        again = msgspec.structs.replace(state, sealed=sealed)
        vault.keep(again, mine)
        result.append(again)
    return result
