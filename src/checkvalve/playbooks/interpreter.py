"""Runs a playbook without I/O: a run and an outcome go in, the next run and its commands come out.

An action step with the invariant "checkout" goes: probe, order, probe. If the second probe fails and the first did not, the
order is released and the step has failed, so that the playbook's next, narrower step is tried. A checkout that was
broken before we touched anything does not stop the response: it is recorded, and nothing is rolled back for it. While an
order that broke it could not be taken back, the checkout is broken by us, and no step that needs it is tried.
"""

import json
from typing import Any

import msgspec

from checkvalve.playbooks.types import TARGETS, Command, CommandKind, Outcome, Playbook, PlaybookError, Run, Step
from checkvalve.playbooks.variables import fill

MAX_STEPS = 200

Result = tuple[Run, list[Command]]


def start(playbook: Playbook, variables: dict[str, str | None], run_id: str) -> Result:
    """`variables` fill the playbook's external variables; one that is None makes the steps that need it fail."""
    given = {**playbook.variables, **variables}
    run = Run(
        id=run_id,
        playbook=playbook.id,
        variables={k: v for k, v in given.items() if v},
        step=playbook.start,
        phase="enter",
        waiting=None,
    )
    return _enter(playbook, run, playbook.start, [])


def advance(playbook: Playbook, run: Run, outcome: Outcome) -> Result:
    """Take in an outcome. One that the run does not wait for changes nothing."""
    if run.done or outcome.command != run.waiting:
        return run, []
    step = playbook.steps[run.step]
    good = outcome.status == "done"
    match run.phase:
        case "probe_before":
            if not good and run.unreleased:  # perhaps our doing: nothing more is done to this shop
                return _enter(playbook, run, step.on_failure, [])
            return _act(playbook, msgspec.structs.replace(run, checkout_was=good), step, [])
        case "act":
            return _acted(playbook, run, step, good)
        case "probe_after":
            if good or run.checkout_was is False:
                return _enter(playbook, msgspec.structs.replace(run, checkout_was=good), step.on_success, [])
            release = {"command": run.order, "why": "the checkout failed after this step"}
            return _give(msgspec.structs.replace(run, unreleased=True), step, "rollback", "release", release, [])
        case "rollback":
            # The checkout is asked again by whatever step comes next.
            run = msgspec.structs.replace(run, checkout_was=None, unreleased=run.unreleased and not good)
            return _enter(playbook, run, step.on_failure, [])
        case _:
            raise PlaybookError(f"the run is in an unknown phase {run.phase}", "The log and the program do not fit together")


def _enter(playbook: Playbook, run: Run, step_id: str | None, commands: list[Command]) -> Result:
    if step_id is None or len(run.path) >= MAX_STEPS:
        return msgspec.structs.replace(run, done=True, waiting=None), commands
    step = playbook.steps[step_id]
    run = msgspec.structs.replace(run, step=step_id, phase="enter", waiting=None, order=None, path=(*run.path, step_id))
    if step.type == "end":
        return msgspec.structs.replace(run, done=True), commands
    if step.type == "start":
        return _enter(playbook, run, step.on_success, commands)
    kind, data = _command_of(step, run)
    if kind is None:
        return _enter(playbook, run, step.on_failure, commands)
    if kind == "manual":  # a person's task never holds up the response
        run, commands = _give(run, step, "manual", "manual", data, commands)
        return _enter(playbook, run, step.on_success, commands)
    if step.safeguard.invariant == "checkout" and run.checkout_was is not True:
        return _give(run, step, "probe_before", "probe", {"when": "before"}, commands)
    return _act(playbook, run, step, commands)


def _act(playbook: Playbook, run: Run, step: Step, commands: list[Command]) -> Result:
    kind, data = _command_of(step, run)
    if kind is None:
        return _enter(playbook, run, step.on_failure, commands)
    run, commands = _give(run, step, "act", kind, data, commands)
    return (msgspec.structs.replace(run, order=run.waiting) if kind == "order" else run), commands


def _acted(playbook: Playbook, run: Run, step: Step, good: bool) -> Result:
    if not good:
        if run.order is not None:  # it may still arrive: take it back
            release = {"command": run.order, "why": "the order was not confirmed"}
            return _give(run, step, "rollback", "release", release, [])
        return _enter(playbook, run, step.on_failure, [])
    if step.safeguard.invariant == "checkout":
        return _give(run, step, "probe_after", "probe", {"when": "after"}, [])
    return _enter(playbook, run, step.on_success, [])


def _give(
    run: Run, step: Step, phase: str, kind: CommandKind, data: dict[str, Any], commands: list[Command]
) -> tuple[Run, list[Command]]:
    command = Command(id=f"{run.id}.{run.count}", step=step.id, name=step.name, kind=kind, data=data)
    waiting = run.waiting if kind == "manual" else command.id
    run = msgspec.structs.replace(run, phase=phase, waiting=waiting, count=run.count + 1)
    return run, [*commands, command]


def _command_of(step: Step, run: Run) -> tuple[CommandKind | None, dict[str, Any]]:
    """The step's command with variables filled in; (None, …) when one has no value here."""
    command = step.commands[0]
    values = {**run.variables, **step.variables}
    if command["type"] == "manual":
        return "manual", {"text": fill(command.get("command", ""), values) or step.name, "role": step.role}
    content = fill(command.get("content", "{}"), values, quote=True)
    if content is None:
        return None, {}
    data: dict[str, Any] = json.loads(content)
    if TARGETS[command["command"]] == "order":
        data["ttl_s"] = step.safeguard.ttl_s
    return TARGETS[command["command"]], data
