"""Legal hold (GDPR Art. 17(3)(e), 18(2)): while one stands, nothing it covers is erased, neither on request nor by age.

Setting one takes one person with the role, lifting it two different ones. All of it are decisions in the log.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.engine import decisions
from checkvalve.engine.decisions import Decision
from checkvalve.engine.errors import EngineError
from checkvalve.store.journal import Draft
from checkvalve.store.schema import holds

MAY_HOLD: Final = ("dpo", "controller")
TYPES: Final = ("hold_set", "hold_lift_asked", "hold_lifted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """`subject` None covers everybody. Lifted once two people said so."""

    id: str
    subject: str | None
    reason: str
    set_by: str
    set_ms: int
    lift_asked_by: str | None
    lifted_by: str | None
    lifted_ms: int | None


def digest(db: Connection, decision: Decision, entry: int) -> None:
    """A decision of TYPES into the table. A lift by the one who asked for it changes nothing."""
    data = decision.data
    if decision.type == "hold_set":
        values: dict[str, Any] = {"subject": data.get("subject"), "reason": str(data.get("reason", ""))[:500]}
        values |= {"id": f"hold-{entry}", "set_by": decision.by, "set_ms": decision.at_ms}
        db.execute(upsert(holds).values(**values).on_conflict_do_nothing())
        return
    named = (holds.c.id == data.get("hold")) & holds.c.lifted_ms.is_(None)
    if decision.type == "hold_lift_asked":
        db.execute(update(holds).where(named, holds.c.lift_asked_by.is_(None)).values(lift_asked_by=decision.by))
    elif decision.type == "hold_lifted":
        second = holds.c.lift_asked_by.is_not(None) & (holds.c.lift_asked_by != decision.by)
        db.execute(update(holds).where(named, second).values(lifted_by=decision.by, lifted_ms=decision.at_ms))


def every(db: Connection) -> list[Hold]:
    rows = db.execute(select(holds).order_by(holds.c.set_ms, holds.c.id))
    return [Hold(**row._mapping) for row in rows]


def standing(db: Connection, subject: str | None = None) -> list[Hold]:
    """Holds that cover a person, or (None) any hold at all."""
    found = [h for h in every(db) if h.lifted_ms is None]
    return found if subject is None else [h for h in found if h.subject in (None, subject)]


def refuse(db: Connection, subject: str | None) -> None:
    """EngineError when something may not be erased now: of a person, or (None) of anybody."""
    if found := standing(db, subject):
        names = ", ".join(h.id for h in found)
        raise EngineError("on_hold", f"{names} stands: nothing is erased until it is lifted (`checkvalve evidence hold list`)")


def setting(by: str, at_ms: int, reason: str, subject: str | None) -> Draft:
    if not reason.strip():
        raise EngineError("no_reason", "say why: a hold keeps what the law would otherwise have erased")
    if not (reason + (subject or "")).isprintable():
        raise EngineError("bad_value", "reason and subject are text in one line")
    return decisions.draft("hold_set", at_ms=at_ms, by=by, reason=reason.strip(), subject=subject)


def lifting(db: Connection, by: str, at_ms: int, hold: str, reason: str) -> Draft:
    """The first person's wish or the second one's consent. EngineError when there is no such hold, or the same asks twice."""
    if not reason.isprintable():
        raise EngineError("bad_value", "a reason is text in one line")
    known = {h.id: h for h in standing(db)}
    if hold not in known:
        raise EngineError("not_found", f"no hold {hold} stands; see `checkvalve evidence hold list`")
    asked = known[hold].lift_asked_by
    if asked == by:
        raise EngineError("second_person", "you asked for it; another person with the role has to agree")
    kind = "hold_lifted" if asked else "hold_lift_asked"
    return decisions.draft(kind, at_ms=at_ms, by=by, hold=hold, reason=reason.strip())
