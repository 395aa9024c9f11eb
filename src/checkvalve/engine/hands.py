"""Carrying out commands of a run: the only place where the engine touches shop and gateway."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
from sqlalchemy import select

from checkvalve.actuators.checkout import CheckoutProbe, CheckoutReport
from checkvalve.actuators.http import ShopError
from checkvalve.actuators.verify import route_is_closed
from checkvalve.actuators.wordpress import Shop, WordPressHand
from checkvalve.engine import decisions
from checkvalve.engine.changed import Changed
from checkvalve.engine.identity import Identity
from checkvalve.engine.orders import OrderBook, jti_of
from checkvalve.events import jws
from checkvalve.playbooks.types import Outcome
from checkvalve.store.journal import Draft, Journal
from checkvalve.store.schema import commands, incidents, sensors, sites
from checkvalve.store.state import State

GATEWAY_SECONDS = 15.0
WEBSERVER_SECONDS = 45.0  # it asks every few seconds, tests, reloads and looks
PROBE_TYP = "checkvalve-probe+jws"
PROBE_PASS_S = 120

Decide = Callable[[list[Draft]], Awaitable[list[int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Not done, worth trying again until the order expires."""

    why: str
    until_ms: int


class Hands:
    def __init__(
        self,
        state: State,
        journal: Journal,
        orders: OrderBook,
        identity: Identity,
        changed: Changed,
        decide: Decide,
        now_ms: Callable[[], int],
    ) -> None:
        self._state, self._journal, self._orders, self._identity = state, journal, orders, identity
        self._changed, self._decide, self._now_ms = changed, decide, now_ms
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self.wordpress = WordPressHand(
            self._session, self._identity.core_key, lambda: self._now_ms() // 1000, lambda: secrets.token_urlsafe(16)
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Hands.start() comes first")
        return self._session

    async def carry_out(self, command: Any) -> Outcome | Again:
        """Do it, or say why not. Doing it twice is the same as once."""
        match command.kind:
            case "checkpoint":
                return self._checkpoint(command)
            case "probe":
                return await self._probe(command)
            case "verify_closed":
                closed, seen = await route_is_closed(self.session, self._shop(command), command.data["route"])
                return _outcome(command, "done" if closed else "failed", seen, {"closed": "yes" if closed else "no"})
            case "order":
                return await self._order(command)
            case "release":
                return await self._release(command)
            case _:
                return _outcome(command, "failed", f"there is no hand for {command.kind}")

    def _checkpoint(self, command: Any) -> Outcome:
        text = self._journal.checkpoint().decode()
        origin, size, root = text.split("\n")[:3]
        return _outcome(command, "done", f"{size} entries signed", {"origin": origin, "size": int(size), "root": root})

    async def _probe(self, command: Any) -> Outcome:
        shop = self._shop(command)
        report = await self.probe_shop(shop, self._baseline(command))
        data = msgspec.to_builtins(report)
        if report.ok:
            return _outcome(command, "done", f"order {report.order} over {report.paid} went through", data)
        return _outcome(command, "failed", report.why or "the checkout failed", data)

    async def probe_shop(self, shop: Shop, baseline: CheckoutReport | None) -> CheckoutReport:
        return await CheckoutProbe(self.session, self._pass).run(shop, baseline)

    def _pass(self, site: str) -> str:
        now = self._now_ms() // 1000
        payload = {"aud": site, "jti": secrets.token_urlsafe(12), "iat": now, "exp": now + PROBE_PASS_S}
        return jws.sign(payload, typ=PROBE_TYP, kid="core", key=self._identity.core_key)

    def _baseline(self, command: Any) -> CheckoutReport | None:
        """The last good probe of this run: what the checkout was before we touched anything."""
        query = select(commands.c.outcome).where(
            commands.c.run == command.run, commands.c.kind == "probe", commands.c.status == "done"
        )
        with self._state.read() as db:
            outcome = db.scalar(query.order_by(commands.c.position.desc()).limit(1))
        return msgspec.convert(outcome["data"], CheckoutReport) if outcome else None

    async def _order(self, command: Any) -> Outcome | Again:
        data = command.data
        known = self._orders.get(jti_of(command.id))
        if known is None:
            if data["hand"] == "webserver" and not self._has_web_server(command):
                return _outcome(command, "failed", "no hand at the web server is paired for this shop; a person does it")
            made = self._orders.make(
                command=command.id,
                incident=command.incident,
                site=self._shop(command).site,
                hand=data["hand"],
                action=data["action"],
                args=data["args"],
                ttl_s=data["ttl_s"],
                now_ms=self._now_ms(),
            )
            await self._decide([decisions.draft("order_issued", at_ms=self._now_ms(), **made)])
        return await self._deliver(command, jti_of(command.id))

    async def _release(self, command: Any) -> Outcome | Again:
        undone = self._orders.get(jti_of(command.data["command"]))
        if undone is None:
            return _outcome(command, "done", "the order was never issued")
        if undone.expires_ms <= self._now_ms():
            return _outcome(command, "done", "the order had ended by itself")
        if self._orders.get(jti_of(command.id)) is None:
            left = max(60, (undone.expires_ms - self._now_ms()) // 1000)
            made = self._orders.make(
                command=command.id,
                incident=command.incident,
                site=undone.site,
                hand=undone.hand,
                action="release",
                args={"jti": undone.jti},
                ttl_s=left,
                now_ms=self._now_ms(),
            )
            await self._decide([decisions.draft("order_issued", at_ms=self._now_ms(), **made)])
        return await self._deliver(command, jti_of(command.id))

    async def _deliver(self, command: Any, jti: str) -> Outcome | Again:
        order = self._orders.get(jti)
        if order.expires_ms <= self._now_ms():
            return _outcome(command, "expired", "the order expired before it could be carried out", {"reached": "no"})
        if order.hand == "gateway":
            return await self._await_report(command, jti, "gateway", GATEWAY_SECONDS)
        if order.hand == "webserver":
            return await self._await_report(command, jti, "web server", WEBSERVER_SECONDS)
        try:
            synced = await self.wordpress.sync(self._shop(command), [order.jws])
        except ShopError as error:
            # The plugin may have done it all the same: its own signed word counts.
            reported = self._orders.get(jti).reported
            if reported in ("done", "already"):
                return _outcome(command, "done", "reported by the plugin", {"jti": jti})
            return Again(why=f"the shop {error}", until_ms=order.expires_ms)
        status, detail = synced.applied.get(jti, ("failed", "the plugin said nothing of this order"))
        good = {"done": "done", "already": "done", "expired": "expired", "refused": "refused"}.get(status, "failed")
        return _outcome(command, good, detail, {"jti": jti})

    async def _await_report(self, command: Any, jti: str, hand: str, seconds: float) -> Outcome:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            changed = self._changed.watch()
            reported = self._orders.get(jti).reported
            if reported is not None:
                good = reported in ("done", "already")
                return _outcome(command, "done" if good else "refused", f"the {hand} reported: {reported}", {"jti": jti})
            left = deadline - loop.time()
            if left <= 0:
                return _outcome(command, "timeout", f"no {hand} has confirmed within {seconds:g} s", {"jti": jti})
            await self._changed.wait(changed, left)

    def _has_web_server(self, command: Any) -> bool:
        query = select(sensors.c.keyid).where(sensors.c.kind == "webserver", sensors.c.site == self._shop(command).site)
        with self._state.read() as db:
            return db.execute(query).first() is not None

    def _shop(self, command: Any) -> Shop:
        query = select(sites.c.site, sites.c.rest_url).join(incidents, incidents.c.site == sites.c.site)
        with self._state.read() as db:
            row = db.execute(query.where(incidents.c.id == command.incident)).one()
        return Shop(site=row.site, rest_url=row.rest_url)


def _outcome(command: Any, status: Any, detail: str, data: dict[str, Any] | None = None) -> Outcome:
    return Outcome(command=command.id, status=status, detail=detail[:400], data=data or {})
