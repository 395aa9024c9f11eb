"""A test page: that the rota reaches people is known only by trying, once a month and after each change."""

import asyncio
from typing import Any, Final

import msgspec

from checkvalve.engine import decisions, paging_rota
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.looking import in_core
from checkvalve.engine.paging import Pager
from checkvalve.engine.settings import Settings
from checkvalve.incidents.escalation import Alarm

PATH: Final = "/v1/local/page-test"


class Testing(msgspec.Struct, frozen=True, kw_only=True):
    """`contact` None: everybody of the rota."""

    by: str
    contact: str | None = None


async def tested(core: Core, asked: Testing) -> dict[str, Any]:
    """A test page to one contact or all. {"reached", "failed", "entry"}."""
    paging = await asyncio.to_thread(paging_rota.load, core.settings)
    if paging is None:
        raise EngineError("no_rota", "nobody would be paged; give a rota with `checkvalve page rota FILE`")
    contacts = (asked.contact,) if asked.contact else paging.rota.everybody
    if asked.contact and asked.contact not in paging.urls:
        raise EngineError("unknown_contact", f"known: {', '.join(paging.urls)}")
    now = core.now_ms()
    test = Alarm(id=f"test.{now}", reason="test", raised_ms=now)
    await core.decide([decisions.draft("page_ordered", at_ms=now, by=asked.by, alarm=test.id, contacts=list(contacts))])
    outcome = await Pager(core).send("", test, contacts, paging)
    (entry,) = await core.decide([decisions.draft("page_tested", at_ms=core.now_ms(), by=asked.by, alarm=test.id, **outcome)])
    return {**outcome, "entry": entry}


def test(settings: Settings, asked: Testing) -> dict[str, Any]:
    return in_core(settings, PATH, asked, lambda core: tested(core, asked))
