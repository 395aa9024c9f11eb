"""Looking into sealed content: `evidence find`, in a core that runs or was opened for it.

Reading is custody: who reads, why and what for is an entry before anything is opened.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from checkvalve.engine import imports
from checkvalve.engine.errors import EngineError
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event
from checkvalve.events.imports.envelope import unwrap
from checkvalve.events.pseudonym import pseudonym
from checkvalve.evidence import blind
from checkvalve.store.asking import Asker
from checkvalve.store.journal import Draft, Opened
from checkvalve.store.questions import entries, value

if TYPE_CHECKING:
    from checkvalve.engine.core import Core

MAX_OPENED: Final = 10_000  # entries one search opens


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    entry: int
    time_ms: int | None
    source: str  # wp, woo, llm or import
    field: str
    session: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`erased`: entries that may have held the value and can never be read again."""

    hits: list[Hit]
    erased: int
    access: int  # entry that says this was read


async def find(core: "Core", asker: Asker, text: str, *, reader: str, purpose: str, case: str | None) -> Found:
    """Where a value stands, every hit confirmed by opening the record. EngineError when there is nothing to look for."""
    sought = blind.sought(text)
    if sought is None:
        raise EngineError("bad_value", "there is no word, address or number in it to look for")
    keys = index_keys(core)
    readings = [[blind.token(key, term) for term in reading] for key in keys for reading in sought.readings]
    candidates = [row["entry"] for row in await asyncio.to_thread(asker.ask, value(readings))]
    if len(candidates) > MAX_OPENED:
        raise EngineError("too_common", f"{len(candidates)} entries may hold it; look for something rarer")
    read = {"purpose": purpose, "case": case, "value": pseudonym(core.identity.repeat_key, "sought", text)}
    access = await core.decide([access_draft(core.now_ms(), reader, candidates, **read)])
    hits, lost = await asyncio.to_thread(_confirmed, core, sought, candidates)
    return Found(hits=await asyncio.to_thread(_placed, asker, hits), erased=lost, access=access[0])


def _confirmed(core: "Core", sought: blind.Sought, candidates: Sequence[int]) -> tuple[list[Hit], int]:
    """Hits (time and session still to come), and how many candidates are erased."""
    hits, lost = [], 0
    for opened in opened_ones(core, candidates):
        if opened.clear is None:
            lost += 1
            continue
        fields = dict.fromkeys(field for field, text in said(opened) if sought.within(text))
        hits += [Hit(entry=opened.number, time_ms=None, source=_source(opened), field=f, session=None) for f in fields]
    return hits, lost


def access_draft(now_ms: int, reader: str, numbers: Sequence[int], **why: Any) -> Draft:
    """Who reads what sealed content, and why. The value itself is not said: the entry would outlive its erasure."""
    clear = msgspec.json.encode({"type": "access", "at_ms": now_ms, "by": reader, "entries": numbers, **why})
    return Draft(kind="access", source="core", seq=None, clear=clear, t=now_ms)


def index_keys(core: "Core") -> list[bytes]:
    """Keys of the blind index: each site's, and that of events of no known site."""
    with core.state.read() as db:
        return [*core.pipeline.registers.keys(db), core.identity.repeat_key]


def opened_ones(core: "Core", numbers: Iterable[int]) -> Iterator[Opened]:
    for number in numbers:
        yield core.journal.read(number)


def _body(opened: Opened) -> Any:
    assert opened.clear is not None
    if opened.header.source.startswith(imports.PREFIX):
        return imports.searched(unwrap(opened.clear))
    parsed = ocsf.parse(opened.clear)
    return parsed.body if isinstance(parsed, Event) else {"raw": opened.clear.decode("utf-8", "replace")}


def said(opened: Opened) -> list[tuple[str, str]]:
    return blind.texts(_body(opened))


def _source(opened: Opened) -> str:
    sensor = opened.header.source
    if sensor.startswith("gw."):
        return "llm"
    if not sensor.startswith("wp."):
        return sensor.split(".")[0]
    body = _body(opened)
    return "woo" if body.get("class_uid") == ocsf.WEB_RESOURCES or "/wc" in str(body.get("api", "")) else "wp"


def _placed(asker: Asker, hits: list[Hit]) -> list[Hit]:
    """With time and session, from the rows of the entries."""
    if not hits:
        return []
    known = {r["entry"]: r for r in asker.ask(entries(sorted({h.entry for h in hits})))}
    nothing: dict[str, Any] = {}
    rows = [(hit, known.get(hit.entry, nothing)) for hit in hits]
    return [replace(hit, time_ms=row.get("time_ms"), session=row.get("session")) for hit, row in rows]
