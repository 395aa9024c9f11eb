"""The after-action report as what stands on the page: HTML, PDF and DOCX walk the same view, JSON keeps it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from checkvalve.exercises.measures import Measures
from checkvalve.exercises.scenario import Role, Scenario
from checkvalve.exercises.scoring import FOLLOW_UP_DAYS, Choice, Improvement, Result, Score
from checkvalve.exercises.signs import Mark
from checkvalve.regimes.deadline import from_ms, rfc3339

MARK: Final = "EXERCISE"
STAMP: Final = "EXERCISE. Nothing of this has happened. The people, the shop and the leak are made up."
TOLD: Final = {
    "opened": "The case is opened",
    "containment_started": "Containment begins",
    "run_started": "A person starts a playbook",
    "contained": "The way out is closed, and was tried",
    "containment_failed": "No step closed the way out",
    "paged": "A page goes out",
    "page_acknowledged": "A person acknowledges",
    "aware_set": "Awareness is stated",
    "severity_reasoned": "The reason for the severity is stated",
    "late_reason_set": "The reason for the delay is stated",
    "notice_decided": "It is decided whether a notice is given",
    "notice_filed": "A notice is filed (in this log alone)",
    "draft_ready": "A draft is ready",
    "closed": "The case is closed",
    "shut": "A person closes the way out by hand",
    "checkout_closed": "A person closes the checkout",
    "checkout_opened": "The checkout is open again",
    "frozen": "Frozen: a real case is open",
    "resumed": "Goes on",
    "paused": "The facilitator stops the clock",
    "continued": "The facilitator lets the clock go on",
    "jumped": "The facilitator goes on to a later inject",
    "left_out": "The facilitator leaves an inject out",
    "ended": "The facilitator ends the exercise",
}
TIMES: Final = (
    ("detect", "Time to detect", "first data shown to the opening of the case"),
    ("acknowledge", "Time to acknowledge", "first page to the first acknowledgement"),
    ("aware", "Time to decide awareness", "opening to the statement"),
    ("contain", "Time to contain", "opening to the way seen closed, or closed by hand"),
    ("draft", "Time to the first draft", "opening to the first draft"),
    ("notice", "Time to the notice", "opening to the first filing"),
)


def view(
    name: str, scenario: Scenario, score: Score, measures: Measures, marks: Sequence[Mark], meta: Mapping[str, Any]
) -> dict[str, Any]:
    """`meta`: players, seed, start_ms, end_ms, held_ms. JSON types alone."""
    start = int(meta["start_ms"])
    return {
        "mark": MARK,
        "stamp": STAMP,
        "name": name,
        "title": f"{MARK}: {scenario.title}",
        "document": f"{MARK} {name}: after-action report",
        "summary": scenario.summary,
        "meta": [
            f"{name}, scenario {scenario.id} ({scenario.form}), players {meta['players']}, seed {meta['seed']}",
            f"From {rfc3339(from_ms(start))} to {rfc3339(from_ms(int(meta['end_ms'])))}, by the exercise's clock; held on "
            f"{from_ms(int(meta['held_ms'])).date().isoformat()}",
        ],
        "score": {"percent": score.percent, "points": score.points, "of": score.of},
        "objectives": [_objective(score, o.id, o.text) for o in scenario.objectives],
        "times": [{"name": n, "value": span(getattr(measures, field)), "note": note} for field, n, note in TIMES],
        "counts": _counts(measures),
        "clocks": [
            {
                "name": f"{m.case}: {m.regime}, {m.clock}",
                "value": "no notice is due" if m.declined else ("" if m.filed else "not filed; ") + margin(m.left_ms),
                "good": m.declined or (m.filed and m.left_ms >= 0),
            }
            for m in measures.margins
        ],
        "fields": [{"name": f"{h} h", "value": None if p is None else f"{p} %"} for h, p in measures.fields.items()],
        "expectations": [_expectation(r) for r in score.results],
        "decisions": [_decision(c) for c in score.choices],
        "improvements": [_improvement(i) for i in score.improvements],
        "hot_wash": list(scenario.hot_wash),
        "timeline": list(_timeline(marks, start)),
        "origin": "Every figure is counted from the exercise's own log; numbers in brackets are its entries.",
    }


def _objective(score: Score, objective: str, text: str) -> dict[str, Any]:
    points, of = score.of_objective(objective)
    return {"text": text, "points": points, "of": of, "percent": round(100 * points / of) if of else None}


def _counts(m: Measures) -> list[dict[str, Any]]:
    return [
        {"name": "People whose data was shown", "value": str(m.people_exposed)},
        {"name": "People reached by pages", "value": f"{m.people_reached} ({m.pages} pages)"},
        {"name": "Orders placed", "value": str(m.orders_placed)},
        {"name": "Orders lost", "value": str(m.orders_lost)},
        {"name": "False containment", "value": str(m.false_containment)},
    ]


def _expectation(r: Result) -> dict[str, Any]:
    e = r.expectation
    return {
        "text": e.text,
        "role": role(e.role),
        "type": e.type,
        "status": r.status,
        "score": f"{r.scored} of {e.score}",
        "took": span(r.took_ms) if r.took_ms is not None else "",
        "within": e.within,
        "entry": "" if r.entry is None else f"[{r.entry}]",
    }


def _decision(c: Choice) -> dict[str, Any]:
    return {
        "asked": c.asked,
        "role": role(c.role),
        "chosen": c.text,
        "best": c.best,
        "took": span(c.took_ms) if c.took_ms is not None else "",
        "entry": "" if c.entry is None else f"[{c.entry}]",
    }


def _improvement(i: Improvement) -> dict[str, Any]:
    return {
        "id": i.id,
        "text": i.text,
        "why": i.why,
        "owner": role(i.owner),
        "due": from_ms(i.due_ms).date().isoformat(),
        "follow_up": f"looked at again after {' and '.join(map(str, FOLLOW_UP_DAYS))} days",
    }


def _timeline(marks: Iterable[Mark], start: int) -> Iterable[dict[str, str]]:
    for mark in marks:
        match mark.kind:
            case "inject":
                what, kind = f"{mark.data['sender']} ({mark.data['means']}): {mark.data['text']}", "inject"
            case "decided":
                what, kind = f"{role(mark.data['role'])}: {mark.data['text']}", "decision"
            case "unanswered":
                what, kind = f"{role(mark.data['role'])}: no answer in time", "decision"
            case "refused":
                what, kind = f"Refused: {mark.data['why']}", "system"
            case _ if mark.kind in TOLD:
                what, kind = TOLD[mark.kind], "system"
            case _:
                continue
        yield {"at": f"+{span(mark.at_ms - start)}", "what": what, "kind": kind, "entry": f"[{mark.entry}]"}


def role(name: str | Role) -> str:
    return "DPO" if name == "dpo" else name.replace("_", " ").replace("wordpress", "WordPress").replace("ai ", "AI ")


def span(ms: int | None) -> str:
    """As people say it; "never" for None."""
    if ms is None:
        return "never"
    seconds = round(ms / 1000)
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 4320 else f"{minutes // 1440} d {minutes % 1440 // 60} h"


def margin(left_ms: int) -> str:
    return f"{span(left_ms)} left" if left_ms >= 0 else f"{span(-left_ms)} late"
