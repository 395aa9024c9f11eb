"""What people decide about one order for many shops: looked at first, asked for by one, agreed to by another, stopped, undone.

Whoever sees some shops alone orders for these alone, and is told of no other. `engine/fleet_driver.py` carries it out.
"""

from collections import Counter
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from checkvalve.engine import decisions, fleet_log
from checkvalve.engine.accounts import User
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.fleet_log import Fleet, FleetShop, Terms
from checkvalve.engine.fleet_versions import below
from checkvalve.engine.shop_plugins import folder
from checkvalve.playbooks.executable import order_fault
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.schema import sensors, shop_plugins, sites, users

PATH: Final = "/v1/local/fleet"
MAY_ORDER: Final = ("controller", "incident_lead")
MAX_TTL_S: Final = 7 * 86400
MAX_TEXT: Final = 300


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/fleet. `by` was asked for a password. `fleet` is empty where `terms` begin a new one."""

    what: str  # run | approve | stop | undo
    by: str
    fleet: str = ""
    reason: str = ""
    terms: Terms | None = None


async def asked(core: Core, asking: Asking) -> dict[str, Any]:
    """`{"fleet": id, "status": …, "entry": n}`. EngineError when it is not for this person to say, or not now."""
    with core.state.read() as db:
        draft = _draft(db, asking, core.now_ms())
    (entry,) = await core.decide([draft])
    fleet = asking.fleet or f"fleet-{entry}"
    with core.state.read() as db:
        found = _known(db, fleet)
    return {"fleet": fleet, "status": found.status, "entry": entry}


def _draft(db: Connection, asking: Asking, now_ms: int) -> Any:
    user = person(db, asking.by)
    if not asking.reason.strip() or len(asking.reason) > MAX_TEXT or not asking.reason.isprintable():
        raise EngineError("no_reason", f"say why, in one line of at most {MAX_TEXT} characters")
    given: dict[str, Any] = {"at_ms": now_ms, "by": asking.by}
    if asking.what == "run":
        if asking.terms is None:
            raise EngineError("bad_request", "an order for many shops needs its terms")
        chosen = plan(db, asking.terms, user)["shops"]
        if not chosen:
            raise EngineError("no_shop", f"no shop runs {asking.terms.plugin} in such a version; see `checkvalve fleet plan`")
        rows = [{n: shop[n] for n in ("site", "plugin", "version")} for shop in chosen]
        return decisions.draft("fleet_asked", **given, terms=msgspec.to_builtins(asking.terms), shops=rows)
    fleet = visible(db, asking.fleet, user)
    match asking.what:
        case "approve":
            _approvable(fleet, asking.by, now_ms)
            return decisions.draft("fleet_approved", **given, fleet=fleet.id, why=asking.reason)
        case "stop":
            if fleet.status not in ("asked", "running"):
                raise EngineError("too_late", f"{fleet.id} is {fleet.status}; there is nothing to stop")
            return decisions.draft("fleet_stopped", **given, fleet=fleet.id, why=f"{asking.by}: {asking.reason}")
        case "undo":
            if fleet.status not in ("running", "stopped", "done"):
                raise EngineError("too_late", f"{fleet.id} is {fleet.status}; there is nothing to undo")
            return decisions.draft("fleet_undo_asked", **given, fleet=fleet.id, why=f"{asking.by}: {asking.reason}")
        case _:
            raise EngineError("bad_request", "run, approve, stop or undo")


def _approvable(fleet: Fleet, by: str, now_ms: int) -> None:
    if fleet.status != "asked":
        raise EngineError("too_late", f"{fleet.id} is {fleet.status}")
    if fleet.asked_by == by:
        raise EngineError("second_person", "you asked for it; another person with the role has to agree")
    if now_ms - fleet.asked_ms > fleet_log.APPROVAL_MS:
        raise EngineError("too_late", f"{fleet.id} was asked for more than an hour ago; ask anew, for shops change")


# --- who may see what ------------------------------------------------------------------------------------------------


def known(db: Connection, name: str) -> User:
    """EngineError when there is nobody of this name."""
    row = db.execute(select(users).where(users.c.name == name.removeprefix("user:"))).first()
    if row is None:
        raise EngineError("not_found", f"there is no user {name[:80]}; see `checkvalve user list`")
    return User(name=row.name, roles=tuple(row.roles), sites=None if row.sites is None else tuple(row.sites))


def person(db: Connection, by: str) -> User:
    """EngineError unless this is somebody who may order for several shops."""
    user = known(db, by)
    if not set(user.roles) & set(MAY_ORDER):
        raise EngineError("forbidden", f"an order for many shops takes one of: {', '.join(MAY_ORDER)}")
    return user


def visible(db: Connection, fleet: str, user: User | None) -> Fleet:
    """The fleet, if this person sees every shop of it. `user` None: the operator of this machine."""
    found = _known(db, fleet)
    if user is not None and not all(user.sees(shop.site) for shop in fleet_log.shops(db, fleet)):
        raise EngineError("forbidden", f"{user.name} does not see every shop of {fleet}")
    return found


def _known(db: Connection, fleet: str) -> Fleet:
    found = fleet_log.load(db, fleet)
    if found is None:
        raise EngineError("not_found", f"there is no {fleet[:60]!r}; see `checkvalve fleet status`")
    return found


# --- what would be done, what was done -------------------------------------------------------------------------------


def plan(db: Connection, terms: Terms, user: User | None) -> dict[str, Any]:
    """Which shops it would be given to, in which order, and what is not known. Changes nothing."""
    _check(terms)
    paired = select(sites, sensors.c.last_seen_ms).join(sensors, sensors.c.site == sites.c.site)
    rows = db.execute(paired.where(sensors.c.kind == "wordpress")).all()
    seen = sorted((r for r in rows if user is None or user.sees(r.site)), key=lambda r: (-(r.last_seen_ms or 0), r.site))
    told: dict[str, list[Any]] = {}
    for row in db.execute(select(shop_plugins)):
        told.setdefault(row.site, []).append(row)
    chosen: list[dict[str, str]] = []
    inactive: list[dict[str, str]] = []
    later: list[dict[str, str]] = []
    unknown: list[dict[str, str]] = []
    without = 0
    for shop in seen:
        named = {"site": shop.site, "name": shop.name}
        if shop.site not in told:
            unknown.append(named)
            continue
        here = sorted((p for p in told[shop.site] if terms.plugin in (p.plugin, folder(p.plugin))), key=lambda p: not p.active)
        if not here:
            without += 1
            continue
        found = named | {"plugin": here[0].plugin, "version": here[0].version}
        affected = not terms.below or below(here[0].version, terms.below)
        (later if not affected else chosen if here[0].active else inactive).append(found)
    return {
        "shops": chosen,
        "stages": fleet_log.stage_sizes(len(chosen)),
        "inactive": inactive,
        "not_affected": later,
        "without": without,
        "unknown": unknown,
    }


def _check(terms: Terms) -> None:
    text = [terms.plugin, terms.below, *terms.args, *terms.args.values()]
    if not terms.plugin or any(len(t) > MAX_TEXT or not t.isprintable() for t in text):
        raise EngineError("bad_value", "name the plugin by its folder; names and values are text in one line")
    if not 60 <= terms.ttl_s <= MAX_TTL_S or not 0 <= terms.tolerated <= 100:
        raise EngineError("bad_value", "an order holds for a minute to seven days; 0 to 100 per cent of the shops may fail")
    fault = order_fault({"hand": "wordpress", "action": terms.action, "args": fleet_log.arguments(terms, terms.plugin)})
    if fault:
        raise EngineError("bad_order", fault)


def view(db: Connection, fleet: str, user: User | None) -> dict[str, Any]:
    """One fleet as JSON; of its shops those that this person sees."""
    found = _known(db, fleet)
    rows = [s for s in fleet_log.shops(db, fleet) if user is None or user.sees(s.site)]
    if user is not None and not rows:
        raise EngineError("not_found", f"there is no {fleet[:60]!r}; see `checkvalve fleet status`")
    names = {r.site: r.name for r in db.execute(select(sites.c.site, sites.c.name))}
    return {
        "fleet": found.id,
        "status": found.status,
        "stage": found.stage,
        "why": found.why,
        "terms": msgspec.to_builtins(found.terms),
        "asked_by": found.asked_by,
        "approved_by": found.approved_by,
        "until": rfc3339(from_ms(found.until_ms)),
        "counts": dict(sorted(Counter(s.status for s in rows).items())),
        "shops": [_row(s, names.get(s.site, "")) for s in rows],
    }


def _row(shop: FleetShop, name: str) -> dict[str, Any]:
    fields = ("site", "plugin", "version", "status", "stage", "why", "at_ms")
    times: dict[str, Any] = {n: shop.seen[n] for n in ("contain_ms", "rollback_ms") if n in shop.seen}
    return {"name": name, **{n: getattr(shop, n) for n in fields}, **times}


def listed(db: Connection, user: User | None) -> list[dict[str, Any]]:
    """Every fleet with a shop that this person sees, without its shops."""
    seen = [f.id for f in fleet_log.every(db) if user is None or any(user.sees(s.site) for s in fleet_log.shops(db, f.id))]
    return [{n: v for n, v in view(db, fleet, user).items() if n != "shops"} for fleet in seen]
