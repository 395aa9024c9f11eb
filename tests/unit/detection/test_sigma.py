"""Sigma rules as predicates: what the specification says of values, modifiers and conditions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.detection import sigma
from checkvalve.detection.sigma import SigmaRuleError
from checkvalve.engine import rules

HEAD = "title: T\nid: 5013f332-8d2d-4b9f-9d3b-2f3a4f0c1a11\nstatus: test\n"


def rule(detection: str, level: str = "high", more: str = "") -> sigma.Rule:
    return sigma.parse(f"{HEAD}logsource:\n  product: wordpress\ndetection:\n{detection}\nlevel: {level}\n{more}")


def matches(detection: str, event: dict[str, Any]) -> bool:
    return rule(detection).matches(sigma.values_of(event))


@pytest.mark.parametrize(
    ("selection", "event", "wanted"),
    [
        ("a: Hello", {"a": "hELLO"}, True),
        ("a: hel*", {"a": "hello"}, True),
        ("a: hel?", {"a": "hello"}, False),
        ("a: 'c:\\*'", {"a": "c:*"}, True),
        ("a|contains: ell", {"a": "HELLO"}, True),
        ("a|startswith: ell", {"a": "hello"}, False),
        ("a|endswith: llo", {"a": ["x", "hello"]}, True),
        ("a|contains|all:\n      - he\n      - lo", {"a": "hello"}, True),
        ("a|contains|all:\n      - he\n      - xx", {"a": "hello"}, False),
        ("a: 5", {"a": 5}, True),
        ("a: 5", {"a": "5"}, True),
        ("a: 1", {"a": True}, False),
        ("a: true", {"a": True}, True),
        ("a: true", {"a": 1}, False),
        ("a|gte: 500", {"a": 500}, True),
        ("a|gte: 500", {"a": "many"}, False),
        ("a|lt: 500", {"a": 500}, False),
        ("a|re: '^h.*o$'", {"a": "hello"}, True),
        ("a|re: '^h.*o$'", {"a": "Hello"}, False),
        ("a|re|i: '^h.*o$'", {"a": "Hello"}, True),
        ("a|cidr: 198.51.100.0/24", {"a": "198.51.100.7"}, True),
        ("a|cidr: 198.51.100.0/24", {"a": "203.0.113.7"}, False),
        ("a|exists: true", {"a": 0}, True),
        ("a|exists: true", {"b": 0}, False),
        ("a: null", {"b": 0}, True),
        ("a: null", {"a": "x"}, False),
        ("a.b.c: x", {"a": {"b": [{"c": "y"}, {"c": "x"}]}}, True),
        ("a:\n      - x\n      - y", {"a": "y"}, True),
    ],
)
def test_values(selection: str, event: dict[str, Any], wanted: bool) -> None:
    assert matches(f"  s:\n    {selection}\n  condition: s", event) is wanted


@pytest.mark.parametrize(
    ("condition", "event", "wanted"),
    [
        ("one and two", {"a": 1, "b": 2}, True),
        ("one and not two", {"a": 1, "b": 2}, False),
        ("one or two", {"b": 2}, True),
        ("1 of them", {"b": 2}, True),
        ("all of them", {"b": 2}, False),
        ("not 1 of *", {"c": 3}, True),
    ],
)
def test_conditions(condition: str, event: dict[str, Any], wanted: bool) -> None:
    assert matches(f"  one:\n    a: 1\n  two:\n    b: 2\n  condition: {condition}", event) is wanted


def test_keywords_are_sought_in_every_value() -> None:
    words = "  k:\n    - '*union select*'\n  condition: k"
    assert matches(words, {"x": {"y": ["a", "1 UNION SELECT 2"]}})
    assert not matches(words, {"x": "union"})


@pytest.mark.parametrize(
    ("detection", "classes"),
    [
        ("  s:\n    class_uid: 3004\n    a: 1\n  condition: s", {3004}),
        ("  s:\n    class_uid:\n      - 1\n      - 2\n  condition: s", {1, 2}),
        ("  s:\n    class_uid: 1\n  t:\n    class_uid: 2\n  condition: s or t", {1, 2}),
        ("  s:\n    class_uid: 1\n  t:\n    a: 2\n  condition: s or t", None),
        ("  s:\n    class_uid: 1\n  t:\n    class_uid: 2\n  condition: s and not t", {1}),
    ],
)
def test_the_classes_outside_which_a_rule_cannot_match(detection: str, classes: set[int] | None) -> None:
    assert rule(detection).classes == classes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "title: x",
        "title: x\nlogsource: {product: wordpress}\ndetection: {s: {a: 1}, condition: t}\nlevel: high\nid: 1",
        HEAD + "logsource: {product: w}\ndetection: {s: {a|re: '('}, condition: s}\nlevel: high",
        HEAD + "logsource: {product: w}\ndetection: {s: {a: 1}, condition: s}",
        "a: &a [*a]",
        "x" * (sigma.MAX_RULE + 1),
    ],
)
def test_what_is_no_rule_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(SigmaRuleError):
        sigma.parse(text)


@given(st.text(max_size=300))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        sigma.parse(text)
    except SigmaRuleError as error:
        assert str(error)


@pytest.mark.parametrize("shipped", rules.shipped(), ids=lambda r: r.title)
def test_each_shipped_rule_judges_its_samples_as_it_says(shipped: sigma.Rule) -> None:
    assert {wanted for _, wanted in shipped.samples} == {True, False}
    for event, wanted in shipped.samples:
        assert shipped.matches(sigma.values_of(event)) is wanted, event
    assert any(t.startswith(("attack.t", "atlas.aml.t", "owasp.llm")) for t in shipped.tags)
    assert shipped.source.product in ("wordpress", "gateway") or shipped.source.category == "webserver"


def test_a_deep_or_wide_event_is_read_within_bounds() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep or "hidden"}
    words = "  k:\n    - hidden\n  condition: k"
    assert not matches(words, {"deep": deep})
    assert not matches(words, {"wide": [*range(10_000), "hidden"]})
    assert matches(words, {"wide": [*range(1_000), "hidden"]})
