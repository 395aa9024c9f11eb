"""A rota of two people for tests, whose channels lead to a port of this machine where nobody listens, or to one given."""

import json

from checkvalve.engine import paging_rota
from checkvalve.engine.settings import Settings


def write_rota(settings: Settings, *, away: str | None = None, hook: str = "json://127.0.0.1:9") -> None:
    contacts = {name: {"urls": [f"{hook}/{name}"], "away": []} for name in ("lead", "owner")}
    if away:
        contacts[away]["away"] = [["2026-01-01T00:00:00Z", "2199-01-01T00:00:00Z", "owner"]]  # type: ignore[list-item]
    rungs = [{"contacts": ["lead"], "wait_minutes": 5}, {"contacts": ["owner"]}]
    raw = json.dumps({"contacts": contacts, "rungs": rungs, "monthly_test": False})
    paging_rota.install(settings, raw.encode())
