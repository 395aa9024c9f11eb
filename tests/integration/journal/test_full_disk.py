"""A full disk: refused and rolled back, still readable, and going on by itself once there is room."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.journal.conftest import Open, verified

SCRIPT = Path(__file__).with_name("full_disk.py")


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(40_000, id="the-key-database-hits-it-first"),
        pytest.param(150_000, id="the-segment-hits-it-first"),
        pytest.param(100, id="nothing-can-be-written"),
    ],
)
def test_a_full_disk_refuses_loses_nothing_and_passes(opened: Open, tmp_path: Path, limit: int) -> None:
    run = subprocess.run([sys.executable, SCRIPT, tmp_path, str(limit)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["readable"]
    assert told["size_when_full"] == 10 * len(told["acknowledged"]), "a refused group left entries behind"
    assert told["after"] == list(range(told["size_when_full"], told["size_when_full"] + 10))
    assert verified(tmp_path).ok
    journal = opened()
    assert journal.size == told["size_when_full"] + 10
    for turn, *numbers in told["acknowledged"]:
        assert {journal.read(n).clear for n in numbers} == {b"%d " % turn * 500}
