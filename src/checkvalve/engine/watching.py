"""The deployment looked at again and again: what became weak since the last look, and what was mended, are entries of the log.

The first look is what the later ones are compared with. What was seen is kept in the data directory, one file a directory.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.engine.decisions import Decision
from checkvalve.engine.deployment import read, read_observed
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import Settings, make_private, write_private
from checkvalve.engine.web_probe import proven
from checkvalve.posture.scan import scan
from checkvalve.store.schema import findings

TYPE: Final = "posture_changed"
DETECTOR: Final = "posture"
MOST: Final = 200  # weaknesses named in one entry


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A weakness as it is kept. `since_ms`: the first look that showed it."""

    check: str
    where: str
    what: str
    hinders: bool
    since_ms: int


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    directory: str
    at_ms: int
    weak: dict[str, Seen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`before_ms` None: the first look, with which nothing can be compared."""

    before_ms: int | None
    weak: tuple[Seen, ...]
    new: tuple[Seen, ...]
    mended: tuple[Seen, ...]
    unread: int

    def as_json(self) -> dict[str, Any]:
        lists = {name: [msgspec.to_builtins(s) for s in getattr(self, name)] for name in ("new", "mended")}
        return {"since_ms": self.before_ms, "weak": len(self.weak), "unread": self.unread, **lists}


def look(settings: Settings, directory: str, at_ms: int, *, live: bool = False, probe: str | None = None) -> Look:
    """Scan, compare with the last look, and keep this one."""
    declared, observed = read(directory), read_observed(directory, live=live)
    declared = proven(declared, probe) if probe else declared
    before = kept(settings, directory)
    weak: dict[str, Seen] = {}
    for check in scan(declared, observed):
        for w in check.weaknesses:
            key = hashlib.sha256("\0".join((check.id, w.where, w.what)).encode()).hexdigest()[:24]
            known = before.weak.get(key) if before else None
            since = known.since_ms if known else at_ms
            weak[key] = Seen(check=check.id, where=w.where, what=w.what, hinders=w.hinders_containment, since_ms=since)
    then = before.weak if before else weak
    make_private(settings.data)
    make_private(settings.data / "posture")
    this = Kept(directory=str(Path(directory).resolve()), at_ms=at_ms, weak=weak)
    write_private(_path(settings, directory), msgspec.json.encode(this))
    return Look(
        before_ms=before.at_ms if before else None,
        weak=tuple(weak.values()),
        new=tuple(s for k, s in weak.items() if k not in then),
        mended=tuple(s for k, s in then.items() if k not in weak),
        unread=len(declared.problems) + len(observed.problems),
    )


def kept(settings: Settings, directory: str) -> Kept | None:
    """The last look at a directory."""
    path = _path(settings, directory)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise EngineError("bad_posture", f"{path} cannot be read; move it away, then this look is the first") from error


def every(settings: Settings) -> list[Kept]:
    """The last look at each directory that is watched."""
    files = sorted((settings.data / "posture").glob("*.json"))
    return [msgspec.json.decode(f.read_bytes(), type=Kept) for f in files]


def digest(db: Connection, decision: Decision, entry: int) -> None:
    new = decision.data["new"]
    if not new:
        return
    worst = "high" if any(s["hinders"] for s in new) else "medium"
    summary = f"the deployment became weaker: {'; '.join(sorted({s['check'] for s in new}))}"
    row = {"entry": entry, "detector": DETECTOR, "site": None, "severity": worst, "at_ms": decision.at_ms}
    db.execute(upsert(findings).values(**row, summary=summary, data={"new": new}).on_conflict_do_nothing())


def _path(settings: Settings, directory: str) -> Path:
    root = str(Path(directory).resolve())
    return settings.data / "posture" / f"{hashlib.sha256(root.encode()).hexdigest()[:16]}.json"
