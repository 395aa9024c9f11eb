"""Every way a playbook can go, without touching anything: each awaited command once done, once failed.

Where a run stands as another stood before, both answers are walked only once: from there on all goes well.
"""

from typing import Final

from msgspec.structs import replace

from checkvalve.playbooks import interpreter
from checkvalve.playbooks.types import Command, Outcome, OutcomeStatus, Playbook, Run

MAX_PATHS: Final = 256


def simulate(playbook: Playbook) -> list[list[dict[str, str]]]:
    """Ways through, the all-good one first. External variables get their own name as value."""
    variables: dict[str, str | None] = {name: value or name for name, value in playbook.variables.items()}
    run, commands = interpreter.start(playbook, variables, "simulation")
    paths: list[list[dict[str, str]]] = []
    todo: list[tuple[Run, list[dict[str, str]]]] = [(run, _told(commands))]
    stood: set[str] = set()
    while todo and len(paths) < MAX_PATHS:
        run, path = todo.pop()
        if run.done or run.waiting is None:
            paths.append(path)
            continue
        place = _place(run)
        # The stack turns the order round: good first.
        answers: tuple[OutcomeStatus, ...] = ("done",) if place in stood else ("failed", "done")
        for status in answers:
            outcome = Outcome(command=run.waiting, status=status, data=_found(path, run.waiting, status))
            after, following = interpreter.advance(playbook, run, outcome)
            supposed = [{**step, "outcome": status} if step["id"] == run.waiting else step for step in path]
            todo.append((after, supposed + _told(following)))
        stood.add(place)
    return paths


def _found(path: list[dict[str, str]], command: str, status: OutcomeStatus) -> dict[str, str]:
    """What a hand's outcome tells the playbook besides."""
    asked = any(step["id"] == command and step["kind"] == "verify_closed" for step in path)
    return {"closed": "yes" if status == "done" else "no"} if asked else {}


def _place(run: Run) -> str:
    """What decides how the run goes on: not how it came there."""
    threads = tuple(replace(t, waiting=t.waiting and "", order=t.order and "") for t in run.threads)
    return repr(replace(run, threads=threads, count=0, path=()))


def _told(commands: list[Command]) -> list[dict[str, str]]:
    return [
        {"id": c.id, "kind": c.kind, "name": c.name, "outcome": "given to a person" if c.kind == "manual" else ""}
        for c in commands
    ]
