"""Severity of a breach by ENISA's method (working document v1.0, December 2013): SE = DPC x EI + CB.

Scored twice, for the confirmed set and for the reasonable worst case. Likelihood is not in the method and never multiplies. The
presumption is one: Art. 33(1) and 34(1) GDPR decide, and a written reason is asked wherever the score could be argued with.
"""

from typing import Any, Final, Literal

import msgspec

DataClass = Literal["simple", "behavioural", "financial", "sensitive"]
BASE: Final[dict[str, int]] = {"simple": 1, "behavioural": 2, "financial": 3, "sensitive": 4}
# What the context may take away or add (ENISA, annex 1); the result is always 1 to 4.
DELTAS: Final[dict[str, range]] = {
    "simple": range(4),
    "behavioural": range(-1, 3),
    "financial": range(-2, 2),
    "sensitive": range(-3, 1),
}
EASE: Final = (0.25, 0.5, 0.75, 1.0)
CIRCUMSTANCE: Final = (0.0, 0.25, 0.5)
MALICIOUS: Final = 0.5
MANY: Final = 100  # more individuals than this are a flag outside the formula
MARGIN: Final = 0.25  # this near to a threshold the score alone does not carry a decision
LEVELS: Final = ((4.0, "very_high"), (3.0, "high"), (2.0, "medium"), (0.0, "low"))
PRESUMPTION: Final = {
    "low": "register only",
    "medium": "notify the authority",
    "high": "notify the authority and the people concerned",
    "very_high": "notify the authority and the people concerned; consider a public notice",
}


class SeverityError(Exception):
    """Facts that the method cannot score. `hint` says what it takes."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. {hint}")
        self.hint = hint


class Data(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "class"}):
    """One category of the data. `delta`: what its context adds to the base of its class."""

    kind: DataClass
    delta: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """One set of facts (contract.md). `ei`: how easily people are identified; the three circumstances are 0, 0.25 or 0.5."""

    data: list[Data]
    ei: float
    confidentiality: float = 0
    integrity: float = 0
    availability: float = 0
    malicious: bool = False
    individuals: int = 0
    unintelligible: bool = False


class Question(msgspec.Struct, frozen=True, kw_only=True):
    confirmed: Facts
    worst_case: Facts


def question(raw: bytes) -> Question:
    """Read the facts, or SeverityError naming the place that is wrong."""
    try:
        asked = msgspec.json.decode(raw, type=Question)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SeverityError(f"the facts cannot be read: {str(error)[:200]}", "contract.md has their shape") from error
    for name in ("confirmed", "worst_case"):
        _check(name, getattr(asked, name))
    return asked


def _check(where: str, facts: Facts) -> None:
    if not facts.data:
        raise SeverityError(
            f"{where}.data is empty", "Name at least one class of data; without personal data there is no breach"
        )
    for d in facts.data:
        allowed = DELTAS[d.kind]
        if d.delta not in allowed:
            raise SeverityError(f"{where}: delta {d.delta} for {d.kind} data", f"Allowed: {allowed[0]} to {allowed[-1]}")
    if facts.ei not in EASE:
        raise SeverityError(f"{where}.ei is {facts.ei}", f"Allowed: {', '.join(map(str, EASE))}")
    for name in ("confidentiality", "integrity", "availability"):
        if getattr(facts, name) not in CIRCUMSTANCE:
            raise SeverityError(f"{where}.{name} is {getattr(facts, name)}", "Allowed: 0, 0.25, 0.5")
    if facts.individuals < 0:
        raise SeverityError(f"{where}.individuals is negative", "Give the number of people concerned, 0 if unknown")


def score(facts: Facts) -> dict[str, Any]:
    """{"se", "level", "presumption", "flags", "factors", "divergences"} of one set."""
    dpc = max(min(4, max(1, BASE[d.kind] + d.delta)) for d in facts.data)  # the gravest category counts
    breach = facts.confidentiality + facts.integrity + facts.availability + (MALICIOUS if facts.malicious else 0)
    se = dpc * facts.ei + breach
    level = next(name for least, name in LEVELS if se >= least)
    flags = (["many_individuals"] if facts.individuals > MANY else []) + (["unintelligible"] if facts.unintelligible else [])
    return {
        "se": se,
        "level": level,
        "presumption": PRESUMPTION[level],
        "flags": flags,
        "factors": {"dpc": dpc, "ei": facts.ei, "cb": breach},
        "divergences": _divergences(level, facts),
    }


def _divergences(level: str, facts: Facts) -> list[str]:
    """Where guidance and score part: both stand, and a person gives the reason."""
    found = []
    if facts.unintelligible and level != "low":
        found.append(
            "unintelligible data: with state-of-the-art protection the EDPB sees no risk (01/2021, case 6), the score does"
        )
    if facts.individuals > MANY and level == "low":
        found.append("more than 100 people: the score is low for each, the EDPB weighs their number")
    return found


def assess(asked: Question) -> dict[str, Any]:
    """The answer of `checkvalve severity` (contract.md)."""
    confirmed, worst = score(asked.confirmed), score(asked.worst_case)
    reasons = []
    for name, result in (("confirmed", confirmed), ("worst case", worst)):
        reasons += [f"{name}: within {MARGIN} of {least:g}" for least, _ in LEVELS[:-1] if abs(result["se"] - least) <= MARGIN]
        reasons += [f"{name}: {d}" for d in result["divergences"]]
    if confirmed["level"] != worst["level"]:
        reasons.append(f"the confirmed set is {confirmed['level']}, the worst case {worst['level']}")
    return {"confirmed": confirmed, "worst_case": worst, "reason_required": bool(reasons), "reasons": reasons}
