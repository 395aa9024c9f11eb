"""Recurring reviews: what is due, and that somebody did it. What there is to review is content/readiness/reviews.yaml.

A test page that reached everybody counts as its review by itself.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
import yaml
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.engine import decisions
from checkvalve.engine.decisions import Decision
from checkvalve.engine.errors import EngineError
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.journal import Draft
from checkvalve.store.schema import reviews

TYPES: Final = ("review_done", "page_tested")
DAY_MS: Final = 86_400_000
MAX_NOTES: Final = 500


class Review(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`owner` is a role of the console."""

    id: str
    title: str
    owner: str
    every_days: int
    checklist: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A review and when it was last done. `due_ms` is 0 when it never was."""

    review: Review
    done_ms: int | None
    by: str
    good: bool
    notes: str

    @property
    def due_ms(self) -> int:
        return 0 if self.done_ms is None else self.done_ms + self.review.every_days * DAY_MS

    def as_json(self, now_ms: int) -> dict[str, Any]:
        done = None if self.done_ms is None else rfc3339(from_ms(self.done_ms))
        return {
            "id": self.review.id,
            "title": self.review.title,
            "owner": self.review.owner,
            "every_days": self.review.every_days,
            "checklist": list(self.review.checklist),
            "done": done,
            "by": self.by,
            "good": self.good,
            "notes": self.notes,
            "due": rfc3339(from_ms(self.due_ms)) if self.done_ms is not None else None,
            "overdue": self.due_ms <= now_ms,
        }


@cache
def known() -> dict[str, Review]:
    text = (files("checkvalve.content.readiness") / "reviews.yaml").read_text("utf-8")
    return {r.id: r for r in msgspec.convert(yaml.safe_load(text)["reviews"], list[Review])}


def digest(db: Connection, decision: Decision, entry: int) -> None:
    """A decision of TYPES into the table; the newest counts."""
    data = decision.data
    if decision.type == "page_tested":
        review, notes = "page-test", ""
        good = bool(data.get("reached")) and not data.get("failed")
    else:
        review, good, notes = data["review"], data["good"], data["notes"]
    row = {"review": review, "entry": entry, "done_ms": decision.at_ms, "by": decision.by, "good": good, "notes": notes}
    db.execute(upsert(reviews).values(**row).on_conflict_do_update(index_elements=["review"], set_=row))


def standings(db: Connection) -> list[Standing]:
    """Every review, the one longest due first."""
    rows = {r.review: r for r in db.execute(select(reviews))}
    found = []
    for review in known().values():
        row = rows.get(review.id)
        last = (row.done_ms, row.by, row.good, row.notes) if row else (None, "", False, "")
        found.append(Standing(review=review, done_ms=last[0], by=last[1], good=last[2], notes=last[3]))
    return sorted(found, key=lambda s: s.due_ms)


def doing(at_ms: int, by: str, review: str, good: bool, notes: str) -> Draft:
    """That a review was done. EngineError for one that nobody knows."""
    if review not in known():
        raise EngineError("not_found", f"there is no review {review[:60]!r}; known: {', '.join(known())}")
    if not notes.isprintable() or len(notes) > MAX_NOTES:
        raise EngineError("bad_value", f"notes are text in one line of at most {MAX_NOTES} characters")
    if not good and not notes.strip():
        raise EngineError("no_notes", "say what is to be mended, with --problem TEXT")
    return decisions.draft("review_done", at_ms=at_ms, by=by, review=review, good=good, notes=notes.strip())
