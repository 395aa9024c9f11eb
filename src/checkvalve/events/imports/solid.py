"""Solid Security (before: iThemes Security): its log file, and rows of its table `itsec_logs`.

Dates are UTC, exact to a second. The heading of the file (11 names) does not fit its lines (13 values). The parts of a code
behind `::` name users and addresses.
"""

from datetime import UTC
from typing import Final

from checkvalve.events.event import Malformed
from checkvalve.events.imports import activity, cutting, plugin_rows, times
from checkvalve.events.imports.plugin_rows import Row, Table, address
from checkvalve.events.imports.types import Context, Format, Piece, Said

TITLE: Final = "Solid Security"
_FILE: Final = (
    *("parent_id", "module", "code", "data", "type", "timestamp", "init_timestamp"),
    *("memory_current", "memory_peak", "url", "blog_id", "user_id", "remote_ip"),
)
# (module, code) -> what it is here. Others keep their names.
EVENTS: Final = {("brute_force", "invalid-login"): "login_failed", ("ipcheck", "successful-login-by-blocked-ip"): "login"}


def read(piece: Piece, context: Context) -> Said | Malformed:
    found = plugin_rows.read(piece, context, TABLES, TITLE)
    if found is not None:
        return found
    values = cutting.csv_values(piece.raw)
    if values is None or len(values) != len(_FILE):
        return Malformed(reason=f"not a line of the log file of {TITLE}, which has {len(_FILE)} values")
    return _record(dict(zip(_FILE, values, strict=True)), context)


def _record(row: Row, context: Context) -> Said | Malformed:
    moment = times.rfc3339(str(row.get("timestamp") or "").replace(" ", "T", 1), UTC)
    if moment is None or not row.get("module"):
        return Malformed(reason="a record without timestamp or module")
    module, code = activity.phrase(row["module"]), activity.phrase(str(row.get("code") or "").partition("::")[0])
    who = activity.actor(row.get("user_id"), None, None, context)
    message = f"{TITLE}: {activity.phrase(row.get('type'))} {module} {code}"
    fields = activity.parts(EVENTS.get((module, code), ""), who, address(row.get("remote_ip")), message, context)
    return Said(moment=moment, unique=True, **fields)


TABLES: Final = (Table(name="itsec_logs", columns=frozenset(("module", "code", "timestamp", "init_timestamp")), read=_record),)
FORMAT = Format(name="solid", title="log of Solid Security", cut=plugin_rows.cut(TABLES), read=read, by_line=True)
