"""What our interpreter and hands cannot carry out, and containment that could not be undone.

Works on playbooks whose shape the schemas have already accepted.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from checkvalve.playbooks import conditions
from checkvalve.playbooks.types import EXTENSION, TARGETS, TRIGGERS, LintError, escape
from checkvalve.playbooks.variables import fill, variable_names

SAFEGUARDS: Final = ("invariant", "rollback", "ttl_s", "role", "approval", "evidence_before")
MAX_TIMEOUT_S: Final = 7 * 24 * 3600
OURS: Final = re.compile(r"^[A-Z]+ /[\w-]+ HTTP/\d(\.\d)?$")  # written like a start line of our hands
SCOPE: Final = ("plugin", "route", "session", "requester", "key", "model", "server")
PEOPLE: Final = ("user", "role", "everybody", "spare")
OPTIONAL: Final = ("mode", "spare")  # narrow what the others name
EVERY: Final = ("patch_request",)  # needs all it can have
WHOLE: Final = ("stop_llm",)  # may come without arguments, and then means all of it
# hand -> action -> the arguments it may have (docs/spec/wire.md, section 9)
ACTIONS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "wordpress": {
        "isolate_plugin": ("plugin", "mode"),
        "block_route": ("route",),
        "block_ajax": ("action",),
        "block_wc_ajax": ("action",),
        "block_shortcode": ("shortcode",),
        "block_block": ("block",),
        "block_path": ("path",),
        "patch_request": ("method", "path", "parameter", "pattern"),
        "withdraw_path": ("path",),
        "revoke_sessions": PEOPLE,
        "disable_user": ("user",),
        "force_password_reset": PEOPLE,
        "disable_application_passwords": PEOPLE,
        "disable_api_keys": ("key",),
        "disable_webhooks": ("webhook",),
        "pause_webhooks": ("webhook",),
        "freeze_exports": (),
        "freeze_file_editing": (),
        "freeze_plugin_installation": (),
        "read_only_admin": (),
        "stop_llm": ("plugin",),
        "purge_caches": (),
    },
    "gateway": {
        **dict.fromkeys(("refuse", "strip_tools", "strip_context", "flush_caches", "log_only"), SCOPE),
        **dict.fromkeys(("cut", "redact"), (*SCOPE, "subject", "category")),
        "route": (*SCOPE, "to"),
        "quarantine": ("model", "server", "digest"),
    },
    "webserver": {
        "deny_path": ("path",),
        "allow_list": ("address", "path"),
        "read_only": (),
        "maintenance": (),
    },
}


def not_executable(body: dict[str, Any]) -> Iterator[LintError]:
    extension = body.get("playbook_extensions", {}).get(EXTENSION, {})
    trigger = extension.get("trigger", {})
    known = isinstance(trigger, dict) and all(n in TRIGGERS and isinstance(v, bool) for n, v in trigger.items())
    if not known or set(extension) - {"trigger"}:
        pointer = f"/playbook_extensions/{EXTENSION}"
        message = f"a trigger says of any of {', '.join(TRIGGERS)} whether it must be known: true or false"
        yield LintError(pointer=pointer, code="bad-trigger", message=message)
    for step_id, step in body["workflow"].items():
        pointer = f"/workflow/{escape(step_id)}"
        yield from _condition(body, step, pointer)
        if len(step.get("commands", ())) > 1:
            message = "only one command a step, so that each can be probed and taken back"
            yield LintError(pointer=f"{pointer}/commands", code="several-commands", message=message)
        yield from _safeguard(step, pointer)
        for i, command in enumerate(step.get("commands", ())):
            yield from _command(command, f"{pointer}/commands/{i}")
            yield from _variables(body, step, command, f"{pointer}/commands/{i}")


def _safeguard(step: dict[str, Any], pointer: str) -> Iterator[LintError]:
    extension = step.get("step_extensions", {}).get(EXTENSION, {})
    at = f"{pointer}/step_extensions/{EXTENSION}"
    if not isinstance(extension, dict):
        yield LintError(pointer=at, code="bad-safeguard", message="not an object")
        return
    ttl_s = extension.get("ttl_s", 1)
    good = {
        "invariant": extension.get("invariant", "checkout") == "checkout",
        "rollback": extension.get("rollback", "release") == "release",
        "ttl_s": type(ttl_s) is int and ttl_s > 0,
        "role": isinstance(extension.get("role", ""), str),
        "approval": _is_approval(extension.get("approval", APPROVAL)),
        "evidence_before": isinstance(extension.get("evidence_before", False), bool),
    }
    for name in extension:
        if not good.get(name, False):
            message = "not a value we know" if name in good else f"not one of {', '.join(SAFEGUARDS)}"
            yield LintError(pointer=f"{at}/{escape(name)}", code="bad-safeguard", message=message)
    ordering = any(TARGETS.get(c.get("command", "")) == "order" for c in step.get("commands", ()))
    if ordering and not {"ttl_s", "rollback"} <= extension.keys():
        message = "an order needs ttl_s and rollback in the extension"
        yield LintError(pointer=pointer, code="no-rollback", message=message)


APPROVAL: Final = {"role": "controller", "timeout_s": 60, "default": "reject"}


def _is_approval(value: Any) -> bool:
    """A role, a time that ends, and what happens without an answer: nobody waits for ever."""
    if not isinstance(value, dict) or value.keys() != APPROVAL.keys():
        return False
    timeout_s = value["timeout_s"]
    times = type(timeout_s) is int and 0 < timeout_s <= MAX_TIMEOUT_S
    return isinstance(value["role"], str) and bool(value["role"]) and times and value["default"] in ("approve", "reject")


def _condition(body: dict[str, Any], step: dict[str, Any], pointer: str) -> Iterator[LintError]:
    """The condition of an if or while, the expression of a switch."""
    if step["type"] == "switch-condition":
        names, name = variable_names(step.get("switch", "")), "switch"
    elif step["type"] in ("if-condition", "while-condition"):
        name = "condition"
        try:
            names = conditions.variables(step.get("condition", ""))
            conditions.holds(step.get("condition", ""), {})
        except ValueError as error:
            yield LintError(pointer=f"{pointer}/condition", code="bad-condition", message=str(error))
            return
    else:
        return
    declared = {**body.get("playbook_variables", {}), **step.get("step_variables", {})}
    for variable in dict.fromkeys(names):
        if variable not in declared:
            yield LintError(pointer=f"{pointer}/{name}", code="unresolved-variable", message=f"{variable} is not declared")


def given_to_a_person(body: dict[str, Any]) -> Iterator[LintError]:
    """Commands that are none of our hands: they are valid, and become tasks. Notes, not errors."""
    for step_id, step in body["workflow"].items():
        for i, command in enumerate(step.get("commands", ())):
            if command["type"] != "manual" and command.get("command") not in TARGETS:
                what = f"{command['type']} {command.get('command', '')[:60]!r}"
                pointer = f"/workflow/{escape(step_id)}/commands/{i}"
                yield LintError(
                    pointer=pointer, code="given-to-a-person", message=f"{what} is none of our hands: a task for a person"
                )


def _command(command: dict[str, Any], pointer: str) -> Iterator[LintError]:
    if command["type"] == "manual":
        return
    if command["type"] != "http-api" or command.get("command") not in TARGETS:
        if command["type"] == "http-api" and OURS.match(command.get("command", "")):
            what = f"{command['command'][:60]!r} looks like one of our hands, which are {', '.join(TARGETS)}"
            yield LintError(pointer=pointer, code="unsupported-command", message=what)
    elif wrong := _content_fault(TARGETS[command["command"]], command.get("content", "{}")):
        yield LintError(pointer=f"{pointer}/content", code="bad-content", message=wrong)


def _content_fault(kind: str, content: str) -> str | None:
    """Why a hand could not use this content, whatever its variables hold."""
    filled = fill(content, {n.strip("_"): "x" for n in variable_names(content)}, quote=True)
    try:
        data = msgspec.json.decode(filled or "")
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return "not JSON; a variable stands inside a string"
    if not isinstance(data, dict):
        return "not a JSON object"
    if kind == "verify_closed" and not _text(data.get("route")):
        return "no route"
    return order_fault(data) if kind == "order" else None


def order_fault(data: dict[str, Any]) -> str | None:
    hand, action, args = data.get("hand"), data.get("action"), data.get("args")
    if not isinstance(hand, str) or hand not in ACTIONS:
        return f"hand is none of {', '.join(ACTIONS)}"
    if not isinstance(action, str) or action not in ACTIONS[hand]:
        return f"action is none of {', '.join(ACTIONS[hand])}"
    names = ACTIONS[hand][action]
    needed = bool(names) and action not in WHOLE
    if not isinstance(args, dict) or (needed and not set(args) - set(OPTIONAL)):
        return "an order without args would close nothing or everything"
    if action in EVERY and (missing := sorted(set(names) - set(args))):
        return f"args lacks {', '.join(missing)}, which {action} needs"
    if wrong := [n for n, v in args.items() if n not in names or not _text(v)]:
        return f"args has something {action} does not take: {', '.join(wrong)[:100]}"
    if hand == "gateway" and not args.keys() & {*SCOPE, "digest"}:
        return f"args does not say whose requests {action} means"
    return "route without `to`, the server that answers instead" if action == "route" and "to" not in args else None


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _variables(body: dict[str, Any], step: dict[str, Any], command: dict[str, Any], pointer: str) -> Iterator[LintError]:
    declared = {**body.get("playbook_variables", {}), **step.get("step_variables", {})}
    for part in ("command", "content"):
        for name in dict.fromkeys(variable_names(command.get(part, ""))):
            if name not in declared:
                yield LintError(pointer=f"{pointer}/{part}", code="unresolved-variable", message=f"{name} is not declared")
            elif not declared[name].get("value") and not declared[name].get("external"):
                message = f"{name} has no value and is not external"
                yield LintError(pointer=f"{pointer}/{part}", code="unresolved-variable", message=message)
