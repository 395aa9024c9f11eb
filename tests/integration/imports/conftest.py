"""A data directory, and `checkvalve` on it as a person would call it."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.wire.core_process import CoreProcess, running_core


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """One data directory. Core is not running unless the test started it."""

    data: Path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "checkvalve.cli", *arguments, "--data", str(self.data)]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False, timeout=120)

    def json(self, *arguments: str) -> dict[str, Any]:
        done = self.run(*arguments, "--json")
        assert done.returncode in (0, 1), done.stderr
        return dict(json.loads(done.stdout))

    def ingest(self, file: Path, name: str, *more: str) -> dict[str, Any]:
        return self.json("evidence", "ingest", str(file), "--format", name, *more)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.data / "state.db")) as db:
            return db.execute(query).fetchall()


@pytest.fixture
def shop(tmp_path: Path) -> Installation:
    """An installation whose core does not run."""
    return Installation(data=tmp_path / "data")


@pytest.fixture
def core(tmp_path: Path) -> Iterator[CoreProcess]:
    """A running core on the data directory of `shop`."""
    with running_core(tmp_path / "data") as process:
        yield process
