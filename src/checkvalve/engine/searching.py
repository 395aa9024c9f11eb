"""Looking into sealed content and erasing it: `evidence find` and `evidence erase`, in a core that runs or was opened for it.

Reading is custody: who reads, why and what for is an entry before anything is opened. Erasing is a decision: it is an entry,
with the numbers of the records, before the first key is deleted.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import select

from checkvalve.engine import decisions, holds, imports
from checkvalve.engine.errors import EngineError
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event
from checkvalve.events.imports.envelope import unwrap
from checkvalve.events.pseudonym import pseudonym
from checkvalve.evidence import blind
from checkvalve.store.asking import Asker
from checkvalve.store.journal import Draft, Opened
from checkvalve.store.questions import QUESTIONS, entries, value
from checkvalve.store.schema import erased, subjects

if TYPE_CHECKING:
    from checkvalve.engine.core import Core

MAX_OPENED: Final = 10_000  # entries one search opens
OPENED_AT_ONCE: Final = 200
SAID: Final = ("email", "phone")  # categories that the blind index holds as the register does


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    subject: str
    records: int  # readable until now
    kept: int  # left, because a legal hold for somebody else covers them
    entry: int  # of the decision


async def find(core: "Core", asker: Asker, text: str, *, reader: str, purpose: str, case: str | None) -> Found:
    """Where a value stands, every hit confirmed by opening the record. EngineError when there is nothing to look for."""
    sought = blind.sought(text)
    if sought is None:
        raise EngineError("bad_value", "there is no word, address or number in it to look for")
    keys = _keys(core)
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
    for opened in _opened(core, candidates):
        if opened.clear is None:
            lost += 1
            continue
        fields = dict.fromkeys(field for field, said in _said(opened) if sought.within(said))
        hits += [Hit(entry=opened.number, time_ms=None, source=_source(opened), field=f, session=None) for f in fields]
    return hits, lost


def access_draft(now_ms: int, reader: str, numbers: Sequence[int], **why: Any) -> Draft:
    """Who reads what sealed content, and why. The value itself is not said: the entry would outlive its erasure."""
    clear = msgspec.json.encode({"type": "access", "at_ms": now_ms, "by": reader, "entries": numbers, **why})
    return Draft(kind="access", source="core", seq=None, clear=clear, t=now_ms)


def _keys(core: "Core") -> list[bytes]:
    """Keys of the blind index: each site's, and that of events of no known site."""
    with core.state.read() as db:
        return [*core.pipeline.registers.keys(db), core.identity.repeat_key]


def _opened(core: "Core", numbers: Sequence[int]) -> Iterator[Opened]:
    for number in numbers:
        yield core.journal.read(number)


def _body(opened: Opened) -> Any:
    assert opened.clear is not None
    if opened.header.source.startswith(imports.PREFIX):
        return imports.searched(unwrap(opened.clear))
    parsed = ocsf.parse(opened.clear)
    return parsed.body if isinstance(parsed, Event) else {}


def _said(opened: Opened) -> list[tuple[str, str]]:
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


async def erase(core: "Core", asker: Asker, subject: str, *, by: str, reason: str) -> Erased:
    """Delete the keys of every record that holds this person. The log verifies as before; pseudonym rows stay.

    A record that also holds somebody for whom a legal hold stands is kept, and counted.
    """
    held = await asyncio.to_thread(_held, core, asker, subject)
    with core.state.read() as db:
        held -= set(db.scalars(select(erased.c.entry)))
    numbers = sorted(n for n in held if n < core.journal.size)
    if not numbers:
        raise EngineError(
            "not_found", f"no readable record holds {subject}; a reference reads like customer:42 (see `evidence scope`)"
        )
    with core.state.read() as db:
        holds.refuse(db, subject)
        others = {h.subject for h in holds.standing(db) if h.subject is not None}
    for other in others:
        held -= await asyncio.to_thread(_held, core, asker, other)
    kept, numbers = len(numbers), sorted(held.intersection(numbers))
    kept -= len(numbers)
    if not numbers:
        raise EngineError("on_hold", f"all {kept} records also hold somebody for whom a hold stands; nothing was erased")
    said = {"subject": subject, "entries": numbers, "reason": reason}
    decided = await core.decide([decisions.draft("erased", at_ms=core.now_ms(), by=by, **said)])
    records = await asyncio.to_thread(core.journal.erase, numbers)
    return Erased(subject=subject, records=records, kept=kept, entry=decided[0])


def _held(core: "Core", asker: Asker, subject: str) -> set[int]:
    """Entries that hold a person: by their exposures and conversations, and by what the register knows of them."""
    return {row["entry"] for row in asker.ask(QUESTIONS["held"], subject=subject)} | set(_naming(core, asker, subject))


def _naming(core: "Core", asker: Asker, subject: str) -> Iterator[int]:
    """Entries that say the person's registered e-mail address or telephone, whether or not that was an exposure."""
    with core.state.read() as db:
        registered = db.execute(select(subjects.c.site, subjects.c.ids).where(subjects.c.ref == subject)).all()
        keys = {row.site: register.key for row in registered if (register := core.pipeline.registers.get(db, row.site))}
    for row in registered:
        ids = {(category, digest) for category, digest in row.ids if category in SAID}
        if not ids or row.site not in keys:
            continue
        candidates = asker.ask(value([[blind.token_of(digest)] for _, digest in ids]))
        for opened in _opened(core, [r["entry"] for r in candidates]):
            if opened.clear is not None and ids & _pseudonyms(keys[row.site], opened):
                yield opened.number


def _pseudonyms(key: bytes, opened: Opened) -> set[tuple[str, str]]:
    terms = set().union(*(blind.terms(text) for _, text in _said(opened)))
    return {(category, pseudonym(key, category, normal)) for category, normal in terms if category in SAID}
