"""Wordfence has no export of its log: rows of its tables, out of a dump of the database, as CSV or JSON, or an SQLite file.

Times are UTC seconds, most with a fraction.
"""

import re
from typing import Final

from checkvalve.events import event as ocsf
from checkvalve.events.event import Malformed
from checkvalve.events.imports import activity, combined, plugin_rows, times
from checkvalve.events.imports.plugin_rows import Row, Table, address, number
from checkvalve.events.imports.types import Context, Format, Moment, Piece, Said

TITLE: Final = "Wordfence"
_HOST: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")  # of a URL, what stands before its path
# Its audit events -> what they are here. Others keep their name.
AUDIT: Final = {
    "user.account.created": "user_created",
    "user.account.deleted": "user_deleted",
    "user.account.updated": "user_changed",
    "user.auth.logged-in": "login",
    "user.auth.logged-out": "logout",
    "user.auth.password-reset": "password_reset",
    "user.permissions.role-added": "role_changed",
}


def read(piece: Piece, context: Context) -> Said | Malformed:
    found = plugin_rows.read(piece, context, TABLES, TITLE)
    return found or Malformed(reason="a row of CSV without the names of its columns in the first line")


def _login(row: Row, context: Context) -> Said | Malformed:
    action = activity.phrase(row.get("action"))
    kind = "logout" if action == "logout" else "login_failed" if number(row.get("fail")) else "login"
    who = activity.actor(row.get("userID"), row.get("username"), None, context)
    return _said(times.epoch(row.get("ctime")), kind, who, row, f"wflogins {action}", context)


def _hit(row: Row, context: Context) -> Said | Malformed:
    """A request: its path without the query, and what was done about it."""
    moment = times.epoch(row.get("ctime"))
    if moment is None:
        return Malformed(reason="a hit without ctime")
    ip, user, status = address(row.get("IP")), number(row.get("userID")), number(row.get("statusCode"))
    who = f"customer:{user}" if user else f"ip:{context.hide('ip', ip)}" if ip else None
    route = combined.pattern(_HOST.sub("", str(row.get("URL") or "")))
    action = activity.phrase(row.get("action"))
    return Said(
        class_uid=ocsf.HTTP_ACTIVITY,
        activity_id=99,
        moment=moment,
        unique=True,
        own={"route": route} | ({"requester": {"ref": who}} if who else {}),
        body={
            "message": f"{TITLE}: {route} -> {status}{f', {action}' if action else ''}",
            "http_request": {"url": {"path": route}},
            "http_response": {"code": status},
        },
    )


def _issue(row: Row, context: Context) -> Said | Malformed:
    what = f"scan found {activity.phrase(row.get('type'))}, severity {number(row.get('severity'))}"
    return _said(times.epoch(row.get("time")), "", None, row, what, context)


def _block(row: Row, context: Context) -> Said | Malformed:
    what = f"block of type {number(row.get('type'))}"
    return _said(times.epoch(row.get("blockedTime")), "", None, row, what, context)


def _event(row: Row, context: Context) -> Said | Malformed:
    name = str(row.get("type") or "")
    return _said(times.epoch(row.get("event_time")), AUDIT.get(name, ""), None, row, activity.phrase(name), context)


def _said(moment: Moment | None, kind: str, who: str | None, row: Row, what: str, context: Context) -> Said | Malformed:
    if moment is None:
        return Malformed(reason="a row without its time")
    fields = activity.parts(kind, who, address(row.get("IP")), f"{TITLE}: {what}", context)
    return Said(moment=moment, unique=True, **fields)


TABLES: Final = (
    Table(name="wflogins", columns=frozenset(("ctime", "fail", "action", "username")), read=_login),
    Table(name="wfhits", columns=frozenset(("ctime", "URL", "statusCode", "action")), read=_hit),
    Table(name="wfissues", columns=frozenset(("time", "severity", "shortMsg")), read=_issue),
    Table(name="wfblocks7", columns=frozenset(("blockedTime", "reason", "expiration")), read=_block),
    Table(name="wfsecurityevents", columns=frozenset(("type", "event_time", "state")), read=_event),
    Table(name="wfauditevents", columns=frozenset(("type", "event_time", "request_id")), read=_event),
)
FORMAT = Format(name="wordfence", title="log of Wordfence", cut=plugin_rows.cut(TABLES), read=read)
