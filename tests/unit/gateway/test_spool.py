"""Events wait on disk until core has them: nothing lost, nothing half, no number given twice."""

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkvalve.gateway.spool import Spool


def text(what: str = "x") -> Callable[[int], bytes]:
    return lambda number: b'{"n":%d,"x":"%s"}' % (number, what.encode())


def numbers(spool: Spool) -> list[int]:
    return [n for n, _ in spool.batch(10_000, 10**9)]


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("spool*"))


def test_events_are_numbered_and_kept_in_order_over_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 5)
    assert [spool.append(text()) for _ in range(3)] == [5, 6, 7]
    again = Spool(tmp_path, 1)  # the first is not closed: killed
    assert again.batch(100, 10**6) == [(n, text()(n)) for n in (5, 6, 7)]
    assert again.append(text()) == 8


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    Spool(tmp_path / "spool", 1).append(text())
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "spool").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_torn_by_a_crash_is_dropped_and_its_number_given_to_the_next(tmp_path: Path, cut: int) -> None:
    spool = Spool(tmp_path, 1)
    spool.append(text())
    spool.append(text("cut"))
    [file] = files(tmp_path)
    os.truncate(file, file.stat().st_size - cut)
    again = Spool(tmp_path, 1)
    assert numbers(again) == [1]
    assert again.append(text()) == 2
    assert Spool(tmp_path, 1).batch(10, 10**6) == [(1, text()(1)), (2, text()(2))]


def test_no_number_is_given_twice_after_all_was_acknowledged(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1)
    for _ in range(4):
        spool.append(text())
    spool.acknowledge(4)
    assert spool.spent
    spool.keep_highest()
    spool.empty()
    assert (spool.depth, files(tmp_path)) == (0, [])
    again = Spool(tmp_path, 1)
    assert (again.depth, again.append(text())) == (0, 5)


def test_lines_stay_when_a_number_was_given_since_the_highest_was_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1)
    spool.append(text())
    spool.acknowledge(1)
    spool.keep_highest()
    spool.append(text())
    spool.acknowledge(2)
    spool.empty()
    assert Spool(tmp_path, 1).append(text()) == 3


def test_what_was_acknowledged_in_part_is_sent_again_after_a_crash(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1)
    for _ in range(4):
        spool.append(text())
    spool.acknowledge(3)
    assert numbers(spool) == [4]
    assert numbers(Spool(tmp_path, 1)) == [1, 2, 3, 4]


def test_a_full_spool_drops_events_and_leaves_the_gap_to_be_seen(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1, max_bytes=60)
    given = [spool.append(text()) for _ in range(5)]
    assert given == [1, 2, 3, None, None]
    assert spool.dropped == 2
    again = Spool(tmp_path, 1)
    assert again.append(text()) == 6
    batches = []
    while batch := numbers(again):
        batches.append(batch)
        again.acknowledge(batch[-1])
    assert batches == [[1], [2], [3], [6]], "a batch has no gap in it, even within a file"
    assert len(files(tmp_path)) == 3


def test_a_full_disk_loses_only_what_finds_no_room(tmp_path: Path) -> None:
    """The kernel refuses growth beyond a limit, first within a line; lifting it is the space coming back."""
    script = f"""
import resource, signal
from pathlib import Path
from checkvalve.gateway.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool(Path({str(tmp_path)!r}), 1)
line = lambda number: b"x" * 40
resource.setrlimit(resource.RLIMIT_FSIZE, (100, {resource.RLIM_INFINITY}))
print([spool.append(line) for _ in range(4)], spool.dropped)
resource.setrlimit(resource.RLIMIT_FSIZE, ({resource.RLIM_INFINITY}, {resource.RLIM_INFINITY}))
print(spool.append(line))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.splitlines() == ["[1, 2, None, None] 2", "5"]
    spool = Spool(tmp_path, 1)
    assert [(n, len(line)) for n, line in spool.batch(10, 10**6)] == [(1, 40), (2, 40)]
    assert spool.depth == 3


@settings(deadline=None)  # the disk may be slow
@given(st.lists(st.sampled_from(["append", "acknowledge", "empty", "restart"]), max_size=40))
def test_whatever_happens_no_number_is_given_twice(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    directory = tmp_path_factory.mktemp("spool")
    spool, given = Spool(directory, 1, max_bytes=100), []
    for step in steps:
        if step == "append":
            spool.append(lambda number: given.append(number) or text()(number))  # type: ignore[func-returns-value]
        elif step == "acknowledge" and (batch := spool.batch(2, 10**6)):
            spool.acknowledge(batch[-1][0])
        elif step == "empty":
            spool.keep_highest()
            spool.empty()
        elif step == "restart":
            spool.close()
            spool = Spool(directory, 1, max_bytes=100)
    spool.close()
    assert given == sorted(set(given))


def test_a_batch_is_bounded_in_lines_and_bytes_but_never_empty(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1)
    for _ in range(5):
        spool.append(text("y" * 100))
    assert [len(spool.batch(3, 10**6)), len(spool.batch(10, 250)), len(spool.batch(10, 1))] == [3, 2, 1]


def test_room_comes_back_while_events_go_on_waiting(tmp_path: Path) -> None:
    """Core is always a few events behind: nothing is dropped for that, and little stays on disk."""
    spool = Spool(tmp_path, 1, max_bytes=10_000)
    for number in range(1, 600):
        assert spool.append(text("y" * 100)) == number
        spool.acknowledge(number - 3)
        if number % 10 == 0:
            spool.keep_highest()
            spool.empty()
    assert spool.depth == 3
    assert sum(p.stat().st_size for p in files(tmp_path)) < 5_000
    assert Spool(tmp_path, 1).append(text()) == 600


def test_files_are_read_in_order_over_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 8, max_bytes=1000)
    for _ in range(30):
        spool.append(text())
    spool.close()
    assert len(files(tmp_path)) > 3
    again, read = Spool(tmp_path, 1), []
    while batch := again.batch(5, 10**6):
        read += batch
        again.acknowledge(batch[-1][0])
    assert read == [(n, text()(n)) for n in range(8, 38)]


def test_what_somebody_wrote_into_it_is_set_aside_and_the_rest_is_sent(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1)
    spool.append(text())
    spool.close()
    [file] = files(tmp_path)
    file.write_bytes(file.read_bytes() + b"rubbish\n2 {}\n")
    assert numbers(Spool(tmp_path, 1)) == [1]
    assert (tmp_path / f"damaged-{file.name}").read_bytes() == b"rubbish\n2 {}\n"
