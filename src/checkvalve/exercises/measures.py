"""What an exercise's log says of the response: times, margins, drafts, orders, people. From evidence, not from memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from checkvalve.exercises.signs import Mark, first
from checkvalve.regimes.deadline import parse_time

HOUR_MS: Final = 3_600_000
FILLED_AT_H: Final = (24, 48, 72)


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """Time left of a clock when its notice was filed, else at the end. Negative: late. `declined`: none is due."""

    case: str
    regime: str
    clock: str
    left_ms: int
    filed: bool
    declined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Spans in ms, None when it never came. `fields`: per cent of the mandatory ones that are filled, by hours after detection.

    `detect`: first data shown to the case's opening. `acknowledge`: first page to first acknowledgement. From the opening on:
    `aware` to the statement of awareness, `contain` to the way seen closed or closed by hand, `draft`, `notice` to the first.
    `false_containment`: orders and closings by hand for a case in which nothing leaked. `orders_lost`: buyers turned away.
    """

    detect: int | None
    acknowledge: int | None
    aware: int | None
    contain: int | None
    draft: int | None
    notice: int | None
    margins: tuple[Margin, ...]
    fields: Mapping[int, int | None]
    orders_placed: int
    orders_lost: int
    false_containment: int
    people_exposed: int
    people_reached: int
    pages: int


def measure(marks: Sequence[Mark], clocks: Iterable[tuple[str, str, str, int]], end_ms: int, *, real: bool) -> Measures:
    """`clocks`: (case, regime, clock, due in ms) of every case as they stand at the end."""
    opened = first(marks, "opened")
    start = opened.at_ms if opened else end_ms
    seen = int(opened.data["first_seen_ms"]) if opened else 0
    shut = [m for m in (first(marks, "contained", start), first(marks, "shut", start)) if m]

    def since(mark: Mark | None, start_ms: int = start) -> int | None:
        return mark.at_ms - start_ms if mark and opened else None

    paged = first(marks, "paged")
    closings = [m for m in marks if m.kind in ("shut", "checkout_closed") or _closes(m)]
    counted = {
        str(m.data["incident"]): int(m.data["subjects"]) for m in marks if m.kind == "exposure_added"
    }  # the newest of each
    reached = {c for m in marks if m.kind == "paged" for c in m.data.get("reached", ())}
    return Measures(
        detect=max(0, start - seen) if opened else None,
        acknowledge=since(first(marks, "page_acknowledged"), paged.at_ms) if paged else None,
        aware=since(first(marks, "aware_set")),
        contain=since(min(shut, key=lambda m: m.at_ms)) if shut else None,
        draft=since(first(marks, "draft_ready")),
        notice=since(first(marks, "notice_filed")),
        margins=tuple(_margin(marks, *clock, end_ms) for clock in clocks),
        fields={h: _filled(marks, start + h * HOUR_MS) if end_ms >= start + h * HOUR_MS else None for h in FILLED_AT_H},
        orders_placed=sum(m.kind == "order_placed" for m in marks),
        orders_lost=sum(m.kind == "order_lost" for m in marks),
        false_containment=0 if real else len(closings),
        people_exposed=sum(counted.values()),
        people_reached=len(reached),
        pages=sum(m.kind == "paged" for m in marks),
    )


def _closes(mark: Mark) -> bool:
    return mark.kind == "order_issued" and mark.data["order"]["action"] not in ("release", "log_only")


def _margin(marks: Sequence[Mark], case: str, regime: str, clock: str, due_ms: int, end_ms: int) -> Margin:
    mine = [m for m in marks if m.kind in ("notice_filed", "notice_decided") and m.data["incident"] == case]
    filed = [m for m in mine if m.kind == "notice_filed" and (m.data["regime"], m.data["clock"]) == (regime, clock)]
    choices = [m for m in mine if m.kind == "notice_decided" and m.data["regime"] == regime]
    at = filed[0].at_ms if filed else end_ms
    declined = not filed and bool(choices) and not choices[-1].data["notify"]
    return Margin(case=case, regime=regime, clock=clock, left_ms=due_ms - at, filed=bool(filed), declined=declined)


def _filled(marks: Sequence[Mark], at_ms: int) -> int | None:
    """Per cent of the mandatory fields of the newest draft of Art. 33 at this time."""
    drafts = [m.data for m in marks if m.kind == "drafted" and m.at_ms <= at_ms and m.data["regime"] == "gdpr_art33"]
    if not drafts:
        return None
    fields: Sequence[Any] = drafts[-1]["fields"]
    return round(100 * sum(f["status"] != "missing" for f in fields) / len(fields)) if fields else None


def at_ms(text: str) -> int:
    return int(parse_time(text).timestamp() * 1000)
