"""Retention: content of a class is erased by its age. Off until somebody says how long each class is kept.

What is erased are keys of records (`Journal.erase`); rows of pseudonyms, decisions and readings stay. Nothing is erased while
a legal hold stands.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite reads it as well

from checkvalve.engine import decisions, holds
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import Settings
from checkvalve.store.questions import Question
from checkvalve.store.schema import cursor

if TYPE_CHECKING:
    from checkvalve.engine.core import Core

log = logging.getLogger("checkvalve.retention")

DAY_MS: Final = 24 * 3_600_000
AT_ONCE: Final = 2000
CHECK_S: Final = 6 * 3600
# Class -> how its entries' sources begin.
CLASSES: Final = {"inferences": "gw.", "shop": "wp.", "imports": "import."}
_OLD: Final = Question(
    sql="SELECT entry FROM events WHERE sensor LIKE $sensor AND received_ms < $before AND entry >= $first "
    "ORDER BY entry LIMIT $most",
    tables=("events",),
    parameters=("sensor", "before", "first", "most"),
)


def kept_days(settings: Settings) -> dict[str, int]:
    """Days by class; a class without is kept for ever."""
    path = settings.data / "retention.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int]) if path.exists() else {}
    except msgspec.DecodeError as error:
        raise EngineError(
            "bad_settings", f"{path} is not {{class: days}}; set it with `checkvalve evidence retention`"
        ) from error


def keep(settings: Settings, days: dict[str, int]) -> None:
    """Set how long classes are kept; 0 days means for ever."""
    if unknown := set(days) - set(CLASSES):
        raise EngineError("bad_class", f"no class {min(unknown)}; classes: {', '.join(CLASSES)}")
    if any(d < 0 or d > 36_500 for d in days.values()):
        raise EngineError("bad_days", "days are a number from 0 (for ever) to 36500")
    kept = {c: d for c, d in {**kept_days(settings), **days}.items() if d}
    (settings.data / "retention.json").write_bytes(msgspec.json.encode(kept))


async def apply(core: "Core", by: str) -> dict[str, Any]:
    """Erase what is older than its class is kept; how many records of each. EngineError while a hold stands."""
    with core.state.read() as db:
        holds.refuse(db, None)
    return {name: await _erase(core, name, days, by) for name, days in kept_days(core.settings).items()}


async def _erase(core: "Core", name: str, days: int, by: str) -> int:
    before = core.now_ms() - days * DAY_MS
    place = f"retention:{name}"
    count = 0
    while True:
        with core.state.read() as db:
            first = db.scalar(select(cursor.c.value).where(cursor.c.name == place)) or 0
        rows = await asyncio.to_thread(
            core.asker.ask, _OLD, sensor=f"{CLASSES[name]}%", before=before, first=first, most=AT_ONCE
        )
        numbers = [row["entry"] for row in rows]
        if not numbers:
            return count
        said = {"subject": None, "entries": numbers, "reason": f"{name} are kept for {days} days"}
        await core.decide([decisions.draft("erased", at_ms=core.now_ms(), by=by, **said)])
        count += await asyncio.to_thread(core.journal.erase, numbers)
        with core.state.begin() as db:
            value = {"value": numbers[-1] + 1}
            statement = upsert(cursor).values(name=place, **value)
            db.execute(statement.on_conflict_do_update(index_elements=["name"], set_=value))


async def keep_applying(core: "Core") -> None:
    """Now and then, until cancelled."""
    while True:
        try:
            if kept_days(core.settings):
                await apply(core, "core")
        except EngineError as error:
            log.warning("nothing was erased by age: %s", error)
        except Exception:
            log.exception("erasing by age failed; it is tried again")
        await asyncio.sleep(CHECK_S)
