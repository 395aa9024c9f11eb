"""How a plugin is isolated for a case: the widths to try, the narrowest first.

From the role map where the shop was tried (`roles.py`), else all of them: each is probed before it stays. Not tried again is a
width under which the shop's sales fell in this case, and one that is in force while data is shown.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.engine.decisions import Decision
from checkvalve.engine.shop_plugins import folder
from checkvalve.incidents.case import Incident
from checkvalve.store.schema import orders, plugin_roles, transitions

TYPE: Final = "roles_tried"
WIDTHS: Final = ("surface", "except_checkout", "everywhere")
VARIABLES: Final = ("narrowest", "wider", "widest")  # of the shipped playbooks


def digest(db: Connection, decision: Decision) -> None:
    """A role map: the newest word on each plugin that was tried."""
    for row in decision.data["plugins"]:
        values = {"site": decision.data["site"], "plugin": folder(row["plugin"]), "depends": row["depends"]}
        values |= {"steps": row["steps"], "tried_ms": decision.at_ms}
        statement = upsert(plugin_roles).values(**values)
        db.execute(statement.on_conflict_do_update(index_elements=["site", "plugin"], set_=values))


def to_try(db: Connection, incident: Incident, at_ms: int) -> list[str]:
    if incident.plugin is None:
        return []
    mine = (plugin_roles.c.site == incident.site) & (plugin_roles.c.plugin == folder(incident.plugin))
    tried = db.scalar(select(plugin_roles.c.steps).where(mine))
    isolating = (orders.c.incident == incident.id) & (orders.c.action == "isolate_plugin") & (orders.c.expires_ms > at_ms)
    standing = orders.c.released_by.is_(None) & orders.c.reported.in_(("done", "already"))
    spent = {_width(args) for args in db.scalars(select(orders.c.args).where(isolating, standing))}
    spent |= {_width(s["args"]) for s in suffered(db, incident.id).values() if s["action"] == "isolate_plugin"}
    return [width for width in (WIDTHS if tried is None else tried) if width not in spent]


def variables(steps: Sequence[str]) -> dict[str, str | None]:
    """What a playbook is told of them; None for those that are not there, whose steps then fail."""
    return dict(zip_longest(VARIABLES, steps[: len(VARIABLES)]))


def suffered(db: Connection, incident: str) -> dict[str, dict[str, Any]]:
    """Orders (jti) under which the shop's trade was seen to suffer -> what was said of each."""
    said = select(transitions.c.data).where(transitions.c.incident == incident, transitions.c.kind == "trade_suffered")
    return {data["order"]: data for data in db.scalars(said)}


def _width(args: dict[str, Any]) -> str:
    return str(args.get("mode", "everywhere"))
