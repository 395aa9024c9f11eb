"""What stands in an exercise's log, as it is measured: one sign an entry, in the order of the log."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# Changes of the case (incidents.case), orders, and what the exercise itself logs: see docs/exercises.md.
SIGNS: Final = (
    *("opened", "exposure_added", "severity_changed", "containment_started", "run_started", "contained", "containment_failed"),
    *("run_finished", "aware_set", "late_reason_set", "severity_reasoned", "notice_decided", "notice_filed", "paged"),
    *("page_acknowledged", "draft_ready", "note", "closed", "order_issued", "task_done", "approval_given"),
    *("inject", "decided", "shut", "checkout_closed", "checkout_opened", "order_lost", "order_placed"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """`kind` is one of SIGNS; `entry` its number in the log; `at_ms` by the exercise's clock."""

    kind: str
    at_ms: int
    entry: int
    by: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def mark_of(entry: int, at_ms: int, decision: Mapping[str, Any]) -> Iterator[Mark]:
    """The signs of one logged decision (`{"type": …, "by": …, …}`)."""
    kind, by = str(decision.get("type")), str(decision.get("by", ""))
    data: Any = decision
    if kind == "transition":
        changed = decision["transition"]
        kind, data = str(changed["kind"]), {**changed["data"], "incident": changed["incident"]}
    elif kind == "draft":
        kind, data = "drafted", decision["notification"]
    elif kind.startswith("exercise_"):
        kind = kind.removeprefix("exercise_")
    elif kind in CHANGES:
        return  # the transition that follows from it says the same
    yield Mark(kind=kind, at_ms=at_ms, entry=entry, by=by, data=data)


CHANGES: Final = (
    *("aware_set", "late_reason_set", "severity_reasoned", "notice_decided", "notice_filed", "paged", "page_acknowledged"),
    *("note", "closed", "shut_by_hand"),
)


def first(marks: Iterable[Mark], kind: str, after_ms: int = 0) -> Mark | None:
    return min((m for m in marks if m.kind == kind and m.at_ms >= after_ms), key=lambda m: m.at_ms, default=None)
