"""Decisions as log entries: what the system or a person decided, and what came of it.

They are written before anything follows from them.
One JSON object an entry: `{"type": …, "at_ms": …, "by": "core" | "user:<name>", …}`; digested like events.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from checkvalve.store.journal import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    type: str
    at_ms: int
    by: str
    data: dict[str, Any]


def draft(kind: str, *, at_ms: int, by: str = "core", **data: Any) -> Draft:
    clear = msgspec.json.encode({"type": kind, "at_ms": at_ms, "by": by, **data})
    return Draft(kind="decision", source="core", seq=None, clear=clear, t=at_ms)


def parse(clear: bytes) -> Decision:
    body = msgspec.json.decode(clear)
    return Decision(type=body.pop("type"), at_ms=body.pop("at_ms"), by=body.pop("by"), data=body)
