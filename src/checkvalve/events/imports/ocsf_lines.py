"""OCSF events, one a line: the spool of a gateway that died, the export of another collector."""

from checkvalve.events import event as ocsf
from checkvalve.events.event import Malformed
from checkvalve.events.imports import cutting
from checkvalve.events.imports.types import Context, Format, Moment, Piece, Said


def read(piece: Piece, _context: Context) -> Said | Malformed:
    parsed = ocsf.parse(piece.raw)
    if isinstance(parsed, Malformed):
        return parsed
    return Said(
        class_uid=parsed.class_uid,
        activity_id=parsed.activity_id,
        moment=Moment(ms=parsed.time, within_ms=1),
        unique=True,
        trace=parsed.trace,
        own=parsed.own,
        body=parsed.body,
    )


FORMAT = Format(name="ocsf", title="OCSF events", cut=cutting.json_records, read=read, followed=True)
