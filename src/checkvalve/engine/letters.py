"""What became of letters to people whose data was shown (GDPR Art. 34): the shop looks up who they are and sends; core knows
neither name nor address, only how many were sent, to nobody, or came back. Asked for in `engine/writing_letters.py`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.engine.decisions import Decision
from checkvalve.engine.observe import Observed
from checkvalve.engine.orders import ONCE
from checkvalve.events.event import Event
from checkvalve.incidents.case import Incident
from checkvalve.store.schema import letters, orders

TYPE: Final = "letters_asked"
ACTION: Final = ONCE
WAITING: Final = "waiting"
STATES: Final = (WAITING, "sent", "bounced", "failed", "nobody", "withdrawn")
AGAIN: Final = ("failed", "withdrawn")  # to whom another try goes
ENDED: Final = {"released": "withdrawn", "expired": "withdrawn", "refused": "failed", "failed": "failed"}


def told(db: Connection, incident: Incident) -> dict[str, int]:
    """People with data shown, how many of them have a draft's letter in each state, and how many were not written to."""
    rows = db.execute(select(letters.c.state, func.count()).where(letters.c.incident == incident.id).group_by(letters.c.state))
    found = Counter({row.state: int(row[1]) for row in rows})
    return {"people": incident.subjects} | {state: found[state] for state in STATES}


def digest_asked(db: Connection, decision: Decision) -> None:
    for batch, refs in decision.data["batches"].items():
        for ref in refs:
            values = {
                "incident": decision.data["incident"],
                "ref": ref,
                "batch": batch,
                "state": WAITING,
                "at_ms": decision.at_ms,
            }
            db.execute(upsert(letters).values(**values).on_conflict_do_update(index_elements=["incident", "ref"], set_=values))


def digest_event(db: Connection, seen: Observed, parsed: Event) -> None:
    """A shop said what became of letters of its own."""
    said, outcome = parsed.own.get("letters"), parsed.own.get("outcome")
    if isinstance(said, dict):
        for state in ("sent", "failed", "nobody"):
            _now(db, seen, str(said.get("batch")), state, _refs(said.get(state)))
        _bounced(db, seen, _refs(said.get("bounced")))
    elif isinstance(outcome, dict) and (state := ENDED.get(str(outcome.get("status")), "")):
        _now(db, seen, str(outcome.get("jti")), state, None)


def _refs(given: Any) -> Sequence[str]:
    return [r for r in given if isinstance(r, str)] if isinstance(given, list) else []


def _now(db: Connection, seen: Observed, batch: str, state: str, refs: Sequence[str] | None) -> None:
    """Of these people of a batch, or of all: what waited is in this state."""
    if refs is not None and not refs:
        return
    of_site = select(orders.c.jti).where(orders.c.site == seen.site, orders.c.jti == batch)
    which = letters.c.batch.in_(of_site) & (letters.c.state == WAITING)
    which = which if refs is None else which & letters.c.ref.in_(refs)
    db.execute(update(letters).where(which).values(state=state, at_ms=seen.received_ms))


def _bounced(db: Connection, seen: Observed, refs: Sequence[str]) -> None:
    if refs:
        of_site = select(orders.c.jti).where(orders.c.site == seen.site, orders.c.action == ACTION)
        which = letters.c.batch.in_(of_site) & (letters.c.state == "sent") & letters.c.ref.in_(refs)
        db.execute(update(letters).where(which).values(state="bounced", at_ms=seen.received_ms))
