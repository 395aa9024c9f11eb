"""Event: one OCSF event as a sensor sent it. Parsing never loses bytes: what cannot be read is a `Malformed` value."""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

OCSF_VERSION: Final = "1.8.0"
MAX_DEPTH: Final = 64
MAX_LINE: Final = 8 * 1024 * 1024

# OCSF class ids in use (docs/spec/wire.md, section 5)
BASE_EVENT: Final = 0
FILE_ACTIVITY: Final = 1001
SCHEDULED_JOB: Final = 1006
DETECTION_FINDING: Final = 2004
ACCOUNT_CHANGE: Final = 3001
AUTHENTICATION: Final = 3002
ENTITY_MANAGEMENT: Final = 3004
USER_ACCESS: Final = 3005
HTTP_ACTIVITY: Final = 4002
EMAIL_ACTIVITY: Final = 4009
USER_INVENTORY: Final = 5003
SOFTWARE_INVENTORY: Final = 5020
WEB_RESOURCES: Final = 6001
APPLICATION_LIFECYCLE: Final = 6002
API_ACTIVITY: Final = 6003
DATASTORE_ACTIVITY: Final = 6005
REMEDIATION_ACTIVITY: Final = 7001


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A parsed event. `time` is the source's clock in ms since the epoch; `own` is `unmapped.checkvalve`."""

    class_uid: int
    activity_id: int
    time: int
    uid: str
    trace: str | None
    own: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """Bytes that are no event, and the one reason why."""

    reason: str


def depth_exceeds(raw: bytes, limit: int) -> bool:
    """Whether brackets nest deeper than `limit` outside strings, in one pass and without recursion."""
    depth = 0
    in_string = escaped = False
    for byte in raw:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


def parse(raw: bytes) -> Event | Malformed:
    """Read one line from a sensor. Never raises."""
    if len(raw) > MAX_LINE:
        return Malformed(reason=f"longer than {MAX_LINE} bytes")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and depth_exceeds(raw, MAX_DEPTH):
        return Malformed(reason=f"nested deeper than {MAX_DEPTH}")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return Malformed(reason=f"invalid UTF-8 at byte {error.start}")
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return Malformed(reason=f"not JSON: {str(error)[:120]}")
    if not isinstance(body, dict):
        return Malformed(reason="not a JSON object")
    return _event(body)


def _event(body: dict[str, Any]) -> Event | Malformed:
    metadata = body.get("metadata")
    numbers = [body.get(k) for k in ("class_uid", "activity_id", "time")]
    for name, value in zip(("class_uid", "activity_id", "time"), numbers, strict=True):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
            return Malformed(reason=f"{name} is not a whole number")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("uid"), str):
        return Malformed(reason="metadata.uid is missing")
    unmapped = body.get("unmapped")
    own = unmapped.get("checkvalve") if isinstance(unmapped, dict) else None
    trace = metadata.get("correlation_uid")
    return Event(
        class_uid=body["class_uid"],
        activity_id=body["activity_id"],
        time=body["time"],
        uid=metadata["uid"],
        trace=trace if isinstance(trace, str) and len(trace) == 32 else None,
        own=own if isinstance(own, dict) else {},
        body=body,
    )


def encode(
    *,
    class_uid: int,
    activity_id: int,
    time: int,
    uid: str,
    sequence: int,
    product: str,
    version: str,
    own: dict[str, Any],
    trace: str | None = None,
    severity_id: int = 1,
    message: str | None = None,
    **attributes: Any,
) -> bytes:
    """One event line (no newline), for sensors written in Python. `attributes` are further OCSF attributes."""
    metadata: dict[str, Any] = {
        "version": OCSF_VERSION,
        "uid": uid,
        "sequence": sequence,
        "product": {"name": product, "vendor_name": "Checkvalve", "version": version},
    }
    if trace:
        metadata["correlation_uid"] = trace
    if "profiles" in attributes:
        metadata["profiles"] = attributes.pop("profiles")
    body: dict[str, Any] = {
        "class_uid": class_uid,
        "category_uid": class_uid // 1000,
        "activity_id": activity_id,
        "type_uid": class_uid * 100 + activity_id,
        "severity_id": severity_id,
        "time": time,
        "metadata": metadata,
        **attributes,
        "unmapped": {"checkvalve": own},
    }
    if message:
        body["message"] = message
    return msgspec.json.encode(body)
