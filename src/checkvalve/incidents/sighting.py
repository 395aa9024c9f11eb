"""Sightings: what makes a case without a person's data being recognised, and is certain all the same.

A canary says which store leaked. A secret says which key is to be revoked. A cache mix-up says that an answer was made for
somebody else. Harvesting says who collects.
"""

from dataclasses import dataclass
from typing import Final

from checkvalve.incidents.case import SEVERITIES, Incident, Transition, happened_ms, transition

KINDS: Final = ("canary", "secret", "cache", "harvesting")
CRITICAL: Final = ("secret",)  # a live key opens more than what was shown
SHOWS_NOTHING: Final = ("harvesting",)  # asking alone: it is no sign that a way out is open


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingRecord:
    """`what`: the canary's store, the detector of the secret, the earlier inference, or the caller. `withheld`: an order kept
    it back, so nobody was shown it."""

    inference: str
    kind: str
    what: str
    recipient: str
    withheld: bool
    entry: int
    site: str
    seen_ms: int
    detected_ms: int
    plugin: str | None
    route: str | None
    session: str | None
    model: str | None
    trace: str | None


TITLES: Final = {
    "canary": "A canary of {what} shown through {way}",
    "secret": "A live secret ({what}) shown through {way}",
    "cache": "An answer made for somebody else given through {way}",
    "harvesting": "Somebody collects customers' data through {way}",
}


def opening(new_id: str, records: list[SightingRecord], entry: int, at_ms: int) -> Transition:
    """The transition that opens a case. `records` share site, plugin and route."""
    first = records[0]
    way = first.plugin or first.route or "an unknown caller of the model"
    data = {
        "site": first.site,
        "title": TITLES[first.kind].format(what=first.what, way=way),
        "plugin": first.plugin,
        "route": first.route,
        "model": first.model,
        "first_seen_ms": min(happened_ms(r) for r in records),
    }
    return transition(new_id, 0, "opened", at_ms, (entry,), data)


def growth(incident: Incident, fresh: list[SightingRecord], entry: int, at_ms: int) -> list[Transition]:
    """Transitions for new sightings."""
    data = {
        "count": len(fresh),
        "signs": [{"kind": r.kind, "what": r.what} for r in fresh],
        "first_seen_ms": min(happened_ms(r) for r in fresh),
        "last_seen_ms": max((happened_ms(r) for r in fresh if r.kind not in SHOWS_NOTHING), default=incident.last_seen_ms),
        "inference": fresh[0].inference,
        "model": next((r.model for r in fresh if r.model), None),
    }
    found = [transition(incident.id, incident.positions, "sighting_added", at_ms, (entry,), data)]
    if any(r.kind in CRITICAL for r in fresh) and incident.severity != SEVERITIES[-1]:
        change = {"severity": SEVERITIES[-1], "rule": "a live secret was shown"}
        found.append(transition(incident.id, incident.positions + 1, "severity_changed", at_ms, (entry,), change))
    return found
