"""The state to bring back: of each component the newest version that may be used, so that all fit each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Final

from checkvalve.modelstates.manifest import State, Version, needed_digest
from checkvalve.modelstates.verdict import Judge, Judgement, Verdict

MAX_COMBINATIONS: Final = 20_000  # of versions of weights that are tried against each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One component of a proposal. `newest_ms` and `received_ms` tell how much is lost (UTC ms)."""

    version: Version
    state: str
    received_ms: int
    newest_ms: int
    verdict: Judgement
    why_not_newest: str  # "" when it is the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    parts: tuple[Part, ...]
    left_out: Mapping[str, str]  # component -> why none of its versions can be used


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    number: int
    state: State
    version: Version
    verdict: Verdict


def propose(judge: Judge, *, accept_unknown: frozenset[str] = frozenset(), before_ms: int | None = None) -> Proposal:
    """The newest clean and compatible composition, of the components of the newest state.

    Components named in `accept_unknown` may also be unknown, never contaminated. `before_ms`: only what the vault had
    received before.
    """
    if not judge.states:
        return Proposal(parts=(), left_out={})
    newest = judge.states[-1]
    usable = {v.component: _usable(judge, v.component, accept_unknown, before_ms) for v in newest.versions}
    chosen = _fitting(usable)
    parts, left_out = [], {}
    for version in newest.versions:
        candidate = chosen.get(version.component)
        verdict = judge.version(len(judge.states) - 1, version.component)
        if candidate is None:
            left_out[version.component] = (
                "no version of it fits what is brought back"
                if usable[version.component]
                else f"no clean version; newest: {verdict.why}"
            )
            continue
        same = candidate.version.digest == version.digest
        parts.append(
            Part(
                version=candidate.version,
                state=candidate.state.id,
                received_ms=candidate.state.received_ms,
                newest_ms=candidate.state.received_ms if same else newest.received_ms,
                verdict=candidate.verdict.verdict,
                why_not_newest="" if same else _why(verdict, version, before_ms),
            )
        )
    return Proposal(parts=tuple(parts), left_out=left_out)


def _why(verdict: Verdict, version: Version, before_ms: int | None) -> str:
    if verdict.verdict != "clean":
        return f"{verdict.verdict}: {verdict.why}"
    if before_ms is not None:
        return "received later than asked for"
    return f"it needs {version.needs[0]} as it was then" if version.needs else "others do not fit it"


def _usable(judge: Judge, component: str, accept: frozenset[str], before_ms: int | None) -> list[_Candidate]:
    """Newest first; the same content counts once, as it last was."""
    found, seen = [], set()
    for number in reversed(range(len(judge.states))):
        state = judge.states[number]
        version = state.version(component)
        if version is None or (before_ms is not None and state.received_ms >= before_ms):
            continue
        identity = version.digest, version.needs
        verdict = judge.version(number, component)
        allowed = verdict.verdict == "clean" or (verdict.verdict == "unknown" and component in accept)
        if allowed and identity not in seen:
            seen.add(identity)
            found.append(_Candidate(number=number, state=state, version=version, verdict=verdict))
    return found


def _fitting(usable: Mapping[str, Sequence[_Candidate]]) -> dict[str, _Candidate]:
    """Of all combinations of weights the one that brings back most components, then the newest of them."""
    weights = {n: c for n, c in usable.items() if c and c[0].version.kind == "weights"}
    others = {n: c for n, c in usable.items() if n not in weights}
    best: tuple[tuple[int, int], dict[str, _Candidate]] = ((-1, -1), {})
    for combination in islice(product(*weights.values()), MAX_COMBINATIONS):
        chosen = dict(zip(weights, combination, strict=True))
        for name, candidates in others.items():
            if (fit := next((c for c in candidates if _fits(c.version, chosen)), None)) is not None:
                chosen[name] = fit
        score = len(chosen), sum(c.number for c in chosen.values())
        if score > best[0]:
            best = score, chosen
    return best[1]


def _fits(version: Version, chosen: Mapping[str, _Candidate]) -> bool:
    if version.needs is None:
        return True
    name, digest = version.needs
    return name in chosen and needed_digest(version.kind, chosen[name].version) == digest
