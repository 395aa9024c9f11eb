"""What is wrong with a playbook: the OASIS schemas, then what no schema sees.

The OASIS schemas declare draft-07 but use `unevaluatedProperties`; they are applied as declared for shape, and unknown
properties are left to the declaration (under 2020-12 even OASIS-conformant examples fail). Each error has a JSON pointer
and a stable code.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from checkvalve.playbooks.types import EXTENSION, TARGETS

INTERPRETED: Final = ("start", "end", "action")
BASE: Final = "https://raw.githubusercontent.com/oasis-open/cacao-json-schemas/main/schemas/"
POINTERS: Final = ("on_completion", "on_success", "on_failure", "on_true", "on_false")
MAX_BYTES: Final = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LintError:
    pointer: str
    code: str
    message: str


def lint(data: bytes) -> list[LintError]:
    """All errors; empty when the playbook can be run as it is."""
    if len(data) > MAX_BYTES:
        return [LintError(pointer="", code="too-large", message="larger than 2 MiB")]
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return [LintError(pointer="", code="not-json", message=str(error)[:200])]
    shape = _schema_errors(body, "playbook.json", "")
    if shape:
        return shape
    return [*_steps_fit_schemas(body), *_references(body), *_reachable(body), *_executable(body), *_variables(body)]


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
            pointer=pointer + "".join(f"/{_escape(str(p))}" for p in error.absolute_path),
            code="schema",
            message=error.message[:300],
        )
        for error in sorted(validator.iter_errors(body), key=lambda e: [str(p) for p in e.absolute_path])
    ]


def _steps_fit_schemas(body: dict[str, Any]) -> Iterator[LintError]:
    for step_id, step in body["workflow"].items():
        yield from _schema_errors(step, f"workflows/{step['type']}.json", f"/workflow/{_escape(step_id)}")


def _targets(step: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in POINTERS:
        if isinstance(step.get(name), str):
            yield name, step[name]
    for i, target in enumerate(step.get("next_steps", ())):
        yield f"next_steps/{i}", target
    for case, target in (step.get("cases") or {}).items():
        yield f"cases/{_escape(case)}", target


def _references(body: dict[str, Any]) -> Iterator[LintError]:
    workflow = body["workflow"]
    for name in ("workflow_start", "workflow_exception"):
        if name in body and body[name] not in workflow:
            yield LintError(pointer=f"/{name}", code="dangling-step", message=f"there is no step {body[name]}")
    for step_id, step in workflow.items():
        for name, target in _targets(step):
            if target not in workflow:
                pointer = f"/workflow/{_escape(step_id)}/{name}"
                yield LintError(pointer=pointer, code="dangling-step", message=f"there is no step {target}")
        agents = [("agent", step["agent"])] if "agent" in step else []
        for name, agent in [*agents, *((f"targets/{i}", t) for i, t in enumerate(step.get("targets", ())))]:
            if agent not in {**body.get("agent_definitions", {}), **body.get("target_definitions", {})}:
                pointer = f"/workflow/{_escape(step_id)}/{name}"
                yield LintError(pointer=pointer, code="dangling-agent", message=f"there is no agent or target {agent}")


def _reachable(body: dict[str, Any]) -> Iterator[LintError]:
    workflow = body["workflow"]
    forward = {i: [t for _, t in _targets(s) if t in workflow] for i, s in workflow.items()}
    starts = [body[n] for n in ("workflow_start", "workflow_exception") if body.get(n) in workflow]
    seen = _closure(starts, forward)
    backward: dict[str, list[str]] = {i: [] for i in workflow}
    for step_id, following in forward.items():
        for target in following:
            backward[target].append(step_id)
    ends = _closure([i for i, s in workflow.items() if s["type"] == "end"], backward)
    for step_id in workflow:
        pointer = f"/workflow/{_escape(step_id)}"
        if step_id not in seen:
            yield LintError(pointer=pointer, code="unreachable-step", message="no path leads here")
        elif step_id not in ends:
            yield LintError(pointer=pointer, code="endless", message="no path from here reaches an end step")


def _closure(starts: Iterable[str], edges: dict[str, list[str]]) -> set[str]:
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        step = todo.pop()
        if step not in seen:
            seen.add(step)
            todo += edges[step]
    return seen


def _executable(body: dict[str, Any]) -> Iterator[LintError]:
    """What our interpreter cannot carry out, and containment that could not be undone."""
    for step_id, step in body["workflow"].items():
        pointer = f"/workflow/{_escape(step_id)}"
        if step["type"] not in INTERPRETED:
            yield LintError(pointer=pointer, code="unsupported-step", message=f"{step['type']} is not interpreted yet")
        for i, command in enumerate(step.get("commands", ())):
            if not _known(command):
                what = f"{command['type']} {command.get('command', '')[:60]!r} is none of our hands"
                yield LintError(pointer=f"{pointer}/commands/{i}", code="unsupported-command", message=what)
        if any(TARGETS.get(c.get("command", "")) == "order" for c in step.get("commands", ())):
            extension = step.get("step_extensions", {}).get(EXTENSION, {})
            if not isinstance(extension.get("ttl_s"), int) or extension.get("rollback") != "release":
                message = "an order needs ttl_s and rollback in the extension"
                yield LintError(pointer=pointer, code="no-rollback", message=message)


def _known(command: dict[str, Any]) -> bool:
    return command["type"] == "manual" or (command["type"] == "http-api" and command.get("command") in TARGETS)


def _variables(body: dict[str, Any]) -> Iterator[LintError]:
    declared = set(body.get("playbook_variables", {}))
    for step_id, step in body["workflow"].items():
        scope = declared | set(step.get("step_variables", {}))
        for i, command in enumerate(step.get("commands", ())):
            for part in ("command", "content"):
                for name in variable_names(command.get(part, "")):
                    if name not in scope:
                        pointer = f"/workflow/{_escape(step_id)}/commands/{i}/{part}"
                        yield LintError(pointer=pointer, code="unresolved-variable", message=f"{name} is not declared")


def variable_names(text: str) -> list[str]:
    """`__name__` of each `__name__:value` in a text (CACAO 2.0, section 10.18.3)."""
    parts = text.split(":value")[:-1]
    return [f"__{p[:-2].rsplit('__', 1)[-1]}__" for p in parts if p.endswith("__") and "__" in p[:-2]]


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
