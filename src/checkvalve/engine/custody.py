"""Custody: who read sealed content when and why, who put or lifted a hold, what was erased. Read from the log itself."""

from typing import Any, Final

import msgspec

from checkvalve.engine import holds
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import Settings
from checkvalve.evidence import entry
from checkvalve.evidence.errors import VerificationError
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.recordkeys import RecordKeys
from checkvalve.store.segments import LogFiles

# Decisions that concern what can be read.
TOLD: Final = ("erased", "log_key_rotated", "bundle_exported", "modelstate_forgotten", "modelstate_sealed", *holds.TYPES)
_MARK: Final = (b'"kind":"access"', b'"kind":"decision"')


def readings(settings: Settings, case: str | None = None) -> list[dict[str, Any]]:
    """In the log's order. `entries` counts the records that were opened or erased; of one case when it is named."""
    if not (settings.data / "keys.db").exists():
        raise EngineError("no_data", f"there is no Checkvalve data in {settings.data}; run `checkvalve up` or give --data DIR")
    keys = RecordKeys(settings.data / "keys.db")
    try:
        found = [_told(number, record, keys) for number, (_, record) in enumerate(LogFiles(settings.data / "log").records())]
    finally:
        keys.close()
    return [f for f in found if f is not None and (case is None or f["case"] == case)]


def _told(number: int, record: bytes | VerificationError, keys: RecordKeys) -> dict[str, Any] | None:
    if not isinstance(record, bytes) or not any(mark in record[:200] for mark in _MARK):
        return None
    parsed = entry.parse(record)
    key = keys.get(parsed.header.key)
    body = msgspec.json.decode(entry.unseal(parsed, key)) if key else {}
    what = body.get("type", "")
    if parsed.header.kind != "access" and what not in TOLD:
        return None
    touched = body.get("entries")
    return {
        "entry": number,
        "time": rfc3339(from_ms(parsed.header.t)),
        "what": what or parsed.header.kind,
        "by": body.get("by"),
        "purpose": body.get("purpose") or body.get("reason") or body.get("basis"),
        "case": body.get("case"),
        "subject": body.get("subject"),
        "entries": len(touched) if isinstance(touched, list) else None,
    }
