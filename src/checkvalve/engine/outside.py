"""Hosts outside that a shop's plugins were seen to talk to past the gateway: what went there is in no log of this shop."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.engine.observe import Observed
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event
from checkvalve.posture.mounts import is_near
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.schema import outside_hosts


@dataclass(slots=True)
class Contacts:
    """What some entries tell of calls, gathered and written together."""

    _calls: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)

    def note(self, seen: Observed) -> None:
        """An event of a shop's own sensor."""
        parsed = seen.event
        if not isinstance(parsed, Event) or parsed.class_uid != ocsf.HTTP_ACTIVITY or parsed.own.get("direct") is not True:
            return
        request, plugin = parsed.body.get("http_request"), parsed.own.get("plugin")
        url = request.get("url") if isinstance(request, dict) else None
        host = url.get("hostname") if isinstance(url, dict) else None
        if seen.site is not None and isinstance(host, str) and host and not is_near(host.lower()):
            key = (seen.site, host.lower()[:253], plugin[:80] if isinstance(plugin, str) else "")
            calls, newest = self._calls.get(key, (0, 0))
            self._calls[key] = (calls + 1, max(newest, min(parsed.time, seen.received_ms)))

    def store(self, db: Connection) -> None:
        for (site, host, plugin), (calls, newest) in self._calls.items():
            row = upsert(outside_hosts).values(site=site, host=host, plugin=plugin, calls=calls, last_ms=newest)
            more = {"calls": outside_hosts.c.calls + calls, "last_ms": newest}
            db.execute(row.on_conflict_do_update(index_elements=["site", "host", "plugin"], set_=more))


def hosts(db: Connection) -> list[dict[str, Any]]:
    """{"site", "host", "plugin", "calls", "last"}, the newest first."""
    rows = db.execute(select(outside_hosts).order_by(outside_hosts.c.last_ms.desc(), outside_hosts.c.host))
    return [
        {"site": r.site, "host": r.host, "plugin": r.plugin or None, "calls": r.calls, "last": rfc3339(from_ms(r.last_ms))}
        for r in rows
    ]
