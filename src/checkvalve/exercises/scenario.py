"""A scenario as data: what is to be learned, who takes part, what happens when, what people can decide, and what is expected.

Words are HSEEP's (objective, inject, hot wash, improvement plan) and OpenAEV's (expectations, each with a score and a time by
which it expires). Files lie in content/scenarios, one a scenario; `linter.py` checks them.
Times are spans after the start (`5m`, `2h`, `1d6h`), so that a scenario can be played on any day.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

SPAN: Final = re.compile(r"(?:(\d{1,3})d)?(?:(\d{1,3})h)?(?:(\d{1,4})m)?")

Role = Literal[
    "incident_lead", "wordpress_admin", "woocommerce", "ai_engineer", "dpo", "communications", "controller", "hoster"
]
Means = Literal["traffic", "console", "page", "mail", "phone", "chat", "news", "letter", "visit"]
Form = Literal["technical", "discussion", "mixed"]
Checkout = Literal["open", "closed"]


class ScenarioError(Exception):
    """A scenario cannot be read or run. `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. {hint}")
        self.hint = hint


class Objective(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    text: str


class Way(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way by which data can leave the shop. `checkout`: without its plugin nobody can buy."""

    id: str
    plugin: str | None = None
    route: str | None = None
    model: str = "shop-model"
    checkout: bool = False


class Leak(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model shows `people` other customers' data to a stranger, `times` times, as long as the way is open."""

    way: str
    people: int
    times: int = 1
    every: str = "5m"


class Told(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A log from elsewhere tells of data of `people` that was taken `ago`; it opens a case and starts nothing."""

    way: str
    people: int
    ago: str = "0m"
    reader: str = "anonymous"


class Effect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an inject or a decision does to the made-up shop."""

    leak: Leak | None = None
    told: Told | None = None
    checkout: Checkout | None = None  # by hand, not by an order
    shut: str | None = None  # a way is closed by hand
    traffic: float | None = None  # how busy the shop is from now on, as a multiple


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is given must hold when the inject's time comes; else the inject is left out."""

    chosen: str | None = None  # `decision.option`
    contained: bool | None = None
    acknowledged: bool | None = None


class Notify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    regime: str
    notify: bool
    reason: str


class Act(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing a decision does in the product, by the same calls as the console's; the first that is given."""

    aware: str | None = None  # why
    playbook: str | None = None
    approve: bool | None = None  # every step that waits for a person's word
    tasks: str | None = None  # every waiting task is done, with this note
    enter: dict[str, Any] | None = None  # fields of Organisation and Particulars
    severity: str | None = None  # the reason for the severity
    notify: Notify | None = None
    file: str | None = None  # a regime; in the exercise's own log alone
    late: str | None = None  # the reason for the delay
    note: str | None = None
    contained: str | None = None  # the way out was closed by hand: how
    close: str | None = None


class Option(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`best`: what is hoped for; `worst`: what is feared. Scripted players take the one or the other."""

    id: str
    text: str
    best: bool = False
    worst: bool = False
    do: list[Act] = []
    effects: list[Effect] = []


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question to a role. Nobody's answer within the time is an answer too."""

    id: str
    role: Role
    asks: str
    within: str
    options: list[Option]


class Inject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the master scenario events list. `short`: also part of the 20-minute form."""

    id: str
    at: str
    sender: str
    to: list[Role]
    means: Means
    text: str
    expected: str
    objective: str
    short: bool = False
    when: Condition | None = None
    effects: list[Effect] = []
    decision: Decision | None = None


class Sign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of the exercise's log. `kind` is the change's (docs/exercises.md); `option` for `decided`."""

    kind: str
    option: str | None = None


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`met` must come within the time after the inject; `never` must not come in it. Late but before the end is half."""

    id: str
    objective: str
    role: Role
    type: Literal["DETECTION", "PREVENTION", "MANUAL", "TEXT"]  # OpenAEV
    text: str
    score: int
    after: str
    within: str
    met: Sign | None = None
    never: Sign | None = None
    improve: str = ""  # what goes into the improvement plan when it fails


class World(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`orders` are the past year's; `orders_a_day` come while the exercise runs, on an average day."""

    customers: int = 300
    orders: int = 900
    orders_a_day: int = 40
    languages: tuple[str, ...] = ("de", "en")


class Classification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words of VERIS 1.4 and technique ids of MITRE ATLAS. `action` with its `variety` and `vector`."""

    actor: Literal["external", "internal", "partner"]
    actor_variety: Literal[
        "Unaffiliated", "Organized crime", "Customer", "System admin", "Developer", "End-user", "Helpdesk", "Unknown"
    ]
    action: Literal["hacking", "error", "misuse", "social", "malware"]
    variety: Literal[
        "Exploit vuln",
        "Exploit misconfig",
        "Prompt injection",
        "Abuse of functionality",
        "Use of stolen creds",
        "Forced browsing",
        "Misconfiguration",
        "Programming error",
        "Publishing error",
        "Misdelivery",
        "Data mishandling",
        "Privilege abuse",
        "Pretexting",
        "Capture app data",
        "Other",
        "Unknown",
    ]
    vector: Literal["Web application", "Carelessness", "Inadequate processes", "Partner", "Remote access", "Other", "Unknown"]
    asset: Literal["S - LLM application", "S - Web application", "S - Database", "S - File", "S - Backup"] = (
        "S - LLM application"
    )
    atlas: list[str] = []


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`real`: whether there is a leak at all. `starts`: RFC 3339, the local time at which it is best played."""

    id: str
    title: str
    summary: str
    form: Form
    real: bool
    starts: str
    lasts: str
    world: World
    ways: list[Way]
    objectives: list[Objective]
    roles: list[Role]
    classification: Classification
    injects: list[Inject]
    expectations: list[Expectation]
    facilitator: list[str]
    hot_wash: list[str]
    references: list[str]

    @property
    def decisions(self) -> Iterator[Decision]:
        return (i.decision for i in self.injects if i.decision is not None)

    def way(self, way_id: str) -> Way:
        return next(w for w in self.ways if w.id == way_id)


def span_ms(text: str) -> int:
    """ms of `1d6h30m`. ValueError for anything else."""
    found = SPAN.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ValueError(f"{text[:20]!r} is no span of time; it looks like 5m, 2h or 1d6h")
    days, hours, minutes = (int(g or 0) for g in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60_000


def short_form(scenario: Scenario) -> Scenario:
    """The 20-minute form: only the injects marked for it, and what is expected after them."""
    kept = [i for i in scenario.injects if i.short]
    named = {i.id for i in kept}
    decided = {i.decision.id for i in kept if i.decision}

    def stays(e: Expectation) -> bool:
        option = (e.met or e.never or Sign(kind="")).option
        return e.after in named and (option is None or option.partition(".")[0] in decided)

    expected = [e for e in scenario.expectations if stays(e)]
    wanted = {e.objective for e in expected} | {i.objective for i in kept}
    objectives = [o for o in scenario.objectives if o.id in wanted]
    return msgspec.structs.replace(scenario, injects=kept, expectations=expected, objectives=objectives)
