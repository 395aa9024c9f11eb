"""What core told the gateway: sites, registers, orders in force. Kept on disk, so that it holds while core is away.

Orders are believed only by their signature and their own expiry; the transport is not trusted.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from checkvalve.detection.register import Register
from checkvalve.events import jws
from checkvalve.events.errors import EventError
from checkvalve.gateway.settings import write_private

ORDER_TYP: Final = "checkvalve-order+jws"
CONTEXT_TYP: Final = "checkvalve-context+jws"
MAX_AHEAD_S: Final = 300
MATCHES: Final = ("plugin", "route", "session", "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is asking, as far as a signed context says. `context` is its payload; `error` why there is none."""

    site: str | None
    context: dict[str, Any] | None
    error: str | None

    @property
    def ref(self) -> str | None:
        requester = (self.context or {}).get("requester")
        ref = requester.get("ref") if isinstance(requester, dict) else None
        return ref if isinstance(ref, str) and ref else None

    @property
    def recipient(self) -> str:
        session = (self.context or {}).get("session")
        return self.ref or (f"session:{session}" if isinstance(session, str) and session else "anonymous")

    def text(self, name: str) -> str | None:
        value = (self.context or {}).get(name)
        return value if isinstance(value, str) and value else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    jti: str
    action: str
    args: dict[str, Any]
    site: str
    exp: int


class Control:
    """`apply_config` and `apply_register` come from the poll; the proxy asks `caller` and `refusal`."""

    def __init__(self, directory: Path, core_key: bytes) -> None:
        self._file = directory / "control.json"
        self._core_key = core_key
        self.version: str | None = None
        self._tokens: list[str] = []
        self._released: set[str] = set()
        self.orders: dict[str, Order] = {}
        self._sites: dict[str, dict[str, Any]] = {}
        self.registers: dict[str, Register] = {}
        self.wanted_revs: dict[str, int] = {}
        if self._file.exists():
            self._restore()

    # --- from core ---------------------------------------------------------------------------------------------------

    def apply_config(self, config: dict[str, Any], now_s: int) -> list[tuple[str, str, str]]:
        """Take over a configuration; returns (jti, status, detail) of each order that is new."""
        self._sites = config["sites"]
        for site, data in self._sites.items():
            key = base64.b64decode(data["pseudonym_key"])
            if site not in self.registers or self.registers[site].key != key:
                self.registers[site] = Register(key)
        for gone in set(self.registers) - set(self._sites):
            del self.registers[gone]
        self.wanted_revs = dict(config.get("register", {}))
        self._tokens = list(config.get("orders", []))
        reports = [r for token in self._tokens if (r := self._take(token, now_s))]
        self.version = config.get("version")
        self._save()
        return reports

    def _take(self, token: str, now_s: int) -> tuple[str, str, str] | None:
        try:
            payload = jws.verify(token, typ=ORDER_TYP, public_key=self._core_key)
            order = _order(payload, now_s)
        except EventError as error:
            return "unknown", "refused", error.hint
        if order.site not in self._sites:
            return order.jti, "refused", "the order is for another site"
        if order.jti in self.orders or order.jti in self._released:
            return None
        if order.exp <= now_s:
            return None
        if order.action == "release":
            self.orders[order.jti] = order
            self._released.add(str(order.args.get("jti")))
            self.orders.pop(str(order.args.get("jti")), None)
            return order.jti, "done", f"released {order.args.get('jti')}"
        self.orders[order.jti] = order
        return order.jti, "done", "refusing matching requests"

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
                    return Caller(site=site, context=payload, error=None)
            raise EventError("bad_token", "the context is from a sensor that is not paired")
        except EventError as error:
            return Caller(site=only, context=None, error=error.hint)

    def refusal(self, caller: Caller, model: str | None, now_s: int) -> Order | None:
        """The order in force that closes this request, if any. Every given argument must match."""
        have = {"model": model, **{n: caller.text(n) for n in ("plugin", "route", "session")}}
        for order in list(self.orders.values()):
            if order.exp <= now_s:
                del self.orders[order.jti]
            elif order.action == "refuse" and order.site == caller.site and _matches(order.args, have):
                return order
        return None

    # --- on disk -----------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        registers = {
            site: {"rev": r.rev, "rows": [{"ref": ref, "ids": ids} for ref, ids in r.export()]}
            for site, r in self.registers.items()
        }
        state = {"sites": self._sites, "orders": self._tokens, "released": sorted(self._released), "registers": registers}
        write_private(self._file, msgspec.json.encode(state))

    def save(self) -> None:
        self._save()

    def _restore(self) -> None:
        try:
            state = msgspec.json.decode(self._file.read_bytes())
            self._sites, self._released = state["sites"], set(state["released"])
            for site, data in self._sites.items():
                register = Register(base64.b64decode(data["pseudonym_key"]))
                for row in state["registers"].get(site, {}).get("rows", []):
                    register.put(row["ref"], [(c, h) for c, h in row["ids"]], 0)
                register.rev = state["registers"].get(site, {}).get("rev", 0)
                self.registers[site] = register
            self._tokens = state["orders"]
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            self._sites, self.registers, self._tokens = {}, {}, []  # core will tell again
            return
        for token in self._tokens:
            self._take(token, 0)


def _matches(args: dict[str, Any], have: dict[str, str | None]) -> bool:
    given = [n for n in MATCHES if n in args]
    return bool(given) and all(have[n] == args[n] for n in given)


def _order(payload: dict[str, Any], now_s: int) -> Order:
    kinds: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        ("jti", lambda v: isinstance(v, str)),
        ("aud", lambda v: isinstance(v, str)),
        ("action", lambda v: v in ("refuse", "release")),
        ("args", lambda v: isinstance(v, dict)),
        ("exp", lambda v: isinstance(v, int)),
        ("iat", lambda v: isinstance(v, int) and (not now_s or v <= now_s + MAX_AHEAD_S)),
        ("hand", lambda v: v == "gateway"),
    )
    for name, good in kinds:
        if not good(payload.get(name)):
            raise EventError("bad_order", f"the order's {name} is not acceptable")
    return Order(jti=payload["jti"], action=payload["action"], args=payload["args"], site=payload["aud"], exp=payload["exp"])
