"""The linter names each defect by pointer and code, and never falls over."""

import copy
import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkvalve.playbooks.linter import MAX_BYTES, lint, notes
from checkvalve.playbooks.types import EXTENSION

SHIPPED = json.loads(files("checkvalve.content.playbooks").joinpath("plugin-exposes-customer-data.json").read_bytes())
ROUTE = "action--dbf57d3e-d3b5-5bca-bd15-49262f95abb4"
MANUAL = "action--d29db819-830c-5ddc-8f3d-22e25c81b602"
END = "end--09964287-3108-5500-923b-4499c758f8a0"
NOWHERE = "action--00000000-0000-4000-8000-000000000000"

Bend = Callable[[dict[str, Any]], Any]


def order_of(body: dict[str, Any]) -> Any:
    return body["workflow"][ROUTE]["commands"][0]


def safeguard_of(body: dict[str, Any]) -> Any:
    return body["workflow"][ROUTE]["step_extensions"][EXTENSION]


def content(text: str) -> Bend:
    return lambda body: order_of(body).update(content=text)


DEFECTS: dict[str, tuple[Bend, str, str]] = {
    "next step does not exist": (
        lambda b: b["workflow"][ROUTE].update(on_success=NOWHERE),
        f"/workflow/{ROUTE}/on_success",
        "dangling-step",
    ),
    "start does not exist": (
        lambda b: b.update(workflow_start=NOWHERE.replace("action", "start")),
        "/workflow_start",
        "dangling-step",
    ),
    "starts in the middle": (lambda b: b.update(workflow_start=ROUTE), "/workflow_start", "no-start"),
    "agent does not exist": (
        lambda b: b["workflow"][ROUTE].update(agent="http-api--00000000-0000-4000-8000-000000000000"),
        f"/workflow/{ROUTE}/agent",
        "dangling-agent",
    ),
    "a step nobody reaches": (
        lambda b: b["workflow"].update({NOWHERE: {**b["workflow"][MANUAL], "on_completion": END}}),
        f"/workflow/{NOWHERE}",
        "unreachable-step",
    ),
    "a cycle without a way out": (
        lambda b: b["workflow"][MANUAL].update(on_completion=ROUTE),
        f"/workflow/{ROUTE}",
        "endless",
    ),
    "a variable nobody declared": (
        lambda b: b["playbook_variables"].pop("__route__"),
        f"/workflow/{ROUTE}/commands/0/content",
        "unresolved-variable",
    ),
    "a variable that nobody gives a value": (
        lambda b: b["playbook_variables"]["__route__"].update(external=False),
        f"/workflow/{ROUTE}/commands/0/content",
        "unresolved-variable",
    ),
    "a trigger that asks for what no case knows": (
        lambda b: b.update(playbook_extensions={EXTENSION: {"trigger": {"weather": True}}}),
        f"/playbook_extensions/{EXTENSION}",
        "bad-trigger",
    ),
    "a trigger that says neither yes nor no": (
        lambda b: b.update(playbook_extensions={EXTENSION: {"trigger": {"plugin": "maybe"}}}),
        f"/playbook_extensions/{EXTENSION}",
        "bad-trigger",
    ),
    "a trigger that is none": (
        lambda b: b.update(playbook_extensions={EXTENSION: {"trigger": ["plugin"]}}),
        f"/playbook_extensions/{EXTENSION}",
        "bad-trigger",
    ),
    "containment without a way back": (
        lambda b: safeguard_of(b).pop("rollback"),
        f"/workflow/{ROUTE}",
        "no-rollback",
    ),
    "containment without an end": (lambda b: safeguard_of(b).pop("ttl_s"), f"/workflow/{ROUTE}", "no-rollback"),
    "an end that lies in the past": (
        lambda b: safeguard_of(b).update(ttl_s=-1),
        f"/workflow/{ROUTE}/step_extensions/{EXTENSION}/ttl_s",
        "bad-safeguard",
    ),
    "a truth instead of seconds": (
        lambda b: safeguard_of(b).update(ttl_s=True),
        f"/workflow/{ROUTE}/step_extensions/{EXTENSION}/ttl_s",
        "bad-safeguard",
    ),
    "a misspelt invariant": (
        lambda b: safeguard_of(b).update(invariant="chekout"),
        f"/workflow/{ROUTE}/step_extensions/{EXTENSION}/invariant",
        "bad-safeguard",
    ),
    "a misspelt safeguard": (
        lambda b: safeguard_of(b).update(invarient="checkout"),
        f"/workflow/{ROUTE}/step_extensions/{EXTENSION}/invarient",
        "bad-safeguard",
    ),
    "safeguards that are a list": (
        lambda b: b["workflow"][ROUTE]["step_extensions"].update({EXTENSION: []}),
        f"/workflow/{ROUTE}/step_extensions/{EXTENSION}",
        "schema",
    ),
    "two commands in one step": (
        lambda b: b["workflow"][ROUTE]["commands"].append(order_of(b)),
        f"/workflow/{ROUTE}/commands",
        "several-commands",
    ),
    "no commands": (
        lambda b: b["workflow"][ROUTE].update(commands=[]),
        f"/workflow/{ROUTE}/commands",
        "schema",
    ),
    "an address of another trade": (
        lambda b: order_of(b).update(command="DELETE /shop HTTP/1.1"),
        f"/workflow/{ROUTE}/commands/0",
        "unsupported-command",
    ),
    "a command that is no text": (
        lambda b: order_of(b).update(command={"$": []}),
        f"/workflow/{ROUTE}/commands/0/command",
        "schema",
    ),
    "an order that is no JSON": (content("{"), f"/workflow/{ROUTE}/commands/0/content", "bad-content"),
    "an order that is a list": (content("[]"), f"/workflow/{ROUTE}/commands/0/content", "bad-content"),
    "an order without a hand": (
        content('{"action": "block_route", "args": {"route": "/x"}}'),
        f"/workflow/{ROUTE}/commands/0/content",
        "bad-content",
    ),
    "an order for the other hand": (
        content('{"hand": "gateway", "action": "block_route", "args": {"route": "/x"}}'),
        f"/workflow/{ROUTE}/commands/0/content",
        "bad-content",
    ),
    "a refusal of everything": (
        content('{"hand": "gateway", "action": "refuse", "args": {}}'),
        f"/workflow/{ROUTE}/commands/0/content",
        "bad-content",
    ),
    "a virtual patch that says where and not what": (
        content('{"hand": "wordpress", "action": "patch_request", "args": {"method": "POST", "path": "/x"}}'),
        f"/workflow/{ROUTE}/commands/0/content",
        "bad-content",
    ),
    "an isolation that names a width and no plugin": (
        content('{"hand": "wordpress", "action": "isolate_plugin", "args": {"mode": "surface"}}'),
        f"/workflow/{ROUTE}/commands/0/content",
        "bad-content",
    ),
    "an argument for what takes none": (
        content('{"hand": "wordpress", "action": "purge_caches", "args": {"plugin": "x"}}'),
        f"/workflow/{ROUTE}/commands/0/content",
        "bad-content",
    ),
    "an argument of the wrong name": (
        content('{"hand": "gateway", "action": "refuse", "args": {"plugn": "x"}}'),
        f"/workflow/{ROUTE}/commands/0/content",
        "bad-content",
    ),
    "a variable outside of a string": (
        content('{"hand": "wordpress", "action": "block_route", "args": {"route": __route__:value}}'),
        f"/workflow/{ROUTE}/commands/0/content",
        "bad-content",
    ),
    "a step type nobody knows": (
        lambda b: b["workflow"].update({"wait--00000000-0000-4000-8000-000000000000": {"type": "wait"}}),
        "/workflow/wait--00000000-0000-4000-8000-000000000000",
        "schema",
    ),
    "a step type with a path in it": (
        lambda b: b["workflow"].update({"x--00000000-0000-4000-8000-000000000000": {"type": "../playbook"}}),
        "/workflow/x--00000000-0000-4000-8000-000000000000",
        "schema",
    ),
    "a step that is a number": (
        lambda b: b["workflow"].update({"x--00000000-0000-4000-8000-000000000000": 7}),
        "/workflow/x--00000000-0000-4000-8000-000000000000",
        "schema",
    ),
    "no workflow": (lambda b: b.pop("workflow"), "", "schema"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_each_defect_is_named_where_it_is(name: str) -> None:
    bend, pointer, code = DEFECTS[name]
    body = copy.deepcopy(SHIPPED)
    bend(body)
    assert (pointer, code) in [(e.pointer, e.code) for e in lint(json.dumps(body).encode())]


def with_condition(condition: str) -> bytes:
    """The shipped playbook begun by a question."""
    step_id = "if-condition--00000000-0000-4000-8000-000000000000"
    body = copy.deepcopy(SHIPPED)
    start = body["workflow"]["start--ac2f2709-4054-5bdc-89cc-402afbdec394"]
    first = start["on_completion"]
    body["workflow"][step_id] = {"type": "if-condition", "condition": condition, "on_true": first, "on_false": END}
    start["on_completion"] = step_id
    return json.dumps(body).encode()


def test_a_question_before_the_first_step_is_good() -> None:
    assert lint(with_condition("__route__:value = 'x'")) == []


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("__route__:value =", "bad-condition"),
        ("", "bad-condition"),
        ("x" * 100_000, "bad-condition"),
        ("__no__:value = 1", "unresolved-variable"),
    ],
)
def test_a_question_that_cannot_be_answered_is_named(condition: str, code: str) -> None:
    (error,) = lint(with_condition(condition))
    assert (error.pointer, error.code) == ("/workflow/if-condition--00000000-0000-4000-8000-000000000000/condition", code)


def test_a_command_of_another_trade_becomes_a_persons_task_and_is_noted() -> None:
    body = copy.deepcopy(SHIPPED)
    order_of(body).update(type="bash", command="rm -rf wp-content/plugins")
    del body["workflow"][ROUTE]["step_extensions"]
    data = json.dumps(body).encode()
    assert lint(data) == []
    assert [(n.pointer, n.code) for n in notes(data)] == [(f"/workflow/{ROUTE}/commands/0", "given-to-a-person")]


@pytest.mark.parametrize(
    "approval",
    [
        {},
        {"role": "controller"},
        {"role": "controller", "timeout_s": 0, "default": "reject"},
        {"role": "", "timeout_s": 9, "default": "reject"},
        7,
    ],
)
def test_an_approval_that_could_hang_is_refused(approval: object) -> None:
    body = copy.deepcopy(SHIPPED)
    body["workflow"][ROUTE]["step_extensions"][EXTENSION]["approval"] = approval
    pointer = f"/workflow/{ROUTE}/step_extensions/{EXTENSION}/approval"
    assert (pointer, "bad-safeguard") in [(e.pointer, e.code) for e in lint(json.dumps(body).encode())]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"nonsense",
        b"[" * 100_000,
        b'{"workflow":' * 10_000,
        b'{"type": "playbook", "x": "\xed\xa0\x80"}',
        b" " * (MAX_BYTES + 1),
        b"null",
        b"[]",
        b'"playbook"',
    ],
)
def test_what_is_no_playbook_gets_one_clear_error(data: bytes) -> None:
    errors = lint(data)
    assert errors
    assert {e.code for e in errors} <= {"not-json", "too-large", "schema"}


def test_a_text_full_of_underscores_does_not_hold_up_the_linter() -> None:
    body = copy.deepcopy(SHIPPED)
    order_of(body)["content"] = "_" * 300_000
    assert "bad-content" in {e.code for e in lint(json.dumps(body).encode())}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [at, *(p for key, item in inner for p in places(item, (*at, key)))]


@given(st.sampled_from(places(SHIPPED)[1:]), JUNK, st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_playbook_with_anything_anywhere_is_answered(place: tuple[Any, ...], junk: Any, remove: bool) -> None:
    body = copy.deepcopy(SHIPPED)
    parent = body
    for key in place[:-1]:
        parent = parent[key]
    if remove:
        del parent[place[-1]]
    else:
        parent[place[-1]] = junk
    for error in lint(json.dumps(body).encode()):
        assert error.code
        assert error.message
