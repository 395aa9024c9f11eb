"""The shop and the gateway of an exercise: made up, in this process, without a socket.

Both speak the wire's forms to a real core: signed batches of events, signed contexts, signed orders. The gateway keeps its
orders in the real `gateway.control` and looks for people's data with the real scanner; the shop takes what orders close.
"""

import asyncio
import base64
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert

from checkvalve.actuators.wordpress import Shop, Synced
from checkvalve.detection.scanner import Reader, scan
from checkvalve.engine.core import Core
from checkvalve.engine.orders import ORDER_TYP
from checkvalve.events import event as ocsf
from checkvalve.events import jws, signature
from checkvalve.events.errors import EventError
from checkvalve.events.site import EXERCISE_SITE
from checkvalve.exercises import world
from checkvalve.exercises.scenario import Way
from checkvalve.exercises.world import World
from checkvalve.gateway.control import CONTEXT_TYP, Control, Target, canonical
from checkvalve.store.schema import sensors, sites

CHECKOUT: Final = "/wc/store/v1/checkout"
PRODUCT: Final = "Checkvalve EXERCISE"
BATCH: Final = 500  # what core takes at once
URL: Final = "https://exercise.invalid"  # nobody's (RFC 6761): whoever asked for it would ask in vain


@dataclass(slots=True, kw_only=True)
class Wire:
    """One sensor's signed line into core. `new_nonce` gives the randomness of signatures and ids."""

    core: Core
    keyid: str
    key: Ed25519PrivateKey
    new_nonce: Callable[[], str]
    next: int = 1
    waiting: list[bytes] = field(default_factory=list)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)  # two at once would count a batch twice

    def note(self, class_uid: int, activity_id: int, own: dict[str, Any], at_ms: int, **attributes: Any) -> None:
        """Put an event where it waits to be sent."""
        number = self.next + len(self.waiting)
        values: dict[str, Any] = {
            "product": PRODUCT,
            "version": "exercise",
            "uid": self.new_nonce(),
            "sequence": number,
            "time": at_ms,
        }
        own = {**own, "exercise": f"EXERCISE {self.core.surroundings.exercise}"}
        self.waiting.append(ocsf.encode(class_uid=class_uid, activity_id=activity_id, own=own, **values, **attributes))

    async def send(self) -> None:
        """Everything that waits, in batches; returns once it is digested."""
        async with self._sending:
            await self._send()

    async def _send(self) -> None:
        while batch := self.waiting[:BATCH]:
            body = b"\n".join(batch) + b"\n"
            headers = {
                "content-digest": signature.content_digest(body),
                "checkvalve-sequence": f"{self.next};count={len(batch)}",
            }
            message = signature.Message(method="POST", path="/v1/events", headers=headers)
            created = self.core.now_ms() // 1000
            signed = signature.sign(
                message, signature.POST_EVENTS, key=self.key, keyid=self.keyid, created=created, nonce=self.new_nonce()
            )
            lower = {k.lower(): v for k, v in signed.items()}
            message = signature.Message(method="POST", path="/v1/events", headers=headers | lower)
            accepted = await self.core.accept(message, body)
            self.next += len(batch)
            del self.waiting[: len(batch)]
            if accepted.entries:
                await self.core.pipeline.digested(accepted.entries[1])


class ShopInMemory:
    """What the shop does with orders, buyers and people's hands. Everything it does is an event on its wire."""

    def __init__(self, core: Core, site: str, ways: Sequence[Way], lives: World, wire: Wire) -> None:
        self._core, self.site, self.ways, self.world, self.wire = core, site, ways, lives, wire
        self._orders: dict[str, dict[str, Any]] = {}
        self._ended: set[str] = set()
        self.shut: set[str] = set()  # ways that people closed by hand
        self.checkout_closed = False  # by hand
        self.traffic = 1.0

    async def sync(self, shop: Shop, tokens: list[str], seconds: float = 10) -> Synced:  # noqa: ARG002
        """What `actuators.wordpress.WordPressHand.sync` does over the network."""
        return Synced(applied=dict(self._take(t) for t in tokens), pending=0)  # what waits is sent before time goes on

    def _take(self, token: str) -> tuple[str, tuple[str, str]]:
        try:
            order = jws.verify(token, typ=ORDER_TYP, public_key=self._core.identity.core_public)
        except EventError as error:
            return "unverified", ("refused", error.hint)
        jti = str(order["jti"])
        if order["aud"] != self.site or order["hand"] != "wordpress":
            return jti, ("refused", "the order is for another site or another hand")
        if order["exp"] * 1000 <= self._core.now_ms():
            return jti, ("expired", "its time was over")
        if jti in self._orders or jti in self._ended:
            return jti, ("already", "in force" if jti in self._orders else "released")
        if order["action"] == "release":
            self._ended |= {jti, str(order["args"]["jti"])}
            self._orders.pop(str(order["args"]["jti"]), None)
        else:
            self._orders[jti] = order
        return jti, ("done", "from the next request on")

    def _in_force(self) -> list[dict[str, str]]:
        return [o["args"] for o in self._orders.values() if o["exp"] * 1000 > self._core.now_ms()]

    def closed(self, way: Way) -> bool:
        """Whether nobody gets through to the plugin or the route of a way any more."""
        return way.id in self.shut or any(_covers(args, way) for args in self._in_force())

    def route_closed(self, route: str) -> bool:
        return any(self.closed(w) for w in self.ways if w.route == route)

    @property
    def checkout_works(self) -> bool:
        broken = any(w.checkout and _isolated(args, w) for w in self.ways for args in self._in_force())
        return not self.checkout_closed and not broken and not any(_blocks(args, CHECKOUT) for args in self._in_force())

    def trade(self, chance: random.Random, since_ms: int, until_ms: int, a_day: int) -> None:
        """Buyers of this span, by the shop's rhythm; those who find the checkout closed are lost."""
        mean = a_day / world.DAY_MS * self.traffic / 11.2
        at = float(since_ms)
        while mean and (at := at + chance.expovariate(1) / (mean * 42)) < until_ms:
            if chance.random() * 42 < world.rhythm(int(at)):
                self._buy(int(at), chance.randrange(len(self.world.people)))

    def _buy(self, at_ms: int, buyer: int) -> None:
        number = str(world.FIRST_ORDER + 10_000_000 + self.wire.next + len(self.wire.waiting))
        if self.checkout_works:
            own = {"site": self.site, "order": {"number": number, "total": "24.00", "currency": "EUR", "probe": False}}
            resources = [{"type": "wc_order", "uid": number}]
            self.wire.note(ocsf.WEB_RESOURCES, 1, own, at_ms, web_resources=resources)
            return
        own = {"site": self.site, "route": CHECKOUT, "requester": {"ref": self.world.people[buyer].ref}}
        values: dict[str, Any] = {"api": {"operation": f"POST {CHECKOUT}"}, "http_response": {"code": 503}}
        self.wire.note(ocsf.API_ACTIVITY, 1, own, at_ms, **values)

    def tell_people(self, key: bytes, at_ms: int) -> None:
        """The register, as the plugin tells it."""
        numbers: dict[int, list[str]] = {}
        for order in self.world.orders:
            numbers.setdefault(order.buyer, []).append(order.number)
        for index, person in enumerate(self.world.people):
            pairs = world.registered(person, key, tuple(numbers.get(index, ())))
            subject = {"ref": person.ref, "identifiers": [list(p) for p in pairs], "gone": False}
            self.wire.note(ocsf.USER_INVENTORY, 2, {"site": self.site, "subject": subject}, at_ms)


def _isolated(args: dict[str, str], way: Way) -> bool:
    return way.plugin is not None and str(args.get("plugin", "")).split("/")[0] == way.plugin.split("/")[0]


def _blocks(args: dict[str, str], route: str) -> bool:
    closed = str(args.get("route") or args.get("namespace") or "").rstrip("/")
    return bool(closed) and (route == closed or route.startswith(closed + "/"))


def _covers(args: dict[str, str], way: Way) -> bool:
    return _isolated(args, way) or (way.route is not None and _blocks(args, way.route))


class GatewayInMemory:
    """In front of a model that tells strangers what it was given of others' orders."""

    def __init__(self, shop: ShopInMemory, wire: Wire, directory: Path, shop_key: Ed25519PrivateKey) -> None:
        self._shop, self._wire, self._shop_key = shop, wire, shop_key
        self._core = wire.core
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.control = Control(directory, self._core.identity.core_public)

    async def poll(self) -> None:
        """Take over what core says is in force, and report what came of it."""
        config = self._core.gateway_config()
        if config["version"] == self.control.version:
            return
        now = self._core.now_ms()
        reports = self.control.apply_config(config, now // 1000)
        reports += [(jti, "done", "the caches of this exercise hold nothing") for jti in self.control.flushes]
        self.control.flushes.clear()
        for site, register in self.control.registers.items():
            while register.rev < self.control.wanted_revs.get(site, 0):
                self.control.apply_register(site, self._core.register_since(site, register.rev))
        for jti, status, detail in reports:
            outcome = {"jti": jti, "status": status, "detail": detail}
            self._wire.note(ocsf.REMEDIATION_ACTIVITY, 1, {"outcome": outcome}, now, command_uid=jti)
        await self._wire.send()

    async def ask(self, way: Way, people: Sequence[int]) -> bool:
        """A stranger asks for these people's orders; whether any of their data came out."""
        now, shop = self._core.now_ms(), self._shop
        if shop.closed(way):
            return False
        number = self._wire.next + len(self._wire.waiting)
        inference = f"exercise-{shop.site}-{number}"
        trace = f"{int(shop.site.removeprefix(EXERCISE_SITE), 16):016x}{number:016x}"
        claims: dict[str, Any] = {"site": shop.site, "trace": trace, "session": inference}
        claims |= {n: v for n, v in (("plugin", way.plugin), ("route", way.route)) if v}
        claims |= {"requester": {"anonymous": True}, "iat": now // 1000, "exp": now // 1000 + 120}
        token = jws.sign(claims, typ=CONTEXT_TYP, kid=f"wp.{shop.site}", key=self._shop_key) if way.plugin else None
        caller = self.control.caller(token, now // 1000)
        target = Target(server="exercise", models=frozenset([canonical(way.model)]))
        mode = self.control.policy(caller, target, now // 1000).mode
        said = "\n".join(world.record(shop.world.people[p], _an_order(shop.world, p)) for p in people)
        if mode in ("redact", "cut"):
            register = self.control.registers[shop.site]
            said = _without(said, [e.span for e in scan(said, register, Reader(ref=None, recipient="-"), inference, now)])
        refused = mode == "refuse" or self.control.quarantined(caller, target)
        data = {"id": inference, "started_ms": now, "ended_ms": now, "path": "/v1/chat/completions", "caller": caller.context}
        data |= {"outcome": "refused" if refused else "complete", "completion": "" if refused else said, "request": "{}"}
        own = {"site": shop.site, "inference": data} | {n: claims[n] for n in ("plugin", "route", "session") if n in claims}
        self._wire.note(ocsf.API_ACTIVITY, 1, own, now, trace=claims["trace"], ai_model={"name": way.model})
        await self._wire.send()
        return mode == "pass" and not refused


def _an_order(lives: World, person: int) -> str:
    return next(o.number for o in lives.orders if o.buyer == person)


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        text = f"{text[:start]}[removed]{text[end:]}"
    return text


def register(core: Core, site: str, name: str, at_ms: int, new_key: Callable[[], bytes]) -> tuple[Wire, Wire, bytes]:
    """A shop and a gateway in the state of an exercise's core: (shop's wire, gateway's wire, the shop's pseudonym key)."""
    pseudonym_key = new_key()
    wires = []
    with core.state.begin() as db:
        url = f"{URL}/{site}"
        place = {"site": site, "name": name, "site_url": url, "rest_url": f"{url}/wp-json/"}
        db.execute(insert(sites).values(**place, pseudonym_key=pseudonym_key, created_ms=at_ms))
        for keyid, kind, of in ((f"wp.{site}", "wordpress", site), (f"gw.{site}", "gateway", None)):
            key = Ed25519PrivateKey.from_private_bytes(new_key())
            known = {"keyid": keyid, "kind": kind, "site": of, "name": name, "versions": {"checkvalve": "exercise"}}
            public = key.public_key().public_bytes_raw()
            db.execute(insert(sensors).values(**known, public_key=public, paired_ms=at_ms))
            wires.append(Wire(core=core, keyid=keyid, key=key, new_nonce=_nonces(new_key)))
    return wires[0], wires[1], pseudonym_key


def _nonces(new_key: Callable[[], bytes]) -> Callable[[], str]:
    return lambda: base64.urlsafe_b64encode(new_key()[:12]).decode()
