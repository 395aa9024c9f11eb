"""Control flow of CACAO 2.0: questions, loops, branches side by side, playbooks that call each other, approvals."""

from collections.abc import Callable
from typing import Any

import pytest

from checkvalve.playbooks import interpreter
from checkvalve.playbooks.types import Approval, Command, Outcome, Playbook, Run, Safeguard, Step

ORDER = {
    "type": "http-api",
    "command": "POST /orders HTTP/1.1",
    "content": '{"hand": "gateway", "action": "refuse", "args": {"model": "m"}}',
}
PROBE = {"type": "http-api", "command": "POST /probe HTTP/1.1", "content": "{}"}
Answer = Callable[[Command], Outcome]


def step(name: str, kind: str = "action", **more: Any) -> Step:
    return Step(id=name, type=kind, name=name, **{"commands": (PROBE,) if kind == "action" else (), **more})


def playbook(*steps: Step, name: str = "main", start: str = "start", **variables: str | None) -> Playbook:
    return Playbook(id=name, name=name, start=start, steps={s.id: s for s in (*steps, step("end", "end"))}, variables=variables)


def done(command: Command) -> Outcome:
    return Outcome(command=command.id, status="done")


def play(book: Playbook, answer: Answer = done, *library: Playbook, most: int = 100) -> tuple[Run, list[Command]]:
    """Every command is answered, the oldest first."""
    known = {p.id: p for p in library}
    run, given = interpreter.start(book, {}, "r", known)
    waiting, told = list(given), list(given)
    while waiting:
        command = waiting.pop(0)
        if command.kind == "manual":
            continue
        run, given = interpreter.advance(book, run, answer(command), known)
        waiting += given
        told += given
        assert len(told) < most
    return run, told


def names(commands: list[Command]) -> list[str]:
    return [c.name for c in commands]


@pytest.mark.parametrize(("severity", "taken"), [("critical", ["high", "after"]), ("low", ["after"]), (None, ["after"])])
def test_a_question_leads_through_its_branch_and_on(severity: str | None, taken: list[str]) -> None:
    book = playbook(
        step("start", "start", on_success="if"),
        step("if", "if-condition", condition="__severity__:value = 'critical'", on_true="high", on_success="after"),
        step("high", on_success="branch end"),
        step("branch end", "end"),
        step("after", on_success="end"),
        severity=severity,
    )
    run, commands = play(book)
    assert names(commands) == taken
    assert run.done


def test_a_loop_goes_on_until_what_it_learns_says_no() -> None:
    book = playbook(
        step("start", "start", on_success="while"),
        step("while", "while-condition", condition="__open__:value != 'no'", on_true="look", on_success="after"),
        step("look", on_success="branch end", results=("open",)),
        step("branch end", "end"),
        step("after", on_success="end"),
        open="yes",
    )
    seen = 0

    def answer(command: Command) -> Outcome:
        nonlocal seen
        seen += command.name == "look"
        return Outcome(command=command.id, status="done", data={"open": "no" if seen == 3 else "yes"})

    assert names(play(book, answer)[1]) == ["look", "look", "look", "after"]


def test_a_loop_without_an_end_is_ended() -> None:
    book = playbook(
        step("start", "start", on_success="while"),
        step("while", "while-condition", condition="1 = 1", on_true="task", on_success="end"),
        step("task", commands=({"type": "manual", "command": "look"},), on_success="branch end"),
        step("branch end", "end"),
    )
    run, commands = play(book, most=1000)
    assert run.done
    assert run.failed
    assert 10 < len(commands) < interpreter.MAX_STEPS


@pytest.mark.parametrize(("kind", "taken"), [("cache", "flush"), ("weights", "restore"), ("other", "ask")])
def test_a_switch_takes_one_case_or_the_default(kind: str, taken: str) -> None:
    cases = {"cache": "flush", "weights": "restore", "default": "ask"}
    book = playbook(
        step("start", "start", on_success="switch"),
        step("switch", "switch-condition", condition="__kind__:value", cases=cases, on_success="after"),
        *(step(name, on_success="branch end") for name in cases.values()),
        step("branch end", "end"),
        step("after", on_success="end"),
        kind=kind,
    )
    assert names(play(book)[1]) == [taken, "after"]


def parallel(*branches: Step) -> Playbook:
    return playbook(
        step("start", "start", on_success="both"),
        step("both", "parallel", branches=tuple(b.id for b in branches), on_success="after"),
        *branches,
        step("branch end", "end"),
        step("after", on_success="end"),
    )


def test_branches_run_side_by_side_and_what_follows_waits_for_all() -> None:
    book = parallel(step("one", on_success="branch end"), step("two", on_success="branch end"))
    run, given = interpreter.start(book, {}, "r")
    assert names(given) == ["one", "two"]
    run, after = interpreter.advance(book, run, done(given[1]))
    assert after == []
    run, after = interpreter.advance(book, run, done(given[0]))
    assert names(after) == ["after"]


def test_two_steps_that_need_the_checkout_never_overlap() -> None:
    safe: dict[str, Any] = {
        "commands": (ORDER,),
        "safeguard": Safeguard(invariant="checkout", rollback="release"),
        "on_success": "branch end",
    }
    book = parallel(step("one", **safe), step("two", **safe))
    _, commands = play(book)
    kinds = [(c.name, c.kind) for c in commands]
    assert kinds == [
        ("one", "probe"),
        ("one", "order"),
        ("one", "probe"),
        ("two", "order"),
        ("two", "probe"),
        ("after", "probe"),
    ]


def test_the_one_that_broke_the_checkout_is_taken_back_and_the_other_still_tried() -> None:
    safe: dict[str, Any] = {
        "commands": (ORDER,),
        "safeguard": Safeguard(invariant="checkout", rollback="release"),
        "on_success": "branch end",
    }
    book = parallel(step("one", **safe), step("two", **safe))
    probes = iter(["done", "failed", "done", "done", "done"])

    def answer(command: Command) -> Outcome:
        return Outcome(command=command.id, status=next(probes) if command.kind == "probe" else "done")  # type: ignore[arg-type]

    run, commands = play(book, answer)
    releases = [c.data["command"] for c in commands if c.kind == "release"]
    assert releases == [c.id for c in commands if c.kind == "order" and c.name == "one"]
    assert any(c.kind == "order" and c.name == "two" for c in commands)
    assert run.done


def test_a_playbook_calls_another_with_its_variables() -> None:
    inner = playbook(
        step("start", "start", on_success="if"),
        step("if", "if-condition", condition="__who__:value = 'me'", on_true="inside", on_success="end"),
        step("inside", on_success="end"),
        name="inner",
    )
    book = playbook(
        step("start", "start", on_success="call"),
        step("call", "playbook-action", playbook="inner", on_success="after"),
        step("after", on_success="end"),
        who="me",
    )
    assert names(play(book, done, inner)[1]) == ["inside", "after"]


def test_a_playbook_that_is_not_there_or_calls_itself_for_ever_is_a_failed_step() -> None:
    missing = playbook(
        step("start", "start", on_success="call"),
        step("call", "playbook-action", playbook="nowhere", on_success="end", on_failure="plan b"),
        step("plan b", on_success="end"),
    )
    assert names(play(missing)[1]) == ["plan b"]
    itself = playbook(
        step("start", "start", on_success="call"), step("call", "playbook-action", playbook="main", on_success="end")
    )
    run, _ = play(itself)
    assert run.done


def asked(default: str = "reject") -> Playbook:
    approval = Approval(role="controller", timeout_s=900, default=default)  # type: ignore[arg-type]
    return playbook(
        step("start", "start", on_success="close"),
        step(
            "close",
            commands=(ORDER,),
            safeguard=Safeguard(approval=approval, evidence_before=True),
            on_success="end",
            on_failure="narrower",
        ),
        step("narrower", on_success="end"),
    )


def test_nothing_is_done_before_somebody_agrees_and_then_the_evidence_comes_first() -> None:
    _, commands = play(asked())
    assert [c.kind for c in commands] == ["approval", "checkpoint", "order"]
    assert commands[0].data["role"] == "controller"
    assert commands[0].data["would"]["action"] == "refuse"


def test_who_says_no_gets_the_narrower_step() -> None:
    def no(command: Command) -> Outcome:
        return Outcome(command=command.id, status="refused" if command.kind == "approval" else "done")

    assert [(c.kind, c.name) for c in play(asked(), no)[1]] == [("approval", "close"), ("probe", "narrower")]


def test_delay_and_timeout_travel_with_the_command() -> None:
    book = playbook(step("start", "start", on_success="wait"), step("wait", delay_ms=5000, timeout_ms=60_000, on_success="end"))
    (command,) = play(book)[1]
    assert (command.data["delay_ms"], command.data["timeout_ms"]) == (5000, 60_000)


def test_a_step_that_fails_without_a_way_out_goes_to_the_exception() -> None:
    book = Playbook(
        id="main",
        name="main",
        start="start",
        exception="alarm",
        variables={},
        steps={
            s.id: s
            for s in (
                step("start", "start", on_success="try"),
                step("try"),
                step("alarm", on_success="end"),
                step("end", "end"),
            )
        },
    )

    def fails(command: Command) -> Outcome:
        return Outcome(command=command.id, status="failed" if command.name == "try" else "done")

    assert names(play(book, fails)[1]) == ["try", "alarm"]
