"""The same answer for two people: a passage made for one person that another one was given (GPTCache, pooled connections, …).

An answer that tells somebody their own data leaves keyed fingerprints. When that person's data is later shown to somebody else
in the same words, and did not stand in that request, the answer came out of a cache, whichever one it was.
"""

from typing import Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.detection.fingerprints import pack, same_passage, unpack
from checkvalve.engine import observe, sightings
from checkvalve.engine.exposures import Whole
from checkvalve.engine.observe import Observed
from checkvalve.incidents.sighting import SightingRecord
from checkvalve.store.schema import answers, findings

KEPT: Final = 10_000  # answers of all shops that are remembered, the newest
CLEARED_EVERY: Final = 256  # entries
COMPARED: Final = 50  # newest answers to the person


def remember(db: Connection, whole: Whole) -> None:
    """An answer that told its reader their own data."""
    like = whole.like
    if not whole.own:
        return
    values = {"inference": like.inference, "site": like.site, "recipient": like.recipient, "entry": like.entry}
    db.execute(upsert(answers).values(**values, prints=pack(whole.own)).on_conflict_do_nothing())
    if like.entry % CLEARED_EVERY == 0:
        oldest = select(answers.c.entry).order_by(answers.c.entry.desc()).offset(KEPT).limit(1).scalar_subquery()
        db.execute(delete(answers).where(answers.c.entry <= oldest))


def found(db: Connection, seen: Observed, whole: Whole) -> list[SightingRecord]:
    """The earlier exchanges whose answers this one repeats to somebody else, as far as that is new."""
    like, fresh = whole.like, []
    for subject, prints in whole.others.items():
        if subject in whole.prompted:  # the model was given it just now
            continue
        mine = (answers.c.site == like.site) & (answers.c.recipient == subject) & (answers.c.inference != like.inference)
        earlier = db.execute(select(answers).where(mine).order_by(answers.c.entry.desc()).limit(COMPARED)).all()
        same = next((a for a in earlier if same_passage(unpack(a.prints), prints)), None)
        if same is None:
            continue
        text = f"cache mix-up: an answer made for {subject} was given to {like.recipient}; earlier exchange {same.inference}"
        data = {"earlier": same.inference, "earlier_entry": same.entry, "inference": like.inference}
        row = observe.finding_row(seen, "cache-mix-up", "critical", text, data)
        db.execute(upsert(findings).values(**row).on_conflict_do_nothing())
        record = sightings.record(like, "cache", same.inference)
        if sightings.insert(db, record):
            fresh.append(record)
    return fresh
