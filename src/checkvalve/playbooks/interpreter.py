"""Runs a playbook without I/O: a run and an outcome go in, the next run and its commands come out.

An action step with the invariant "checkout" goes: probe, order, probe. If the second probe fails and the first did not, the
order is released, the checkout is probed once more, and the step has failed, so that the playbook's next, narrower step
is tried. A checkout that was broken before we touched anything does not stop the response: it is recorded, and nothing is
rolled back for it. While an order that broke it could not be taken back, the checkout is broken by us, and no step that
needs it is tried.

Branches of a parallel step are threads. Steps that need the checkout go one after the other in whatever thread they stand, else
nobody could say which of two broke it. A person's task never holds up the response; an approval does, until its time is up.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from checkvalve.playbooks import conditions
from checkvalve.playbooks.types import TARGETS, Command, CommandKind, Frame, Outcome, Playbook, PlaybookError, Run, Step, Thread
from checkvalve.playbooks.variables import fill

MAX_STEPS: Final = 200
MAX_FRAMES: Final = 16

Result = tuple[Run, list[Command]]
Library = Mapping[str, Playbook]


def start(playbook: Playbook, variables: dict[str, str | None], run_id: str, library: Library | None = None) -> Result:
    """`variables` fill the playbook's external variables; one that is None makes the steps that need it fail."""
    given = {**playbook.variables, **variables}
    run = Run(id=run_id, playbook=playbook.id, variables={k: v for k, v in given.items() if v})
    engine = _Engine(playbook, library or {}, run)
    engine.enter(engine.born(playbook.id, playbook.start, None), playbook.start)
    return engine.result()


def advance(playbook: Playbook, run: Run, outcome: Outcome, library: Library | None = None) -> Result:
    """Take in an outcome. One that the run does not wait for changes nothing."""
    thread = next((t for t in run.threads if t.waiting == outcome.command), None)
    if run.done or thread is None:
        return run, []
    engine = _Engine(playbook, library or {}, run)
    engine.came(thread, outcome)
    return engine.result()


class _Engine:
    """One call of start or advance: the run as it changes, and the commands given out."""

    def __init__(self, playbook: Playbook, library: Library, run: Run) -> None:
        self._playbooks = {**library, playbook.id: playbook}
        self.run = run
        self.commands: list[Command] = []

    def result(self) -> Result:
        if not self.run.threads:
            self.run = replace(self.run, done=True)
        return self.run, self.commands

    # --- threads -----------------------------------------------------------------------------------------------------

    def born(self, playbook: str, step: str, parent: int | None) -> Thread:
        thread = Thread(id=self.run.born, playbook=playbook, step=step, phase="enter", parent=parent)
        self.run = replace(self.run, born=self.run.born + 1, threads=(*self.run.threads, thread))
        return thread

    def _keep(self, thread: Thread) -> Thread:
        self.run = replace(self.run, threads=tuple(thread if t.id == thread.id else t for t in self.run.threads))
        return thread

    def _step(self, thread: Thread) -> Step:
        return self._playbooks[thread.playbook].steps[thread.step]

    def _ended(self, thread: Thread) -> None:
        """The thread's branch is over: its parent goes on when it was the last."""
        self.run = replace(self.run, threads=tuple(t for t in self.run.threads if t.id != thread.id))
        if thread.parent is not None and not any(t.parent == thread.parent for t in self.run.threads):
            parent = next(t for t in self.run.threads if t.id == thread.parent)
            self.enter(parent, self._step(parent).on_success)

    # --- entering a step ---------------------------------------------------------------------------------------------

    def enter(self, thread: Thread, step_id: str | None) -> None:
        if self.run.done:
            return
        if len(self.run.path) >= MAX_STEPS:
            self.run = replace(self.run, threads=(), done=True, failed=True)
            return
        if step_id is None:
            self._back(thread)
            return
        thread = self._keep(replace(thread, step=step_id, phase="enter", waiting=None, order=None))
        self.run = replace(self.run, path=(*self.run.path, step_id))
        step = self._step(thread)
        match step.type:
            case "end":
                self._back(thread)
            case "start":
                self.enter(thread, step.on_success)
            case "action":
                self._action(thread, step)
            case "parallel":
                thread = self._keep(replace(thread, phase="branches"))
                for child in [self.born(thread.playbook, branch, thread.id) for branch in step.branches]:
                    self.enter(child, child.step)
            case "if-condition":
                self._branch(thread, step.on_true if self._holds(step) else step.on_false)
            case "while-condition":
                self._branch(thread, step.on_true) if self._holds(step) else self.enter(thread, step.on_success)
            case "switch-condition":
                value = fill(step.condition, self.run.variables) or ""
                self._branch(thread, step.cases.get(value, step.cases.get("default")))
            case "playbook-action":
                self._call(thread, step)
            case _:
                raise PlaybookError(f"the step {step_id} is of an unknown kind", "Run `checkvalve playbook lint FILE`")

    def _holds(self, step: Step) -> bool:
        return conditions.holds(step.condition, {**self.run.variables, **step.variables})

    def _branch(self, thread: Thread, target: str | None) -> None:
        """Into a branch; its end step leads back to what follows this step, or to its condition for a loop."""
        if target is None:
            self.enter(thread, self._step(thread).on_success)
            return
        self.enter(self._framed(thread), target)

    def _framed(self, thread: Thread) -> Thread:
        return self._keep(replace(thread, frames=(*thread.frames, Frame(step=thread.step, playbook=thread.playbook))))

    def _call(self, thread: Thread, step: Step) -> None:
        called = self._playbooks.get(step.playbook or "")
        if called is None or len(thread.frames) >= MAX_FRAMES:
            self._failed(thread, step)
            return
        defaults = {k: v for k, v in called.variables.items() if v and k not in self.run.variables}
        self.run = replace(self.run, variables={**self.run.variables, **defaults})
        self.enter(self._keep(replace(self._framed(thread), playbook=called.id)), called.start)

    def _back(self, thread: Thread) -> None:
        if not thread.frames:
            self._ended(thread)
            return
        frame = thread.frames[-1]
        thread = self._keep(replace(thread, frames=thread.frames[:-1], playbook=frame.playbook, step=frame.step))
        step = self._step(thread)
        # A loop asks its condition again; anything else goes on with what follows it.
        self.enter(thread, frame.step if step.type == "while-condition" else step.on_success)

    def _failed(self, thread: Thread, step: Step) -> None:
        """To on_failure, else to the playbook's exception step, else the branch ends and the run counts as failed."""
        target = step.on_failure or self._playbooks[thread.playbook].exception
        if target == thread.step or (target is None and step.on_success is None):
            self.run = replace(self.run, failed=True)
            self._back(thread)
            return
        self.enter(thread, target)

    # --- acting ------------------------------------------------------------------------------------------------------

    def _action(self, thread: Thread, step: Step) -> None:
        kind, data = self._command_of(step)
        if kind is None:
            self._failed(thread, step)
        elif kind == "manual":  # a person's task never holds up the response
            self._give(thread, step, "manual", "manual", data)
            self.enter(thread, step.on_success)
        elif step.safeguard.approval is not None:
            asked = msgspec.to_builtins(step.safeguard.approval)
            self._give(thread, step, "approval", "approval", {**asked, "text": step.name, "would": data})
        else:
            self._secure(thread, step)

    def _secure(self, thread: Thread, step: Step) -> None:
        if step.safeguard.evidence_before:
            self._give(thread, step, "evidence", "checkpoint", {})
        else:
            self._begin(thread, step)

    def _begin(self, thread: Thread, step: Step) -> None:
        if step.safeguard.invariant != "checkout":
            self._act(thread, step)
        elif self.run.holder not in (None, thread.id):
            self._keep(replace(thread, phase="queued", waiting=None))
        else:
            self.run = replace(self.run, holder=thread.id)
            if self.run.checkout_was is True:
                self._act(thread, step)
            else:
                self._give(thread, step, "probe_before", "probe", {"when": "before"})

    def _act(self, thread: Thread, step: Step) -> None:
        kind, data = self._command_of(step)
        if kind is None:
            self._leave(thread, step, False)
            return
        thread = self._give(thread, step, "act", kind, data)
        if kind == "order":
            self._keep(replace(thread, order=thread.waiting))

    def _leave(self, thread: Thread, step: Step, good: bool) -> None:
        """Out of an action step; the next thread in the queue gets the checkout."""
        if self.run.holder == thread.id:
            self.run = replace(self.run, holder=None)
            queued = next((t for t in self.run.threads if t.phase == "queued"), None)
            if queued is not None:
                self._begin(queued, self._step(queued))
        if good:
            self.enter(thread, step.on_success)
        else:
            self._failed(thread, step)

    def came(self, thread: Thread, outcome: Outcome) -> None:
        """The outcome of the command that a thread waits for."""
        step, good = self._step(thread), outcome.status == "done"
        told = {n: _text(outcome.data[n]) for n in step.results if n in outcome.data} if thread.phase == "act" else {}
        self.run = replace(self.run, variables={**self.run.variables, **told})
        match thread.phase:
            case "approval":
                self._secure(thread, step) if good else self._failed(thread, step)
            case "evidence":  # a log that cannot be signed now does not hold up containment; it is logged all the same
                self._begin(thread, step)
            case "probe_before":
                if not good and self.run.unreleased:  # perhaps our doing: nothing more is done to this shop
                    self._leave(thread, step, False)
                else:
                    self.run = replace(self.run, checkout_was=good)
                    self._act(thread, step)
            case "act":
                self._acted(thread, step, good)
            case "probe_after":
                if good or self.run.checkout_was is False:
                    self.run = replace(self.run, checkout_was=good)
                    self._leave(thread, step, True)
                else:
                    self.run = replace(self.run, unreleased=True)
                    self._release(thread, step, "mend", "the checkout failed after this step")
            case "rollback":  # the checkout is asked again by whatever step comes next
                self.run = replace(self.run, checkout_was=None, unreleased=self.run.unreleased and not good)
                self._leave(thread, step, False)
            case "mend":
                self.run = replace(self.run, unreleased=not good)
                self._give(thread, step, "probe_mended", "probe", {"when": "after roll-back"})
            case "probe_mended":
                self.run = replace(self.run, checkout_was=good)
                self._leave(thread, step, False)
            case _:
                raise PlaybookError(
                    f"the run is in an unknown phase {thread.phase}", "The log and the program do not fit together"
                )

    def _acted(self, thread: Thread, step: Step, good: bool) -> None:
        if not good and thread.order is not None:  # it may still arrive: take it back
            self._release(thread, step, "rollback", "the order was not confirmed")
        elif good and step.safeguard.invariant == "checkout":
            self._give(thread, step, "probe_after", "probe", {"when": "after"})
        else:
            self._leave(thread, step, good)

    def _release(self, thread: Thread, step: Step, phase: str, why: str) -> None:
        self._give(thread, step, phase, "release", {"command": thread.order, "why": why})

    def _give(self, thread: Thread, step: Step, phase: str, kind: CommandKind, data: dict[str, Any]) -> Thread:
        timing: dict[str, Any] = {}
        if step.delay_ms and thread.phase == "enter":
            timing["delay_ms"] = step.delay_ms
        if step.timeout_ms and kind not in ("manual", "release"):
            timing["timeout_ms"] = step.timeout_ms
        command = Command(
            id=f"{self.run.id}.{self.run.count}", step=step.id, name=step.name, kind=kind, data={**data, **timing}
        )
        self.run = replace(self.run, count=self.run.count + 1)
        self.commands.append(command)
        return self._keep(replace(thread, phase=phase, waiting=None if kind == "manual" else command.id))

    def _command_of(self, step: Step) -> tuple[CommandKind | None, dict[str, Any]]:
        """The step's command with variables filled in; (None, …) when one has no value here."""
        command = step.commands[0]
        values = {**self.run.variables, **step.variables}
        if command["type"] == "manual":
            return "manual", {"text": fill(command.get("command", ""), values) or step.name, "role": step.role}
        if command["type"] != "http-api" or command.get("command") not in TARGETS:
            return "manual", {"text": f"{step.name}: {command['type']} {command.get('command', '')}"[:400], "role": step.role}
        content = fill(command.get("content", "{}"), values, quote=True)
        if content is None:
            return None, {}
        data: dict[str, Any] = json.loads(content)
        if TARGETS[command["command"]] == "order":
            data["ttl_s"] = step.safeguard.ttl_s
        return TARGETS[command["command"]], data


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
