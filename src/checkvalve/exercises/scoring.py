"""Expectations against the log: what was met, what came late, what failed, and what is to be improved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from checkvalve.exercises.scenario import Expectation, Scenario, Sign, span_ms
from checkvalve.exercises.signs import Mark

Status = Literal["SUCCESS", "PARTIAL", "FAILED", "PENDING"]  # OpenAEV
DAY_MS: Final = 86_400_000
FOLLOW_UP_DAYS: Final = (30, 90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`took_ms` after the inject, None when it never came; `entry` proves it."""

    expectation: Expectation
    status: Status
    scored: int
    took_ms: int | None
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """One line of the improvement plan, named by the expectation that failed. `due_ms`: real time, as everything about it."""

    id: str
    text: str
    why: str
    owner: str
    due_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was decided where somebody was asked; `option` None: nobody answered in time."""

    decision: str
    asked: str
    role: str
    option: str | None
    text: str
    best: bool
    took_ms: int | None
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    points: int
    of: int
    results: tuple[Result, ...]
    choices: tuple[Choice, ...]
    improvements: tuple[Improvement, ...]

    @property
    def percent(self) -> int:
        return round(100 * self.points / self.of) if self.of else 0

    def of_objective(self, objective: str) -> tuple[int, int]:
        mine = [r for r in self.results if r.expectation.objective == objective]
        return sum(r.scored for r in mine), sum(r.expectation.score for r in mine)


def score(scenario: Scenario, marks: Sequence[Mark], end_ms: int, held_ms: int) -> Score:
    """Expectations after an inject that a branch left out are not counted. `held_ms`: when it was really played."""
    given = {str(m.data["inject"]): m.at_ms for m in marks if m.kind == "inject"}
    results = tuple(_result(e, marks, given[e.after], end_ms) for e in scenario.expectations if e.after in given)
    return Score(
        points=sum(r.scored for r in results),
        of=sum(r.expectation.score for r in results),
        results=results,
        choices=tuple(_choices(scenario, marks, given)),
        improvements=tuple(
            Improvement(
                id=r.expectation.id,
                text=r.expectation.improve or r.expectation.text,
                why=f"{'came late' if r.status == 'PARTIAL' else 'not met'}: {r.expectation.text}",
                owner=r.expectation.role,
                due_ms=held_ms + FOLLOW_UP_DAYS[0] * DAY_MS,
            )
            for r in results
            if r.status in ("PARTIAL", "FAILED")
        ),
    )


def _result(expectation: Expectation, marks: Sequence[Mark], start_ms: int, end_ms: int) -> Result:
    until = start_ms + span_ms(expectation.within)
    sign = expectation.met or expectation.never
    assert sign is not None  # the linter sees to it
    found = next((m for m in marks if m.at_ms >= start_ms and _is(m, sign)), None)
    in_time = found is not None and found.at_ms <= until
    status: Status
    if expectation.never is not None:
        status = "FAILED" if in_time else "SUCCESS"
    elif found is None:
        status = "FAILED" if until <= end_ms else "PENDING"
    else:
        status = "SUCCESS" if in_time else "PARTIAL"
    points = {"SUCCESS": expectation.score, "PARTIAL": expectation.score // 2}.get(status, 0)
    shown = found if expectation.met is not None or in_time else None
    took = shown.at_ms - start_ms if shown else None
    return Result(expectation=expectation, status=status, scored=points, took_ms=took, entry=shown.entry if shown else None)


def _is(mark: Mark, sign: Sign) -> bool:
    if mark.kind != sign.kind:
        return False
    return sign.option is None or f"{mark.data.get('decision')}.{mark.data.get('option')}" == sign.option


def _choices(scenario: Scenario, marks: Sequence[Mark], given: Mapping[str, int]) -> list[Choice]:
    said = {str(m.data["decision"]): m for m in marks if m.kind == "decided"}
    found = []
    for inject in scenario.injects:
        if inject.decision is None or inject.id not in given:
            continue
        decision, mark = inject.decision, said.get(inject.decision.id)
        chosen: Any = next((o for o in decision.options if mark is not None and o.id == mark.data["option"]), None)
        found.append(
            Choice(
                decision=decision.id,
                asked=decision.asks,
                role=decision.role,
                option=chosen.id if chosen else None,
                text=chosen.text if chosen else "nobody answered in time",
                best=bool(chosen and chosen.best),
                took_ms=mark.at_ms - given[inject.id] if mark and chosen else None,
                entry=mark.entry if mark else None,
            )
        )
    return found
