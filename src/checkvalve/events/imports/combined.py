"""Access logs of nginx and Apache: "combined", "common", with a virtual host in front, with fields added at the end.

The query of a path is never kept: it carries search terms and e-mail addresses. A trace id is taken from any added field
that holds one (nginx `$request_id`, a `traceparent`). nginx writes the time a request ended, Apache when it began.
"""

import re
from datetime import datetime
from typing import Final

from checkvalve.events import event as ocsf
from checkvalve.events.event import Malformed
from checkvalve.events.imports import cutting
from checkvalve.events.imports.types import Context, Format, Moment, Piece, Said

_LINE = re.compile(
    r"(?:(?P<vhost>[\w.:-]+) )?(?P<address>[0-9A-Fa-f.:]+|[\w.-]+) \S+ (?P<user>.+?) \[(?P<time>[^\]]{20,30})\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<size>\d+|-)(?P<rest>.*)'
)
_TRACE = re.compile(r"(?<![0-9a-f])(?:00-)?([0-9a-f]{32})(?![0-9a-f])")
_ACTIVITY: Final = {"CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8, "PATCH": 9}
_PLAIN = re.compile(r"[A-Za-z0-9._~-]{1,60}")
_NUMBER = re.compile(r"\d+")


def read(piece: Piece, context: Context) -> Said | Malformed:
    try:
        found = _LINE.fullmatch(piece.raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Malformed(reason=f"invalid UTF-8 at byte {error.start}")
    if found is None:
        return Malformed(reason="not a line of a combined access log")
    try:
        at = datetime.strptime(found["time"], "%d/%b/%Y:%H:%M:%S %z")
    except ValueError:
        return Malformed(reason="the time in brackets cannot be read")
    method, _, target = found["request"].partition(" ")
    path = target.partition(" ")[0]
    trace = _TRACE.search(found["rest"].rpartition('" ')[2]) or _TRACE.search(found["rest"].rpartition('" "')[2])
    route = pattern(path)
    own = {"route": route, "requester": {"ref": f"ip:{context.hide('ip', found['address'])}"}}
    return Said(
        class_uid=ocsf.HTTP_ACTIVITY,
        activity_id=_ACTIVITY.get(method, 99),
        moment=Moment(ms=int(at.timestamp()) * 1000, within_ms=1000),
        unique=True,
        trace=trace[1] if trace else None,
        own=own,
        body={
            "message": f"web server: {method if method in _ACTIVITY else '?'} {route} -> {found['status']}",
            "http_request": {"http_method": method if method in _ACTIVITY else "?", "url": {"path": route}},
            "http_response": {"code": int(found["status"])},
            "src_endpoint": {"uid": own["requester"]["ref"].removeprefix("ip:")},  # type: ignore[index] # just built
        },
    )


def pattern(path: str) -> str:
    """A path without its query, WordPress's REST prefix and whatever is not a plain word; numbers become `{n}`."""
    bare = re.split(r"[?#;]", path, maxsplit=1)[0]
    parts = [p for p in bare.removeprefix("/wp-json").split("/") if p][:8]
    return "/" + "/".join("{n}" if _NUMBER.fullmatch(p) else p if _PLAIN.fullmatch(p) else "{…}" for p in parts)


FORMAT = Format(
    name="combined", title="web server access log", cut=cutting.lines, read=read, followed=True, by_line=True, in_order=True
)
