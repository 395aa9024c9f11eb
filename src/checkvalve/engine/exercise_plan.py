"""The improvement plan over all exercises: real tasks of real people, kept beside the exercise they came from.

`plan.json` in an exercise's directory says what was done: `{item: {"done_ms": …, "by": …, "note": …}}`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from checkvalve.engine.errors import EngineError
from checkvalve.engine.exercise import exercises_dir
from checkvalve.engine.exercise_report import past
from checkvalve.engine.settings import Settings, write_private
from checkvalve.exercises.scoring import DAY_MS, FOLLOW_UP_DAYS
from checkvalve.regimes.deadline import from_ms

FILE: Final = "plan.json"
MAX_NOTE: Final = 1000

State = Literal["open", "overdue", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """`id` is `EX-0001/expectation`; `due` a date; `look` the next follow-up (date), None after the last or when done."""

    id: str
    text: str
    owner: str
    due: str
    state: State
    look: str | None
    note: str


def items(home: Settings, now_ms: int) -> list[Item]:
    """Oldest exercise first."""
    return [
        _item(record, line, _done(home, record["id"]), now_ms)
        for record in past(home)
        for line in record["view"]["improvements"]
    ]


def _item(record: dict[str, Any], line: dict[str, Any], done: dict[str, Any], now_ms: int) -> Item:
    held, mine = int(record["held_ms"]), done.get(line["id"])
    late = now_ms > held + FOLLOW_UP_DAYS[0] * DAY_MS
    looks = [held + days * DAY_MS for days in FOLLOW_UP_DAYS if held + days * DAY_MS > now_ms]
    return Item(
        id=f"{record['id']}/{line['id']}",
        text=line["text"],
        owner=line["owner"],
        due=line["due"],
        state="done" if mine else "overdue" if late else "open",
        look=_date(looks[0]) if looks and not mine else None,
        note=str(mine["note"]) if mine else "",
    )


def finish(home: Settings, item: str, by: str, note: str, now_ms: int) -> Item:
    """Note that an item was done; the first word stands. EngineError for one that there is not."""
    found = {i.id: i for i in items(home, now_ms)}
    if item not in found:
        raise EngineError("not_found", f"{item[:80]!r} is no item; see `checkvalve exercise plan`")
    exercise, _, name = item.partition("/")
    done = _done(home, exercise)
    done.setdefault(name, {"done_ms": now_ms, "by": by, "note": note.strip()[:MAX_NOTE]})
    write_private(_path(home, exercise), msgspec.json.encode(done))
    return next(i for i in items(home, now_ms) if i.id == item)


def _done(home: Settings, exercise: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(_path(home, exercise).read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EngineError("bad_plan", f"{_path(home, exercise)} cannot be read; restore it or remove it") from error
    return found


def _path(home: Settings, exercise: str) -> Path:
    return exercises_dir(home) / exercise / FILE


def _date(ms: int) -> str:
    return from_ms(ms).date().isoformat()
