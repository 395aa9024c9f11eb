"""Which plugins each shop has in which version, as the shop itself last said (docs/spec/wire.md, section 5)."""

from typing import Any, Final

from sqlalchemy import Connection, delete, insert

from checkvalve.engine.observe import Observed
from checkvalve.events.event import Event
from checkvalve.store.schema import shop_plugins

MAX_PLUGINS: Final = 2000
MAX_TEXT: Final = 200


def digest(db: Connection, seen: Observed, parsed: Event) -> bool:
    """Take an inventory in; it replaces what the shop said before. False when it is none."""
    told = parsed.own.get("plugins")
    if not isinstance(told, dict) or len(told) > MAX_PLUGINS:
        return False
    rows = [{"site": seen.site, "told_ms": seen.received_ms, **r} for name, said in told.items() if (r := _row(name, said))]
    db.execute(delete(shop_plugins).where(shop_plugins.c.site == seen.site))
    if rows:
        db.execute(insert(shop_plugins), rows)
    return len(rows) == len(told)


def _row(name: str, said: Any) -> dict[str, Any] | None:
    version, active = (said.get("version"), said.get("active")) if isinstance(said, dict) else (None, None)
    good = 0 < len(name) <= MAX_TEXT and name.isprintable() and isinstance(active, bool)
    if not good or not isinstance(version, str) or not version.isprintable():
        return None
    return {"plugin": name, "version": version.strip()[:MAX_TEXT], "active": active}


def folder(plugin: str) -> str:
    """The short name of a plugin: its folder, or its file without the ending."""
    return plugin.partition("/")[0].removesuffix(".php")
