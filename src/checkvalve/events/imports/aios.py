"""All-In-One Security: the CSV of its audit log, and rows of its tables.

The CSV shows dates in the site's own form and zone under a heading in the site's language; the tables hold UTC seconds.
"""

from typing import Final

from checkvalve.events.event import Malformed
from checkvalve.events.imports import activity, cutting, plugin_rows, times
from checkvalve.events.imports.plugin_rows import Row, Table, address
from checkvalve.events.imports.types import Context, Format, Moment, Piece, Said

TITLE: Final = "All-In-One Security"
_VIEW: Final = (
    "id",
    "date",
    "level",
    "network_id",
    "site_id",
    "username",
    "ip",
    "event_type",
    "details",
    "stacktrace",
    "country",
)
EVENTS: Final = {
    "successful_login": "login",
    "failed_login": "login_failed",
    "successful_logout": "logout",
    "user_registration": "user_created",
    "user_deleted": "user_deleted",
    "password_reset": "password_reset",
    "plugin_installed": "plugin_installed",
    "plugin_activated": "plugin_enabled",
    "plugin_deactivated": "plugin_disabled",
    "plugin_deleted": "plugin_removed",
    "plugin_updated": "plugin_updated",
}


def read(piece: Piece, context: Context) -> Said | Malformed:
    found = plugin_rows.read(piece, context, TABLES, TITLE)
    return found if found is not None else _viewed(piece, context)


def _viewed(piece: Piece, context: Context) -> Said | Malformed:
    values = cutting.csv_values(piece.raw)
    if values is None or len(values) not in (len(_VIEW) - 1, len(_VIEW)):
        return Malformed(reason=f"not a row of the audit log's CSV, which has {len(_VIEW) - 1} or {len(_VIEW)} columns")
    if not values[0].isdecimal():
        return plugin_rows.other(f"{TITLE}: heading of an export")
    row = dict(zip(_VIEW, values, strict=False))
    moment = times.displayed(row["date"], context)
    if moment is None:
        return Malformed(reason="the date can be read in two ways or in none; say which with --day-first or --month-first")
    return _told(moment, row, context)


def _record(row: Row, context: Context) -> Said | Malformed:
    return _told(times.epoch(row.get("created")), row, context)


def _lockout(row: Row, context: Context) -> Said | Malformed:
    who = activity.actor(row.get("user_id"), row.get("user_login"), None, context)
    return _said(times.epoch(row.get("created")), "", who, row.get("failed_login_ip"), "lockout", context)


def _block(row: Row, context: Context) -> Said | Malformed:
    return _said(times.epoch(row.get("created")), "", None, row.get("blocked_ip"), "permanent block", context)


def _told(moment: Moment | None, row: Row, context: Context) -> Said | Malformed:
    name = str(row.get("event_type") or "")
    who = activity.actor(None, row.get("username"), None, context)
    what = f"{activity.phrase(row.get('level'))} {activity.phrase(name)}"
    return _said(moment, EVENTS.get(name, ""), who, row.get("ip"), what, context)


def _said(moment: Moment | None, kind: str, who: str | None, ip: object, what: str, context: Context) -> Said | Malformed:
    if moment is None:
        return Malformed(reason="a row without the time it was created")
    fields = activity.parts(kind, who, address(ip), f"{TITLE}: {what}", context)
    return Said(moment=moment, unique=True, **fields)


TABLES: Final = (
    Table(name="aiowps_audit_log", columns=frozenset(("event_type", "level", "stacktrace", "created")), read=_record),
    Table(name="aiowps_login_lockdown", columns=frozenset(("user_login", "failed_login_ip", "created")), read=_lockout),
    Table(name="aiowps_permanent_block", columns=frozenset(("blocked_ip", "block_reason", "created")), read=_block),
)
FORMAT = Format(name="aios", title="log of All-In-One Security", cut=plugin_rows.cut(TABLES), read=read)
