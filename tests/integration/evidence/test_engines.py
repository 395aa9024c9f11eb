"""The same segments and the same questions on a Spark cluster and on ClickHouse's engine: the same answers, row by row."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from benchmarks import generator
from benchmarks.evidence import questions
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.simulators.processes import Server, free_port

from checkvalve.store.archive import TABLES, Archive, Reading
from checkvalve.store.asking import Asker
from checkvalve.store.questions import Dialect, text
from checkvalve.store.state import open_state

EVENTS, SEGMENT = 40_000, 5_000
ROOT = Path(__file__).resolve().parents[3]
Rows = list[list[Any]]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """Forty thousand made-up events, sealed and merged as core does it."""
    key = Ed25519PrivateKey.generate()
    sealing = Archive(tmp_path_factory.mktemp("shared") / "archive", key, "checkvalve/test")
    for first in range(0, EVENTS, SEGMENT):
        sealing.seal(first + SEGMENT, generator.segment(first, first + SEGMENT, EVENTS))
    assert sealing.merge(1) is not None
    assert sealing.sweep(10**12) > 0
    return sealing.reading


@pytest.fixture(scope="module")
def expected(archive: Reading, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rows]:
    with closing(open_state(tmp_path_factory.mktemp("state") / "state.db")) as state:
        asker = Asker(archive, state)
        found = {n: [list(r.values()) for r in asker.ask(q, **given)] for n, (q, given) in questions(EVENTS).items()}
        asker.close()
    assert all(found.values()), "every question has an answer here"
    return found


def asked(archive: Reading, dialect: Dialect) -> dict[str, Any]:
    """What an engine is told: each table's files, and each question's text."""
    manifest = archive.manifest()
    return {
        "tables": {t: [str(archive.directory / f.name) for f in manifest.files(t)] for t in TABLES},
        "questions": {n: text(q, dialect, given) for n, (q, given) in questions(EVENTS).items()},
    }


def run(script: str, told: dict[str, Any], *arguments: str) -> dict[str, Rows]:
    """In a process of its own: neither engine shares this one."""
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    done = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, timeout=240, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    answered: dict[str, Rows] = json.loads(done.stdout.splitlines()[-1])
    return answered


def test_clickhouse_answers_as_duckdb_does(archive: Reading, expected: dict[str, Rows]) -> None:
    assert run("ask_clickhouse.py", asked(archive, "clickhouse")) == expected


class Cluster:
    """A Spark standalone cluster: one master and two workers, each a process of its own."""

    def __init__(self, directory: Path) -> None:
        import pyspark

        self.home = Path(pyspark.__file__).parent
        self.port = free_port()
        self._directory = directory
        self._stack = ExitStack()

    @property
    def master(self) -> str:
        return f"spark://127.0.0.1:{self.port}"

    def start(self) -> None:
        console = free_port()
        common = ["--host", "127.0.0.1"]
        self._start("master", console, "org.apache.spark.deploy.master.Master", *common, "--port", str(self.port))
        for number in (1, 2):
            options = [*common, "--cores", "1", "--memory", "700m", "--work-dir", str(self._directory / f"work-{number}")]
            self._start(f"worker-{number}", free_port(), "org.apache.spark.deploy.worker.Worker", *options, self.master)
        log = self._directory / "master.log"
        end = time.monotonic() + 60
        while len(re.findall(r"Registering worker", log.read_text())) < 2:
            assert time.monotonic() < end, "the workers did not join"
            time.sleep(0.2)

    def _start(self, name: str, console: int, kind: str, *options: str) -> None:
        command = [str(self.home / "bin" / "spark-class"), kind, "--webui-port", str(console), *options]
        environment = {**os.environ, "SPARK_HOME": str(self.home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "300m"}
        server = Server(command, f"http://127.0.0.1:{console}", log=self._directory / f"{name}.log", env=environment)
        self._stack.callback(server.stop)
        server.wait_for("/", seconds=60)

    def stop(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("spark"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_a_spark_cluster_answers_as_duckdb_does(cluster: Cluster, archive: Reading, expected: dict[str, Rows]) -> None:
    answered = run("ask_spark.py", asked(archive, "spark"), cluster.master)
    assert answered.pop("executors") == [[2]], "both workers took part"
    assert answered == expected
