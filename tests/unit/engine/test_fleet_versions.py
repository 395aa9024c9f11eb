"""Versions are in the order that PHP gives them: PHP itself is asked."""

import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulators.wordpress import require_php

from checkvalve.engine.fleet_versions import below, compare

WORDS = (
    "a",
    "alpha",
    "b",
    "beta",
    "rc",
    "RC",
    "dev",
    "pl",
    "p",
    "x",
    "Alpha",
    "beta2",
    ".",
    ".",
    "-",
    "_",
    "+",
    "0",
    "1",
    "2",
    "10",
    "007",
)
VERSIONS = st.builds(
    lambda first, rest: (first + "".join(rest)).rstrip(".-_+"),
    st.sampled_from("0129v"),
    st.lists(st.sampled_from(WORDS), max_size=7),
)
COMPARE = "echo json_encode(array_map(fn($p) => version_compare($p[0], $p[1]), json_decode(stream_get_contents(STDIN))));"


@given(st.lists(st.tuples(VERSIONS, VERSIONS), min_size=200, max_size=400))
@settings(max_examples=5, deadline=None)
def test_as_php_says(pairs: list[tuple[str, str]]) -> None:
    asked = subprocess.run([require_php(), "-r", COMPARE], input=json.dumps(pairs), capture_output=True, text=True, check=True)
    ours = [(found > 0) - (found < 0) for found in (compare(*pair) for pair in pairs)]
    assert ours == json.loads(asked.stdout)


@pytest.mark.parametrize(
    ("version", "limit", "is_below"),
    [
        ("1.0", "1.0.0", True),
        ("1.10", "1.9", False),
        ("2.0-rc1", "2.0", True),
        ("2.0", "2.0", False),
        ("2.0.1-pl1", "2.0.1", False),
        ("", "2.0", True),  # it does not say: it may be
    ],
)
def test_what_an_advisory_means_by_below(version: str, limit: str, is_below: bool) -> None:
    assert below(version, limit) is is_below
