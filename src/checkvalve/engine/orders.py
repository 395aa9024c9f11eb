"""Orders to the shop and the gateway: issued as decisions, in force until they expire or are released."""

import hashlib
import secrets
from typing import Any

from sqlalchemy import Connection, insert, select, update

from checkvalve.engine.decisions import Decision
from checkvalve.engine.identity import Identity
from checkvalve.events import jws
from checkvalve.store.schema import orders
from checkvalve.store.state import State

ORDER_TYP = "checkvalve-order+jws"
ONCE = "write_letters"  # done when it is reported: it is not shown to the shop again and again


def jti_of(command: str) -> str:
    """The order id of a command: the same however often it is tried, so that nothing is done twice."""
    return "ord-" + hashlib.sha256(command.encode()).hexdigest()[:20]


class OrderBook:
    def __init__(self, state: State, identity: Identity) -> None:
        self._state, self._identity = state, identity

    def make(
        self,
        *,
        command: str,
        incident: str,
        site: str,
        hand: str,
        action: str,
        args: dict[str, Any],
        ttl_s: int,
        now_ms: int,
    ) -> dict[str, Any]:
        """The data of an `order_issued` decision: payload and signed form (docs/spec/wire.md, section 9)."""
        now = now_ms // 1000
        payload = {
            "jti": jti_of(command),
            "iss": "core",
            "aud": site,
            "iat": now,
            "exp": now + ttl_s,
            "nonce": secrets.token_urlsafe(12),
            "hand": hand,
            "action": action,
            "args": args,
            "incident": incident,
        }
        signed = jws.sign(payload, typ=ORDER_TYP, kid="core", key=self._identity.core_key)
        return {"order": payload, "jws": signed, "command": command}

    def in_force(self, site: str | None, hand: str, now_ms: int) -> list[str]:
        """Signed orders that hold now, oldest first; a released order is represented by its release."""
        query = (
            select(orders.c.jws)
            .where(orders.c.hand == hand, orders.c.expires_ms > now_ms, orders.c.released_by.is_(None))
            .where((orders.c.action != ONCE) | orders.c.reported.is_(None) | (orders.c.reported == "failed"))
            .order_by(orders.c.issued_ms, orders.c.jti)
        )
        if site is not None:
            query = query.where(orders.c.site == site)
        with self._state.read() as db:
            return list(db.scalars(query))

    def get(self, jti: str) -> Any:
        with self._state.read() as db:
            return db.execute(select(orders).where(orders.c.jti == jti)).first()


def digest_issued(db: Connection, decision: Decision) -> None:
    """Reduce an `order_issued` decision. A second one for the same command changes nothing."""
    order = decision.data["order"]
    if db.execute(select(orders.c.jti).where(orders.c.jti == order["jti"])).first():
        return
    db.execute(
        insert(orders).values(
            jti=order["jti"],
            site=order["aud"],
            hand=order["hand"],
            action=order["action"],
            args=order["args"],
            jws=decision.data["jws"],
            issued_ms=decision.at_ms,
            expires_ms=order["exp"] * 1000,
            incident=order["incident"],
            command=decision.data["command"],
        )
    )
    if order["action"] == "release":
        db.execute(update(orders).where(orders.c.jti == order["args"]["jti"]).values(released_by=order["jti"]))


def digest_reported(db: Connection, own: dict[str, Any], hand: str, site: str | None, at_ms: int) -> None:
    """A hand said what came of an order of its own. The first word stands, unless it was a failure."""
    outcome = own.get("outcome")
    if not isinstance(outcome, dict) or not isinstance(outcome.get("jti"), str):
        return
    its_own = (orders.c.jti == outcome["jti"]) & (orders.c.hand == hand)
    if site is not None:
        its_own &= orders.c.site == site
    db.execute(
        update(orders)
        .where(its_own, orders.c.reported.is_(None) | (orders.c.reported == "failed"))
        .values(reported=str(outcome.get("status", ""))[:40], reported_ms=at_ms)
    )
