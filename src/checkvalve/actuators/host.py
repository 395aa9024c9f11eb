"""The hand at the web server: fetches signed orders from core, makes them rules, and says what came of it.

It runs beside the server as a user of its own, which may write one directory and run two commands. It listens nowhere and asks
core alone. It believes only what core's key has signed for this shop and this hand, and has not ended; what is kept on
disk is verified anew each time. While core is away the orders that hold stay until they end by themselves.
"""

import base64
import contextlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.actuators import gate
from checkvalve.actuators.http import Answer, ShopError, request
from checkvalve.actuators.webserver import Checkout, Server, WebServerError, check, fragment, render
from checkvalve.actuators.webserver_files import Place, put
from checkvalve.events import event as ocsf
from checkvalve.events import jws, signature
from checkvalve.events.errors import EventError

ORDER_TYP: Final = "checkvalve-order+jws"
HAND: Final = "webserver"
AHEAD_S: Final = 300
MAX_ORDERS: Final = 200
MAX_WAITING: Final = 1000  # outcomes that core has not taken yet; the oldest goes


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What pairing gave and the administrator said; a private file of the data directory."""

    core: str
    site: str
    keyid: str
    private_key: str
    core_public_key: str
    server: Server
    include: str
    test: tuple[str, ...]
    reload: tuple[str, ...]
    looks: tuple[str, ...] = ()
    host: str = ""
    pages: tuple[str, ...] = Checkout().pages
    webhooks: tuple[str, ...] = Checkout().webhooks
    next_sequence: int = 1

    @property
    def checkout(self) -> Checkout:
        return Checkout(pages=self.pages, webhooks=self.webhooks)

    @property
    def place(self) -> Place:
        name = "checkvalve.json" if self.server == "prepend" else "checkvalve.conf"
        return Place(
            include=Path(self.include), name=name, test=self.test, reload=self.reload, looks=self.looks, host=self.host
        )


class HostState(msgspec.Struct, kw_only=True):
    """`orders`: signed, by id. `said`: what came of each order. `waiting`: outcomes for core, numbered."""

    orders: dict[str, str] = {}
    said: dict[str, str] = {}
    waiting: list[tuple[int, str]] = []
    next: int = 1


class Host:
    """`keep(state)` stores the state durably before anything follows from it."""

    def __init__(
        self,
        settings: HostSettings,
        state: HostState,
        keep: Callable[[HostState], None],
        session: aiohttp.ClientSession,
        now_s: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self.settings, self.state, self._keep, self._session, self._now_s = settings, state, keep, session, now_s
        self._key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(settings.private_key))
        self._core_key = base64.b64decode(settings.core_public_key)
        self.state.next = max(self.state.next, settings.next_sequence)
        self.problem: str | None = None  # why what should hold does not

    async def turn(self) -> bool:
        """Once: fetch, make it so, tell. Whether core answered."""
        reached = await self._fetch()
        await self.enforce()
        return await self._tell() and reached

    async def enforce(self) -> None:
        """The fragment of the orders that hold now. One that the server does not take is left out and told as failed."""
        live, releases = self._live()
        good = {jti: order for jti, order in live.items() if self.state.said.get(jti) == "done"}
        self.problem = await self._put(good)
        for jti in [] if self.problem else [j for j in releases if j not in self.state.said]:
            self._say(jti, "done", "taken back")
        for jti in [j for j in live if j not in self.state.said]:  # one by one: it is known which was not taken
            why = await self._put({**good, jti: live[jti]})
            if why is None:
                good[jti] = live[jti]
            self._say(jti, "failed" if why else "done", why or f"in force at {self.settings.server}")

    async def lift(self) -> list[str]:
        """End every order that holds here, whatever core says, and tell it. Their ids."""
        await put(self.settings.place, self._session, None)
        live, _ = self._live()
        for jti in live:
            self._say(jti, "lifted", "an administrator ended it on the host")
        return list(live)

    async def _put(self, orders: dict[str, dict[str, Any]]) -> str | None:
        """Why not, or None."""
        try:
            await put(self.settings.place, self._session, self._text(orders))
        except WebServerError as error:
            return str(error)
        return None

    def _text(self, orders: dict[str, dict[str, Any]]) -> str | None:
        if not orders:
            return None
        if self.settings.server == "prepend":
            return gate.state(self.state.orders[jti] for jti in sorted(orders))
        return render(self.settings.server, fragment(orders.values(), self.settings.checkout))

    # --- orders ------------------------------------------------------------------------------------------------------

    async def _fetch(self) -> bool:
        path = "/v1/orders"
        try:
            answer = await self._ask("GET", path, None, {}, signature.GET)
            said = answer.json() if answer.status == 200 else None
        except ShopError:
            return False
        tokens = said.get("orders") if isinstance(said, dict) else None
        if not isinstance(tokens, list):
            return False
        for token in tokens[:MAX_ORDERS]:
            self._take(str(token))
        return True

    def _take(self, token: str) -> None:
        """Keep an order that is for us; a release ends what it names. What is not from core is left without a word."""
        try:
            order = jws.verify(token, typ=ORDER_TYP, public_key=self._core_key)
        except EventError:
            return
        jti = order.get("jti")
        if not isinstance(jti, str) or jti in self.state.orders or jti in self.state.said:
            return
        if not self._is_ours(order):
            return
        try:
            if order["action"] != "release":
                check(str(order["action"]), order["args"])
        except WebServerError as error:
            self._say(jti, "refused", str(error))
            return
        self.state.orders[jti] = token
        self._keep(self.state)

    def _is_ours(self, order: dict[str, Any]) -> bool:
        return is_ours(self.settings, order, self._now_s())

    def _live(self) -> tuple[dict[str, dict[str, Any]], list[str]]:
        live, releases, known = holding(self.settings, self.state, self._now_s())
        self.state.orders = {jti: token for jti, token in self.state.orders.items() if jti in known}
        return live, releases

    # --- to core -----------------------------------------------------------------------------------------------------

    def _say(self, jti: str, status: str, detail: str) -> None:
        self.state.said[jti] = status
        line = ocsf.encode(
            class_uid=ocsf.REMEDIATION_ACTIVITY,
            activity_id=1,
            time=self._now_s() * 1000,
            uid=secrets.token_hex(16),
            sequence=self.state.next,
            product="checkvalve-host",
            version="1",
            own={"site": self.settings.site, "outcome": {"jti": jti, "status": status, "detail": detail[:300]}},
            trace=secrets.token_hex(16),
            command_uid=jti,
            status_id=1 if status == "done" else 2,
        )
        self.state.waiting = [*self.state.waiting, (self.state.next, line.decode())][-MAX_WAITING:]
        self.state.next += 1
        self._keep(self.state)

    async def _tell(self) -> bool:
        if not self.state.waiting:
            return True
        batch = self.state.waiting[:200]
        body = "\n".join(line for _, line in batch).encode() + b"\n"
        headers = {"content-digest": signature.content_digest(body)}
        headers["checkvalve-sequence"] = f"{batch[0][0]};count={len(batch)}"
        try:
            answer = await self._ask("POST", "/v1/events", body, headers, signature.POST_EVENTS)
            told = answer.json()["acknowledged"] if answer.status == 202 else None
        except (ShopError, KeyError, TypeError):
            return False
        if not isinstance(told, int):
            return False
        self.state.waiting = [(number, line) for number, line in self.state.waiting if number > told]
        self._keep(self.state)
        return True

    async def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], components: tuple[str, ...]
    ) -> Answer:
        core = self.settings.core
        message = signature.Message(method=method, path=urlsplit(core).path + path, query="", headers=headers)
        fresh = {"keyid": self.settings.keyid, "created": self._now_s(), "nonce": secrets.token_urlsafe(16)}
        signed = signature.sign(message, components, key=self._key, **fresh)  # type: ignore[arg-type]
        sent = {**headers, **signed, "Content-Type": "application/x-ndjson"}
        return await request(self._session, method, core + path, headers=sent, body=body)


def is_ours(settings: HostSettings, order: dict[str, Any], now_s: int) -> bool:
    """Whether a payload is meant for this shop and hand, and for now."""
    exp, iat = order.get("exp"), order.get("iat")
    named = order.get("aud") == settings.site and order.get("hand") == HAND
    timely = isinstance(exp, int) and isinstance(iat, int) and exp > now_s and iat <= now_s + AHEAD_S
    return named and timely and isinstance(order.get("args"), dict) and isinstance(order.get("action"), str)


def holding(
    settings: HostSettings, state: HostState, now_s: int
) -> tuple[dict[str, dict[str, Any]], list[str], dict[str, dict[str, Any]]]:
    """Of the orders that were kept, verified anew: those that hold or should, releases, and all that have not ended."""
    known: dict[str, dict[str, Any]] = {}
    for token in state.orders.values():
        with contextlib.suppress(EventError):
            order = jws.verify(token, typ=ORDER_TYP, public_key=base64.b64decode(settings.core_public_key))
            if is_ours(settings, order, now_s):
                known[str(order["jti"])] = order
    releases = {jti: str(o["args"].get("jti")) for jti, o in known.items() if o["action"] == "release"}
    over = {*releases, *releases.values(), *(j for j, said in state.said.items() if said in ("failed", "lifted"))}
    return {jti: order for jti, order in known.items() if jti not in over}, list(releases), known


async def pair(
    session: aiohttp.ClientSession, core: str, code: str, site_url: str, version: str
) -> tuple[dict[str, Any], Ed25519PrivateKey]:
    """Core's answer to pairing, and the key that was made. WebServerError when core says no."""
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    body = {"code": code, "kind": HAND, "site_url": site_url, "public_key": public, "versions": {"checkvalve": version}}
    try:
        answer = await request(session, "POST", f"{core}/v1/pair", json=body)
        said = answer.json()
    except ShopError as error:
        raise WebServerError(f"core at {core} cannot be asked: it {error}", "Check the address in the code") from error
    if answer.status != 200 or not isinstance(said, dict):
        why = said.get("hint") if isinstance(said, dict) else answer.status
        raise WebServerError(f"core refused: {why}", "Run `checkvalve pair` for a new code")
    return said, key
