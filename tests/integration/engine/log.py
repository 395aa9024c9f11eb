"""The log and what is reduced from it, read as a whole from an installation at rest."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select, update

from checkvalve.engine.core import Core, open_core
from checkvalve.engine.settings import Settings
from checkvalve.store.schema import metadata, sensors

# Made by pairing and by people, not by the log. `sensors.last_seen_ms` alone is reduced.
KEPT = ("sites", "sensors", "pairing_codes", "users", "sessions", "login_failures")
# When a sensor was last in contact: by its events, and by its live answers, which the log does not hold.
HEARD = ("contacts", "sensor_health")
REDUCED = tuple(sorted(set(metadata.tables) - set(KEPT) - set(HEARD)))
# How often and when next a command is tried is the worker's own affair; what came of it is in the log.
OF_THE_WORKER = {"commands": ("attempts", "due_ms")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    number: int
    kind: str
    source: str
    body: dict[str, Any]


def entries(data: Path) -> list[Logged]:
    core = open_core(Settings(data=data))
    try:
        found = []
        for number in range(core.journal.size):
            opened = core.journal.read(number)
            try:
                body = msgspec.json.decode(opened.clear or b"{}")
            except (msgspec.DecodeError, RecursionError):
                body = {}
            found.append(Logged(number=number, kind=opened.header.kind, source=opened.header.source, body=body))
        return found
    finally:
        core.close()


def tables(core: Core) -> dict[str, list[dict[str, Any]]]:
    """Every reduced row, in the order of its key."""
    with core.state.read() as db:
        found = {}
        for name in REDUCED:
            table = metadata.tables[name]
            kept = [c for c in table.c if c.name not in OF_THE_WORKER.get(name, ())]
            found[name] = [dict(r._mapping) for r in db.execute(select(*kept).order_by(*table.primary_key.columns))]
        seen = db.execute(select(sensors.c.keyid, sensors.c.last_seen_ms).order_by(sensors.c.keyid))
        found["sensors"] = [dict(r._mapping) for r in seen]
        return found


def forget(core: Core) -> None:
    """As if nothing of the log had been digested."""
    with core.state.begin() as db:
        for table in reversed(metadata.sorted_tables):  # rows that refer to others go first
            if table.name in REDUCED:
                db.execute(table.delete())
        db.execute(update(sensors).values(last_seen_ms=None))


def reduced(data: Path) -> dict[str, list[dict[str, Any]]]:
    core = open_core(Settings(data=data))
    try:
        core.pipeline.catch_up()
        return tables(core)
    finally:
        core.close()


def replayed(data: Path, where: Path) -> dict[str, list[dict[str, Any]]]:
    """What the same log gives from nothing, in a copy at `where`."""
    shutil.copytree(data, where)
    core = open_core(Settings(data=where))
    try:
        forget(core)
        core.pipeline.catch_up()
        return tables(core)
    finally:
        core.close()
