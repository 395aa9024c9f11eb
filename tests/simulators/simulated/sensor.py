"""The simulated shop's half of the wire (docs/spec/wire.md): pairing, outbox, orders, probe passes, caller contexts."""

import base64
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.events import event as ocsf
from checkvalve.events import jws, signature
from checkvalve.events.errors import EventError
from checkvalve.playbooks.executable import ACTIONS

SKEW: Final = 300  # seconds
BATCH: Final = 500


class RefusedError(Exception):
    """A request from core, or what claims to be, that is not carried out."""

    def __init__(self, status: int, code: str, hint: str) -> None:
        super().__init__(hint)
        self.status = status
        self.body = {"error": code, "hint": hint}


@dataclass(slots=True)
class Sensor:
    """One paired shop. Nothing is recorded before it is paired."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    site: str = ""
    pseudonym_key: bytes = b""
    gateway_url: str = ""
    sent: int = 0
    post: Callable[..., httpx2.Response] = httpx2.post  # many shops share a client
    known: set[str] = field(default_factory=set)  # people whom core was told of
    waiting: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)  # letters: batch, person, by language
    written: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # to whom, subject and body
    mail_works: bool = True
    _core: str = ""
    _core_key: bytes = b""
    _keyid: str = ""
    _next: int = 1
    _outbox: list[tuple[int, bytes]] = field(default_factory=list)
    _nonces: dict[str, float] = field(default_factory=dict)
    _in_force: dict[str, dict[str, Any]] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def paired(self) -> bool:
        return bool(self.site)

    @property
    def pending(self) -> int:
        return len(self._outbox)

    def pair(self, code: str, *, name: str, site_url: str, rest_url: str) -> None:
        """`code` is `XXXX-XXXX-XXXX@core`, as the console shows it. Raises RefusedError when core says no."""
        secret, _, core = code.partition("@")
        host = core.partition("//")[2] or core
        scheme = "http" if host.split(":")[0] in ("127.0.0.1", "localhost") else "https"
        self._core = core if "//" in core else f"{scheme}://{core}"
        public = base64.b64encode(self.key.public_key().public_bytes_raw()).decode()
        body = {"code": secret, "kind": "wordpress", "name": name, "site_url": site_url, "rest_url": rest_url}
        body |= {"public_key": public, "versions": {"checkvalve": "simulated"}}  # type: ignore[dict-item]
        answer = self.post(f"{self._core}/v1/pair", json=body, timeout=30)
        said = answer.json()
        if answer.status_code != 200:
            raise RefusedError(answer.status_code, str(said.get("error")), str(said.get("hint")))
        self._core_key, self.pseudonym_key = (base64.b64decode(said[n]) for n in ("core_public_key", "pseudonym_key"))
        self._keyid, self.gateway_url, self._next = said["keyid"], said["gateway_url"].rstrip("/"), said["next_sequence"]
        self.site = said["site"]

    def adopt(self, *, site: str, core: str, core_key: bytes, pseudonym_key: bytes) -> None:
        """As after pairing; somebody else tells core of the key."""
        self._core, self._core_key, self.pseudonym_key, self.site = core, core_key, pseudonym_key, site
        self._keyid = f"wp.{site}"

    def record(self, class_uid: int, activity_id: int, own: dict[str, Any], *, trace: str, **attributes: Any) -> None:
        """Put one event into the outbox."""
        if not self.paired:
            return
        with self._lock:
            line = ocsf.encode(
                class_uid=class_uid,
                activity_id=activity_id,
                time=time.time_ns() // 1_000_000,
                uid=secrets.token_hex(16),
                sequence=self._next,
                product="Checkvalve simulated shop",
                version="0.1.0",
                own={"site": self.site} | own,
                trace=trace,
                **attributes,
            )
            self._outbox.append((self._next, line))
            self._next += 1
            if class_uid == ocsf.USER_INVENTORY:
                self.known.add(own["subject"]["ref"])

    def flush(self) -> None:
        """Everything to core; what is not acknowledged stays."""
        with self._lock:
            while self._outbox:
                batch = self._outbox[:BATCH]
                body = b"\n".join(line for _, line in batch) + b"\n"
                headers = {
                    "content-digest": signature.content_digest(body),
                    "checkvalve-sequence": f"{batch[0][0]};count={len(batch)}",
                }
                message = signature.Message(method="POST", path="/v1/events", headers=headers)
                fresh = {"created": int(time.time()), "nonce": secrets.token_urlsafe(16)}
                headers |= signature.sign(message, signature.POST_EVENTS, key=self.key, keyid=self._keyid, **fresh)  # type: ignore[arg-type]
                headers["content-type"] = "application/x-ndjson"
                try:
                    answer = self.post(f"{self._core}/v1/events", content=body, headers=headers, timeout=30)
                except httpx2.TransportError:
                    return
                if answer.status_code != 202:
                    return
                self.sent += len(batch)
                self._outbox = [(number, line) for number, line in self._outbox if number > answer.json()["acknowledged"]]

    def sync(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Core's request: check it, take its orders, send what is waiting."""
        orders = self._orders_in(headers, body)
        self._send_letters()
        applied = [self._take(token) for token in orders]
        before = self.sent
        self.flush()
        return {"applied": applied, "outbox": {"pending": self.pending, "sent": self.sent - before}}

    def check_pass(self, token: str | None) -> None:
        """Raise RefusedError unless `token` is core's pass for a probe of this shop's checkout."""
        try:
            claims = jws.verify(token or "", typ="checkvalve-probe+jws", public_key=self._core_key)
        except EventError as error:
            raise RefusedError(403, "forbidden", "this needs a probe pass signed by core") from error
        if claims.get("aud") != self.site or claims.get("exp", 0) <= time.time():
            raise RefusedError(403, "forbidden", "the pass is for another site or has expired")

    def context(self, *, plugin: str, route: str, trace: str) -> dict[str, str]:
        """Headers of a call to the gateway (section 7); none before pairing."""
        if not self.paired:
            return {}
        now = int(time.time())
        claims = {"site": self.site, "trace": trace, "plugin": plugin, "route": route, "requester": {"anonymous": True}}
        token = jws.sign(claims | {"iat": now, "exp": now + 120}, typ="checkvalve-context+jws", kid=self._keyid, key=self.key)
        return {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01", "Checkvalve-Context": token}

    def isolated(self, folder: str) -> bool:
        """Whether an order keeps this plugin from being loaded."""
        plugins = [str(o["args"].get("plugin", "")) for o in self._live() if o["action"] == "isolate_plugin"]
        return any(plugin.split("/")[0] == folder for plugin in plugins)

    def blocked(self, route: str) -> bool:
        routes = [str(o["args"].get("route", "")).rstrip("/") for o in self._live() if o["action"] == "block_route"]
        return any(route == closed or route.startswith(closed + "/") for closed in routes)

    def _live(self) -> list[dict[str, Any]]:
        return [order for order in list(self._in_force.values()) if order["exp"] > time.time()]

    def _orders_in(self, headers: Mapping[str, str], body: bytes) -> list[str]:
        if not self.paired:
            raise RefusedError(403, "forbidden", "this shop is not paired")
        try:
            given = signature.parse_input(headers)
            message = signature.Message(method="POST", path="/", headers=headers)
            signature.verify(message, given, signature.POST_TO_PLUGIN, self._core_key)
            signature.check_digest(headers.get("content-digest"), body)
        except EventError as error:
            raise RefusedError(400 if error.code == "bad_digest" else 401, error.code, error.hint) from error
        now = time.time()
        if given.keyid != "core" or headers.get("checkvalve-site") != self.site:
            raise RefusedError(403, "forbidden", "this request is for another site or not from core")
        if abs(given.created - now) > SKEW:
            raise RefusedError(401, "stale", "the clocks differ too much; set the time on both machines (NTP)")
        with self._lock:
            self._nonces = {nonce: until for nonce, until in self._nonces.items() if until > now}
            if given.nonce in self._nonces:
                raise RefusedError(401, "replayed", "this nonce was used before")
            self._nonces[given.nonce] = now + 2 * SKEW
        try:
            said = msgspec.json.decode(body, type=dict[str, Any])
            return [str(token) for token in said.get("orders", [])]
        except (msgspec.DecodeError, TypeError) as error:
            raise RefusedError(400, "bad_request", 'the body must be {"site": …, "orders": […]}') from error

    def _take(self, token: str) -> dict[str, str]:
        try:
            order = jws.verify(token, typ="checkvalve-order+jws", public_key=self._core_key)
        except EventError as error:
            return self._outcome("unverified", "refused", error.hint)
        jti = str(order.get("jti"))
        if order.get("aud") != self.site or order.get("hand") != "wordpress":
            return self._outcome(jti, "refused", "the order is for another site or another hand")
        if order["exp"] <= time.time():
            return {"jti": jti, "status": "expired", "detail": "its time was over"}
        if order["iat"] > time.time() + SKEW:
            return self._outcome(jti, "refused", "the order is from the future")
        if jti in self._in_force or jti in self._ended:
            return {"jti": jti, "status": "already", "detail": "in force" if jti in self._in_force else "released"}
        if order["action"] == "release":
            self._ended |= {jti, str(order["args"].get("jti"))}
            self._in_force.pop(str(order["args"].get("jti")), None)
            self._withdraw(str(order["args"].get("jti")))
        elif order["action"] == "write_letters":
            self._ended.add(jti)
            self.waiting += [(order["args"]["batch"], ref, order["args"]["letters"][n]) for ref, n in order["args"]["people"]]
        elif order["action"] in ACTIONS["wordpress"]:
            self._in_force[jti] = order
        else:
            return self._outcome(jti, "refused", f"this shop knows no action {order['action']}")
        return self._outcome(jti, "done", "from the next request on")

    def _withdraw(self, batch: str) -> None:
        left = [w for w in self.waiting if w[0] != batch]
        if gone := len(self.waiting) - len(left):
            self.waiting = left
            self._outcome(batch, "released", f"{gone} letters were not sent any more")

    def _send_letters(self) -> None:
        """As the plugin beside core's requests: to whom it knows, in their language; core hears who, and no address."""
        for batch, ref, letter in self.waiting if self.mail_works else []:
            known = ref in self.known
            if known:
                self.written.append((ref, letter.get("de") or letter["en"]))
            said = {"batch": batch, "sent" if known else "nobody": [ref]}
            self.record(ocsf.EMAIL_ACTIVITY, 1, {"letters": said}, trace=secrets.token_hex(16))
        self.waiting = [] if self.mail_works else self.waiting

    def _outcome(self, jti: str, status: str, detail: str) -> dict[str, str]:
        told = {"jti": jti, "status": status, "detail": detail}
        good = 1 if status == "done" else 2
        self.record(
            ocsf.REMEDIATION_ACTIVITY, 1, {"outcome": told}, trace=secrets.token_hex(16), command_uid=jti, status_id=good
        )
        return told
