"""Whose data left, how, to whom: added up from exposures, never estimated.

*Subjects* are distinct people. *Records* are distinct (person, kind of data) pairs: Anna's e-mail address and Anna's
telephone number are two records, shown to three readers they are still two.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from checkvalve.incidents.case import ExposureRecord
from checkvalve.regimes.deadline import from_ms, rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """One reading of what happened. The dicts count people (categories), and people reached (recipients, channels)."""

    subjects: int
    records: int
    categories: dict[str, int]
    recipients: dict[str, int]
    channels: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("subjects", "records", "categories", "recipients", "channels")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """`confirmed`: seen in answers. `worst_case`: also what stood in the prompts of the same requests. `prevented`: what orders
    kept back, shown to nobody."""

    since_ms: int
    until_ms: int
    complete: bool
    gaps: tuple[str, ...]
    confirmed: Extent
    worst_case: Extent
    subject_refs: tuple[str, ...]
    groups: tuple[tuple[tuple[str, ...], int], ...] = ()  # kinds of data shown -> people who had exactly these shown
    prevented: Extent = field(default_factory=lambda: _extent([]))
    prompted: int = 0  # of the confirmed records, those that stood in the prompt of the same request

    def as_json(self, *, with_refs: bool = True) -> dict[str, Any]:
        """The shape of `checkvalve evidence scope` (contract.md)."""
        body = {
            "window": [rfc3339(from_ms(self.since_ms)), rfc3339(from_ms(self.until_ms))],
            "complete": self.complete,
            "gaps": list(self.gaps),
            "confirmed": self.confirmed.as_json(),
            "worst_case": self.worst_case.as_json(),
            "prevented": self.prevented.as_json(),
        }
        return body | ({"subject_refs": list(self.subject_refs)} if with_refs else {})


def scope_of(
    exposures: Iterable[ExposureRecord],
    since_ms: int,
    until_ms: int,
    gaps: Iterable[str] = (),
    prevented: Iterable[ExposureRecord] = (),
) -> Scope:
    every = list(exposures)
    shown = [e for e in every if e.shown]
    missing = tuple(gaps)
    return Scope(
        since_ms=since_ms,
        until_ms=until_ms,
        complete=not missing,
        gaps=missing,
        confirmed=_extent(shown),
        worst_case=_extent(every),
        subject_refs=tuple(sorted({e.subject for e in shown})),
        groups=tuple((kinds, len(people)) for kinds, people in people_by_kinds(shown).items()),
        prevented=_extent(list(prevented)),
        prompted=_prompted(every),
    )


def people_by_kinds(exposures: Iterable[ExposureRecord]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Kinds of data shown -> the people who had exactly these shown, both in order; as `Scope.groups` counts them."""
    kinds: dict[str, set[str]] = {}
    for e in exposures:
        if e.shown:
            kinds.setdefault(e.subject, set()).add(e.category)
    found: dict[tuple[str, ...], list[str]] = {}
    for subject in sorted(kinds):
        found.setdefault(tuple(sorted(kinds[subject])), []).append(subject)
    return {k: tuple(found[k]) for k in sorted(found)}


def _prompted(exposures: list[ExposureRecord]) -> int:
    prompts = {(e.inference, e.subject, e.category) for e in exposures if not e.shown}
    met = {(e.subject, e.category) for e in exposures if e.shown and (e.inference, e.subject, e.category) in prompts}
    return len(met)


def _extent(exposures: list[ExposureRecord]) -> Extent:
    def people(key: Any) -> dict[str, int]:
        pairs = {(key(e), e.subject) for e in exposures}
        return dict(sorted(Counter(k for k, _ in pairs).items()))

    return Extent(
        subjects=len({e.subject for e in exposures}),
        records=len({(e.subject, e.category) for e in exposures}),
        categories=people(lambda e: e.category),
        recipients=people(lambda e: e.recipient),
        channels=people(lambda e: e.plugin or e.route or "unknown"),
    )
