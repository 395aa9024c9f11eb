"""`checkvalve evidence tail`: a log that is being written, across its rotation, its cutting and every death, each line once."""

import gzip
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.imports.conftest import Installation
from tests.wire.core_process import CoreProcess, running_core

from checkvalve.engine.errors import EngineError
from checkvalve.engine.import_file import Result, Wanted, import_file
from checkvalve.engine.settings import load_settings
from checkvalve.engine.tailing import follow

LINE = '203.0.113.7 - - [24/Nov/2026:10:{m:02d}:{s:02d} +0100] "GET /item/{n} HTTP/1.1" 200 512 "-" "curl/8"\n'


def access(count: int, first: int = 0) -> str:
    """Lines of an access log, ten a second; two that follow each other are equal."""
    return "".join(LINE.format(m=n // 600 % 60, s=n // 10 % 60, n=n // 2) for n in range(first, first + count))


class Tail:
    """The command, following `log`. May be killed and started again. Its source is its own."""

    def __init__(self, shop: Installation, log: Path, name: str) -> None:
        self._shop, self.log, self._name = shop, log, name
        self._process: subprocess.Popen[str] | None = None

    def command(self) -> list[str]:
        about = ("--format", "combined", "--source", self._name)
        return self._shop.command("evidence", "tail", str(self.log), *about, "--json")

    def _wanted(self, path: Path) -> Wanted:
        return Wanted(path=path, format="combined", name=self._name)

    def ingest(self, file: Path) -> Result:
        return import_file(load_settings(self._shop.data), self._wanted(file), lambda _: None)

    def count(self) -> int:
        named = f"sensor = 'import.combined.{self._name}'"
        return int(self._shop.rows(f"SELECT count(DISTINCT digest) FROM events WHERE {named}")[0][0])

    def start(self) -> "Tail":
        self._process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return self

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate(timeout=30)
        self._process = None

    def stop(self) -> dict[str, Any]:
        """Asked to end; what it said."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        out, err = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, err
        self._process = None
        return dict(json.loads(out)["result"])

    def once(self) -> Result:
        return follow(load_settings(self._shop.data), self._wanted(self.log), until=lambda: True, waiting=pytest.fail).result

    def write(self, text: str) -> None:
        with self.log.open("a") as file:
            file.write(text)

    def end(self) -> None:
        if self._process is not None:
            self.kill()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreProcess]:
    with running_core(tmp_path_factory.mktemp("tail") / "data") as process:
        process.pair("wordpress")
        yield process


@pytest.fixture
def tail(running: CoreProcess, tmp_path: Path) -> Iterator[Tail]:
    made = Tail(
        Installation(data=running.data), tmp_path / "access.log", f"w{tmp_path.name[-20:].strip('_').replace('_', '-')}"
    )
    made.log.touch()
    yield made
    made.end()


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_lines_come_as_they_are_ended_and_half_a_line_waits(tail: Tail) -> None:
    tail.start()
    tail.write(access(10) + LINE[:30])
    until(lambda: tail.count() == 10)
    time.sleep(1.5)
    assert tail.count() == 10, "half a line is no record"
    tail.write(LINE[30:].format(m=0, s=2, n=99))
    until(lambda: tail.count() == 11)
    done = tail.stop()
    assert (done["entries"], done["malformed"]) == (11, 0)


def test_killed_anywhere_it_goes_on_and_equal_lines_stay_as_many_as_they_are(tail: Tail) -> None:
    written = 0
    for portion in (300, 700, 1500):
        tail.start()
        tail.write(access(portion, written))
        written += portion
        time.sleep(0.8)
        tail.kill()
    assert tail.once().malformed == 0
    assert tail.count() == 2500
    assert tail.ingest(tail.log).known == 2500, "the file itself brings nothing new"


def test_a_log_that_is_moved_away_is_read_to_its_end_then_the_new_one(tail: Tail) -> None:
    tail.start()
    tail.write(access(20))
    until(lambda: tail.count() == 20)
    moved = tail.log.rename(tail.log.with_name("access.log.1"))
    with moved.open("a") as file:  # the server still has the old file open
        file.write(access(5, 20))
    tail.write(access(7, 25))
    until(lambda: tail.count() == 32)  # also the two equal lines of one second, one in each file
    tail.stop()
    assert [tail.ingest(file).entries for file in (moved, tail.log)] == [0, 0]


def test_a_log_that_is_copied_and_cut_loses_no_line_that_the_copy_holds(tail: Tail) -> None:
    tail.start()
    tail.write(access(20))
    until(lambda: tail.count() == 20)
    tail.write(access(6, 20))
    tail.log.with_name("access.log.1").write_bytes(tail.log.read_bytes())
    os.truncate(tail.log, 0)
    tail.write(access(4, 26))
    until(lambda: tail.count() == 30)
    tail.stop()


def test_logs_that_were_moved_and_packed_while_nobody_followed_are_caught_up(tail: Tail) -> None:
    tail.write(access(20))
    assert tail.once().entries == 20
    tail.write(access(10, 20))
    tail.log.with_name("access.log.2.gz").write_bytes(gzip.compress(tail.log.read_bytes()))
    tail.log.with_name("access.log.1").write_text(access(16, 30))
    tail.log.unlink()
    tail.write(access(4, 46))
    tail.log.with_name("access.log.bak.txt").write_text("no log\n")
    done = tail.once()
    assert (done.entries, done.known) == (30, 20)
    assert tail.count() == 50 and any("access.log.bak.txt" in note for note in done.notes)
    assert tail.once().entries == 0


def test_core_may_go_and_come_back(running: CoreProcess, tail: Tail) -> None:
    tail.start()
    tail.write(access(10))
    until(lambda: tail.count() == 10)
    running.stop()
    tail.write(access(10, 10))
    time.sleep(1.5)
    running.start()
    until(lambda: tail.count() == 20)
    tail.stop()


def test_without_core_or_with_another_format_it_says_so(shop: Installation, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(access(2))
    refused = shop.run("evidence", "tail", str(log), "--format", "combined")
    assert refused.returncode == 2 and "checkvalve up" in refused.stderr and refused.stderr.count("\n") == 1
    refused = shop.run("evidence", "tail", str(log), "--format", "wsal")
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1


def test_a_file_of_another_format_is_refused_and_nothing_stored(tail: Tail) -> None:
    tail.write("no line of a log\n" * 300)
    with pytest.raises(EngineError, match="nothing was stored"):
        tail.once()
    assert tail.count() == 0
