"""ENISA severity of a case, from its evidence: the confirmed set (answers) and the reasonable worst case (prompts too).

Each factor carries its reason. Likelihood is no factor. What the evidence cannot know (what the shop's goods say about its
customers) the shop states once, as `goods`.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from checkvalve.incidents.case import ANONYMOUS
from checkvalve.incidents.scope import Extent, Scope
from checkvalve.incidents.wording import Wording
from checkvalve.regimes.severity import Data, DataClass, Facts, Question, assess

Goods = Literal["", "ordinary", "profiling", "sensitive", "vulnerable"]
# ENISA, annex 1, simple data: what the characteristics of the controller and the people add.
GOODS_DELTA: Final[dict[str, int]] = {"": 0, "ordinary": 0, "profiling": 1, "sensitive": 2, "vulnerable": 3}
DIRECT: Final = frozenset({"email", "name", "postcode_name"})
CONTACT: Final = DIRECT | {"phone", "address"}
KNOWN, UNKNOWN = 0.25, 0.5  # ENISA, circumstances: recipients known, or their number unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """Why a factor has its value, in the language asked."""

    factor: str
    value: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """`result` is the answer of `checkvalve severity`, with levels and thresholds of regimes.severity."""

    question: Question
    result: dict[str, Any]
    confirmed: tuple[Factor, ...]
    worst_case: tuple[Factor, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            **self.result,
            "factors": {
                name: [{"factor": f.factor, "value": f.value, "why": f.why} for f in factors]
                for name, factors in (("confirmed", self.confirmed), ("worst_case", self.worst_case))
            },
        }


def assessment(scope: Scope, goods: str, signals: int, words: Wording) -> Assessment | None:
    """None when no exposure is confirmed: without personal data there is nothing to score. `signals`: signs of intent."""
    if not scope.confirmed.subjects:
        return None
    confirmed, why = _score(scope.confirmed, scope, goods, signals, words, worst=False)
    worst, why_worst = _score(scope.worst_case, scope, goods, signals, words, worst=True)
    asked = Question(confirmed=confirmed, worst_case=worst)
    return Assessment(question=asked, result=assess(asked), confirmed=tuple(why), worst_case=tuple(why_worst))


def _score(
    extent: Extent, scope: Scope, goods: str, signals: int, words: Wording, *, worst: bool
) -> tuple[Facts, list[Factor]]:
    named = ", ".join(words.say(f"categories.{c}") for c in extent.categories)
    data, reasons = _data(extent, goods, named, words, worst=worst)
    ease = _ease(extent, named, words, worst=worst)
    open_circle = _confidentiality(scope, words, worst=worst)
    intent = _intent(scope, signals, words, worst=worst)
    facts = Facts(
        data=data,
        ei=ease.value,
        confidentiality=open_circle.value,
        malicious=bool(intent.value),
        individuals=extent.subjects,
    )
    return facts, [*reasons, ease, open_circle, intent]


def _data(extent: Extent, goods: str, named: str, words: Wording, *, worst: bool) -> tuple[list[Data], list[Factor]]:
    """Contact data is simple. An order number alone gives little insight; in the worst case what was bought follows."""
    found: list[Data] = []
    why: list[Factor] = []

    def add(kind: DataClass, base: int, delta: int, reason: str) -> None:
        found.append(Data(kind=kind, delta=delta))
        why.append(Factor(factor=kind, value=base + delta, why=reason))

    if CONTACT & set(extent.categories):
        delta = GOODS_DELTA.get(goods, 0)
        stated = f"; {words.say('reasons.goods', goods=goods)}" if delta else ""
        add("simple", 1, delta, words.say("reasons.dpc_simple", categories=named) + stated)
    if "order_number" in extent.categories:
        add("behavioural", 2, 0 if worst else -1, words.say(f"reasons.dpc_order{'' if worst else '_alone'}"))
    return found or [Data(kind="simple")], why


def _ease(extent: Extent, named: str, words: Wording, *, worst: bool) -> Factor:
    """ENISA, annex 2, over the whole set of records: the highest ease counts."""
    seen = set(extent.categories)
    if seen & DIRECT:
        return Factor(factor="ei", value=1.0, why=words.say("reasons.ei_1", categories=named))
    if seen & CONTACT:
        if worst:
            return Factor(factor="ei", value=1.0, why=words.say("reasons.ei_worst"))
        return Factor(factor="ei", value=0.5, why=words.say("reasons.ei_05", categories=named))
    return Factor(factor="ei", value=0.5 if worst else 0.25, why=words.say("reasons.ei_025"))


def _intent(scope: Scope, signals: int, words: Wording, *, worst: bool) -> Factor:
    """Signs of it count; in the worst case also that nobody knows who read the answers, or that the log has gaps."""
    if signals:
        return Factor(factor="malicious", value=0.5, why=words.say("reasons.malicious", n=signals))
    if worst and (ANONYMOUS in scope.confirmed.recipients or not scope.complete):
        return Factor(factor="malicious", value=0.5, why=words.say("reasons.intent_open"))
    return Factor(factor="malicious", value=0, why=words.say("reasons.not_malicious"))


def _confidentiality(scope: Scope, words: Wording, *, worst: bool) -> Factor:
    reached = readers(scope, words)
    if ANONYMOUS in scope.confirmed.recipients:
        return Factor(factor="confidentiality", value=UNKNOWN, why=words.say("reasons.conf_unknown", readers=reached))
    if worst and not scope.complete:
        return Factor(factor="confidentiality", value=UNKNOWN, why=words.say("reasons.conf_gaps"))
    return Factor(factor="confidentiality", value=KNOWN, why=words.say("reasons.conf_known", readers=reached))


def readers(scope: Scope, words: Wording) -> str:
    """Those who can be told apart are counted; visitors without a session are not."""
    named = len([r for r in scope.confirmed.recipients if r != ANONYMOUS])
    parts = [words.count("counts.other_reader", named)] if named else []
    if ANONYMOUS in scope.confirmed.recipients:
        parts.append(words.say("facts.anonymous"))
    return words.say("facts.and").join(parts) or words.say("facts.nobody")
