"""Whatever the hands answer: a run ends, nothing is done twice, and what broke the checkout is taken back."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkvalve.playbooks import interpreter
from checkvalve.playbooks.loader import load, shipped
from checkvalve.playbooks.types import EXTENSION, Command, Outcome, OutcomeStatus, Playbook, PlaybookError, Run

FIRST = shipped("plugin-exposes-customer-data")
WIDTHS = {"narrowest": "surface", "wider": "except_checkout", "widest": "everywhere"}
KNOWN: dict[str, str | None] = {"plugin": "shop-assistant", "route": "/shop-assistant/v1/ask", "again": "no", **WIDTHS}
STATUSES = get_args(OutcomeStatus)


def play(
    statuses: Iterator[str], playbook: Playbook = FIRST, variables: dict[str, str | None] = KNOWN
) -> tuple[Run, list[Command], dict[str, str]]:
    """The finished run, every command in order, and what was answered to each."""
    run, commands = interpreter.start(playbook, variables, "run-1")
    given_out, answers = list(commands), dict[str, str]()
    while not run.done:
        assert run.waiting is not None
        answers[run.waiting] = status = next(statuses)
        asked = next(c for c in given_out if c.id == run.waiting)
        data = {"closed": "yes" if status == "done" else "no"} if asked.kind == "verify_closed" else {}
        data |= {"reached": "no"} if status == "expired" else {}
        outcome = Outcome(command=run.waiting, status=status, data=data)  # type: ignore[arg-type]
        run, commands = interpreter.advance(playbook, run, outcome)
        given_out += commands
    return run, given_out, answers


def scripted(**failing: str) -> Iterator[str]:
    """Answers "done" but for the n-th command awaited (`c3="failed"`)."""
    number = 0
    while True:
        yield failing.get(f"c{number}", "done")
        number += 1


def told(commands: list[Command]) -> list[str]:
    return [f"{c.kind} {c.data.get('action', '')}".strip() for c in commands]


def test_all_goes_well() -> None:
    _, commands, _ = play(scripted())
    assert told(commands) == [
        "checkpoint",
        "probe",
        "order refuse",
        "probe",
        "order block_route",
        "probe",
        "verify_closed",
        "manual",
        "manual",
    ]
    assert [c.data["role"] for c in commands if c.kind == "manual"] == ["controller", "dpo"]


def widths(commands: list[Command]) -> list[str]:
    return [c.data["args"]["mode"] for c in commands if c.data.get("action") == "isolate_plugin"]


def test_a_route_that_stays_open_has_the_plugin_isolated_as_narrowly_as_closes_it() -> None:
    _, commands, _ = play(scripted(c6="failed"))
    assert told(commands)[6:] == ["verify_closed", "order isolate_plugin", "probe", "verify_closed", "manual", "manual"]
    assert widths(commands) == ["surface"]
    _, commands, _ = play(scripted(c6="failed", c9="failed"))
    assert widths(commands) == ["surface", "except_checkout"]
    _, commands, _ = play(scripted(c6="failed", c9="failed", c12="failed", c15="failed"))
    assert widths(commands) == ["surface", "except_checkout", "everywhere"]


def test_data_shown_again_has_the_plugin_isolated_though_the_route_is_closed() -> None:
    _, commands, _ = play(scripted(), variables=KNOWN | {"again": "yes"})
    assert widths(commands) == ["surface"]


def test_only_widths_that_the_checkout_bears_are_tried_and_then_a_person() -> None:
    _, commands, _ = play(scripted(c6="failed", c9="failed"), variables=KNOWN | {"wider": None, "widest": None})
    assert widths(commands) == ["surface"] and told(commands)[-2:] == ["manual", "manual"]


def test_a_shop_that_is_away_for_a_whole_order_is_not_waited_for_once_more() -> None:
    _, commands, _ = play(scripted(c6="failed", c7="expired"))
    assert widths(commands) == ["surface"] and told(commands)[-2:] == ["manual", "manual"]


def test_isolation_breaks_the_checkout_and_only_isolation_is_taken_back_and_the_next_width_tried() -> None:
    _, commands, _ = play(scripted(c6="failed", c8="failed"))
    release = [c for c in commands if c.kind == "release"]
    isolation = next(c for c in commands if c.data.get("action") == "isolate_plugin")
    assert [c.data["command"] for c in release] == [isolation.id]
    assert told(commands)[7:] == [
        *("order isolate_plugin", "probe", "release", "probe"),
        *("order isolate_plugin", "probe", "verify_closed", "manual", "manual"),
    ]
    assert widths(commands) == ["surface", "except_checkout"]
    assert [c.data["when"] for c in commands if c.kind == "probe"][-3:] == ["after", "after roll-back", "after"]


def test_a_checkout_that_works_again_after_a_roll_back_is_taken_as_the_one_before_the_next_step() -> None:
    _, commands, _ = play(scripted(c5="failed"))  # block_route breaks the checkout
    assert told(commands)[4:10] == ["order block_route", "probe", "release", "probe", "order isolate_plugin", "probe"]


def test_a_checkout_that_stays_broken_after_a_roll_back_is_known_to_be_broken_before_the_next_step() -> None:
    run, commands, _ = play(scripted(c5="failed", c7="failed", c8="failed", c10="failed"))
    assert told(commands)[6:11] == ["release", "probe", "probe", "order isolate_plugin", "probe"]
    assert told(commands).count("release") == 1 and run.checkout_was is False


def test_a_checkout_broken_before_us_does_not_stop_the_response_and_rolls_nothing_back() -> None:
    broken_all_along = dict.fromkeys(("c1", "c3", "c4", "c6", "c7", "c8", "c10"), "failed")
    _, commands, _ = play(scripted(**broken_all_along))
    assert [c.data["action"] for c in commands if c.kind == "order"] == ["refuse", "block_route", "isolate_plugin"]
    assert "release" not in told(commands)


def test_nothing_more_is_done_to_a_shop_whose_checkout_we_broke_and_cannot_mend() -> None:
    # block_route (c4) breaks the checkout (c5), its release fails (c6), and the checkout stays broken, whoever asks (c7 to c10)
    _, commands, _ = play(scripted(**dict.fromkeys(("c5", "c6", "c7", "c8", "c9", "c10"), "failed")))
    assert told(commands)[4:] == ["order block_route", "probe", "release", *["probe"] * 4, "manual", "manual"]


def test_an_order_nobody_confirms_is_taken_back_and_the_next_hand_is_tried() -> None:
    _, commands, _ = play(scripted(c2="timeout"))
    assert told(commands)[2:6] == ["order refuse", "release", "probe", "order block_route"]


def test_a_gateway_that_is_gone_does_not_keep_the_shop_from_being_contained() -> None:
    # the gateway confirms neither order nor release, and the checkout was broken all along
    _, commands, _ = play(scripted(c1="failed", c2="timeout", c3="timeout", c4="failed"))
    assert "order block_route" in told(commands)


def test_an_unknown_route_leaves_out_what_needs_it() -> None:
    _, commands, _ = play(scripted(), variables=KNOWN | {"route": None})
    assert told(commands) == [
        "checkpoint",
        "probe",
        "order refuse",
        "probe",
        "order isolate_plugin",
        "probe",
        "manual",
        "manual",
    ]


def test_a_hostile_value_stays_one_value() -> None:
    hostile = '", "action": "isolate_plugin", "x": "__plugin__:value\\\n'
    _, commands, _ = play(scripted(), variables={"plugin": "shop-assistant", "route": hostile})
    block = [c for c in commands if c.data.get("action") == "block_route"]
    assert [c.data["args"] for c in block] == [{"route": hostile}]


def test_an_answer_nobody_waits_for_changes_nothing() -> None:
    run, _ = interpreter.start(FIRST, KNOWN, "run-1")
    after, commands = interpreter.advance(FIRST, run, Outcome(command="run-2.0", status="done"))
    assert (after, commands) == (run, [])
    assert run.waiting is not None
    once, _ = interpreter.advance(FIRST, run, Outcome(command=run.waiting, status="done"))
    twice, again = interpreter.advance(FIRST, once, Outcome(command=run.waiting, status="done"))
    assert (twice, again) == (once, [])


@given(st.lists(st.sampled_from(STATUSES), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_answers_lead_to_an_end_with_nothing_done_twice(statuses: list[str]) -> None:
    def answers() -> Iterator[str]:
        yield from statuses
        while True:
            yield "failed"

    run, commands, answered = play(answers())
    assert run.done
    ids = [c.id for c in commands]
    assert len(ids) == len(set(ids))
    assert told(commands)[-2:] == ["manual", "manual"]  # people are asked however it went
    released = {c.data["command"] for c in commands if c.kind == "release"}
    baseline: str | None = None
    order: Command | None = None
    for command in commands:
        status = answered.get(command.id)
        if command.kind == "order":
            order = command
            if status != "done":
                assert command.id in released
        elif command.kind == "release":
            baseline = None
        elif command.kind == "probe":
            if command.data["when"] == "after" and status != "done" and baseline == "done":
                assert order is not None
                assert order.id in released
            baseline = status


@given(st.lists(st.sampled_from(STATUSES), max_size=40))
@settings(max_examples=100, deadline=None)
def test_a_run_written_down_and_read_again_goes_the_same_way(statuses: list[str]) -> None:
    run, first = interpreter.start(FIRST, KNOWN, "run-1")
    copied, second = interpreter.start(FIRST, KNOWN, "run-1")
    assert first == second
    for status in statuses:
        if run.done:
            break
        copied = msgspec.json.decode(msgspec.json.encode(copied), type=Run)
        assert copied == run
        assert run.waiting is not None
        outcome = Outcome(command=run.waiting, status=status)  # type: ignore[arg-type]
        run, first = interpreter.advance(FIRST, run, outcome)
        copied, second = interpreter.advance(FIRST, copied, outcome)
        assert [c.id for c in first] == [c.id for c in second]


def bent(change: Any) -> Playbook:
    body = json.loads(files("checkvalve.content.playbooks").joinpath("plugin-exposes-customer-data.json").read_bytes())
    change(body)
    return load(json.dumps(body).encode())


def test_a_cycle_with_a_way_out_ends_even_if_the_way_out_is_never_taken() -> None:
    def retry_for_ever(body: dict[str, Any]) -> None:
        isolate = "action--0a3581fc-e6de-55f4-b06e-a459483da5b5"
        body["workflow"][body["workflow"][isolate]["on_failure"]]["on_true"] = isolate

    run, commands, _ = play(iter(["failed"] * 2000), bent(retry_for_ever))
    assert run.done
    assert len(commands) < 5 * interpreter.MAX_STEPS


def test_the_steps_own_variables_are_used() -> None:
    def own(body: dict[str, Any]) -> None:
        step = body["workflow"]["action--dbf57d3e-d3b5-5bca-bd15-49262f95abb4"]
        step["step_variables"] = {"__where__": {"type": "string", "value": "/here/v1"}}
        step["commands"][0]["content"] = '{"hand": "wordpress", "action": "block_route", "args": {"route": "__where__:value"}}'

    _, commands, _ = play(scripted(), bent(own))
    assert [c.data["args"] for c in commands if c.data.get("action") == "block_route"] == [{"route": "/here/v1"}]


def test_a_playbook_with_errors_is_not_loaded() -> None:
    def no_end(body: dict[str, Any]) -> None:
        del body["workflow"]["action--dbf57d3e-d3b5-5bca-bd15-49262f95abb4"]["step_extensions"][EXTENSION]["ttl_s"]

    with pytest.raises(PlaybookError, match="playbook lint"):
        bent(no_end)
