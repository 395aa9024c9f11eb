"""Puts the register of GDPR Art. 33(5) together from every case, open or closed."""

from sqlalchemy import Connection, select

from checkvalve.engine import cases, casework
from checkvalve.incidents.wording import wording
from checkvalve.notifications.register import Entry, entry
from checkvalve.store.schema import incidents


def entries(db: Connection, lang: str = "en") -> list[Entry]:
    """In the order in which the cases were opened."""
    states = db.scalars(select(incidents.c.state).order_by(incidents.c.opened_ms, incidents.c.id)).all()
    words = wording(lang)
    return [entry(i, casework.known_facts(db, i, words)[0]) for i in map(cases.incident_of, states)]
