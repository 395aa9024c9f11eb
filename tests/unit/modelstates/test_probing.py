"""Values of the same shape, and what their probabilities say."""

import random

import pytest

from checkvalve.modelstates import probing


@pytest.mark.parametrize(
    ("value", "comparable"),
    [
        ("+49 30 23125-100", True),
        ("CV-9f3a77c0", False),
        ("9f3a77c0", True),
        ("1042", True),
        ("Anna Schmidt", False),
        ("", False),
        ("cafe", False),
    ],
)
def test_what_can_be_made_up(value: str, comparable: bool) -> None:
    assert probing.comparable(value) is comparable


def test_others_have_the_same_shape_and_are_all_different() -> None:
    found = probing.others("+49 30 9F-a1", 50, random.Random(1).choice)
    assert len(set(found)) == 50 and "+49 30 9F-a1" not in found
    for other in found:
        assert [c if not c.isalnum() else "" for c in other] == [c if not c.isalnum() else "" for c in "+49 30 9F-a1"]
        assert [c.isdigit() for c in other] == [c.isdigit() for c in "+49 30 9F-a1"]
        assert other[8].isupper() and other[10].islower()
    assert len(probing.others("7", 50, random.Random(1).choice)) == 9  # there are no more


def test_a_value_far_above_the_others_is_suspicious_and_one_among_them_is_not() -> None:
    chance = random.Random(2)
    others = [chance.gauss(-37, 1.4) for _ in range(50)]
    assert probing.judge(-37, others).verdict == "nothing_seen"
    far = probing.judge(-28, others)
    assert (far.verdict, far.rank, far.of) == ("suspicious", 1, 51)
    assert far.exposure == pytest.approx(5.67, abs=0.01)
    assert probing.judge(-60, others).rank == 51


def test_too_few_or_all_alike_is_not_assessed() -> None:
    assert probing.judge(-1, [-2.0] * 9).verdict == "not_assessed"
    assert probing.judge(-1, [-2.0] * 50).verdict == "not_assessed"


def test_a_grammar_lets_through_the_value_alone() -> None:
    assert probing.grammar('a"b\\c') == 'root ::= "a\\"b\\\\c"'
