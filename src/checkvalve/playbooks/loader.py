"""CACAO JSON into values. A file that does not lint clean is not loaded."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from checkvalve.playbooks.linter import lint
from checkvalve.playbooks.types import EXTENSION, Approval, Playbook, PlaybookError, Safeguard, Step


@cache
def shipped(name: str) -> Playbook:
    return load(files("checkvalve.content.playbooks").joinpath(f"{name}.json").read_bytes())


@cache
def names() -> tuple[str, ...]:
    """The shipped playbooks, by the names `shipped` takes."""
    listed = (f.name for f in files("checkvalve.content.playbooks").iterdir())
    return tuple(sorted(n.removesuffix(".json") for n in listed if n.endswith(".json")))


@cache
def library() -> Mapping[str, Playbook]:
    """Every shipped playbook by its CACAO id, for those that call each other."""
    return {p.id: p for p in map(shipped, names())}


def choose(known: Mapping[str, bool]) -> str:
    """The name of the shipped playbook for a new case: of those whose trigger holds the one that asks for most.

    `known` says of each word a trigger may hold whether it is known of the case. A trigger without words always holds.
    """
    triggers = {n: shipped(n).trigger for n in names()}
    fitting = {n: t for n, t in triggers.items() if t is not None and all(known[word] is wanted for word, wanted in t.items())}
    return max(fitting, key=lambda n: len(fitting[n]))


def load(data: bytes) -> Playbook:
    if errors := lint(data):
        raise PlaybookError(f"{errors[0].pointer}: {errors[0].message}", "Run `checkvalve playbook lint FILE`")
    body = msgspec.json.decode(data)
    return Playbook(
        id=body["id"],
        name=body["name"],
        description=body.get("description", ""),
        start=body["workflow_start"],
        steps={i: _step(i, s) for i, s in body["workflow"].items()},
        variables={n.strip("_"): v.get("value") for n, v in body.get("playbook_variables", {}).items()},
        exception=body.get("workflow_exception"),
        trigger=body.get("playbook_extensions", {}).get(EXTENSION, {}).get("trigger"),
    )


def _step(step_id: str, body: dict[str, Any]) -> Step:
    following = body.get("on_completion")
    extension = body.get("step_extensions", {}).get(EXTENSION, {})
    known = {k: extension[k] for k in ("invariant", "rollback", "ttl_s", "evidence_before") if k in extension}
    if "approval" in extension:
        known["approval"] = Approval(**extension["approval"])
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
        delay_ms=body.get("delay", 0),
        timeout_ms=body.get("timeout"),
        condition=body.get("condition", body.get("switch", "")),
        on_true=body.get("on_true"),
        on_false=body.get("on_false"),
        cases=body.get("cases", {}),
        branches=tuple(body.get("next_steps", ())),
        playbook=body.get("playbook_id"),
        results=tuple(n.removesuffix(":value").strip("_") for n in body.get("out_args", ())),
    )
