"""Conditions of if-, while- and switch-steps: comparisons of variables with literals, joined by AND, OR and NOT.

CACAO 2.0 writes them as STIX comparison expressions, e.g. `__severity__:value = 'critical' AND NOT __count__:value < 3`, in
square brackets or without. Values are text; where both sides read as numbers they are compared as numbers.
"""

import re
from collections.abc import Mapping
from typing import Final

MAX_TOKENS: Final = 200
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:\\.|[^'\\])*')|(?P<number>-?\d+(?:\.\d+)?)\b|(?P<variable>__[A-Za-z0-9_-]{1,100}?__):value"
    r"|(?P<op><=|>=|!=|<>|==|=|<|>|\(|\)|\[|\]|,)|(?P<word>[A-Za-z]+))"
)
WORDS: Final = frozenset(("AND", "OR", "NOT", "IN", "LIKE", "TRUE", "FALSE"))
COMPARISONS: Final = ("=", "==", "!=", "<>", "<", ">", "<=", ">=")


class ConditionError(ValueError):
    """The condition cannot be read; the message says where."""


def variables(text: str) -> list[str]:
    """Names of the variables a condition reads, or ConditionError."""
    return [t for kind, t in _tokens(text) if kind == "variable"]


def holds(text: str, values: Mapping[str, str]) -> bool:
    """Whether the condition holds; a comparison with a variable without a value does not. Names have no underscores."""
    return _Reader(_tokens(text), values).whole()


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    stripped = text.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None or len(found) >= MAX_TOKENS:
            raise ConditionError(f"cannot be read from character {at} on")
        kind = match.lastgroup or ""
        value = match[kind]
        if kind == "word" and value.upper() not in WORDS:
            raise ConditionError(f"{value[:40]!r} is no word of a condition")
        found.append((kind, value.upper() if kind == "word" else value))
        at = match.end()
    return found


class _Reader:
    """Recursive descent: or, and, not, comparison."""

    def __init__(self, tokens: list[tuple[str, str]], values: Mapping[str, str]) -> None:
        self._tokens, self._values, self._at = tokens, values, 0

    def whole(self) -> bool:
        result = self._or()
        if self._at != len(self._tokens):
            raise ConditionError(f"{self._tokens[self._at][1][:40]!r} is not expected here")
        return result

    def _or(self) -> bool:
        result = self._and()
        while self._take("OR"):
            result = self._and() or result
        return result

    def _and(self) -> bool:
        result = self._not()
        while self._take("AND"):
            result = self._not() and result
        return result

    def _not(self) -> bool:
        if self._take("NOT"):
            return not self._not()
        for opening, closing in (("(", ")"), ("[", "]")):
            if self._take(opening):
                result = self._or()
                self._need(closing)
                return result
        return self._comparison()

    def _comparison(self) -> bool:
        left = self._operand()
        negated = self._take("NOT")
        if self._take("IN"):
            self._need("(")
            options = [self._operand()]
            while self._take(","):
                options.append(self._operand())
            self._need(")")
            return (left is not None and any(_same(left, o) for o in options if o is not None)) != negated
        if self._take("LIKE"):
            pattern = self._operand() or ""
            like = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern)
            return (left is not None and re.fullmatch(like, left, re.S) is not None) != negated
        kind, op = self._next()
        if kind != "op" or op not in COMPARISONS or negated:
            raise ConditionError("a comparison is missing")
        right = self._operand()
        if left is None or right is None:
            return False
        return _compare(left, op, right)

    def _operand(self) -> str | None:
        kind, value = self._next()
        match kind:
            case "text":
                return re.sub(r"\\(.)", r"\1", value[1:-1])
            case "number":
                return value
            case "variable":
                return self._values.get(value.strip("_"))
            case "word" if value in ("TRUE", "FALSE"):
                return value.lower()
            case _:
                raise ConditionError("a value is missing")

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise ConditionError("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, value: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] in (("word", value), ("op", value)):
            self._at += 1
            return True
        return False

    def _need(self, value: str) -> None:
        if not self._take(value):
            raise ConditionError(f"{value!r} is missing")


def _numbers(left: str, right: str) -> tuple[float, float] | None:
    try:
        return float(left), float(right)
    except ValueError:
        return None


def _same(left: str, right: str) -> bool:
    numbers = _numbers(left, right)
    return numbers[0] == numbers[1] if numbers else left == right


def _compare(left: str, op: str, right: str) -> bool:
    if op in ("=", "=="):
        return _same(left, right)
    if op in ("!=", "<>"):
        return not _same(left, right)
    numbers = _numbers(left, right)
    low, high = numbers or (left, right)
    return {"<": low < high, ">": low > high, "<=": low <= high, ">=": low >= high}[op]  # type: ignore[operator]
