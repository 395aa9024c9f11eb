"""Sigma rules over what is in the log already. All of the window is opened, so the log says who had it looked through."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import select

from checkvalve.engine import rules
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.imports import PREFIX
from checkvalve.engine.looking import in_core
from checkvalve.engine.searching import access_draft
from checkvalve.engine.settings import Settings
from checkvalve.events import event as ocsf
from checkvalve.events.event import Event
from checkvalve.events.imports.envelope import unwrap
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.journal import Opened
from checkvalve.store.schema import sensors

PATH: Final = "/v1/local/rules"
CHUNK: Final = 2_000
MAX_HITS: Final = 10_000

Tell = Callable[[int, int], None]  # entries done, of all


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/rules. `only`: ids of rules; none: all."""

    since_ms: int
    until_ms: int
    by: str
    only: tuple[str, ...] = ()


def over(settings: Settings, asked: Ruling, tell: Tell = lambda *_: None) -> dict[str, Any]:
    """{"hits": […], "read", "erased", "access_entry", "cut"}; told of progress only where core does not run elsewhere."""
    return in_core(settings, PATH, asked, lambda core: looked(core, asked, tell))


async def looked(core: Core, asked: Ruling, tell: Tell = lambda *_: None) -> dict[str, Any]:
    found = rules.load(core.settings.data)
    if unknown := sorted(set(asked.only) - {r.id for r in found.rules}):
        raise EngineError("not_found", f"there is no rule {unknown[0][:60]}; see `checkvalve evidence rules list`")
    ruled = {p: tuple(r for r in of if not asked.only or r.id in asked.only) for p, of in found.ruled().items()}
    with core.state.read() as db:
        kinds = {r.keyid: r.kind for r in db.execute(select(sensors.c.keyid, sensors.c.kind))}
    counted = await asyncio.to_thread(_look, core, asked, ruled, kinds, tell)
    read = {"purpose": "rules", "range": [asked.since_ms, asked.until_ms]}
    (access,) = await core.decide([access_draft(core.now_ms(), asked.by, [h["entry"] for h in counted["hits"]], **read)])
    return counted | {"access_entry": access}


def _look(core: Core, asked: Ruling, ruled: rules.Ruled, kinds: dict[str, str], tell: Tell) -> dict[str, Any]:
    hits: list[dict[str, Any]] = []
    read = erased = 0
    size = core.journal.size
    for first in range(0, size, CHUNK):
        for opened in core.journal.read_many(first, min(CHUNK, size - first)):
            if opened.header.kind != "event" or not asked.since_ms <= opened.header.t <= asked.until_ms:
                continue
            if opened.clear is None:
                erased += 1
                continue
            read += 1
            hits += _hits(opened, opened.clear, ruled, kinds)
        tell(min(first + CHUNK, size), size)
        if len(hits) > MAX_HITS:
            break
    return {"hits": hits[:MAX_HITS], "read": read, "erased": erased, "cut": len(hits) > MAX_HITS}


def _hits(opened: Opened, clear: bytes, ruled: rules.Ruled, kinds: dict[str, str]) -> Iterator[dict[str, Any]]:
    source = opened.header.source
    if source.startswith(PREFIX):
        fields, asked = rules.web_fields(unwrap(clear)), ruled[rules.WEB]
    else:
        parsed = ocsf.parse(clear)
        fields, asked = (parsed.body if isinstance(parsed, Event) else None), ruled.get(kinds.get(source, ""), ())
    for rule in rules.hits(asked, fields) if fields else ():
        yield {
            "entry": opened.number,
            "time": rfc3339(from_ms(opened.header.t)),
            "source": source,
            "rule": rule.id,
            "title": rule.title,
            "level": rule.level,
            "tags": list(rule.tags),
        }
