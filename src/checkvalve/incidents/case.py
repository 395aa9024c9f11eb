"""The case: opened by exposures, changed by transitions, the same again when they are replayed.

States follow NIST SP 800-61: detection_analysis -> containment -> eradication_recovery -> post_incident -> closed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from checkvalve.events.site import is_exercise
from checkvalve.regimes.deadline import MAX_CONTRACT_HOURS

STATUSES: Final = ("detection_analysis", "containment", "eradication_recovery", "post_incident", "closed")
KINDS: Final = (
    "opened",
    "exposure_added",
    "sighting_added",
    "severity_changed",
    "containment_started",
    "run_started",
    "contained",
    "containment_failed",
    "trade_suffered",
    "run_finished",
    "aware_set",
    "late_reason_set",
    "severity_reasoned",
    "contract_hours_set",
    "notice_decided",
    "notice_filed",
    "telling_delayed",
    "telling_resumed",
    "paged",
    "page_acknowledged",
    "draft_ready",
    "note",
    "closed",
)
# What was under way when a case was closed still ends, and is still told.
AFTER_CLOSE: Final = (
    "exposure_added",
    "sighting_added",
    "contained",
    "containment_failed",
    "run_finished",
    "notice_decided",
    "notice_filed",
    "telling_delayed",
    "telling_resumed",
    "paged",
    "page_acknowledged",
    "draft_ready",
    "note",
)
ANONYMOUS: Final = "anonymous"  # the recipient when neither account nor session is known
SEVERITIES: Final = ("high", "critical")  # an exposure of one other person's data is high; the method of ENISA comes later
CLOCK_SET_MS: Final = 1_577_836_800_000  # 2020: a host without a set clock starts in 1970
FIRST_PAUSE_MS: Final = 60_000  # after a containment that failed; doubled with each that follows
LONGEST_PAUSE_MS: Final = 1_800_000
LASTED_MS: Final = 3_600_000
MAX_SIGNS: Final = 100  # different ones that a case keeps; the log has all
CRITICAL_SUBJECTS: Final = 100  # more than a hundred people: ENISA's flag


class IncidentError(Exception):
    """A change that makes no sense for this case. `hint` says what does."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. {hint}")
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureRecord:
    """An exposure with where it happened. `shown` False: the data stood in the prompt only (worst case)."""

    inference: str
    subject: str
    category: str
    recipient: str
    shown: bool
    entry: int
    site: str
    seen_ms: int
    detected_ms: int
    plugin: str | None
    route: str | None
    session: str | None
    model: str | None
    trace: str | None


class Located(Protocol):
    """What was seen, with where and when."""

    @property
    def site(self) -> str: ...
    @property
    def plugin(self) -> str | None: ...
    @property
    def route(self) -> str | None: ...
    @property
    def seen_ms(self) -> int: ...
    @property
    def detected_ms(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Something of a `sighting` that a case keeps: which canary, which secret, … `entry`: where it was first seen."""

    kind: str
    what: str
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of a case. `id` is unique and the same on every replay; `by` is "core" or "user:<name>"."""

    id: str
    incident: str
    position: int
    kind: str
    at_ms: int
    by: str
    entries: tuple[int, ...]
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """A person filed a version of a notice, or withdrew what was filed. `reference`: the receipt's number."""

    regime: str
    clock: str
    version: int
    at_ms: int
    by: str
    reference: str
    withdrawn: bool
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Whether a duty is met by a notice, and why: GDPR Art. 33(5) keeps it also when nobody is told."""

    regime: str
    notify: bool
    reason: str
    at_ms: int
    by: str
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Awareness:
    """When an entity became aware as one law asks it, and who said so. `why` may be empty."""

    at_ms: int
    by: str
    why: str
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """The state of a case. Times in ms since the epoch, UTC."""

    id: str
    site: str
    title: str
    status: str
    severity: str
    opened_ms: int
    first_seen_ms: int
    detected_ms: int
    last_seen_ms: int
    plugin: str | None
    route: str | None
    model: str | None
    subjects: int = 0
    exposures: int = 0
    sightings: int = 0
    signs: tuple[Sign, ...] = field(default=())
    contained_ms: int | None = None  # the first time
    last_contained_ms: int | None = None
    last_contained_entry: int | None = None
    shut_by: str | None = None  # who closed it by hand the last time, and how; None where a step of ours did
    shut_how: str = ""
    started_ms: int = 0  # of the newest containment
    retries: int = 0  # containments begun anew by itself, none of which lasted
    containment_failed_ms: int | None = None
    trade_suffered_ms: int | None = None  # the live watch saw sales fall or payments fail under a step that only a person lifts
    aware_ms: int | None = None
    aware_by: str | None = None
    aware_why: str | None = None
    aware_entry: int | None = None
    delayed_by: str | None = None  # the authority at whose request people are not told yet; None while nobody asks
    late_reason: str | None = None
    late_by: str | None = None
    late_entry: int | None = None
    contained_entry: int | None = None
    severity_reason: str | None = None
    severity_by: str | None = None
    severity_entry: int | None = None
    aware_of: dict[str, Awareness] = field(default_factory=dict)  # by regime, where it is not the case's own
    contract_hours: dict[str, int] = field(default_factory=dict)  # by regime: what a contract sets
    filings: tuple[Filing, ...] = field(default=())
    choices: tuple[Choice, ...] = field(default=())
    drafts: int = 0
    positions: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def aware_or_assumed_ms(self) -> int:
        """Until a person says otherwise, awareness is taken to be the detection: never later than it can have been."""
        return self.aware_ms if self.aware_ms is not None else self.detected_ms

    def awareness(self, regime: str) -> Awareness | None:
        """What a person stated for this regime, else for the case; None while nobody has."""
        if regime in self.aware_of or self.aware_ms is None:
            return self.aware_of.get(regime)
        return Awareness(at_ms=self.aware_ms, by=self.aware_by or "", why=self.aware_why or "", entry=self.aware_entry)

    @property
    def last_closed_ms(self) -> int | None:
        """When the way out was last seen closed."""
        return self.last_contained_ms if self.last_contained_ms is not None else self.contained_ms

    @property
    def leaks_on(self) -> bool:
        """Data was shown since the way out was last closed, and since the newest containment began."""
        return self.last_seen_ms > max(self.started_ms, self.last_closed_ms or 0)

    @property
    def held(self) -> bool:
        """The newest containment closed the way out, and nothing was shown since."""
        return self.last_closed_ms is not None and self.last_closed_ms >= self.started_ms and not self.leaks_on


def incident_id(number: int, year: int) -> str:
    return f"INC-{year}-{number:04d}"


def matches(incident: Incident, seen: Located) -> bool:
    """An open case of the same shop and the same way out takes in what was seen."""
    return (
        incident.status != "closed"
        and incident.site == seen.site
        and (incident.plugin, incident.route) == (seen.plugin, seen.route)
    )


def opening(new_id: str, exposures: list[ExposureRecord], entry: int, at_ms: int) -> Transition:
    """The transition that opens a case. `exposures` share site, plugin and route."""
    first = exposures[0]
    way = first.plugin or first.route or "an unknown caller of the model"
    data = {
        "site": first.site,
        "title": f"Customer data shown to others through {way}",
        "plugin": first.plugin,
        "route": first.route,
        "model": first.model,
        "first_seen_ms": min(happened_ms(e) for e in exposures),
    }
    return transition(new_id, 0, "opened", at_ms, (entry,), data)


def happened_ms(seen: Located) -> int:
    """When it happened: by the sensor's clock, or by core's where that one is not set or ahead of its own message."""
    return seen.seen_ms if CLOCK_SET_MS <= seen.seen_ms <= seen.detected_ms else seen.detected_ms


def growth(incident: Incident, fresh: list[ExposureRecord], subjects: int, entry: int, at_ms: int) -> list[Transition]:
    """Transitions for new exposures. `subjects` is the number of people concerned with them included."""
    position = incident.positions
    data = {
        "count": len(fresh),
        "subjects": subjects,
        "first_seen_ms": min(happened_ms(e) for e in fresh),
        "last_seen_ms": max(happened_ms(e) for e in fresh),
        "inference": fresh[0].inference,
        "categories": sorted({e.category for e in fresh}),
        "model": next((e.model for e in fresh if e.model), None),
    }
    found = [transition(incident.id, position, "exposure_added", at_ms, (entry,), data)]
    severity = "critical" if subjects > CRITICAL_SUBJECTS else "high"
    if SEVERITIES.index(severity) > SEVERITIES.index(incident.severity):  # erasing people makes no leak smaller
        change = {"severity": severity, "rule": f"{subjects} people concerned"}
        found.append(transition(incident.id, position + 1, "severity_changed", at_ms, (entry,), change))
    return found


def retry(incident: Incident) -> tuple[int, int]:
    """Before a containment that core begins anew: (which retry it is, ms to wait). What lasted an hour was no failure."""
    closed_ms = incident.last_closed_ms
    closed = closed_ms is not None and closed_ms >= incident.started_ms
    lasted = closed_ms is not None and closed and incident.last_seen_ms - closed_ms >= LASTED_MS
    before = 0 if lasted else incident.retries
    failures = before if closed or incident.started_ms == 0 else before + 1
    pause_ms = min(FIRST_PAUSE_MS * 2 ** min(failures - 1, 16), LONGEST_PAUSE_MS) if failures else 0
    return before + 1, pause_ms


def change(
    incident: Incident, kind: str, at_ms: int, entries: Iterable[int], data: dict[str, Any], by: str = "core"
) -> Transition:
    """Any other transition, checked against the state of the case."""
    if kind not in KINDS or kind == "opened":
        raise IncidentError(f"a case cannot be changed by {kind!r}", f"Known: {', '.join(KINDS[1:])}")
    if incident.status == "closed" and kind not in AFTER_CLOSE:
        raise IncidentError(f"{incident.id} is closed", "Open a new case or add a note")
    if kind == "aware_set":
        _check_awareness(data.get("aware_ms"), at_ms)
    if kind == "contract_hours_set" and not 0 < data.get("hours", 0) <= MAX_CONTRACT_HOURS:
        raise IncidentError("that is no number of hours a contract sets", f"Give 1 to {MAX_CONTRACT_HOURS}")
    if kind == "late_reason_set" and not str(data.get("reason", "")).strip():
        raise IncidentError("the reason for the delay is empty", "Say why the notification is late")
    if kind in ("severity_reasoned", "notice_decided") and not str(data.get("reason", "")).strip():
        raise IncidentError("the reason is empty", "Say why")
    if kind == "contained" and not str(data.get("by_hand", "a step of ours")).strip():
        raise IncidentError("it is not said how", "Say how the way out was closed, and how you saw that it is")
    if kind == "telling_delayed" and not all(str(data.get(n, "")).strip() for n in ("authority", "reason")):
        raise IncidentError(
            "it is not said who asks for the delay, and why", "Name the authority, its reference and the reason"
        )
    if kind == "telling_resumed" and incident.delayed_by is None:
        raise IncidentError("no authority asked for a delay", "Nothing is to be lifted")
    if kind == "note" and not str(data.get("text", "")).strip():
        raise IncidentError("the note is empty", "Write what should be kept with the case")
    return transition(incident.id, incident.positions, kind, at_ms, tuple(entries), data, by)


def _check_awareness(aware_ms: Any, at_ms: int) -> None:
    if not isinstance(aware_ms, int) or isinstance(aware_ms, bool):
        raise IncidentError("awareness has no time", "Give the time at which you became aware, in ms since the epoch")
    if aware_ms > at_ms:
        raise IncidentError("awareness cannot lie in the future", "Give the time at which you became aware")


def transition(
    incident: str, position: int, kind: str, at_ms: int, entries: tuple[int, ...], data: dict[str, Any], by: str = "core"
) -> Transition:
    return Transition(
        id=f"{incident}.{position}",
        incident=incident,
        position=position,
        kind=kind,
        at_ms=at_ms,
        by=by,
        entries=entries,
        data=data,
    )


def apply(incident: Incident | None, t: Transition) -> Incident:
    """The case after a transition: the next one of this case, and no other."""
    if t.kind == "opened":
        if incident is not None:
            raise IncidentError(f"{t.incident} was opened before", "Replay each transition once")
        return _opened(t)
    if incident is None:
        raise IncidentError(f"{t.incident} was never opened", "Replay its transitions in order")
    if (t.incident, t.position) != (incident.id, incident.positions):
        raise IncidentError(f"{t.id} does not follow on {incident.id}.{incident.positions - 1}", "Replay in order, each once")
    return _changed(replace(incident, positions=t.position + 1, status=_next_status(incident, t.kind)), t)


def _opened(t: Transition) -> Incident:
    return Incident(
        id=t.incident,
        site=t.data["site"],
        title=("EXERCISE: " if is_exercise(t.data["site"]) else "") + t.data["title"],
        status="detection_analysis",
        severity="high",
        opened_ms=t.at_ms,
        first_seen_ms=t.data["first_seen_ms"],
        detected_ms=t.at_ms,
        last_seen_ms=t.data["first_seen_ms"],
        plugin=t.data["plugin"],
        route=t.data["route"],
        model=t.data["model"],
        positions=1,
    )


def _changed(incident: Incident, t: Transition) -> Incident:
    entry = t.entries[0] if t.entries else None
    match t.kind:
        case "exposure_added" | "sighting_added":
            return _grown(incident, t, entry)
        case "severity_changed":
            return replace(incident, severity=t.data["severity"])
        case "containment_started":
            return replace(incident, started_ms=t.at_ms, retries=t.data.get("retry", 0))
        case "contained":
            return _closed(incident, t, entry)
        case "containment_failed":
            return replace(incident, containment_failed_ms=t.at_ms)
        case "trade_suffered" if not t.data["taken_back"]:
            return replace(incident, trade_suffered_ms=t.at_ms)
        case "draft_ready":
            return replace(incident, drafts=incident.drafts + 1)
        case "note":
            return replace(incident, notes=(*incident.notes, t.data["text"]))
        case _:
            return _stated(incident, t, entry)


def _closed(incident: Incident, t: Transition, entry: int | None) -> Incident:
    how = str(t.data.get("by_hand") or "")
    last = replace(incident, last_contained_ms=t.at_ms, last_contained_entry=entry, shut_by=t.by if how else None, shut_how=how)
    if incident.contained_ms is not None:  # the first time stands
        return last
    return replace(last, contained_ms=t.at_ms, contained_entry=entry)


def _stated(incident: Incident, t: Transition, entry: int | None) -> Incident:
    """What a person said."""
    match t.kind:
        case "telling_delayed":
            return replace(incident, delayed_by=str(t.data["authority"]))
        case "telling_resumed":
            return replace(incident, delayed_by=None)
        case "contract_hours_set":
            return replace(incident, contract_hours={**incident.contract_hours, t.data["regime"]: t.data["hours"]})
        case "aware_set" if regime := t.data.get("regime"):
            stated = Awareness(at_ms=t.data["aware_ms"], by=t.by, why=str(t.data.get("why") or ""), entry=entry)
            return replace(incident, aware_of={**incident.aware_of, regime: stated})
        case "aware_set":
            why = t.data.get("why") or None
            return replace(incident, aware_ms=t.data["aware_ms"], aware_by=t.by, aware_why=why, aware_entry=entry)
        case "late_reason_set":
            return replace(incident, late_reason=t.data["reason"], late_by=t.by, late_entry=entry)
        case "severity_reasoned":
            return replace(incident, severity_reason=t.data["reason"], severity_by=t.by, severity_entry=entry)
        case "notice_decided":
            chosen = Choice(**{n: t.data[n] for n in ("regime", "notify", "reason")}, at_ms=t.at_ms, by=t.by, entry=entry)
            return replace(incident, choices=(*incident.choices, chosen))
        case "notice_filed":
            names = ("regime", "clock", "version", "reference", "withdrawn")
            filed = Filing(**{n: t.data[n] for n in names}, at_ms=t.data["filed_ms"], by=t.by, entry=entry)
            return replace(incident, filings=(*incident.filings, filed))
        case _:  # only the status changes
            return incident


def _grown(incident: Incident, t: Transition, entry: int | None) -> Incident:
    after = replace(
        incident,
        first_seen_ms=min(incident.first_seen_ms, t.data["first_seen_ms"]),
        last_seen_ms=max(incident.last_seen_ms, t.data["last_seen_ms"]),
        model=incident.model or t.data.get("model"),
    )
    if t.kind == "exposure_added":
        return replace(after, subjects=t.data["subjects"], exposures=incident.exposures + t.data["count"])
    signs = _with(incident.signs, t.data["signs"], entry)
    return replace(after, sightings=incident.sightings + t.data["count"], signs=signs)


def _with(signs: tuple[Sign, ...], more: Iterable[Any], entry: int | None) -> tuple[Sign, ...]:
    known = {(s.kind, s.what): s for s in signs}
    for raw in more:
        if len(known) < MAX_SIGNS:
            known.setdefault((raw["kind"], raw["what"]), Sign(kind=raw["kind"], what=raw["what"], entry=entry))
    return tuple(known.values())


def _next_status(incident: Incident, kind: str) -> str:
    if incident.status == "closed":
        return "closed"
    phases = {"containment_started": "containment", "contained": "eradication_recovery", "closed": "closed"}
    return phases.get(kind, incident.status)
