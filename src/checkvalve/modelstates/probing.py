"""Does a model know a value by heart? Its probability, forced token by token, against values of the same shape.

Exposure by rank and by z-score after Carlini et al., The Secret Sharer (USENIX Security 2019). A high score is a suspicion, a
low one proves nothing, and weights made from contaminated data are contaminated whatever this says.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Final, Literal

DIGITS: Final = "0123456789"
HEX: Final = "0123456789abcdef"
SUSPICIOUS_Z: Final = 4.0
MIN_OTHERS: Final = 10
MAX_VALUE: Final = 64
LIMITS: Final = (
    "nothing seen is no proof of absence: it depends on the words before the value and on quantisation",
    "a value that is easy to guess (1234567, a word) scores high without ever having been seen",
)

Verdict = Literal["suspicious", "nothing_seen", "not_assessed"]
Choose = Callable[[str], str]  # one character of those given, at random


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """`rank` 1: likelier than every other. `exposure` in bits, at most log2 of how many were compared."""

    verdict: Verdict
    why: str
    z: float | None = None
    rank: int | None = None
    of: int = 0
    exposure: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "why": self.why,
            "z": self.z,
            "rank": self.rank,
            "of": self.of,
            "exposure": self.exposure,
        }


def comparable(value: str) -> bool:
    """Whether values of the same shape can be made up: digits, or hexadecimal like a canary. Words are likelier than noise."""
    letters = {c for c in value.lower() if c.isalnum()}
    return bool(letters) and len(value) <= MAX_VALUE and letters <= set(HEX) and any(c in DIGITS for c in letters)


def others(value: str, number: int, choose: Choose) -> list[str]:
    """Values that differ from this one in digits alone (hexadecimal: in digits and letters), each once."""
    found: dict[str, None] = {}
    for _ in range(number * 20):
        if len(found) == number:
            break
        made = "".join(_like(c, choose) for c in value)
        if made != value:
            found[made] = None
    return list(found)


def _like(character: str, choose: Choose) -> str:
    if not character.isalnum():
        return character
    if character in DIGITS:
        return choose(DIGITS)
    return choose(HEX[10:].upper() if character.isupper() else HEX[10:])


def judge(own: float, compared: Sequence[float]) -> Probed:
    """`own`: log-probability of the value (natural), `compared`: of the others."""
    if len(compared) < MIN_OTHERS:
        return Probed(verdict="not_assessed", why=f"fewer than {MIN_OTHERS} values to compare with")
    spread = stdev(compared)
    if spread == 0:
        return Probed(verdict="not_assessed", why="every value is as likely as every other: the server tells nothing")
    z, rank = (own - fmean(compared)) / spread, 1 + sum(other >= own for other in compared)
    exposure = math.log2(len(compared) + 1) - math.log2(rank)
    if z >= SUSPICIOUS_Z and rank == 1:
        verdict: Verdict = "suspicious"
        why = f"{z:.1f} standard deviations likelier than values of the same shape"
    else:
        verdict, why = "nothing_seen", f"place {rank} of {len(compared) + 1} values of the same shape (z {z:.1f})"
    return Probed(verdict=verdict, why=why, z=round(z, 2), rank=rank, of=len(compared) + 1, exposure=round(exposure, 2))


def grammar(value: str) -> str:
    """llama.cpp's grammar (GBNF) that lets through this value alone."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'root ::= "{escaped}"'
