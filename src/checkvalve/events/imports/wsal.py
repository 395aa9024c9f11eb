"""WP Activity Log: the CSV of its event viewer, and rows of its tables `wsal_occurrences` and `wsal_metadata`.

The CSV shows dates in the site's own form and zone; the tables hold UTC seconds with a fraction.
"""

from typing import Any, Final

import msgspec

from checkvalve.events.event import Malformed
from checkvalve.events.imports import activity, cutting, times
from checkvalve.events.imports.types import Context, Format, Moment, Piece, Said

# The plugin's event ids (its own list) -> what they are here. Others keep their id and words.
EVENTS: Final = {
    1000: "login",
    1001: "logout",
    1002: "login_failed",
    1003: "login_failed",
    4000: "user_created",
    4001: "user_created",
    4002: "role_changed",
    4003: "password_changed",
    4004: "password_changed",
    4005: "user_changed",
    4006: "user_changed",
    4007: "user_deleted",
    5000: "plugin_installed",
    5001: "plugin_enabled",
    5002: "plugin_disabled",
    5003: "plugin_removed",
    5004: "plugin_updated",
    9035: "order_created",
    9036: "order_changed",
}
TABLES: Final = ("wsal_occurrences", "wsal_metadata")
_VIEW: Final = ("ID", "Severity", "Date", "User", "IP", "Object", "Event Type", "Message")
_VIEW_OF_NETWORK: Final = (*_VIEW[:7], "Site", "Message")


def read(piece: Piece, context: Context) -> Said | Malformed:
    if piece.table:
        return _table_row(piece, context)
    if piece.raw.startswith(b"{"):
        return _object(piece, context)
    values = cutting.csv_values(piece.raw)
    if values is None:
        return Malformed(reason="not a row of CSV in UTF-8")
    if not values[0].isdigit():
        return Said(class_uid=0, activity_id=99, body={"message": "heading of an export of WP Activity Log"})
    columns = _VIEW if len(values) == 8 else _VIEW_OF_NETWORK if len(values) == 9 else ()
    if not columns:
        return Malformed(reason=f"{len(values)} columns; the export has 8, or 9 in a network")
    return _row(dict(zip(columns, values, strict=True)), context)


def _row(row: dict[str, str], context: Context) -> Said | Malformed:
    moment = times.displayed(row["Date"], context)
    if moment is None:
        return Malformed(reason="the date can be read in two ways or in none; say which with --day-first or --month-first")
    user = row["User"].splitlines()[0].strip() if row["User"].strip() else ""
    known = user if user.lower() not in ("system", "unknown user", "unregistered user", "plugin", "plugins") else ""
    return _said(int(row["ID"]), moment, (None, known, None), row["IP"], (row["Object"], row["Event Type"]), context)


def _table_row(piece: Piece, context: Context) -> Said | Malformed:
    values = cutting.sql_values(piece.raw)
    if values is None or (piece.columns and len(values) != len(piece.columns)):
        return Malformed(reason=f"not a row of {piece.table}")
    if piece.table.endswith("wsal_occurrences") and piece.columns:
        return _occurrence(dict(zip(piece.columns, values, strict=True)), context)
    return Said(class_uid=0, activity_id=99, unique=True, body={"message": f"WP Activity Log: row of {piece.table[-40:]}"})


def _object(piece: Piece, context: Context) -> Said | Malformed:
    try:
        row = msgspec.json.decode(piece.raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(reason=f"not JSON: {str(error)[:120]}")
    if "name" in row and "occurrence_id" in row:
        return Said(class_uid=0, activity_id=99, unique=True, body={"message": "WP Activity Log: detail of an event"})
    return _occurrence(row, context)


def _occurrence(row: dict[str, Any], context: Context) -> Said | Malformed:
    moment = times.epoch(row.get("created_on"))
    alert = str(row.get("alert_id", ""))
    if moment is None or not alert.isdigit() or len(alert) > 9:
        return Malformed(reason="an occurrence without created_on or alert_id")
    who = (row.get("user_id"), row.get("username"), None)
    return _said(int(alert), moment, who, row.get("client_ip"), (row.get("object"), row.get("event_type")), context)


def _said(
    alert: int, moment: Moment, who: tuple[Any, Any, Any], address: object, words: tuple[object, object], context: Context
) -> Said:
    said = " ".join(w for w in map(activity.phrase, words) if w)
    kind = EVENTS.get(alert, "")
    message = f"WP Activity Log {alert}{f' {kind}' if kind else ''}{f': {said}' if said else ''}"
    fields = activity.parts(kind, activity.actor(*who, context), address, message, context)
    return Said(moment=moment, unique=True, **fields)


FORMAT = Format(name="wsal", title="WP Activity Log", cut=cutting.export_rows(TABLES), read=read)
