"""One posture check: what it looks at, and what it says when there is nothing to look at."""

from collections.abc import Callable
from dataclasses import dataclass

from checkvalve.posture.types import Check, Deployment, Weakness

Found = tuple[int, list[Weakness]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`look` returns (how many things were looked at, weaknesses); `needs` names what was missing when that is none."""

    id: str
    title: str
    reference: str
    needs: str
    look: Callable[[Deployment], Found]

    def check(self, deployment: Deployment) -> Check:
        assessed, weaknesses = self.look(deployment)
        why = None if assessed else f"no {self.needs} found"
        return Check(
            id=self.id,
            title=self.title,
            reference=self.reference,
            assessed=assessed,
            not_assessed=why,
            weaknesses=tuple(weaknesses),
        )
