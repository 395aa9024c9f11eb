"""All checks of a deployment, in the order of their ids' families."""

from typing import Any, Final

from checkvalve.posture import containers, exposure, hygiene, network, sharing
from checkvalve.posture.rule import Rule
from checkvalve.posture.types import Check, Deployment

ALL: Final[tuple[Rule, ...]] = (*sharing.RULES, *network.RULES, *containers.RULES, *hygiene.RULES, *exposure.RULES)


def scan(deployment: Deployment) -> list[Check]:
    return [rule.check(deployment) for rule in ALL]


def as_json(deployment: Deployment, checks: list[Check]) -> dict[str, Any]:
    """The answer of `checkvalve posture scan` (contract.md)."""
    return {"checks": [c.as_json() for c in checks], "unread": [{"file": p.file, "why": p.why} for p in deployment.problems]}
