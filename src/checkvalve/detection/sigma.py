"""Sigma rules (sigmahq.io) as predicates over one event. Parsing is pySigma's; deciding is done here, one event at a time.

An event is a table of its values by dotted OCSF path (`class_uid`, `api.operation`, `unmapped.checkvalve.data.count`); a path
through a list holds every element's. Strings are compared without case, `*` and `?` are wildcards, `|re`, `|cidr`, `|gt` and
their like do what the specification says. What asks for something else (correlation, an old aggregation) is refused.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, Protocol

import yaml
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule
from sigma.types import (
    SigmaBool,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaType,
    SpecialChars,
)

Level = Literal["low", "medium", "high", "critical"]


class Values(Protocol):
    """Values of an event by dotted path."""

    def get(self, path: str, otherwise: Sequence[Any] = ..., /) -> Sequence[Any]: ...
    def __contains__(self, path: str, /) -> bool: ...
    def values(self) -> Iterable[Sequence[Any]]: ...


Predicate = Callable[[Values], bool]

LEVELS: Final[dict[str, Level]] = {
    "informational": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "critical": "critical",
}
MAX_RULE: Final = 262_144
MAX_VALUES: Final = 2_000  # of one event
MAX_DEPTH: Final = 12
MAX_TEXT: Final = 16_384  # of one value


class SigmaRuleError(Exception):
    """A rule that cannot be used, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Which events a rule is about: Sigma's logsource. None: whatever it is."""

    category: str | None
    product: str | None
    service: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`tags` are Sigma's: `attack.t1190`, `atlas.aml.t0051`, `owasp.llm01`. `samples`: events that must match, and must not.

    `classes`: the OCSF classes outside which it cannot match; None: any.
    """

    id: str
    title: str
    level: Level
    source: Source
    tags: tuple[str, ...]
    matches: Predicate
    classes: frozenset[int] | None = None
    samples: tuple[tuple[dict[str, Any], bool], ...] = ()


def parse(text: str) -> Rule:
    """One rule of a YAML document."""
    if len(text) > MAX_RULE:
        raise SigmaRuleError(f"it is longer than {MAX_RULE} characters")
    try:
        read = SigmaRule.from_yaml(text)
        if read.errors:
            raise SigmaRuleError(_line(read.errors[0]))
        conditions = [c.parse() for c in read.detection.parsed_condition]
        predicates = [_predicate(c) for c in conditions]
    except SigmaError as error:
        raise SigmaRuleError(_line(error)) from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError, re.error) as error:
        raise SigmaRuleError(f"it is no Sigma rule ({type(error).__name__})") from error
    if read.id is None or read.level is None or not predicates:
        raise SigmaRuleError("a rule has an id, a level and a condition")
    return Rule(
        id=str(read.id),
        title=" ".join(str(read.title).split())[:120],
        level=LEVELS[read.level.name.lower()],
        source=Source(category=read.logsource.category, product=read.logsource.product, service=read.logsource.service),
        tags=tuple(f"{t.namespace}.{t.name}" for t in read.tags),
        classes=_classes(conditions[0]) if len(conditions) == 1 else None,
        matches=predicates[0] if len(predicates) == 1 else lambda values: any(p(values) for p in predicates),
        samples=tuple(_samples(read.custom_attributes.get("samples"))),
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _samples(given: Any) -> Iterator[tuple[dict[str, Any], bool]]:
    parts = given if isinstance(given, dict) else {}
    for name, wanted in (("match", True), ("no_match", False)):
        for event in parts.get(name) or ():
            if not isinstance(event, dict):
                raise SigmaRuleError("samples are events: tables")
            yield event, wanted


class EventValues:
    """Values of an event by dotted path, looked up as they are asked for: most rules ask for one or two of many."""

    __slots__ = ("_event", "_known")

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event, self._known = event, dict[str, list[Any]]()

    def get(self, path: str, otherwise: Sequence[Any] = ()) -> Sequence[Any]:
        """What stands at a path; `otherwise` when nothing does."""
        found = self._known.get(path)
        if found is None:
            found = self._known[path] = list(_at(self._event, path.split("."), 0))
        return found or otherwise

    def __contains__(self, path: str) -> bool:
        return bool(self.get(path))

    def values(self) -> Iterator[list[Any]]:
        """All of them, for keywords: at most MAX_VALUES, no deeper than MAX_DEPTH."""
        yield list(islice(_leaves(self._event, 0), MAX_VALUES))


def values_of(event: Mapping[str, Any]) -> EventValues:
    return EventValues(event)


def _at(value: Any, path: list[str], start: int) -> Iterator[Any]:
    """Through tables by name, through lists by every element."""
    if isinstance(value, list):
        for inner in value:
            yield from _at(inner, path, start)
    elif start == len(path):
        if not isinstance(value, dict):
            yield value[:MAX_TEXT] if isinstance(value, str) else value
    elif isinstance(value, dict):
        name = path[start]
        if name in value:
            yield from _at(value[name], path, start + 1)


def _leaves(value: Any, depth: int) -> Iterator[Any]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner, depth + 1)
    else:
        yield value[:MAX_TEXT] if isinstance(value, str) else value


def _predicate(node: ConditionItem | Any) -> Predicate:
    match node:
        case ConditionAND():
            parts = [_predicate(a) for a in node.args]
            return lambda values: all(p(values) for p in parts)
        case ConditionOR():
            parts = [_predicate(a) for a in node.args]
            return lambda values: any(p(values) for p in parts)
        case ConditionNOT():
            inner = _predicate(node.args[0])
            return lambda values: not inner(values)
        case ConditionFieldEqualsValueExpression():
            return _of_field(node.field, node.value)
        case ConditionValueExpression():
            test = _test(node.value)
            return lambda values: any(test(v) for held in values.values() for v in held)
    raise SigmaRuleError(f"{type(node).__name__} is not understood")


def _classes(node: ConditionItem | Any) -> frozenset[int] | None:
    """The values of `class_uid` that a condition asks for; None when it asks for none."""
    match node:
        case ConditionFieldEqualsValueExpression(field="class_uid") if isinstance(node.value, SigmaNumber):
            return frozenset((int(node.value.number),))
        case ConditionAND():
            asked = [c for c in map(_classes, node.args) if c is not None]
            return frozenset.intersection(*asked) if asked else None
        case ConditionOR():
            each = [_classes(a) for a in node.args]
            named = [c for c in each if c is not None]
            return frozenset.union(*named) if len(named) == len(each) and named else None
    return None


def _of_field(field: str, wanted: SigmaType) -> Predicate:
    if isinstance(wanted, SigmaExists):
        return lambda values: (field in values) is bool(wanted)
    if isinstance(wanted, SigmaNull):
        return lambda values: all(v is None or v == "" for v in values.get(field, ()))
    test = _test(wanted)
    return lambda values: any(test(v) for v in values.get(field, ()))


def _test(wanted: SigmaType) -> Callable[[Any], bool]:
    match wanted:
        case SigmaString():
            return _matcher(_pattern(wanted), re.IGNORECASE | re.DOTALL, whole=True)
        case SigmaRegularExpression():
            flags = re.IGNORECASE if any(f.name == "IGNORECASE" for f in wanted.flags) else 0
            return _matcher(str(wanted.regexp), flags, whole=False)
        case SigmaNumber():
            number = wanted.number
            return lambda value: not isinstance(value, bool) and (value == number or str(value) == str(number))
        case SigmaBool():
            truth = bool(wanted)
            return lambda value: value is truth or str(value).lower() == str(truth).lower()
        case SigmaCompareExpression():
            return _comparison(wanted)
        case SigmaCIDRExpression():
            network = ipaddress.ip_network(wanted.cidr)
            return lambda value: _address(value) is not None and _address(value) in network
    raise SigmaRuleError(f"values of the kind {type(wanted).__name__} are not understood")


def _matcher(pattern: str, flags: int, *, whole: bool) -> Callable[[Any], bool]:
    compiled = re.compile(pattern, flags)
    find = compiled.fullmatch if whole else compiled.search
    return lambda value: value is not None and find(str(value)) is not None


def _pattern(wanted: SigmaString) -> str:
    parts = (
        re.escape(part) if isinstance(part, str) else ".*" if part == SpecialChars.WILDCARD_MULTI else "." for part in wanted.s
    )
    return "".join(parts)


def _comparison(wanted: SigmaCompareExpression) -> Callable[[Any], bool]:
    number, name = float(wanted.number.number), wanted.op.name
    decide: dict[str, Callable[[float], bool]] = {
        "LT": lambda v: v < number,
        "LTE": lambda v: v <= number,
        "GT": lambda v: v > number,
        "GTE": lambda v: v >= number,
    }
    if name not in decide:
        raise SigmaRuleError(f"the comparison {name} is not understood")
    test = decide[name]

    def compare(value: Any) -> bool:
        try:
            return not isinstance(value, bool) and test(float(value))
        except (TypeError, ValueError):
            return False

    return compare


def _address(value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(str(value))
    except ValueError:
        return None
