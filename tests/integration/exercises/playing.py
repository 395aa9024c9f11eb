"""One exercise played and kept; importable by the processes that play several at once."""

from pathlib import Path
from typing import Any

from checkvalve.engine import exercise, exercise_report
from checkvalve.engine.exercise_players import Scripted
from checkvalve.engine.settings import Settings
from checkvalve.exercises import library


def play(home: Path, name: str, good: bool) -> dict[str, Any]:
    settings = Settings(data=home)
    record = exercise.run(exercise.Plan(scenario=library.shipped(name), home=settings, players=Scripted(good=good)))
    return exercise_report.keep(settings, record)
