"""Which plugins the checkout needs, found out before it matters: each is isolated in the probe's own requests, and the checkout
is walked. No visitor notices; each trial places test orders, which are cancelled. What was found is kept in the log: a response
then takes the narrowest width first (`widths.py`)."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import aiohttp
import msgspec
from sqlalchemy import select

from checkvalve.actuators.checkout import CheckoutProbe, CheckoutReport
from checkvalve.actuators.http import ShopError, request, route_url
from checkvalve.actuators.wordpress import Shop
from checkvalve.engine import decisions, widths
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.hands import PROBE_PASS_S, PROBE_TYP
from checkvalve.engine.identity import Identity, load_identity
from checkvalve.engine.looking import in_core
from checkvalve.engine.settings import Settings
from checkvalve.engine.shop_plugins import folder
from checkvalve.events import jws
from checkvalve.store.schema import sensors, sites
from checkvalve.store.state import open_state

NARROWER: Final = ("surface", "except_checkout")  # the narrowest first; the second is for what cannot be missed
MAX_PLUGINS: Final = 60
PATH: Final = "/v1/local/roles"

Trial = dict[str, str]


class Role(msgspec.Struct, frozen=True, kw_only=True):
    plugin: str
    depends: bool
    steps: tuple[Literal["surface", "except_checkout", "everywhere"], ...]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/roles: what trials of a shop said."""

    site: str
    plugins: tuple[Role, ...]
    by: str


async def stated(core: Core, found: Found) -> dict[str, Any]:
    data = {k: v for k, v in msgspec.to_builtins(found).items() if k != "by"}
    (entry,) = await core.decide([decisions.draft(widths.TYPE, at_ms=core.now_ms(), by=found.by, **data)])
    return {"entry": entry}


def keep(settings: Settings, found: dict[str, Any], by: str) -> int:
    """The number of the entry."""
    rows = tuple(Role(plugin=r["plugin"], depends=r["depends"], steps=tuple(r["steps"])) for r in found["plugins"])
    told = Found(site=found["site"], plugins=rows, by=by)
    entry: int = in_core(settings, PATH, told, lambda core: stated(core, told))["entry"]
    return entry


async def roles(
    settings: Settings, site: str | None, only: Sequence[str], tell: Callable[[int, int], None] = lambda *_: None
) -> dict[str, Any]:
    """The role map of one shop. `only`: folders of plugins; empty for all. EngineError when the shop cannot be tried."""
    shop = _shop(settings, site)
    identity = load_identity(settings.data)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        plugins = await _plugins(session, shop, identity, only)
        baseline = await _probe(session, shop, identity, None, None)
        if not baseline.ok:
            raise EngineError("checkout_failed", f"the checkout fails as it is ({baseline.why}); that has to be mended first")
        rows = []
        for done, plugin in enumerate(plugins):
            tell(done, len(plugins))
            rows.append(await _role(session, shop, identity, plugin, baseline))
        tell(len(plugins), len(plugins))
    ways = {"store api": True} | {name: way.ok for name, way in baseline.ways.items()}
    return {"site": shop.site, "ways": ways, "plugins": rows}


async def _role(
    session: aiohttp.ClientSession, shop: Shop, identity: Identity, plugin: str, baseline: CheckoutReport
) -> dict[str, Any]:
    """`steps`: widths of isolation with which the checkout was seen to work, the one to take first at the head."""
    without = await _probe(session, shop, identity, {"plugin": plugin, "mode": "everywhere"}, baseline)
    narrower = NARROWER[:1] if without.ok else NARROWER
    steps = [m for m in narrower if (await _probe(session, shop, identity, {"plugin": plugin, "mode": m}, baseline)).ok]
    if without.ok:
        steps.append("everywhere")
    return {"plugin": plugin, "depends": not without.ok, "breaks": without.why, "steps": steps}


async def _probe(
    session: aiohttp.ClientSession, shop: Shop, identity: Identity, trial: Trial | None, baseline: CheckoutReport | None
) -> CheckoutReport:
    return await CheckoutProbe(session, lambda _: _pass(identity, shop, trial)).run(shop, baseline)


async def _plugins(session: aiohttp.ClientSession, shop: Shop, identity: Identity, only: Sequence[str]) -> list[str]:
    headers = {"Checkvalve-Probe": _pass(identity, shop, None)}
    try:
        answer = await request(session, "GET", route_url(shop.rest_url, "checkvalve/v1/probe"), headers=headers, seconds=20)
        told = answer.json().get("plugins") if answer.status == 200 else None
    except (ShopError, AttributeError) as error:
        raise EngineError("shop_away", f"the shop {error}") from error
    if not isinstance(told, list):
        raise EngineError("shop_away", f"the shop answered {answer.status} and named no plugins; is its plugin up to date?")
    found = [p for p in told if isinstance(p, str)]
    if missing := sorted(set(only) - {folder(p) for p in found}):
        raise EngineError("no_plugin", f"not active in this shop: {', '.join(missing)}")
    return [p for p in found if not only or folder(p) in only][:MAX_PLUGINS]


def _pass(identity: Identity, shop: Shop, trial: Trial | None) -> str:
    now = int(time.time())
    payload: dict[str, Any] = {"aud": shop.site, "jti": secrets.token_urlsafe(12), "iat": now, "exp": now + PROBE_PASS_S}
    return jws.sign(payload | ({"trial": trial} if trial else {}), typ=PROBE_TYP, kid="core", key=identity.core_key)


def _shop(settings: Settings, site: str | None) -> Shop:
    if not settings.has_state:
        raise EngineError("no_shop", "no shop is paired yet; run: checkvalve pair")
    state = open_state(settings.state)
    try:
        with state.read() as db:
            paired = select(sensors.c.site).where(sensors.c.kind == "wordpress")
            rows = db.execute(select(sites.c.site, sites.c.rest_url).where(sites.c.site.in_(paired))).all()
    finally:
        state.close()
    shops = [Shop(site=r.site, rest_url=r.rest_url) for r in rows if site in (None, r.site)]
    if len(shops) != 1:
        what = "several shops are paired; name one with --site" if shops else "there is no such paired shop"
        raise EngineError("no_shop", what)
    return shops[0]
