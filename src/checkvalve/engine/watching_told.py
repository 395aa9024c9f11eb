"""That the deployment became weaker or was mended, told to the log."""

from typing import Any, Final

import msgspec

from checkvalve.engine import decisions, watching
from checkvalve.engine.core import Core
from checkvalve.engine.looking import in_core
from checkvalve.engine.settings import Settings

PATH: Final = "/v1/local/posture"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/posture."""

    new: tuple[watching.Seen, ...]
    mended: tuple[watching.Seen, ...]
    by: str


async def stated(core: Core, told: Told) -> dict[str, Any]:
    lists = {n: [msgspec.to_builtins(s) for s in getattr(told, n)[: watching.MOST]] for n in ("new", "mended")}
    counts = {"weaker": len(told.new), "better": len(told.mended)}
    (entry,) = await core.decide([decisions.draft(watching.TYPE, at_ms=core.now_ms(), by=told.by, **lists, **counts)])
    return {"entry": entry}


def tell(settings: Settings, found: watching.Look, by: str) -> int | None:
    """The number of the entry; None when nothing changed, or this machine has no log."""
    if not (found.new or found.mended) or not settings.has_state:
        return None
    told = Told(new=found.new, mended=found.mended, by=by)
    entry: int = in_core(settings, PATH, told, lambda core: stated(core, told))["entry"]
    return entry
