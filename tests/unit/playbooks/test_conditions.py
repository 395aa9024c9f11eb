"""Conditions as CACAO writes them, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.playbooks.conditions import ConditionError, holds, variables

VALUES = {"severity": "critical", "count": "10", "route": "/shop/v1/ask", "empty": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("__severity__:value = 'critical'", True),
        ("[__severity__:value == 'critical']", True),
        ("__severity__:value != 'critical'", False),
        ("__count__:value > 9", True),  # by number, not by letter
        ("__count__:value < '9'", False),
        ("__count__:value >= 10.0", True),
        ("__severity__:value = 'low' OR __count__:value = 10", True),
        ("__severity__:value = 'low' AND __count__:value = 10 OR TRUE = TRUE", True),
        ("NOT (__severity__:value = 'low' OR __count__:value = 11)", True),
        ("__severity__:value IN ('high', 'critical')", True),
        ("__severity__:value NOT IN ('high', 'critical')", False),
        ("__route__:value LIKE '/shop/%'", True),
        ("__route__:value LIKE '/shop/_'", False),
        ("__unknown__:value = 'x'", False),
        ("__unknown__:value != 'x'", False),
        ("NOT __unknown__:value = 'x'", True),
        ("__empty__:value = ''", True),
        (r"__empty__:value = 'it\'s'", False),
    ],
)
def test_what_holds(text: str, expected: bool) -> None:
    assert holds(text, VALUES) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "'a'",
        "'a' =",
        "('a' = 'a'",
        "'a' = 'a' 'b'",
        "import os",
        "'a' IN",
        "'a' IN (",
        "a = b",
        "(" * 250,
        "1 = 1 " * 80,
    ],
)
def test_what_is_no_condition_is_an_error(text: str) -> None:
    with pytest.raises(ConditionError):
        holds(text, VALUES)


@given(st.text(max_size=200))
def test_any_text_is_a_condition_or_an_error(text: str) -> None:
    try:
        holds(text, VALUES)
        variables(text)
    except ConditionError as error:
        assert str(error)
