"""The register of breaches of GDPR Art. 33(5): every case with its facts, effects and remedial action, notified or not."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from checkvalve.incidents.case import Incident
from checkvalve.incidents.facts import BreachFacts
from checkvalve.regimes.deadline import from_ms, rfc3339

FACTS: Final = (
    "controller",
    "nature",
    "occurred_from",
    "occurred_to",
    "detected_at",
    "aware_at",
    "contained_at",
    "subject_categories",
    "subject_count",
    "record_categories",
    "record_count",
    "ai_system_id",
    "ai_recipients",
    "ai_log_window",
    "consequences",
    "severity_confirmed",
    "severity_worst_case",
    "severity_reason",
    "measures_taken",
    "measures_proposed",
    "late_reason",
)
# What a spreadsheet would run as a formula.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`facts`: fact -> (value, status). `decision`: the last word of each regime, or that there is none."""

    case: str
    title: str
    status: str
    opened_utc: str
    facts: Mapping[str, tuple[str | list[str] | None, str]]
    decision: tuple[str, ...]
    filings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "title": self.title,
            "status": self.status,
            "opened_utc": self.opened_utc,
            "facts": {name: {"value": value, "status": status} for name, (value, status) in self.facts.items()},
            "decision": list(self.decision),
            "filings": list(self.filings),
        }


def entry(incident: Incident, facts: BreachFacts) -> Entry:
    chosen = {c.regime: c for c in incident.choices}
    decided = tuple(
        f"{c.regime}: {'notice' if c.notify else 'no notice'}, {c.reason} ({c.by.removeprefix('user:')}, {_t(c.at_ms)})"
        for c in chosen.values()
    )
    filed = tuple(
        f"{f.regime} {f.clock} version {f.version}, {'withdrawn' if f.withdrawn else 'filed'} {_t(f.at_ms)}: {f.reference}"
        for f in incident.filings
    )
    return Entry(
        case=incident.id,
        title=incident.title,
        status=incident.status,
        opened_utc=_t(incident.opened_ms),
        facts={name: (fact.value, fact.status) for name in FACTS if (fact := facts.get(name))},
        decision=decided or ("no decision yet",),
        filings=filed,
    )


def as_csv(entries: Iterable[Entry]) -> str:
    """One line a case. What a spreadsheet would take for a formula is made text."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["case", "title", "status", "opened_utc", *FACTS, "decision", "filings"])
    for e in entries:
        facts = [_cell(*e.facts.get(name, (None, "missing"))) for name in FACTS]
        row = [e.case, e.title, e.status, e.opened_utc, *facts, "; ".join(e.decision), "; ".join(e.filings)]
        table.writerow([f"'{text}" if text.startswith(FORMULA) else text for text in row])
    return out.getvalue()


def _cell(value: str | list[str] | None, status: str) -> str:
    if value is None:
        return "missing"
    text = value if isinstance(value, str) else "; ".join(value)
    return f"{text} (to be confirmed)" if status == "assumed" else text


def _t(ms: int) -> str:
    return rfc3339(from_ms(ms))
