"""Which component versions hold the data that is looked for: contaminated, clean, or unknown, each with the reason.

Clean is said only where everything was read, or where what it was made from is known and clean. A version that was made from
contaminated data is contaminated whatever its bytes show: nobody can see in weights or vectors what they learned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from checkvalve.modelstates.description import LEARNED
from checkvalve.modelstates.manifest import State, Version

Judgement = Literal["clean", "contaminated", "unknown"]
Held = Mapping[tuple[str, str], tuple["Hit", ...]]  # (component, restic snapshot) -> what of the sought it holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One document that holds sought identifiers. `certain` False: only values that alone name nobody."""

    document: int
    place: str
    categories: tuple[str, ...]
    refs: tuple[str, ...]
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    verdict: Judgement
    why: str
    hits: tuple[Hit, ...] = ()


class Judge:
    """Verdicts over a history of signed states, oldest first by the time the vault received them."""

    def __init__(self, states: Sequence[State], held: Held) -> None:
        self._states = sorted(states, key=lambda s: (s.received_ms, s.id))
        self._held = held
        self._known: dict[tuple[int, str], Verdict] = {}
        self._first: dict[tuple[str, str], int] = {}
        for number, state in enumerate(self._states):
            for version in state.versions:
                self._first.setdefault((version.component, version.digest), number)
                for file in version.files:
                    self._first.setdefault((version.component, file.sha256), number)

    @property
    def states(self) -> list[State]:
        return self._states

    def version(self, number: int, component: str) -> Verdict:
        """Of a component in the state with this place in the history."""
        key = number, component
        if key not in self._known:
            self._known[key] = Verdict(verdict="unknown", why="what it was made from leads back to itself")
            self._known[key] = self._judge(number, component)
        return self._known[key]

    def state(self, number: int) -> Verdict:
        """Of a whole state: as bad as its worst component."""
        parts = {v.component: self.version(number, v.component) for v in self._states[number].versions}
        for judgement in ("contaminated", "unknown"):
            worst = {name: v for name, v in parts.items() if v.verdict == judgement}
            if worst:
                why = "; ".join(f"{name}: {v.why}" for name, v in worst.items())
                return Verdict(verdict=judgement, why=why, hits=tuple(h for v in worst.values() for h in v.hits))
        return Verdict(verdict="clean", why="; ".join(f"{name}: {v.why}" for name, v in parts.items()))

    def made_at(self, number: int, component: str) -> frozenset[int]:
        """Places in the history of the states that a learned component may have been made from, or that show when it was."""
        version = self._states[number].version(component)
        if version is None or version.kind not in LEARNED or not version.made_from:
            return frozenset()
        first = self._first[component, version.digest]
        vectors = {self._first[component, f.sha256] for f in version.files if f.path in version.vectors}
        return frozenset({first, first - 1} - {-1} | vectors)

    def _judge(self, number: int, component: str) -> Verdict:
        version = self._states[number].version(component)
        if version is None:
            return Verdict(verdict="unknown", why="not in this state")
        hits = self._held.get((component, version.snapshot), ())
        certain = tuple(h for h in hits if h.certain)
        if certain:
            people = len({r for h in certain for r in h.refs})
            return Verdict(verdict="contaminated", why=f"{len(certain)} documents hold data of {people} people", hits=certain)
        sources = list(self._sources(version))
        for name, where, verdict in sources:
            if verdict.verdict == "contaminated":
                return Verdict(verdict="contaminated", why=f"made from {name} of {where}, which is contaminated")
        if self._states[self._first[component, version.digest]].version(component).orphan:  # type: ignore[union-attr]
            return Verdict(verdict="unknown", why="a state that it may have been made from was erased")
        return self._doubt(version, sources) or Verdict(
            verdict="unknown" if hits else "clean",
            why="only numbers equal to an order number; they alone name nobody" if hits else _assessed(version),
            hits=hits,
        )

    @staticmethod
    def _doubt(version: Version, sources: list[tuple[str, str, Verdict]]) -> Verdict | None:
        if version.not_assessed:
            more = f" and {len(version.not_assessed) - 1} more" if len(version.not_assessed) > 1 else ""
            return Verdict(verdict="unknown", why=f"not assessed: {version.not_assessed[0]}{more}")
        learned = version.kind in LEARNED and (version.kind != "index" or version.vectors)
        if learned and version.made_from is None:
            return Verdict(verdict="unknown", why="it is not said what it was made from (made_from)")
        for name, where, verdict in sources:
            if verdict.verdict == "unknown":
                return Verdict(verdict="unknown", why=f"made from {name} of {where}: {verdict.why}")
        return None

    def _sources(self, version: Version) -> list[tuple[str, str, Verdict]]:
        """(component, state, verdict) of everything it may have been made from.

        It was made between the last state without it and the first one with it, so both count. Vectors beside their own
        documents were built from those of the first state that has these vectors.
        """
        found = []
        first = self._first[version.component, version.digest]
        for source in version.made_from or ():
            if source == version.component:
                paths = set(version.vectors)
                numbers = {self._first[source, f.sha256] for f in version.files if f.path in paths} - {first}
                checked = [(n, self._own(n, source)) for n in sorted(numbers)]
            else:
                checked = [(n, self.version(n, source)) for n in (first, first - 1) if n >= 0 and self._has(n, source, first)]
            found += [(source, self._states[n].id, verdict) for n, verdict in checked]
        return found

    def _has(self, number: int, source: str, first: int) -> bool:
        return number == first or self._states[number].version(source) is not None

    def _own(self, number: int, component: str) -> Verdict:
        version = self._states[number].version(component)
        hits = self._held.get((component, version.snapshot), ()) if version else ()
        if any(h.certain for h in hits):
            return Verdict(verdict="contaminated", why="its vectors are older than its documents")
        return Verdict(verdict="clean", why="")


def _assessed(version: Version) -> str:
    if version.kind in ("weights", "adapters"):
        made = ", ".join(version.made_from or ()) or "none of the shop's data"
        return f"made from {made}; {version.documents} documents beside it hold none of it"
    return f"{version.documents} documents in {len(version.files)} files hold none of it"
