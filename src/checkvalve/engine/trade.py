"""What a shop sells, from its own events: kept in the digesting transaction, read back as counts.

One row an order, so an event that comes twice counts once. Test orders of the probe are left out, and so is what other
programs' logs tell. Times are the shop's, and never later than core heard of them.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.engine.observe import Observed
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event
from checkvalve.incidents import trade
from checkvalve.incidents.trade import HOUR_MS, Tally, Watch
from checkvalve.store.schema import checkout_answers, events, sensor_health, shop_orders

KEPT_MS: Final = (trade.WEEKS * 7 + 7) * 24 * HOUR_MS
MINUTE_MS: Final = 60_000
LEVEL_MS: Final = 3 * HOUR_MS  # before a step: how today compares
MAX_WATCHED_MS: Final = 24 * HOUR_MS  # of one case at once; later a new span begins
SETTLES_MS: Final = 10 * MINUTE_MS  # an order that goes through later than this was delayed
OPEN: Final = ("", "new", "auto-draft", "checkout-draft", "pending", "failed")  # statuses before an order has gone through
TAKEN: Final = ("processing", "on-hold", "completed")
PLACING: Final = ("POST /wc/store/v1/checkout", "POST /wc/store/checkout", "POST wc-ajax:checkout")
SERVER_ERROR: Final = 500


@dataclass(slots=True)
class Ledger:
    """What some entries tell of sales, gathered and written together."""

    _placed: list[dict[str, Any]] = field(default_factory=list)
    _taken: list[dict[str, Any]] = field(default_factory=list)
    _failed: list[dict[str, Any]] = field(default_factory=list)
    _answers: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def note(self, seen: Observed) -> None:
        """An event of a shop's own sensor."""
        parsed = seen.event
        if not isinstance(parsed, Event) or seen.site is None or parsed.own.get("probe") is True:
            return
        at_ms = min(parsed.time, seen.received_ms)
        if parsed.class_uid == ocsf.WEB_RESOURCES:
            self._order(seen.site, at_ms, parsed)
        elif parsed.class_uid == ocsf.API_ACTIVITY:
            self._answer(seen.site, at_ms, parsed.body)

    def _order(self, site: str, at_ms: int, parsed: Event) -> None:
        order, resources = parsed.own.get("order"), parsed.body.get("web_resources")
        number = (
            resources[0].get("uid") if isinstance(resources, list) and resources and isinstance(resources[0], dict) else None
        )
        if not isinstance(order, dict) or order.get("probe") is True or not isinstance(number, str) or not number:
            return
        row = {"of": site, "order": number[:80], "at_ms": at_ms}
        if parsed.activity_id == 1:
            self._placed.append({"site": site, "number": number[:80], "placed_ms": at_ms})
        elif order.get("to") in TAKEN and order.get("from") in OPEN:
            self._taken.append(row)
        elif order.get("to") == "failed":
            self._failed.append(row)

    def _answer(self, site: str, at_ms: int, body: dict[str, Any]) -> None:
        api, answer = body.get("api"), body.get("http_response")
        if not isinstance(api, dict) or not isinstance(answer, dict) or api.get("operation") not in PLACING:
            return
        code = answer.get("code")
        key = (site, at_ms // MINUTE_MS)
        answers, broken = self._answers.get(key, (0, 0))
        self._answers[key] = (answers + 1, broken + (isinstance(code, int) and code >= SERVER_ERROR))

    def store(self, db: Connection) -> None:
        if self._placed:
            db.execute(upsert(shop_orders).on_conflict_do_nothing(), self._placed)
        mine = (shop_orders.c.site == bindparam("of")) & (shop_orders.c.number == bindparam("order"))
        if self._taken:
            first = update(shop_orders).where(mine, shop_orders.c.taken_ms.is_(None))
            db.execute(first.values(taken_ms=bindparam("at_ms")), self._taken)
        if self._failed:
            db.execute(update(shop_orders).where(mine).values(failed_ms=bindparam("at_ms")), self._failed)
        if self._answers:
            put = upsert(checkout_answers)
            more = {name: checkout_answers.c[name] + put.excluded[name] for name in ("answers", "broken")}
            rows = [{"site": s, "minute": m, "answers": a, "broken": b} for (s, m), (a, b) in self._answers.items()]
            db.execute(put.on_conflict_do_update(index_elements=["site", "minute"], set_=more), rows)
        for site in {row["site"] for row in self._placed}:
            _forget(db, site)


def _forget(db: Connection, site: str) -> None:
    """What is older than is ever looked back on, by the newest order: the same rows whenever the log is replayed."""
    newest = db.scalar(select(func.max(shop_orders.c.placed_ms)).where(shop_orders.c.site == site)) or 0
    db.execute(delete(shop_orders).where(shop_orders.c.site == site, shop_orders.c.placed_ms < newest - KEPT_MS))
    old = checkout_answers.c.minute < (newest - KEPT_MS) // MINUTE_MS
    db.execute(delete(checkout_answers).where(checkout_answers.c.site == site, old))


def watch(db: Connection, site: str, since_ms: int, now_ms: int) -> Watch:
    """The shop's sales from a time on, as far as it has told of them."""
    until_ms = min(now_ms, told_until(db, site), since_ms + MAX_WATCHED_MS)
    hours, first_hour = _hours(db, site, since_ms)
    due = trade.usual(hours, first_hour, since_ms, until_ms) if until_ms > since_ms else None
    before_ms = since_ms - LEVEL_MS
    lately = trade.usual(hours, first_hour, before_ms, since_ms)
    today = trade.level(_taken(db, site, before_ms, since_ms), lately.expected) if lately else 1.0
    past = tally(db, site, since_ms - KEPT_MS, since_ms)
    return trade.judge(tally(db, site, since_ms, until_ms), past, due, today, since_ms, until_ms)


def told_until(db: Connection, site: str) -> int:
    """Until when the shop has told everything: what waits in it would be missing from every count."""
    sensor = f"wp.{site}"
    newest = select(events.c.time_ms).where(events.c.sensor == sensor).order_by(events.c.seq.desc()).limit(1)
    health = db.execute(select(sensor_health).where(sensor_health.c.sensor == sensor)).first()
    empty_ms = health.at_ms if health is not None and health.depth == 0 else 0
    return max(db.scalar(newest) or 0, empty_ms)


def tally(db: Connection, site: str, since_ms: int, until_ms: int) -> Tally:
    failed = select(func.count()).where(
        shop_orders.c.site == site, shop_orders.c.failed_ms >= since_ms, shop_orders.c.failed_ms < until_ms
    )
    minutes = checkout_answers.c.minute.between(since_ms // MINUTE_MS, max(since_ms, until_ms - 1) // MINUTE_MS)
    sums = select(func.sum(checkout_answers.c.answers), func.sum(checkout_answers.c.broken))
    answers, broken = db.execute(sums.where(checkout_answers.c.site == site, minutes)).one()
    return Tally(
        taken=_taken(db, site, since_ms, until_ms),
        failed=db.scalar(failed) or 0,
        answers=int(answers or 0),
        broken=int(broken or 0),
    )


def delayed(db: Connection, site: str, since_ms: int, until_ms: int) -> tuple[int, int]:
    """Orders placed in the span that went through late, and those that had not by its end though they had the time."""
    mine = (shop_orders.c.site == site) & (shop_orders.c.placed_ms >= since_ms) & (shop_orders.c.placed_ms < until_ms)
    late = select(func.count()).where(mine, shop_orders.c.taken_ms > shop_orders.c.placed_ms + SETTLES_MS)
    waiting = select(func.count()).where(
        mine,
        shop_orders.c.taken_ms.is_(None),
        shop_orders.c.failed_ms.is_(None),
        shop_orders.c.placed_ms < until_ms - SETTLES_MS,
    )
    return db.scalar(late) or 0, db.scalar(waiting) or 0


def _taken(db: Connection, site: str, since_ms: int, until_ms: int) -> int:
    span = (shop_orders.c.taken_ms >= since_ms) & (shop_orders.c.taken_ms < until_ms)
    return db.scalar(select(func.count()).where(shop_orders.c.site == site, span)) or 0


def _hours(db: Connection, site: str, until_ms: int) -> tuple[dict[int, int], int]:
    """Orders by the hour they went through, and the first hour that was watched whole."""
    first = db.scalar(select(func.min(shop_orders.c.placed_ms)).where(shop_orders.c.site == site))
    if first is None:
        return {}, until_ms // HOUR_MS
    hour = (shop_orders.c.taken_ms // HOUR_MS).label("hour")
    span = (shop_orders.c.taken_ms >= until_ms - KEPT_MS) & (shop_orders.c.taken_ms < until_ms)
    rows = db.execute(select(hour, func.count().label("orders")).where(shop_orders.c.site == site, span).group_by(hour))
    return {int(r.hour): r.orders for r in rows}, first // HOUR_MS + 1
