"""What core told the gateway: sites, registers, orders in force. Kept on disk, so that it holds while core is away.

Orders are believed only by their signature and their own expiry; the transport is not trusted.
"""

import base64
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from checkvalve.detection.register import Register
from checkvalve.detection.staff import NOBODY, Staff, staff
from checkvalve.events import jws
from checkvalve.events.errors import EventError
from checkvalve.gateway.settings import write_private

ORDER_TYP: Final = "checkvalve-order+jws"
CONTEXT_TYP: Final = "checkvalve-context+jws"
MAX_AHEAD_S: Final = 300
SCOPE: Final = ("plugin", "route", "session", "requester", "key", "model", "server")  # whose requests, and of what
HELD: Final = ("subject", "category")  # what of an answer is held back; without them everything
ARGUMENTS: Final = {
    **dict.fromkeys(("refuse", "strip_tools", "strip_context", "flush_caches", "log_only"), SCOPE),
    **dict.fromkeys(("cut", "redact"), (*SCOPE, *HELD)),
    "route": (*SCOPE, "to"),
    "quarantine": ("model", "server", "digest"),
    "release": ("jti",),
}
EFFECTS: Final = {
    "refuse": "matching requests are refused, running answers ended",
    "cut": "answers end before another person's data",
    "redact": "another person's data is taken out of answers",
    "strip_tools": "the model is offered no tools",
    "strip_context": "the model is given no retrieved context",
    "route": "matching requests are answered by another model server",
    "quarantine": "the model is closed, whatever it is called",
    "log_only": "matching requests are exempt from wider orders",
    "release": "released",
}

Mode = Literal["pass", "redact", "cut", "refuse"]
STRICTNESS: Final[tuple[Mode, ...]] = ("pass", "redact", "cut", "refuse")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is asking, as far as a signed context or an API key says. `error` is why there is no signed context."""

    site: str | None
    context: dict[str, Any] | None
    error: str | None
    key: str | None = None  # the name of the API key
    operator: bool = False  # may administer model servers
    staff: Staff = NOBODY  # what roles may be shown, where the signed context is from

    @property
    def ref(self) -> str | None:
        requester = (self.context or {}).get("requester")
        ref = requester.get("ref") if isinstance(requester, dict) else None
        return ref if isinstance(ref, str) and ref else None

    @property
    def recipient(self) -> str:
        session = (self.context or {}).get("session")
        return self.ref or (f"session:{session}" if isinstance(session, str) and session else "anonymous")

    def role(self, category: str) -> str | None:
        """The caller's role that may be shown a category of other people's data."""
        return self.staff.role(self.context, category)

    def text(self, name: str) -> str | None:
        value = (self.context or {}).get(name)
        return value if isinstance(value, str) and value else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    jti: str
    action: str
    args: dict[str, str]
    site: str
    exp: int

    @property
    def narrowness(self) -> int:
        """How many arguments say whose requests it means."""
        return len(self.args.keys() & set(SCOPE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request would be answered by. `models`: the names it goes by, in canonical form, none when that is not known;
    `digests` of their files likewise, in hex.
    """

    server: str
    models: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Data that must not pass: of one subject or category (or detector) if they are given."""

    mode: Mode
    subject: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the orders in force ask of one request and its answer. `holds` says what a mode of cut or redact means."""

    mode: Mode = "pass"
    holds: frozenset[Hold] = frozenset()
    strip_tools: bool = False
    strip_context: bool = False
    uncached: bool = False
    to: str | None = None  # the server that answers instead

    def over(self, subject: str | None, category: str) -> Mode:
        """What is done with a subject's data of a category, or with what a detector found."""
        modes = [h.mode for h in self.holds if h.subject in (None, subject) and h.category in (None, category)]
        return max(modes, key=STRICTNESS.index, default="pass")

    def joined(self, other: "Policy") -> "Policy":
        """Both together: the stricter of each; routed as this one says."""
        return Policy(
            mode=max(self.mode, other.mode, key=STRICTNESS.index),
            holds=self.holds | other.holds,
            strip_tools=self.strip_tools or other.strip_tools,
            strip_context=self.strip_context or other.strip_context,
            uncached=self.uncached or other.uncached,
            to=self.to,
        )


OPEN: Final = Policy()
CLOSED: Final = Policy(mode="refuse")
BROKEN: Final = (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError)


class Control:
    """`apply_config` and `apply_register` come from the poll; the proxy asks `caller` and `policy`.

    `changed` is called after the orders in force have become others. `flushes` are orders to flush caches that wait to be
    carried out and reported. `servers` are the names an order may route to.
    """

    def __init__(self, directory: Path, core_key: bytes, servers: Container[str] = ()) -> None:
        self._file, self._registers_file = directory / "control.json", directory / "registers.json"
        self._core_key, self._servers = core_key, servers
        self.flushes: list[str] = []
        self.version: str | None = None
        self._tokens: list[str] = []
        self._released: set[str] = set()
        self._refused: set[str] = set()  # tokens reported as such
        self._seen: set[str] = set()  # tokens that were looked at: each signature is verified once
        self.orders: dict[str, Order] = {}
        self._sites: dict[str, dict[str, Any]] = {}
        self._staff: dict[str, Staff] = {}
        self.registers: dict[str, Register] = {}
        self.wanted_revs: dict[str, int] = {}
        self.changed: Callable[[], None] = lambda: None
        if self._file.exists():
            self._restore()

    # --- from core ---------------------------------------------------------------------------------------------------

    def apply_config(self, config: dict[str, Any], now_s: int) -> list[tuple[str, str, str]]:
        """Take over a configuration; returns (jti, status, detail) of each order that is new."""
        self._sites = config["sites"]
        self._staff = {site: _staff(data) for site, data in self._sites.items()}
        for site, data in self._sites.items():
            key = base64.b64decode(data["pseudonym_key"])
            if site not in self.registers or self.registers[site].key != key:
                self.registers[site] = Register(key)
        for gone in set(self.registers) - set(self._sites):
            del self.registers[gone]
        self.wanted_revs = dict(config.get("register", {}))
        self._tokens = list(config.get("orders", []))
        reports = [r for token in self._tokens if token not in self._seen and (r := self._take(token, now_s))]
        self._seen = set(self._tokens) - self._refused
        self.version = config.get("version")
        self.changed()
        self._save()
        return reports

    def _take(self, token: str, now_s: int | None) -> tuple[str, str, str] | None:
        """`now_s` is None for an order that was in force before a restart."""
        jti = "unknown"
        try:
            payload = jws.verify(token, typ=ORDER_TYP, public_key=self._core_key)
            jti = payload["jti"] if isinstance(payload.get("jti"), str) else jti
            order = _order(payload, now_s)
            if order.site not in self._sites:
                raise EventError("bad_order", "the order is for another site")
            if now_s is not None and order.action == "route" and order.args["to"] not in self._servers:
                raise EventError("bad_order", f"this gateway has no server {order.args['to'][:80]!r}; see settings.toml")
        except EventError as error:
            if token in self._refused:
                return None
            self._refused.add(token)
            return jti, "refused", error.hint
        if order.jti in self.orders or order.jti in self._released:
            return None
        if now_s is not None and order.exp <= now_s:
            return order.jti, "expired", "the order had expired when it came"
        self.orders[order.jti] = order
        if order.action == "release":
            self._released.add(str(order.args["jti"]))
            self.orders.pop(str(order.args["jti"]), None)
        if order.action == "flush_caches":
            self.flushes.append(order.jti)
            return None  # told when it is done
        return order.jti, "done", EFFECTS[order.action]

    def apply_register(self, site: str, rows: list[dict[str, Any]]) -> None:
        register = self.registers.get(site)
        if register is None:
            return
        for row in rows:
            if row.get("gone"):
                register.drop(row["ref"], row["rev"])
            else:
                register.put(row["ref"], [(c, h) for c, h in row["ids"]], row["rev"])

    # --- for the proxy -----------------------------------------------------------------------------------------------

    def caller(self, token: str | None, now_s: int) -> Caller:
        """Believe a context only if its sensor is known, its signature holds and it is fresh."""
        only = next(iter(self._sites)) if len(self._sites) == 1 else None
        if token is None:
            return Caller(site=only, context=None, error="no Checkvalve-Context header")
        try:
            kid = jws.peek_kid(token)
            for site, data in self._sites.items():
                if kid in data["contexts"]:
                    key = base64.b64decode(data["contexts"][kid])
                    payload = jws.verify(token, typ=CONTEXT_TYP, public_key=key)
                    if payload.get("site") != site:
                        raise EventError("bad_token", "the context names another site")
                    if not isinstance(payload.get("exp"), int) or payload["exp"] <= now_s:
                        raise EventError("bad_token", "the context has expired")
                    return Caller(site=site, context=payload, error=None, staff=self._staff.get(site, NOBODY))
            raise EventError("bad_token", "the context is from a sensor that is not paired")
        except EventError as error:
            return Caller(site=only, context=None, error=error.hint)

    def policy(self, caller: Caller, target: Target, now_s: int) -> Policy:
        """What the orders in force ask together: the strictest of each kind, and the narrowest of those that route.

        An order holds when all its arguments match. What is not known, a model, its digest or a site, matches every order.
        `log_only` exempts from orders that are less narrow, save `quarantine`.
        """
        for jti in [o.jti for o in self.orders.values() if o.exp <= now_s]:
            del self.orders[jti]
        matching = [o for o in self.orders.values() if _matches(o, caller, target)]
        if not matching:
            return OPEN
        exempt = max((o.narrowness for o in matching if o.action == "log_only"), default=0)
        asked = [o for o in matching if o.narrowness >= exempt or o.action == "quarantine"]
        actions = {o.action for o in asked}
        routes = sorted((o for o in asked if o.action == "route"), key=lambda o: o.narrowness)
        return Policy(
            mode=next((m for m in reversed(STRICTNESS) if m in actions), "pass"),
            holds=frozenset([_hold(o) for o in asked if o.action in ("cut", "redact")]),
            strip_tools="strip_tools" in actions,
            strip_context="strip_context" in actions,
            uncached="flush_caches" in actions,
            to=routes[-1].args["to"] if routes else None,
        )

    def quarantined(self, caller: Caller, target: Target) -> bool:
        """Whether what is to answer is closed; asked of what answers in the end."""
        return any(o.action == "quarantine" and _matches(o, caller, target) for o in self.orders.values())

    @property
    def names_models(self) -> bool:
        """Whether an order in force depends on what a server really serves."""
        return any("model" in o.args or "digest" in o.args for o in self.orders.values())

    @property
    def names_digests(self) -> bool:
        return any("digest" in o.args for o in self.orders.values())

    # --- on disk -----------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        good = [t for t in self._tokens if t not in self._refused]
        state = {"sites": self._sites, "orders": good, "released": sorted(self._released)}
        write_private(self._file, msgspec.json.encode(state))

    def save_registers(self) -> None:
        """Blocking, seconds with many people: to be called beside the loop, while no configuration or register is applied."""
        kept = {
            site: {"key": base64.b64encode(r.key).decode(), "rev": r.rev, "rows": r.export()}
            for site, r in self.registers.items()
        }
        write_private(self._registers_file, msgspec.json.encode(kept))

    def _restore(self) -> None:
        try:
            state = msgspec.json.decode(self._file.read_bytes())
            self._sites, self._released = state["sites"], set(state["released"])
            self._staff = {site: _staff(data) for site, data in self._sites.items()}
            self.registers = {site: Register(base64.b64decode(data["pseudonym_key"])) for site, data in self._sites.items()}
            self._tokens = state["orders"]
        except BROKEN:
            self._sites, self.registers, self._tokens = {}, {}, []  # core will tell again
            return
        for token in self._tokens:
            self._take(token, None)
        try:
            kept = msgspec.json.decode(self._registers_file.read_bytes())
            for site, register in self.registers.items():
                if site in kept and base64.b64decode(kept[site]["key"]) == register.key:
                    for ref, ids in kept[site]["rows"]:
                        register.put(ref, [(c, h) for c, h in ids], 0)
                    register.rev = kept[site]["rev"]
        except (*BROKEN, OSError):
            self.registers = {site: Register(r.key) for site, r in self.registers.items()}


def _staff(site: dict[str, Any]) -> Staff:
    """A policy that is not understood allows nobody anything."""
    try:
        return staff(site.get("staff", {}))
    except ValueError:
        return NOBODY


def canonical(model: str) -> str:
    """Ollama takes `smol`, `SMOL`, `smol:latest` and `library/smol` for one name."""
    name = model.strip().casefold().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name.removesuffix(":latest")


def _matches(order: Order, caller: Caller, target: Target) -> bool:
    if order.action == "release" or caller.site not in (None, order.site):
        return False
    have = {"key": caller.key, "server": target.server, "requester": caller.ref or "anonymous"}
    for name, value in order.args.items():
        match name:
            case "model":
                fits = not target.models or canonical(value) in target.models
            case "digest":
                fits = not target.digests or plain_digest(value) in target.digests
            case "subject" | "category" | "to":
                fits = True
            case _:
                fits = (have[name] if name in have else caller.text(name)) == value
        if not fits:
            return False
    return True


def plain_digest(digest: str) -> str:
    return digest.lower().removeprefix("sha256:")


def _hold(order: Order) -> Hold:
    mode: Mode = "cut" if order.action == "cut" else "redact"
    return Hold(mode=mode, subject=order.args.get("subject"), category=order.args.get("category"))


def _order(payload: dict[str, Any], now_s: int | None) -> Order:
    kinds: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        ("jti", lambda v: isinstance(v, str)),
        ("aud", lambda v: isinstance(v, str)),
        ("action", lambda v: isinstance(v, str) and v in ARGUMENTS),
        ("args", lambda v: isinstance(v, dict) and bool(v) and all(isinstance(a, str) for a in v.values())),
        ("exp", lambda v: isinstance(v, int)),
        ("iat", lambda v: isinstance(v, int) and (now_s is None or v <= now_s + MAX_AHEAD_S)),
        ("hand", lambda v: v == "gateway"),
    )
    for name, good in kinds:
        if not good(payload.get(name)):
            raise EventError("bad_order", f"the order's {name} is not acceptable")
    action, args = payload["action"], payload["args"]
    # An argument that is not understood could only widen the order; what an order does is nothing without whom it means.
    if set(args) - set(ARGUMENTS[action]) or not set(args) - {"to", *HELD} or (action == "route" and "to" not in args):
        raise EventError("bad_order", "the order's args are not acceptable")
    return Order(jti=payload["jti"], action=action, args=args, site=payload["aud"], exp=payload["exp"])
