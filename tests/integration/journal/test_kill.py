"""kill -9 at any moment: every number that was said is in the log with its content, and the tree verifies."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.integration.journal.conftest import Open, verified

ROUNDS = 16
WRITER = Path(__file__).with_name("writer.py")


def one_life(directory: Path, seconds: float) -> tuple[int, dict[int, bytes]]:
    """Let a writer live for a moment. Returns the size it began with, and what it acknowledged before it was killed."""
    writer = subprocess.Popen([sys.executable, WRITER, directory, "20000"], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    ready = writer.stdout.readline().split()
    time.sleep(seconds)
    writer.send_signal(signal.SIGKILL)
    said, _ = writer.communicate(timeout=30)
    assert writer.returncode == -signal.SIGKILL
    assert ready[:1] == ["ready"], "the log could not be opened after the kill before"
    whole = [line.split() for line in said.splitlines(keepends=True) if line.endswith("\n")]
    return int(ready[1]), {int(number): bytes.fromhex(clear) for number, clear in whole}


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed_at_random_moments(opened: Open, tmp_path: Path) -> None:
    chance = random.Random(20261124)
    acknowledged: dict[int, bytes] = {}
    for _ in range(ROUNDS):
        began, said = one_life(tmp_path, chance.uniform(0.0, 0.12))
        assert began >= len(acknowledged)
        assert acknowledged.keys().isdisjoint(said), "a number was given twice"
        acknowledged |= said
        result = verified(tmp_path)  # also before anybody repaired the tail
        assert result.ok, result.errors
    assert len(acknowledged) > ROUNDS
    journal = opened(segment_bytes=20_000)
    for number, clear in acknowledged.items():
        assert journal.read(number).clear == clear
    result = verified(tmp_path)
    assert (result.ok, result.entries, result.uncovered) == (True, journal.size, 0)
    assert all(journal.read(n).clear is not None for n in range(journal.size))
