"""What is wrong with a playbook: the OASIS schemas, then what no schema sees.

The OASIS schemas declare draft-07 but use `unevaluatedProperties`; they are applied as declared for shape, and unknown
properties are left to the declaration (under 2020-12 even OASIS-conformant examples fail). Each error has a JSON pointer
and a stable code.
"""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from checkvalve.playbooks.executable import given_to_a_person, not_executable
from checkvalve.playbooks.types import LintError, escape

BASE: Final = "https://raw.githubusercontent.com/oasis-open/cacao-json-schemas/main/schemas/"
ONWARD: Final = ("on_completion", "on_success", "on_failure")
POINTERS: Final = (*ONWARD, "on_true", "on_false")
STEPS: Final = (
    *("start", "end", "action", "playbook-action", "parallel"),
    *("if-condition", "switch-condition", "while-condition"),
)
COMMANDS: Final = ("http-api", "manual")  # the others are none of our hands
MAX_BYTES: Final = 2 * 1024 * 1024


def lint(data: bytes) -> list[LintError]:
    """All errors; empty when the playbook can be run as it is."""
    if len(data) > MAX_BYTES:
        return [LintError(pointer="", code="too-large", message="larger than 2 MiB")]
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return [LintError(pointer="", code="not-json", message=str(error)[:200])]
    if shape := _schema_errors(body, "playbook.json", "") or list(_steps_fit_schemas(body)):
        return shape
    return [*_references(body), *_reachable(body), *not_executable(body)]


def notes(data: bytes) -> list[LintError]:
    """What a person should know of a playbook that lints clean: commands that become tasks."""
    return list(given_to_a_person(msgspec.json.decode(data)))


@cache
def _registry() -> Registry[Any]:
    def walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Resource[Any]]]:
        for item in folder.iterdir():
            if item.is_dir():
                yield from walk(item, f"{prefix}{item.name}/")
            elif item.name.endswith(".json"):
                yield f"{BASE}{prefix}{item.name}", DRAFT7.create_resource(json.loads(item.read_text("utf-8")))

    found: Registry[Any] = Registry().with_resources(walk(files("checkvalve.content.cacao_schemas").joinpath("schemas"), ""))
    return found


def _schema_errors(body: Any, schema: str, pointer: str) -> list[LintError]:
    validator = Draft7Validator({"$ref": BASE + schema}, registry=_registry())
    return [
        LintError(
            pointer=pointer + "".join(f"/{escape(str(p))}" for p in error.absolute_path),
            code="schema",
            message=error.message[:300],
        )
        for error in sorted(validator.iter_errors(body), key=lambda e: [str(p) for p in e.absolute_path])
    ]


def _steps_fit_schemas(body: dict[str, Any]) -> Iterator[LintError]:
    for step_id, step in body["workflow"].items():
        pointer = f"/workflow/{escape(step_id)}"
        kind = step.get("type") if isinstance(step, dict) else None
        if kind not in STEPS or not step_id.startswith(f"{kind}--"):
            yield LintError(pointer=pointer, code="schema", message="the step's type is not known or not that of its id")
            continue
        yield from _schema_errors(step, f"workflows/{kind}.json", pointer)
        for i, command in enumerate(step.get("commands", ())):
            if command["type"] in COMMANDS:  # the step's schema looks at no more than the type of a command
                yield from _schema_errors(command, f"commands/{command['type']}.json", f"{pointer}/commands/{i}")


def _targets(step: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in POINTERS:
        if isinstance(step.get(name), str):
            yield name, step[name]
    for i, target in enumerate(step.get("next_steps", ())):
        yield f"next_steps/{i}", target
    for case, target in (step.get("cases") or {}).items():
        yield f"cases/{escape(case)}", target


def _references(body: dict[str, Any]) -> Iterator[LintError]:
    workflow = body["workflow"]
    for name in ("workflow_start", "workflow_exception"):
        if name in body and body[name] not in workflow:
            yield LintError(pointer=f"/{name}", code="dangling-step", message=f"there is no step {body[name]}")
    if not body["workflow_start"].startswith("start--"):
        yield LintError(pointer="/workflow_start", code="no-start", message="this is not a start step")
    for step_id, step in workflow.items():
        for name, target in _targets(step):
            if target not in workflow:
                pointer = f"/workflow/{escape(step_id)}/{name}"
                yield LintError(pointer=pointer, code="dangling-step", message=f"there is no step {target}")
        agents = [("agent", step["agent"])] if "agent" in step else []
        for name, agent in [*agents, *((f"targets/{i}", t) for i, t in enumerate(step.get("targets", ())))]:
            if agent not in {**body.get("agent_definitions", {}), **body.get("target_definitions", {})}:
                pointer = f"/workflow/{escape(step_id)}/{name}"
                yield LintError(pointer=pointer, code="dangling-agent", message=f"there is no agent or target {agent}")


def _reachable(body: dict[str, Any]) -> Iterator[LintError]:
    workflow = body["workflow"]
    forward = {i: [t for _, t in _targets(s) if t in workflow] for i, s in workflow.items()}
    onward = {i: [s[n] for n in ONWARD if s.get(n) in workflow] for i, s in workflow.items()}
    starts = [body[n] for n in ("workflow_start", "workflow_exception") if body.get(n) in workflow]
    seen, main = _closure(starts, forward), _closure(starts, onward)
    # A run leaves a branch at its end step and goes on behind it: outside of branches only the run's own end is one.
    over = _closure((i for i in main if workflow[i]["type"] == "end" or (forward[i] and not onward[i])), _turned(onward))
    left = _closure((i for i, s in workflow.items() if s["type"] == "end"), _turned(forward))
    for step_id in workflow:
        pointer = f"/workflow/{escape(step_id)}"
        if step_id not in seen:
            yield LintError(pointer=pointer, code="unreachable-step", message="no path leads here")
        elif step_id not in (over if step_id in main else left):
            yield LintError(pointer=pointer, code="endless", message="no path from here reaches an end step")


def _turned(edges: dict[str, list[str]]) -> dict[str, list[str]]:
    backward: dict[str, list[str]] = {i: [] for i in edges}
    for step_id, following in edges.items():
        for target in following:
            backward[target].append(step_id)
    return backward


def _closure(starts: Iterable[str], edges: dict[str, list[str]]) -> set[str]:
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        step = todo.pop()
        if step not in seen:
            seen.add(step)
            todo += edges[step]
    return seen
