"""Pages people about cases until somebody acknowledges. An order to page is logged before it is sent, its outcome after.

A page says which case, why, and by when; no personal data, nothing that came from outside. Acknowledging needs the signed
link of the page and no log-in; opening the link does nothing, so that a mail scanner acknowledges nothing.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, select

from checkvalve.engine import cases, casework, decisions, paging_rota
from checkvalve.engine.errors import EngineError
from checkvalve.engine.paging_rota import Paging
from checkvalve.events import jws
from checkvalve.events.errors import EventError
from checkvalve.incidents.case import Incident
from checkvalve.incidents.escalation import Alarm, Page, Paged, alarms, due_pages
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.schema import incidents, transitions
from checkvalve.transports import pages

if TYPE_CHECKING:
    from checkvalve.engine.core import Core

log = logging.getLogger("checkvalve.paging")

ACK_TYP: Final = "checkvalve-ack+jws"
ACK_S: Final = 7 * 24 * 3600
LOOK_S: Final = 5.0
SEND_S: Final = 60.0
WATCH_MS: Final = 60 * 24 * 3_600_000  # longer than any limit of the shipped law that counts from awareness
REASONS: Final = {
    "leak": "People's data was shown to others. The response has started; a person is needed.",
    "containment_failed": "The way out could not be closed. A person must close it.",
    "reopened": "Data was shown again after the way out was thought closed.",
    "clock_margin": "A legal time limit is running out.",
    "clock_over": "A legal time limit has passed. File now, with the reasons for the delay.",
    "test": "This is a test. Nothing has happened.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What a signed link stands for. `case` is empty for a test."""

    case: str
    alarm: str
    contact: str


class Pager:
    def __init__(self, core: "Core") -> None:
        self._core = core

    async def run(self) -> None:
        """Look again and again; a rota that changed holds from the next look on."""
        while True:
            try:
                await self.look()
            except Exception:  # paging must outlive any one case
                log.exception("paging stumbled")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> int:
        """Send what is due now; how many pages went out."""
        paging = await asyncio.to_thread(paging_rota.load, self._core.settings)
        if paging is None:
            return 0
        due = await asyncio.to_thread(self._due, paging)
        for incident, page in due:
            await self._page(incident, page, paging)
        return len(due)

    def _due(self, paging: Paging) -> list[tuple[Incident, Page]]:
        now = self._core.now_ms()
        with self._core.state.read() as db:
            return [(i, p) for i in _watched(db, now) for p in _due(db, i, paging, now)]

    async def _page(self, incident: Incident, page: Page, paging: Paging) -> None:
        alarm: dict[str, Any] = {
            "alarm": page.alarm.id,
            "reason": page.alarm.reason,
            "rung": page.rung,
            "contacts": list(page.contacts),
        }
        ordered = decisions.draft("page_ordered", at_ms=self._core.now_ms(), incident=incident.id, **alarm)
        await self._core.decide([ordered])
        outcome = await self.send(incident.id, page.alarm, page.contacts, paging)
        done = decisions.draft("paged", at_ms=self._core.now_ms(), incident=incident.id, **alarm, **outcome)
        await self._core.decide([done])

    async def send(self, case: str, alarm: Alarm, contacts: tuple[str, ...], paging: Paging) -> dict[str, Any]:
        """{"reached": [...], "failed": [...]}, each a contact with the kind of channel."""
        found = await asyncio.gather(*(self._reach(case, alarm, c, paging) for c in contacts))
        told = [pair for pairs in found for pair in pairs]
        return {"reached": [c for c, ok in told if ok], "failed": [c for c, ok in told if not ok]}

    async def _reach(self, case: str, alarm: Alarm, contact: str, paging: Paging) -> list[tuple[str, bool]]:
        title, body = self._text(case, alarm, contact)
        urls = paging.urls[contact]
        try:
            taken = await asyncio.wait_for(asyncio.to_thread(self._core.surroundings.page, urls, title, body), SEND_S)
        except TimeoutError:
            taken = [False] * len(urls)
        return [(f"{contact} by {pages.scheme(url)}", ok) for url, ok in zip(urls, taken, strict=True)]

    def _text(self, case: str, alarm: Alarm, contact: str) -> tuple[str, str]:
        lines = [REASONS[alarm.reason]]
        if alarm.due_ms is not None:
            left = (alarm.due_ms - self._core.now_ms()) / 3_600_000
            lines.append(
                f"{alarm.clock}: {rfc3339(from_ms(alarm.due_ms))}, {abs(left):.1f} hours {'left' if left >= 0 else 'late'}"
            )
        public = self._core.settings.public_url
        lines.append(f"Acknowledge: {public}/ack/{acknowledge_token(self._core, case, alarm.id, contact)}")
        if case:
            lines.append(f"Case: {public}/incidents/{case}")
        return f"Checkvalve {case or 'test page'}", "\n".join(lines)


def acknowledge_token(core: "Core", case: str, alarm: str, contact: str) -> str:
    payload = {"case": case, "alarm": alarm, "contact": contact, "exp": core.now_ms() // 1000 + ACK_S}
    return jws.sign(payload, typ=ACK_TYP, kid="core", key=core.identity.core_key)


def read_token(core: "Core", token: str) -> Acknowledgement:
    """EngineError for a link that was not made here or is too old."""
    try:
        payload = jws.verify(token, typ=ACK_TYP, public_key=core.identity.core_public)
    except EventError as error:
        raise EngineError("forbidden", "this link was not made here, or it was cut short") from error
    if int(payload.get("exp", 0)) <= core.now_ms() // 1000:
        raise EngineError("stale", "this link is older than a week; log in to the console instead")
    return Acknowledgement(**{n: str(payload.get(n, "")) for n in ("case", "alarm", "contact")})


async def acknowledge(core: "Core", token: str) -> Acknowledgement:
    """Logged once; a second press of the same button changes nothing."""
    found = read_token(core, token)
    with core.state.read() as db:
        known = [t.data for t in _of(db, found.case, "page_acknowledged")]
    if any((k.get("alarm"), k.get("contact")) == (found.alarm, found.contact) for k in known):
        return found
    kind = "page_acknowledged" if found.case else "page_test_acknowledged"
    data = {"incident": found.case, "alarm": found.alarm, "contact": found.contact}
    await core.decide([decisions.draft(kind, at_ms=core.now_ms(), by=f"page:{found.contact}", **data)])
    return found


# --- what is due -----------------------------------------------------------------------------------------------------


def _watched(db: Connection, now_ms: int) -> list[Incident]:
    """Open cases, and closed ones as long as a limit may still run."""
    running = incidents.c.open | (incidents.c.opened_ms > now_ms - WATCH_MS)
    return [cases.incident_of(s) for s in db.scalars(select(incidents.c.state).where(running).order_by(incidents.c.id))]


def _of(db: Connection, case: str, kind: str) -> list[Any]:
    query = select(transitions).where(transitions.c.incident == case, transitions.c.kind == kind)
    return list(db.execute(query.order_by(transitions.c.position)))


def _due(db: Connection, incident: Incident, paging: Paging, now_ms: int) -> list[Page]:
    raised = alarms(incident, casework.running_clocks(db, incident, now_ms), now_ms)
    if not raised:
        return []
    paged = [
        Paged(alarm=t.data["alarm"], rung=t.data["rung"], at_ms=t.at_ms, reached=bool(t.data["reached"]))
        for t in _of(db, incident.id, "paged")
    ]
    acknowledged = [t.at_ms for t in _of(db, incident.id, "page_acknowledged")]
    return due_pages(raised, paged, acknowledged, paging.rota, now_ms)
