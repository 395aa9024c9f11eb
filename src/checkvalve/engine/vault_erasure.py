"""Erasure from the vault: whole states are removed from the repositories; what stays is proven and signed anew, every byte.

Only the vault can do this; the server lets no host. A repository has one key, so nothing less than removing and rewriting its
files erases: what one person's removal costs is the states that hold them. A run that was cut is made good by the next one.
"""

from collections.abc import Iterable

import msgspec

from checkvalve.actuators.restic import Repository
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import load_settings
from checkvalve.engine.vault import STATES, Vault, digest_of_names
from checkvalve.engine.vault_restore import contents_of
from checkvalve.modelstates import manifest
from checkvalve.modelstates.manifest import State, Version
from checkvalve.modelstates.retention import Policy, expired
from checkvalve.modelstates.verdict import Judge


def forget(vault: Vault, ids: Iterable[str]) -> list[State]:
    """Remove these states, and whatever else no signed state holds (refused, uncommitted, not yet scanned); what stays.

    EngineError when a state is not there or on hold, or when something that stays is not as it was signed: then it keeps its
    old manifest. What stays and may have been made from a removed state is no longer called clean.
    """
    with vault.alone():
        return _forget(vault, set(ids))


def prune(vault: Vault, policy: Policy) -> tuple[list[State], list[State]]:
    """Forget what is past its time; what went, and what stays."""
    with vault.alone():
        gone = due(vault, policy)
        return gone, _forget(vault, {s.id for s in gone}) if gone else vault.states()


def due(vault: Vault, policy: Policy) -> list[State]:
    """What `prune` would forget now. Search results do not matter: holds do (`Vault.hold`)."""
    return expired(Judge(vault.states(), {}), vault.held(), policy)


def _forget(vault: Vault, wanted: set[str]) -> list[State]:
    states = vault.states()
    if on_hold := wanted & set(vault.held()):
        raise EngineError("on_hold", f"{min(on_hold)} is on hold; `checkvalve modelstate hold STATE --lift` comes first")
    if wanted:
        _refuse_held_evidence(vault)
    if unknown := wanted - {s.id for s in states}:
        raise EngineError("not_found", f"there is no signed state {min(unknown)[:60]}; see `checkvalve modelstate list`")
    for state in wanted:
        vault.drop(state)  # first: what is half removed is never proposed
    kept = _orphaned(states, wanted)
    _thin_out(
        vault.repository(STATES), {x.id for x in vault.repository(STATES).snapshots() if _state(x.tags) in {s.id for s in kept}}
    )
    held = {(v.component, v.snapshot) for s in kept for v in s.versions}
    for component in vault.description().components:
        _thin_out(vault.repository(component), {snapshot for name, snapshot in held if name == component})
    with vault.index() as index:
        index.keep_only(held)
    return _signed_again(vault, kept)


def _refuse_held_evidence(vault: Vault) -> None:
    from checkvalve.engine import holds  # slow to import, and most vaults have no log beside them
    from checkvalve.engine.offline import opened

    settings = load_settings(vault.directory.parent)
    if settings.has_state:
        with opened(settings) as store, store.read() as db:
            holds.refuse(db, None)


def _orphaned(states: list[State], wanted: set[str]) -> list[State]:
    """What stays; a component that may have been made from what goes says so."""
    judge, kept = Judge(states, {}), []
    for number, state in enumerate(judge.states):
        if state.id not in wanted:
            lost = {
                v.component: {judge.states[n].id for n in judge.made_at(number, v.component)} & wanted for v in state.versions
            }
            versions = tuple(msgspec.structs.replace(v, orphan=v.orphan or bool(lost[v.component])) for v in state.versions)
            kept.append(msgspec.structs.replace(state, versions=versions))
    return kept


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
            whole = (version.component, version.digest) not in proven
            with vault.view(version.component, names[version.component]) as repository:
                wrong = _flaws(repository, version, whole=whole)
            if wrong:
                raise EngineError("not_as_signed", f"{state.id}: {wrong[0]}")
            proven.add((version.component, version.digest))
        mine = {v.component: names[v.component] for v in state.versions}
        sealed = {component: digest_of_names(listed) for component, listed in mine.items()}
        again = msgspec.structs.replace(state, sealed=sealed)
        vault.keep(again, mine)
        result.append(again)
    return result


def _flaws(repository: Repository, version: Version, *, whole: bool) -> list[str]:
    """`whole` False: its bytes are proven by another snapshot with the same, so that its lists of files are enough."""
    if whole:
        return manifest.flaws(version, contents_of(repository, version.snapshot))
    _, nodes = repository.listed(version.snapshot)
    signed = {f.path: (f.size, f.sha256) for f in version.files}
    return manifest.flaws(version, {p: signed.get(p, (0, "")) for kind, path in nodes if kind == "file" and (p := path[1:])})
