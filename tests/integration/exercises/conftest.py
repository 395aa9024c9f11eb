"""Every scenario played by good and by bad players, once a session, several at a time."""

import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.integration.exercises.playing import play

from checkvalve.engine.settings import Settings
from checkvalve.exercises import library

WORKERS = 4


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], dict[str, Any]]:
    """(scenario, good | bad) -> its record, with `home`: the data directory it was played beside."""
    root = tmp_path_factory.mktemp("exercises")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["checkvalve.engine.exercise_report", "checkvalve.engine.exercise_players"])
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        jobs = {
            (name, players): (
                root / f"{name}-{players}",
                pool.submit(play, root / f"{name}-{players}", name, players == "good"),
            )
            for name in library.names()
            for players in ("good", "bad")
        }
        return {key: {**job.result(120), "home": home} for key, (home, job) in jobs.items()}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Settings]:
    """A real installation beside which exercises are run."""
    yield Settings(data=tmp_path / "data")
