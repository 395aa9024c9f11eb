"""CACAO 2.0 playbooks as values, and what passes between the interpreter and the hands.

Only what CACAO leaves open is ours: an extension-definition on action steps (invariant, rollback, ttl, evidence first), and the
request targets by which an `http-api` command names one of our hands.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

EXTENSION: Final = "extension-definition--6f2f7c1e-9a54-4c0e-8f57-2b8f9f3d7c10"

CommandKind = Literal["order", "release", "probe", "checkpoint", "verify_closed", "manual"]
OutcomeStatus = Literal["done", "failed", "refused", "expired", "timeout"]

# "http-api" start lines of our hands -> kind of command
TARGETS: Final[dict[str, CommandKind]] = {
    "POST /orders HTTP/1.1": "order",
    "POST /checkpoint HTTP/1.1": "checkpoint",
    "POST /probe HTTP/1.1": "probe",
    "POST /verify-closed HTTP/1.1": "verify_closed",
}


class PlaybookError(Exception):
    """The playbook cannot be used. `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. {hint}")
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class LintError:
    """What is wrong where: a JSON pointer, a stable code, words for a person."""

    pointer: str
    code: str
    message: str


def escape(part: str) -> str:
    """One part of a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguard:
    """Our extension of an action step. `invariant`: what must hold before and after; `ttl_s`: how long an order lasts."""

    invariant: str | None = None
    rollback: str | None = None
    ttl_s: int = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A workflow step: start, action or end."""

    id: str
    type: str
    name: str
    commands: tuple[dict[str, Any], ...]
    on_success: str | None
    on_failure: str | None
    safeguard: Safeguard
    role: str | None = None
    variables: dict[str, str] = field(default_factory=dict)  # the step's own, name without underscores -> value


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    id: str
    name: str
    start: str
    steps: dict[str, Step]
    variables: dict[str, str | None]  # name without underscores -> default


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be done by a hand. The id is the same whenever the same point of a run is reached."""

    id: str
    step: str
    name: str
    kind: CommandKind
    data: dict[str, Any] = {}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a command. `data` goes into the log; no personal data."""

    command: str
    status: OutcomeStatus
    detail: str = ""
    data: dict[str, Any] = {}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Where an execution stands. `waiting` is the id of the one command whose outcome moves it on."""

    id: str
    playbook: str
    variables: dict[str, str]
    step: str
    phase: str
    waiting: str | None
    order: str | None = None  # command id of this step's order
    count: int = 0  # commands given out so far
    checkout_was: bool | None = None  # what the last probe said before the step
    done: bool = False
    unreleased: bool = False  # an order after which the checkout failed is not taken back yet
    path: tuple[str, ...] = ()
