"""The incident page's figures: clocks, bars, orders, steps. Pure functions of what the queries gave and the time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from checkvalve.engine.views import Case, CaseFile, CommandRow, Draft, OrderRow, SensorHealth
from checkvalve.incidents.case import Incident
from checkvalve.incidents.scope import Extent
from checkvalve.regimes.deadline import deadline
from checkvalve.regimes.deadline import from_ms as moment_of
from checkvalve.web.console import times, words
from checkvalve.web.console.language import _

SKEW_MS = 5_000  # a sensor's clock further off than this is worth a word
QUIET_MS = 60 * 60 * 1000  # a sensor that only speaks when something happens: this long without a word is worth one


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFace:
    """The Art. 33 clock. `spent` in percent of the 72 hours; `tone` good, warn, bad."""

    due_ms: int
    left: str  # hh:mm, of what is left or of the delay
    late: bool
    spent: int
    tone: str
    since_ms: int
    confirmed: bool
    local: str | None
    disputed_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    name: str
    confirmed: int
    worst: int
    confirmed_percent: int
    worst_percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    order: OrderRow
    what: str
    tone: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeLine:
    """What one try of the checkout said. Texts are empty when the probe did not say."""

    tone: str
    said: str
    total: str
    took: str
    why: str
    order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """One step of the playbook with the tries of the checkout around it."""

    name: str
    at_ms: int
    took: str
    tone: str
    said: str
    checked: bool  # the step could touch the checkout
    before: ProbeLine | None = None
    after: ProbeLine | None = None
    undone: str | None = None
    mended: ProbeLine | None = None  # the checkout once the step was taken back


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    command: str
    name: str
    text: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A step that is done only if a person agrees. `said`: what came of it, empty while it waits; `default`: what time does."""

    command: str
    name: str
    role: str
    would: str
    default: str
    until_ms: int
    tone: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLine:
    draft: Draft
    title: str
    fields: tuple[Mapping[str, Any], ...]
    filled: int
    assumed: int
    missing: tuple[Mapping[str, Any], ...]


def clock_face(incident: Incident, country: str, now_ms: int) -> ClockFace:
    """GDPR Art. 33(1): 72 hours from awareness; until that is stated, from the detection, the earliest it can have been."""
    since = incident.aware_or_assumed_ms
    clock = deadline("gdpr_art33", "controller_aware", moment_of(since))[0]
    due_ms = int(clock.due.timestamp() * 1000) if clock.due else since
    left, whole = due_ms - now_ms, max(due_ms - since, 1)
    zone = times.zone_of(country)
    return ClockFace(
        due_ms=due_ms,
        left=times.hours(abs(left)),
        late=left < 0,
        spent=min(100, max(0, (now_ms - since) * 100 // whole)),
        tone=_clock_tone(left, incident),
        since_ms=since,
        confirmed=incident.aware_ms is not None,
        local=f"{times.local(due_ms, zone)} ({zone.key})" if zone else None,
        disputed_ms=int(clock.disputed_later.timestamp() * 1000) if clock.disputed_later else None,
    )


def _clock_tone(left_ms: int, incident: Incident) -> str:
    if left_ms < 12 * 3_600_000 or (incident.containment_failed_ms is not None and not incident.held):
        return "bad"
    return "warn" if left_ms < 36 * 3_600_000 or incident.aware_ms is None or not incident.held else "good"


def bars(confirmed: Mapping[str, int], worst: Mapping[str, int]) -> list[Bar]:
    longest = max([*worst.values(), *confirmed.values(), 1])
    rows = [
        Bar(
            name=name,
            confirmed=confirmed.get(name, 0),
            worst=max(worst.get(name, 0), confirmed.get(name, 0)),
            confirmed_percent=confirmed.get(name, 0) * 100 // longest,
            worst_percent=worst.get(name, 0) * 100 // longest,
        )
        for name in {**confirmed, **worst}
    ]
    return sorted(rows, key=lambda b: (-b.confirmed, -b.worst, b.name))


def category_bars(confirmed: Extent, worst: Extent) -> list[Bar]:
    return [replace(b, name=words.category(b.name)) for b in bars(confirmed.categories, worst.categories)]


def order_lines(orders: Iterable[OrderRow], commands: Iterable[CommandRow], now_ms: int) -> list[OrderLine]:
    by_id = {c.id: c for c in commands}
    lines = []
    for order in orders:
        tone, said = words.order_state(order, by_id.get(order.command or ""), now_ms)
        lines.append(OrderLine(order=order, what=words.order_action(order.action, order.args), tone=tone, said=said))
    return lines


_BESIDE = {"after": "after", "after roll-back": "mended"}  # where a step shows a probe that followed it


def step_lines(commands: Iterable[CommandRow]) -> list[StepLine]:
    """Commands in order, with each step's probes beside it.

    A probe "before" belongs to the step that comes next; a good one "after" also stands for the state before that step. What
    the live watch takes back was ordered long before: that, and the probe after it, stand with the order.
    """
    lines: list[StepLine] = []
    at: dict[str, int] = {}  # the line of each order, and of each release
    before: ProbeLine | None = None
    carried: ProbeLine | None = None
    for command in commands:
        if command.kind == "probe":
            tried, beside = probe_line(command), _BESIDE.get(str(command.data.get("when")))
            before = tried
            if beside and lines:
                line = at.get(command.id.removesuffix(".probe"), len(lines) - 1)
                lines[line] = replace(lines[line], after=tried) if beside == "after" else replace(lines[line], mended=tried)
                before = replace(tried, said=_("worked, as tried after the step above")) if tried.tone == "good" else None
                carried = before
        elif command.kind == "release" and lines:
            at[command.id] = line = at.get(str(command.data.get("command")), len(lines) - 1)
            lines[line] = replace(lines[line], undone=words.undone(command))
        elif command.kind != "manual":
            checked = command.kind == "order"
            at[command.id] = len(lines)
            lines.append(_step(command, before if checked else None))
            before = None if checked else before
    if before is not None and before is not carried:
        lines.append(
            StepLine(name=_("Next step"), at_ms=0, took="", tone="wait", said=_("to come"), checked=True, before=before)
        )
    return lines


def _step(command: CommandRow, before: ProbeLine | None) -> StepLine:
    tone, said = words.command_state(command)
    took = times.span(command.ended_ms - command.created_ms) if command.ended_ms is not None else ""
    return StepLine(
        name=words.command_name(command),
        at_ms=command.created_ms,
        took=took,
        tone=tone,
        said=said,
        checked=command.kind == "order",
        before=before,
    )


def probe_line(command: CommandRow) -> ProbeLine:
    tone, said = words.command_state(command)
    report = command.outcome.get("data")
    found: Mapping[str, Any] = report if isinstance(report, dict) else {}
    steps = found.get("steps")
    spent = [v for v in steps.values() if isinstance(v, int)] if isinstance(steps, dict) else []
    if not spent and command.ended_ms is not None:
        spent = [command.ended_ms - command.created_ms]
    return ProbeLine(
        tone=tone,
        said={"good": _("worked"), "bad": _("FAILED")}.get(tone, said),
        total=words.money(found.get("total"), str(found.get("currency") or "")),
        took=times.span(sum(spent)) if spent else "",
        why=str(found.get("why") or command.outcome.get("detail") or _("failed")) if tone == "bad" else "",
        order=_tried_order(found),
    )


def _tried_order(found: Mapping[str, Any]) -> str:
    if not found.get("order"):
        return ""
    return (_("order %(number)s, cancelled") if found.get("cancelled") else _("order %(number)s")) % {"number": found["order"]}


def tasks(file: CaseFile) -> list[Task]:
    """What waits for a person."""
    return [
        Task(
            command=c.id,
            name=str(c.data.get("name", "")),
            text=words.command_name(c),
            role=str(c.data.get("role") or ""),
        )
        for c in file.commands
        if c.kind == "manual" and c.ended_ms is None
    ]


def approvals(file: CaseFile) -> list[Approval]:
    """Steps that wait for a person's word, and what came of those that did."""
    return [
        Approval(
            command=c.id,
            name=words.name(str(c.data.get("name", ""))),
            role=str(c.data.get("role") or ""),
            would=words.would(c.data.get("would")),
            default=str(c.data.get("default", "reject")),
            until_ms=c.created_ms + int(c.data.get("timeout_s", 0)) * 1000,
            tone=words.command_state(c)[0],
            said=str(c.outcome.get("detail") or "") if c.ended_ms is not None else "",
        )
        for c in file.commands
        if c.kind == "approval"
    ]


def draft_line(draft: Draft) -> DraftLine:
    given = draft.data.get("fields", [])
    fields = tuple(f for f in given if isinstance(f, dict)) if isinstance(given, list) else ()
    return DraftLine(
        draft=draft,
        title=str(draft.data.get("title", draft.regime)),
        fields=fields,
        filled=sum(f.get("status") == "known" for f in fields),
        assumed=sum(f.get("status") == "assumed" for f in fields),
        missing=tuple(f for f in fields if f.get("status") == "missing"),
    )


def worst_first(cases: Iterable[Case]) -> list[Case]:
    """Not contained before contained, then by severity, then by whose time ends first."""

    def rank(case: Case) -> tuple[bool, int, int]:
        i = case.incident
        severity = words.SEVERITY_ORDER.index(i.severity) if i.severity in words.SEVERITY_ORDER else 0
        return i.held, severity, i.aware_or_assumed_ms

    return sorted(cases, key=rank)


def sensor_state(sensor: SensorHealth, trouble: str | None, touched: bool, now_ms: int) -> tuple[str, str]:
    """(tone, sentence) about one sensor. `touched`: we ask its shop every few seconds; `trouble`: what came of it last."""
    if sensor.last_seen_ms is None:
        said = _("paired %(span)s ago, no event yet", span=times.span(now_ms - sensor.paired_ms))
    else:
        said = _("last event %(span)s ago", span=times.span(now_ms - sensor.last_seen_ms))
    if trouble:
        return "bad", _("orders do not get through: the shop %(trouble)s; %(said)s", trouble=trouble, said=said)
    if touched:
        said = _("answers, its outbox was emptied; %(said)s", said=said)
    if sensor.last_seen_ms is None and not touched:
        return "wait", said
    if not touched and sensor.last_seen_ms is not None and now_ms - sensor.last_seen_ms > QUIET_MS:
        return "warn", _("%(said)s: either nothing was asked, or it is not running", said=said)
    if sensor.skew_ms is not None and abs(sensor.skew_ms) > SKEW_MS:
        off = _("%(said)s; its clock is %(span)s ahead") if sensor.skew_ms > 0 else _("%(said)s; its clock is %(span)s behind")
        return "warn", off % {"said": said, "span": times.span(sensor.skew_ms)}
    return "good", said
