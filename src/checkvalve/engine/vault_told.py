"""What was done to model states, as entries of the log: restored, forgotten, sealed. A vault of its own has no log to tell."""

from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from checkvalve.engine import decisions
from checkvalve.engine.core import Core
from checkvalve.engine.looking import in_core
from checkvalve.engine.settings import load_settings

PATH: Final = "/v1/local/model-state"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/model-state. `states`: component to state of a restore, else ids. `sha256`: of a sealed bundle."""

    what: Literal["modelstate_restored", "modelstate_forgotten", "modelstate_sealed"]
    by: str
    states: dict[str, str] | list[str]
    case: str | None = None
    sha256: str | None = None


async def stated(core: Core, told: Told) -> dict[str, Any]:
    data = {k: v for k, v in msgspec.to_builtins(told).items() if k not in ("what", "by") and v is not None}
    (entry,) = await core.decide([decisions.draft(told.what, at_ms=core.now_ms(), by=told.by, **data)])
    return {"entry": entry}


def tell(data: Path, told: Told) -> int | None:
    """The number of the entry; None on a machine without a log (a vault of its own)."""
    settings = load_settings(data)
    if not settings.has_state:
        return None
    entry: int = in_core(settings, PATH, told, lambda core: stated(core, told))["entry"]
    return entry
