"""CACAO JSON into values. A file that does not lint clean is not loaded."""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from checkvalve.playbooks.linter import lint
from checkvalve.playbooks.types import EXTENSION, Playbook, PlaybookError, Safeguard, Step


@cache
def shipped(name: str) -> Playbook:
    return load(files("checkvalve.content.playbooks").joinpath(f"{name}.json").read_bytes())


def load(data: bytes) -> Playbook:
    if errors := lint(data):
        raise PlaybookError(f"{errors[0].pointer}: {errors[0].message}", "Run `checkvalve playbook lint FILE`")
    body = msgspec.json.decode(data)
    variables = {n.strip("_"): v.get("value") for n, v in body.get("playbook_variables", {}).items()}
    steps = {i: _step(i, s) for i, s in body["workflow"].items()}
    return Playbook(id=body["id"], name=body["name"], start=body["workflow_start"], steps=steps, variables=variables)


def _step(step_id: str, body: dict[str, Any]) -> Step:
    following = body.get("on_completion")
    extension = body.get("step_extensions", {}).get(EXTENSION, {})
    known = {k: extension[k] for k in ("invariant", "rollback", "ttl_s") if k in extension}
    return Step(
        id=step_id,
        type=body["type"],
        name=body.get("name", step_id),
        commands=tuple(body.get("commands", ())),
        on_success=body.get("on_success", following),
        on_failure=body.get("on_failure", following),
        safeguard=Safeguard(**known),
        role=extension.get("role"),
        variables={n.strip("_"): v["value"] for n, v in body.get("step_variables", {}).items() if v.get("value")},
    )
