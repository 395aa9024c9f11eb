"""CACAO 2.0 playbooks as values, and what passes between the interpreter and the hands.

Only what CACAO leaves open is ours: an extension-definition on action steps (invariant, rollback, ttl, evidence first), and the
request targets by which an `http-api` command names one of our hands.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

TRIGGERS: Final = ("plugin", "route", "model", "canary", "secret", "cache", "harvesting")  # the way out, and what was sighted
EXTENSION: Final = "extension-definition--6f2f7c1e-9a54-4c0e-8f57-2b8f9f3d7c10"

CommandKind = Literal["order", "release", "probe", "checkpoint", "verify_closed", "manual", "approval"]
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
class Approval:
    """Who must agree before a step acts. Without an answer in time the default, which is the safe one, is taken."""

    role: str
    timeout_s: int
    default: Literal["approve", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguard:
    """Our extension of an action step. `invariant`: what must hold before and after; `ttl_s`: how long an order lasts."""

    invariant: str | None = None
    rollback: str | None = None
    ttl_s: int = 3600
    approval: Approval | None = None
    evidence_before: bool = False  # sign the log before anything is changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A workflow step of any kind; what a kind does not have is None or empty. Times in ms."""

    id: str
    type: str
    name: str
    commands: tuple[dict[str, Any], ...] = ()
    on_success: str | None = None
    on_failure: str | None = None
    safeguard: Safeguard = Safeguard()
    role: str | None = None
    variables: dict[str, str] = field(default_factory=dict)  # the step's own, name without underscores -> value
    delay_ms: int = 0
    timeout_ms: int | None = None
    condition: str = ""  # of if and while; the switch expression of a switch
    on_true: str | None = None
    on_false: str | None = None
    cases: dict[str, str] = field(default_factory=dict)
    branches: tuple[str, ...] = ()  # of a parallel step
    playbook: str | None = None  # of a playbook-action
    results: tuple[str, ...] = ()  # variables that the command's outcome sets (CACAO out_args), without underscores


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    id: str
    name: str
    start: str
    steps: dict[str, Step]
    variables: dict[str, str | None]  # name without underscores -> default
    exception: str | None = None  # where a run goes when a step without on_failure fails
    description: str = ""
    trigger: dict[str, bool] | None = None  # what must be known, or unknown, of a case that starts it; None: a person does


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


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Where a thread goes on when the branch it is in has reached its end step."""

    step: str
    playbook: str


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """One line of steps. `waiting`: the command whose outcome moves it on; None when it waits for its branches or its turn."""

    id: int
    playbook: str
    step: str
    phase: str
    frames: tuple[Frame, ...] = ()
    parent: int | None = None
    waiting: str | None = None
    order: str | None = None  # command id of this step's order


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Where an execution stands. Threads run side by side; of those that act on the shop only `holder` does at a time."""

    id: str
    playbook: str
    variables: dict[str, str]
    threads: tuple[Thread, ...] = ()
    born: int = 0  # threads so far
    count: int = 0  # commands given out so far
    holder: int | None = None  # the thread between its two test checkouts
    checkout_was: bool | None = None  # what the last probe said before the step
    done: bool = False
    failed: bool = False  # a step failed that nothing caught
    unreleased: bool = False  # an order after which the checkout failed is not taken back yet
    path: tuple[str, ...] = ()

    @property
    def awaited(self) -> tuple[str, ...]:
        """Commands whose outcome the run waits for."""
        return tuple(t.waiting for t in self.threads if t.waiting is not None)

    @property
    def waiting(self) -> str | None:
        return next(iter(self.awaited), None)
