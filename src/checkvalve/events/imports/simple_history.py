"""Simple History: its CSV and JSON exports, `wp simple-history list`, its REST events, and rows of its table.

Dates are UTC, exact to a second.
"""

from datetime import UTC
from typing import Any, Final

import msgspec

from checkvalve.events.event import Malformed
from checkvalve.events.imports import activity, cutting, times
from checkvalve.events.imports.types import Context, Format, Moment, Piece, Said

EVENTS: Final = {
    "user_logged_in": "login",
    "user_unknown_logged_in": "login",
    "user_logged_out": "logout",
    "user_login_failed": "login_failed",
    "user_unknown_login_failed": "login_failed",
    "user_created": "user_created",
    "user_deleted": "user_deleted",
    "user_updated_profile": "user_changed",
    "user_role_updated": "role_changed",
    "user_password_reseted": "password_reset",
    "user_requested_password_reset_link": "password_reset",
    "plugin_activated": "plugin_enabled",
    "plugin_deactivated": "plugin_disabled",
    "plugin_installed": "plugin_installed",
    "plugin_deleted": "plugin_removed",
    "plugin_updated": "plugin_updated",
    "plugin_bulk_updated": "plugin_updated",
}
# How the rows of its table, which lack the key, begin.
MESSAGES: Final = {
    "Logged in": "login",
    "Logged out": "logout",
    "Failed to login": "login_failed",
    "Created user": "user_created",
    "Deleted user": "user_deleted",
    "Edited the profile": "user_changed",
    "Activated plugin": "plugin_enabled",
    "Deactivated plugin": "plugin_disabled",
    "Installed plugin": "plugin_installed",
    "Deleted plugin": "plugin_removed",
    "Updated plugin": "plugin_updated",
}
TABLES: Final = ("simple_history", "simple_history_contexts")
# Columns of the CSV by the versions that wrote it; it has no heading of its own.
_EXPORT: Final = ("date", "date_local", "logger", "level", "initiator", "message_key", "email", "login", "roles", "", "", "")
_COLUMNS: Final = {12: _EXPORT, 11: (_EXPORT[0], *_EXPORT[2:]), 10: (_EXPORT[0], *_EXPORT[2:8], "", "", "")}


def read(piece: Piece, context: Context) -> Said | Malformed:
    if piece.table:
        return _table_row(piece, context)
    if piece.raw.startswith(b"{"):
        return _object(piece, context)
    values = cutting.csv_values(piece.raw)
    if values is None:
        return Malformed(reason="neither JSON nor a row of CSV in UTF-8")
    columns = _COLUMNS.get(len(values))
    if columns is None:
        return Malformed(reason=f"{len(values)} columns; the export has 10 to 12")
    return _said(dict(zip(columns, values, strict=True)), {}, context)


def _object(piece: Piece, context: Context) -> Said | Malformed:
    try:
        row = msgspec.json.decode(piece.raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(reason=f"not JSON: {str(error)[:120]}")
    if "history_id" in row:
        return Said(class_uid=0, activity_id=99, unique=True, body={"message": "Simple History: detail of an event"})
    details = row.get("context")
    return _said(row, details if isinstance(details, dict) else {}, context)


def _table_row(piece: Piece, context: Context) -> Said | Malformed:
    values = cutting.sql_values(piece.raw)
    if values is None or (piece.columns and len(values) != len(piece.columns)):
        return Malformed(reason=f"not a row of {piece.table}")
    if piece.table.endswith("simple_history") and piece.columns:
        return _said(dict(zip(piece.columns, values, strict=True)), {}, context)
    return Said(class_uid=0, activity_id=99, unique=True, body={"message": f"Simple History: row of {piece.table[-40:]}"})


def _said(row: dict[str, Any], details: dict[str, Any], context: Context) -> Said | Malformed:
    moment = _moment(row, context)
    if moment is None:
        return Malformed(reason="an event without a date")
    key = row.get("message_key") or row.get("context_message_key") or details.get("_message_key") or ""
    logger, kind = activity.phrase(row.get("logger")), EVENTS.get(str(key), "") or _by_message(row)
    user = row.get("initiator_data")
    shown = user if isinstance(user, dict) else {}
    who = activity.actor(
        details.get("_user_id") or shown.get("user_id"),
        details.get("_user_login") or shown.get("user_login") or row.get("login"),
        details.get("_user_email") or shown.get("user_email") or row.get("email"),
        context,
    )
    message = f"Simple History {logger}{f'/{activity.phrase(key)}' if key else ''}"
    fields = activity.parts(kind, who, details.get("_server_remote_addr"), message, context)
    return Said(moment=moment, unique=True, **fields)


def _by_message(row: dict[str, Any]) -> str:
    message = str(row.get("message") or "")
    return next((kind for start, kind in MESSAGES.items() if message.startswith(start)), "")


def _moment(row: dict[str, Any], context: Context) -> Moment | None:
    for name in ("date_gmt", "date"):
        value = row.get(name)
        if isinstance(value, str) and (moment := times.rfc3339(value.replace(" ", "T", 1), UTC)):
            return moment
    value = row.get("date_local")
    return times.rfc3339(value.replace(" ", "T", 1), context.zone) if isinstance(value, str) else None


FORMAT = Format(name="simple-history", title="Simple History", cut=cutting.export_rows(TABLES), read=read)
