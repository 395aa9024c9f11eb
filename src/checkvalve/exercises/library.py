"""The shipped scenarios."""

from functools import cache
from importlib.resources import files

from checkvalve.exercises.linter import load
from checkvalve.exercises.scenario import Scenario, ScenarioError


@cache
def names() -> tuple[str, ...]:
    listed = (f.name for f in files("checkvalve.content.scenarios").iterdir())
    return tuple(sorted(n.removesuffix(".yaml") for n in listed if n.endswith(".yaml")))


@cache
def shipped(name: str) -> Scenario:
    if name not in names():
        raise ScenarioError(f"there is no scenario {name[:60]!r}", f"Known: {', '.join(names())}")
    return load(source(name))


def source(name: str) -> bytes:
    return files("checkvalve.content.scenarios").joinpath(f"{name}.yaml").read_bytes()
