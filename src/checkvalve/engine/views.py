"""What the console is shown: frozen values made by `engine.queries`, with pseudonyms only. Times in ms since the epoch, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checkvalve.incidents.case import Incident
from checkvalve.incidents.scope import Scope

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorHealth:
    keyid: str
    kind: str
    site: str | None
    name: str
    paired_ms: int
    last_seen_ms: int | None
    skew_ms: int | None
    versions: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    site: str
    name: str
    site_url: str
    sensors: tuple[SensorHealth, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    incident: Incident
    shop: str
    open: bool
    running: bool  # a playbook run is under way


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    open: tuple[Case, ...]
    closed: tuple[Case, ...]
    shops: tuple[Shop, ...]
    gateways: tuple[SensorHealth, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    jti: str
    hand: str
    action: str
    args: Json
    issued_ms: int
    expires_ms: int
    command: str | None
    released_ms: int | None
    reported: str | None
    reported_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    """A step's command. `outcome`: {"status", "detail", "data"} of checkvalve.playbooks.types.Outcome, or empty."""

    id: str
    run: str
    kind: str
    data: Json
    status: str
    attempts: int
    due_ms: int
    created_ms: int
    ended_ms: int | None
    outcome: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    id: str
    playbook: str
    state: Json
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    regime: str
    version: int
    created_ms: int
    complete: bool
    data: Json
    by: str = "core"  # who wrote it


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    case: Case
    scope: Scope
    orders: tuple[OrderRow, ...]
    commands: tuple[CommandRow, ...]
    runs: tuple[RunRow, ...]
    drafts: tuple[Draft, ...]  # newest version of each regime
    country: str  # of the organisation; empty when unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A line of the timeline. `source` is one of `queries.SOURCES`; `kind` names the table it came from, `ref` its id there.

    `data`: what the transition, order or outcome holds. `step`: of a command, what was to be done.
    """

    at_ms: int
    source: str
    kind: str
    text: str
    ref: str
    by: str
    data: Json
    step: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureRow:
    seen_ms: int
    detected_ms: int
    subject: str
    category: str
    recipient: str
    shown: bool
    entry: int
    model: str | None
    route: str | None
