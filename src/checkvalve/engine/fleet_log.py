"""One order for many shops, as the log tells it: what was agreed to, and how far each shop is.

A shop goes pending -> ordered -> contained, or ordered -> releasing -> rolled_back; `refused` said no itself, `away` did not
answer and is asked again. Before an order is given, what the checkout was is kept with it, so that a core that died goes on
from there. All of it are decisions; nothing here is known that the log does not say.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, insert, select, update

from checkvalve.engine.decisions import Decision
from checkvalve.store.schema import fleet_shops, fleets

TYPES: Final = (
    "fleet_asked",
    "fleet_approved",
    "fleet_stage",
    "fleet_shop",
    "fleet_stopped",
    "fleet_undo_asked",
    "fleet_ended",
)
APPROVAL_MS: Final = 3_600_000  # an order that nobody agreed to within an hour is given up
STAGES: Final = (1, 2, 3)  # one shop, ten per cent, all
OPEN: Final = ("pending", "away", "ordered", "releasing")
FAILED: Final = ("rolled_back", "refused")


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What two persons agree to. `below`: only shops with an earlier version; empty for all. `tolerated`: per cent of the shops
    of a stage that may fail; of the first none."""

    plugin: str
    below: str
    action: str
    args: dict[str, str]
    ttl_s: int
    tolerated: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    id: str
    terms: Terms
    status: str
    stage: int
    asked_by: str
    asked_ms: int
    approved_by: str | None
    approved_ms: int | None
    why: str
    ended_ms: int | None

    @property
    def until_ms(self) -> int:
        """When every order of it ends by itself."""
        return (self.approved_ms or self.asked_ms) + self.terms.ttl_s * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetShop:
    fleet: str
    site: str
    position: int
    plugin: str
    version: str
    status: str
    stage: int
    why: str
    seen: dict[str, Any]
    at_ms: int | None


def stage_sizes(count: int) -> list[int]:
    """How many shops in each stage: one, ten per cent, the rest."""
    first = min(1, count)
    second = min(math.ceil(count / 10), count - first)
    return [first, second, count - first - second]


def arguments(terms: Terms, plugin: str) -> dict[str, str]:
    """The arguments of the order for a shop that has the plugin as `plugin`."""
    return {**terms.args, "plugin": plugin} if terms.action == "isolate_plugin" else terms.args


def load(db: Connection, fleet: str) -> Fleet | None:
    row = db.execute(select(fleets).where(fleets.c.id == fleet)).first()
    return None if row is None else _fleet(row)


def every(db: Connection) -> list[Fleet]:
    return [_fleet(row) for row in db.execute(select(fleets).order_by(fleets.c.asked_ms, fleets.c.id))]


def active(db: Connection) -> list[str]:
    """Those that there is work for: of a stopped one what was half done."""
    half_done = select(fleet_shops.c.fleet).where(fleet_shops.c.status.in_(("ordered", "releasing")))
    stopped = (fleets.c.status == "stopped") & fleets.c.id.in_(half_done)
    return list(db.scalars(select(fleets.c.id).where(fleets.c.status.in_(("running", "undoing")) | stopped)))


def shops(db: Connection, fleet: str) -> list[FleetShop]:
    rows = db.execute(select(fleet_shops).where(fleet_shops.c.fleet == fleet).order_by(fleet_shops.c.position))
    return [FleetShop(**row._mapping) for row in rows]


def _fleet(row: Any) -> Fleet:
    return Fleet(**{**row._mapping, "terms": msgspec.convert(row.terms, Terms)})


def digest(db: Connection, decision: Decision, entry: int) -> None:
    """A decision of TYPES into the tables. One that does not fit what is there changes nothing."""
    data = decision.data
    if decision.type == "fleet_asked":
        _asked(db, decision, f"fleet-{entry}")
        return
    at = fleets.c.id == data["fleet"]
    match decision.type:
        case "fleet_approved":  # by a second person, in time
            fresh = (fleets.c.status == "asked") & (fleets.c.asked_ms >= decision.at_ms - APPROVAL_MS)
            values = {"status": "running", "stage": 1, "approved_by": decision.by, "approved_ms": decision.at_ms}
            db.execute(update(fleets).where(at, fresh, fleets.c.asked_by != decision.by).values(**values))
        case "fleet_stage":
            db.execute(update(fleets).where(at, fleets.c.status == "running").values(stage=data["stage"]))
        case "fleet_shop":
            _shop(db, decision)
        case "fleet_stopped":
            stopping = fleets.c.status.in_(("asked", "running"))
            values = {"status": "stopped", "why": data["why"], "ended_ms": decision.at_ms}
            db.execute(update(fleets).where(at, stopping).values(**values))
        case "fleet_undo_asked":
            undoing = fleets.c.status.in_(("running", "stopped", "done"))
            db.execute(update(fleets).where(at, undoing).values(status="undoing", why=data["why"], ended_ms=None))
        case _:
            ending = fleets.c.status.in_(("running", "undoing"))
            db.execute(update(fleets).where(at, ending).values(status=data["status"], ended_ms=decision.at_ms))


def _asked(db: Connection, decision: Decision, fleet: str) -> None:
    terms = msgspec.convert(decision.data["terms"], Terms)
    values = {"id": fleet, "terms": msgspec.to_builtins(terms), "status": "asked", "stage": 0, "why": ""}
    db.execute(insert(fleets).values(**values, asked_by=decision.by, asked_ms=decision.at_ms))
    fresh = {"fleet": fleet, "status": "pending", "stage": 0, "why": "", "seen": {}, "at_ms": None}
    rows = [{**fresh, "position": n, **shop} for n, shop in enumerate(decision.data["shops"])]
    db.execute(insert(fleet_shops), rows)


def _shop(db: Connection, decision: Decision) -> None:
    data = decision.data
    at = (fleet_shops.c.fleet == data["fleet"]) & (fleet_shops.c.site == data["site"])
    row = db.execute(select(fleet_shops).where(at)).one()
    values = {"status": data["status"], "why": data["why"], "at_ms": decision.at_ms, "stage": data["stage"] or row.stage}
    db.execute(update(fleet_shops).where(at).values(**values, seen={**row.seen, **data["seen"]}))
