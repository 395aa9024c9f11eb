"""One posture check: what it looks at, and what it says when there is nothing to look at."""

from collections.abc import Callable
from dataclasses import dataclass, replace

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

    def check(self, declared: Deployment, observed: Deployment) -> Check:
        """What files say and what runs, each weakness labelled; the declared file is not the truth."""
        assessed, weaknesses = self.look(declared)
        running, seen = self.look(observed)
        return Check(
            id=self.id,
            title=self.title,
            reference=self.reference,
            assessed=assessed + running,
            not_assessed=None if assessed + running else f"no {self.needs} found",
            weaknesses=(*weaknesses, *(replace(w, label="observed") for w in seen)),
        )
