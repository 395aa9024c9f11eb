"""A few seconds of each target; `python -m tests.fuzz TARGET` goes on for as long as it is let."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.targets import PIECES, TARGETS

BYTES = st.tuples(st.binary(min_size=3, max_size=3), st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=8)).map(
    lambda made: b"".join((made[0], *made[1]))
)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=BYTES)
def test_no_bytes_of_a_model_server_break_it(target: Callable[[bytes], None], data: bytes) -> None:
    target(data)
