"""All checks of a deployment, in the order of their ids' families."""

from collections.abc import Sequence
from typing import Any, Final

from checkvalve.posture import containers, exposure, hygiene, network, php, sharing
from checkvalve.posture.rule import Rule
from checkvalve.posture.types import Check, Deployment, Problem

ALL: Final[tuple[Rule, ...]] = (*sharing.RULES, *network.RULES, *containers.RULES, *hygiene.RULES, *php.RULES, *exposure.RULES)


def scan(declared: Deployment, observed: Deployment | None = None) -> list[Check]:
    """`observed`: what runs, where it was allowed to look."""
    return [rule.check(declared, observed or Deployment()) for rule in ALL]


def as_json(problems: Sequence[Problem], checks: list[Check]) -> dict[str, Any]:
    """The answer of `checkvalve posture scan` (contract.md)."""
    return {"checks": [c.as_json() for c in checks], "unread": [{"file": p.file, "why": p.why} for p in problems]}
