"""The live watch: real orders while a step is in force in the shop. Where they suffer it is taken back, or a person is asked.

A test checkout says that one can buy; only customers say that they do. Where sales fall, or payments fail, far beyond what
chance does, the newest order to the shop is taken back by itself as long as another one still keeps the way out closed.
The last one that does is a person's to lift: data would leave again.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from checkvalve.engine import cases, decisions, runs, trade, widths
from checkvalve.engine.decisions import Decision
from checkvalve.engine.hands import Decide
from checkvalve.incidents import case
from checkvalve.incidents.case import Incident
from checkvalve.incidents.trade import NO_HISTORY, Watch
from checkvalve.store.journal import Draft
from checkvalve.store.schema import commands, incidents, orders
from checkvalve.store.state import State

log = logging.getLogger("checkvalve.live_watch")

TYPE: Final = "trade_suffered"
LOOK_S: Final = 10.0
CLOSING: Final = (
    *("isolate_plugin", "block_route", "block_ajax", "block_wc_ajax", "block_shortcode", "block_block", "block_path"),
    *("patch_request", "withdraw_path", "stop_llm", "refuse", "cut", "redact", "quarantine", "route", "strip_context"),
)
DONE: Final = ("done", "already")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """The newest order to the shop that is in force, and since when nothing else has changed there."""

    jti: str
    command: str
    action: str
    args: dict[str, Any]
    since_ms: int


def suspect(db: Connection, incident: str, now_ms: int) -> Suspect | None:
    """None when no order of the case is in force in the shop."""
    mine = db.execute(select(orders).where(orders.c.incident == incident, orders.c.hand == "wordpress")).all()
    standing = [o for o in mine if o.action != "release" and _stands(db, o, now_ms)]
    newest = max(standing, key=lambda o: (o.issued_ms, o.jti), default=None)
    if newest is None:
        return None
    since_ms = max([newest.issued_ms, *(o.issued_ms for o in mine if o.action == "release")])
    return Suspect(jti=newest.jti, command=newest.command, action=newest.action, args=newest.args, since_ms=since_ms)


def _stands(db: Connection, order: Any, now_ms: int) -> bool:
    if order.released_by is not None or order.expires_ms <= now_ms:
        return False
    return order.reported in DONE or db.scalar(select(commands.c.status).where(commands.c.id == order.command)) == "done"


def report(db: Connection, incident: Incident, now_ms: int) -> dict[str, Any] | None:
    """What the shop's sales say of a case as JSON; None when nothing was ever ordered of the shop for it.

    `watch`: since the newest step that is in force, None when none is. `lost`, `delayed`: over the whole time of the
    measures; ranges, with why they are no better. Times in ms.
    """
    mine = (orders.c.incident == incident.id) & (orders.c.hand == "wordpress")
    given = db.execute(select(orders).where(mine, orders.c.action != "release")).all()
    if not given:
        return None
    ends = {o.jti: o.issued_ms for o in db.execute(select(orders).where(mine, orders.c.action == "release"))}
    since_ms = min(o.issued_ms for o in given)
    until_ms = min(now_ms, max(min(o.expires_ms, ends.get(o.released_by, o.expires_ms)) for o in given))
    newest = suspect(db, incident.id, now_ms)
    whole = trade.watch(db, incident.site, since_ms, until_ms)
    late, waiting = trade.delayed(db, incident.site, whole.since_ms, max(whole.since_ms, whole.until_ms))
    return {
        "step": None if newest is None else {"order": newest.jti, "action": newest.action, "args": newest.args},
        "watch": None if newest is None else as_json(trade.watch(db, incident.site, newest.since_ms, now_ms)),
        "lost": _lost(whole),
        "delayed": {"fewest": late, "most": late + waiting, "because": _DELAYED},
    }


_DELAYED: Final = (
    f"went through more than {trade.SETTLES_MS // trade.MINUTE_MS} minutes after they were placed;"
    " at most, with those that have not gone through yet and may never"
)


def _lost(whole: Watch) -> dict[str, Any]:
    span = {"since_ms": whole.since_ms, "until_ms": whole.until_ms, "orders": whole.tally.taken}
    if whole.missing is None or whole.usual is None:
        return {**span, "fewest": None, "most": None, "because": NO_HISTORY if whole.usual is None else whole.why}
    fewest, most = whole.missing
    kind = "weeks" if whole.usual.of == "week" else "days"
    because = (
        f"{whole.usual.low * whole.level:.1f} to {whole.usual.high * whole.level:.1f} orders are usual in this time (median and"
        f" spread of the same hours of {whole.usual.samples} {kind} before, by today's level before the first step),"
        f" {whole.tally.taken} went through; chance alone moves such a number, and a customer may buy later"
    )
    return {**span, "fewest": fewest, "most": most, "because": because}


def as_json(seen: Watch) -> dict[str, Any]:
    usual = (
        None if seen.usual is None else {n: round(v, 2) if isinstance(v, float) else v for n, v in asdict(seen.usual).items()}
    )
    return {
        "state": seen.state,
        "why": seen.why,
        "since_ms": seen.since_ms,
        "until_ms": seen.until_ms,
        **asdict(seen.tally),
        "usual": usual,
        "level": round(seen.level, 3),
    }


class LiveWatch:
    """Looks at every open case, again and again."""

    def __init__(self, state: State, decide: Decide, now_ms: Callable[[], int]) -> None:
        self._state, self._decide, self._now_ms = state, decide, now_ms

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                found = await asyncio.to_thread(self.look)
                if found:
                    await self._decide(found)
            except Exception:  # a look that fails must not end the watch
                log.exception("the live watch stumbled")

    def look(self) -> list[Draft]:
        """What has to be decided now, each order at most once."""
        now = self._now_ms()
        with self._state.read() as db:
            still = db.execute(select(incidents.c.id, incidents.c.site).where(incidents.c.open)).all()
            return [d for row in still if (d := self._suffers(db, row.id, row.site, now)) is not None]

    @staticmethod
    def _suffers(db: Connection, incident: str, site: str, now: int) -> Draft | None:
        newest = suspect(db, incident, now)
        if newest is None or runs.holds_checkout(db, incident) or newest.jti in widths.suffered(db, incident):
            return None
        seen = trade.watch(db, site, newest.since_ms, now)
        if not seen.suffers:
            return None
        return decisions.draft(TYPE, at_ms=now, incident=incident, order=newest.jti, watch=as_json(seen))


def digest(db: Connection, decision: Decision, entry: int) -> None:
    """The case says so, and the step is taken back unless it alone keeps the way out closed."""
    data = decision.data
    incident = cases.load(db, data["incident"])
    newest = suspect(db, data["incident"], decision.at_ms)
    if incident is None or incident.status == "closed" or newest is None or newest.jti != data["order"]:
        return
    if newest.jti in widths.suffered(db, incident.id):
        return
    back = not runs.holds_checkout(db, incident.id) and _others_close(db, incident.id, newest.jti, decision.at_ms)
    told = {"order": newest.jti, "action": newest.action, "args": newest.args, "why": data["watch"]["why"], "taken_back": back}
    cases.store(db, incident, case.change(incident, "trade_suffered", decision.at_ms, (entry,), told))
    if back:
        runs.take_back(db, newest.command, data["watch"]["why"], decision.at_ms)


def _others_close(db: Connection, incident: str, jti: str, now_ms: int) -> bool:
    query = select(orders).where(orders.c.incident == incident, orders.c.jti != jti, orders.c.action.in_(CLOSING))
    return any(_stands(db, o, now_ms) for o in db.execute(query).all())
