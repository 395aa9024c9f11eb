"""Records of others' logs as they are digested.

The row of an imported record holds pseudonyms only; whoever wants the words opens the entry.
"""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from functools import cache, partial
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.engine.errors import EngineError
from checkvalve.events.event import Event, Malformed
from checkvalve.events.imports.envelope import Imported
from checkvalve.events.imports.formats import FORMATS
from checkvalve.events.imports.hiding import hidden
from checkvalve.events.imports.types import Context
from checkvalve.events.pseudonym import normal_email, pseudonym
from checkvalve.store.schema import imported

PREFIX = "import."  # of the source of each entry


def searched(found: Imported) -> dict[str, str]:
    """What a search looks through: the words of the record, also of one that could not be read."""
    return {"raw": found.raw.decode("utf-8", "replace")}


def remember(db: Connection, rows: Sequence[tuple[str, int, int | None]]) -> None:
    """(key, entry, within_ms) of digested records."""
    if rows:
        values = [{"key": k, "entry": e, "within_ms": w} for k, e, w in rows]
        db.execute(upsert(imported).on_conflict_do_nothing(), values)


def event(found: Imported, pseudonym_key: bytes, received_ms: int) -> Event | Malformed:
    """What an imported record says, for the tables: times as the import found them, personal data as pseudonyms."""
    head = found.head
    hide = partial(_hide, pseudonym_key)
    said = FORMATS[head.format].read(found.piece, Context(zone=zone(head.zone), day_first=head.day_first, hide=hide))
    if isinstance(said, Malformed):
        return said
    inference = said.own.get("inference")
    own = hidden({k: v for k, v in said.own.items() if k != "inference"}, hide)
    if isinstance(inference, dict):  # the ids of a gateway are its own; those of a model server could be anybody's
        named = inference.get("id") or head.key
        own["inference"] = {**inference, "id": named if head.format == "ocsf" else f"import:{named}"[:80]}
    return Event(
        class_uid=said.class_uid,
        activity_id=said.activity_id,
        time=head.time if head.time is not None else received_ms,
        uid=head.key,
        trace=said.trace,
        own=own,
        body=hidden(said.body, hide),
    )


def _hide(key: bytes, category: str, value: str) -> str:
    return pseudonym(key, category, (normal_email(value) or value) if category == "email" else value)


@cache
def zone(name: str) -> tzinfo:
    """A zone by its name in the time zone database. EngineError when there is none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise EngineError("bad_zone", f"{name[:60]!r} is no time zone; an example: Europe/Berlin") from error
