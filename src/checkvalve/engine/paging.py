"""Pages people about cases until somebody acknowledges. An order to page is logged before it is sent, its outcome after.

A page says which case, why, and by when; no personal data, nothing that came from outside. Acknowledging needs the signed
link of the page and no log-in; opening the link does nothing, so that a mail scanner acknowledges nothing.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, select

from checkvalve.engine import cases, casework, decisions, paging_rota, reviews, runs
from checkvalve.engine.errors import EngineError
from checkvalve.engine.paging_rota import Paging
from checkvalve.events import jws
from checkvalve.events.errors import EventError
from checkvalve.incidents.case import Incident
from checkvalve.incidents.escalation import MINUTE_MS, Alarm, Asked, Page, Paged, alarms, due_pages, page_test_due
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.schema import commands, incidents, transitions
from checkvalve.transports import heartbeat, pages

if TYPE_CHECKING:
    from checkvalve.engine.core import Core

log = logging.getLogger("checkvalve.paging")

ACK_TYP: Final = "checkvalve-ack+jws"
ACK_S: Final = 7 * 24 * 3600
LOOK_S: Final = 5.0
SEND_S: Final = 60.0
STANDSTILL_MS: Final = 180_000  # a look sends pages and may wait for channels
WATCH_MS: Final = 60 * 24 * 3_600_000  # longer than any limit of the shipped law that counts from awareness
REASONS: Final = {
    "leak": "People's data was shown to others. The response has started; a person is needed.",
    "containment_failed": "The way out could not be closed. A person must close it.",
    "trade_suffered": "Customers buy less than usual since a step was taken. A person must decide whether it stays.",
    "reopened": "Data was shown again after the way out was thought closed.",
    "clock_margin": "A legal time limit is running out.",
    "clock_over": "A legal time limit has passed. File now, with the reasons for the delay.",
    "approval": "A step of the response waits for a person's word.",
    "answered": "The step that waited for a word was answered.",
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
        self.looked_ms = core.now_ms()
        self._beaten_ms = 0

    @property
    def alive(self) -> bool:
        """Whether the last look is not long ago: what a monitor outside asks (`/health`)."""
        return self._core.now_ms() - self.looked_ms < STANDSTILL_MS

    async def _prove(self, paging: Paging) -> None:
        """The dead man's switch: a watch outside is told that paging lives, and pages people when it is not. And a test page
        once a month, which shows that people are still reached."""
        now = self._core.now_ms()
        if paging.heartbeat and now - self._beaten_ms >= paging.heartbeat_minutes * MINUTE_MS:
            self._beaten_ms = now
            if not await asyncio.to_thread(heartbeat.beat, paging.heartbeat):
                log.warning("the watch outside did not take the heartbeat")
        if paging.monthly_test and await asyncio.to_thread(self._test_due, now):
            from checkvalve.engine import paging_drill

            await paging_drill.tested(self._core, paging_drill.Testing(by="core"))

    def _test_due(self, now_ms: int) -> bool:
        with self._core.state.read() as db:
            last = next((s.done_ms for s in reviews.standings(db) if s.review.id == "page-test"), None)
        return page_test_due(last, now_ms)

    async def run(self) -> None:
        """Look again and again; a rota that changed holds from the next look on."""
        while True:
            try:
                await self.look()
                self.looked_ms = self._core.now_ms()
            except Exception:  # paging must outlive any one case
                log.exception("paging stumbled")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> int:
        """Send what is due now; how many pages went out."""
        paging = await asyncio.to_thread(paging_rota.load, self._core.settings)
        if paging is None:
            return 0
        await self._prove(paging)
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
        if alarm.role:
            lines.append(f"Who may answer: {alarm.role.replace('_', ' ')}.")
        if alarm.outcome:
            lines.append(f"What came of it: {alarm.outcome}.")
        if alarm.due_ms is not None:
            left = (alarm.due_ms - self._core.now_ms()) / 3_600_000
            what, side = alarm.clock or "time to answer", "left" if left >= 0 else "late"
            lines.append(f"{what}: {rfc3339(from_ms(alarm.due_ms))}, {abs(left):.1f} hours {side}")
        public = self._core.settings.public_url
        if not alarm.told:
            lines.append(f"Acknowledge: {public}/ack/{acknowledge_token(self._core, case, alarm.id, contact)}")
        if case and alarm.command:
            lines.append(f"Step: {public}/incidents/{case}/approvals/{alarm.command}")
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
    raised = alarms(incident, casework.running_clocks(db, incident, now_ms), now_ms, _asked(db, incident))
    if not raised:
        return []
    paged = [
        Paged(
            alarm=t.data["alarm"],
            rung=t.data["rung"],
            at_ms=t.at_ms,
            reached=bool(t.data["reached"]),
            contacts=tuple(t.data.get("contacts", ())),
        )
        for t in _of(db, incident.id, "paged")
    ]
    acknowledged = [t.at_ms for t in _of(db, incident.id, "page_acknowledged")]
    return due_pages(raised, paged, acknowledged, paging.rota, now_ms)


def _asked(db: Connection, incident: Incident) -> list[Asked]:
    """The steps of the case that wait for a word, and those that did."""
    rows = db.execute(select(commands).where(commands.c.incident == incident.id).order_by(commands.c.position)).all()
    found = []
    for row in (r for r in rows if r.kind == "approval"):
        later = [r for r in rows if r.run == row.run and r.created_ms >= (row.ended_ms or 0) and r.position > row.position]
        done = [r for r in later if r.kind == "order"][:1]
        found.append(
            Asked(
                command=row.id,
                role=str(row.data.get("role") or ""),
                raised_ms=row.created_ms,
                until_ms=runs.deadline_ms(row) or row.created_ms,
                outcome=None if row.ended_ms is None else _came_of_it(row, done),
                settled=not done or done[0].ended_ms is not None,
            )
        )
    return found


def _came_of_it(approval: Any, done: list[Any]) -> str:
    """Without the reason and the name that a person typed: a page holds nothing of that."""
    said = {"done": "approved", "refused": "rejected"}.get(
        str((approval.outcome or {}).get("status")), "nobody answered in time"
    )
    return f"{said}; the step is {done[0].status}" if done and said == "approved" else said
