"""What would fail tonight, worst first, with the minutes it would cost. Silence is never green: what was not asked is named.

The questions are data (content/readiness/questions.yaml); their answers come from the installation (engine/readiness.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import yaml


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`failing` says what was found when the answer is no. `minutes` is an estimate that orders the list."""

    id: str
    minutes: int
    title: str
    failing: str
    why: str
    do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`good` None: not assessed, and `found` says why."""

    id: str
    good: bool | None
    found: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    question: Question
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    gaps: tuple[Gap, ...]
    good: tuple[Question, ...]
    not_assessed: tuple[Gap, ...]

    @property
    def minutes(self) -> int:
        return sum(g.question.minutes for g in self.gaps)

    def as_json(self) -> dict[str, Any]:
        return {
            "minutes": self.minutes,
            "gaps": [
                {"id": g.question.id, "what": g.what, "why": g.question.why, "minutes": g.question.minutes, "do": g.question.do}
                for g in self.gaps
            ],
            "good": [{"id": q.id, "title": q.title} for q in self.good],
            "not_assessed": [{"id": g.question.id, "title": g.question.title, "why": g.what} for g in self.not_assessed],
        }


@cache
def questions() -> dict[str, Question]:
    text = (files("checkvalve.content.readiness") / "questions.yaml").read_text("utf-8")
    return {q.id: q for q in msgspec.convert(yaml.safe_load(text)["questions"], list[Question])}


def readiness(answers: Iterable[Answer]) -> Readiness:
    """Every question once: one without an answer counts as not assessed."""
    given = {a.id: a for a in answers}
    known = questions()
    if unknown := set(given) - set(known):
        raise ValueError(f"no such question: {', '.join(sorted(unknown))}")
    gaps, good, unassessed = [], [], []
    for question in sorted(known.values(), key=lambda q: -q.minutes):
        answer = given.get(question.id, Answer(id=question.id, good=None, found="there is nothing to ask yet"))
        if answer.good is None:
            unassessed.append(Gap(question=question, what=answer.found))
        elif answer.good:
            good.append(question)
        else:
            gaps.append(Gap(question=question, what=question.failing.format(found=answer.found)))
    return Readiness(gaps=tuple(gaps), good=tuple(good), not_assessed=tuple(unassessed))
