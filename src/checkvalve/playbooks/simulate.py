"""Every way a playbook can go, without touching anything: each awaited command once done, once failed."""

from typing import Final

from checkvalve.playbooks import interpreter
from checkvalve.playbooks.types import Command, Outcome, Playbook, Run

MAX_PATHS: Final = 256


def simulate(playbook: Playbook) -> list[list[dict[str, str]]]:
    """Ways through, the all-good one first. External variables get their own name as value."""
    variables: dict[str, str | None] = {name: value or name for name, value in playbook.variables.items()}
    run, commands = interpreter.start(playbook, variables, "simulation")
    paths: list[list[dict[str, str]]] = []
    todo: list[tuple[Run, list[dict[str, str]]]] = [(run, _told(commands))]
    while todo and len(paths) < MAX_PATHS:
        run, path = todo.pop()
        if run.done or run.waiting is None:
            paths.append(path)
            continue
        for status in ("failed", "done"):  # the stack turns the order round: good first
            outcome = Outcome(command=run.waiting, status=status)
            after, following = interpreter.advance(playbook, run, outcome)
            supposed = [{**step, "outcome": status} if step["id"] == run.waiting else step for step in path]
            todo.append((after, supposed + _told(following)))
    return paths


def _told(commands: list[Command]) -> list[dict[str, str]]:
    return [
        {"id": c.id, "kind": c.kind, "name": c.name, "outcome": "given to a person" if c.kind == "manual" else ""}
        for c in commands
    ]
