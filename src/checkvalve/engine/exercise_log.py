"""The signs in an exercise's log: decisions as they were written, and what the shop said of its buyers."""

from collections.abc import Iterator
from typing import Final

import msgspec

from checkvalve.engine.core import Core
from checkvalve.engine.exercise_shop import CHECKOUT
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event
from checkvalve.exercises.signs import Mark, mark_of

CHUNK: Final = 1000


def marks(core: Core) -> list[Mark]:
    """All of them, by time, then by their place in the log."""
    found: list[Mark] = []
    for first in range(0, core.journal.size, CHUNK):
        for opened in core.journal.read_many(first, CHUNK):
            if opened.clear is None:
                continue
            if opened.header.kind == "decision":
                body = msgspec.json.decode(opened.clear)
                found += mark_of(opened.number, int(body["at_ms"]), body)
            elif opened.header.source.startswith("wp."):
                found += _trade(opened.number, opened.clear)
    return sorted(found, key=lambda m: (m.at_ms, m.entry))


def _trade(entry: int, line: bytes) -> Iterator[Mark]:
    parsed = ocsf.parse(line)
    if not isinstance(parsed, Event):
        return
    if parsed.class_uid == ocsf.WEB_RESOURCES and parsed.activity_id == 1:
        yield Mark(kind="order_placed", at_ms=parsed.time, entry=entry)
    elif parsed.class_uid == ocsf.API_ACTIVITY and parsed.own.get("route") == CHECKOUT:
        yield Mark(kind="order_lost", at_ms=parsed.time, entry=entry)
