"""People's hands on drafts: fields written in the console or in a Word file, each time a new version; none is ever lost.

What a person wrote stands in every later version of the same document and language, beside what the log says by then.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from checkvalve.engine import cases, casework, decisions
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.incidents.case import Incident
from checkvalve.incidents.wording import LANGUAGES
from checkvalve.notifications.documents import document
from checkvalve.notifications.notification import Edit, Notification, Wish, edited, from_json
from checkvalve.notifications.word_edits import changes, returned
from checkvalve.regimes.law import RegimeError
from checkvalve.store.schema import notifications

PATH: Final = "/v1/local/edited"
MAX_FILE: Final = 5_000_000  # bytes of a Word file that comes back


class Returning(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/edited: a Word file that was downloaded, edited and came back."""

    case: str
    data: bytes
    by: str


async def take_back(core: Core, given: Returning) -> dict[str, Any]:
    """{"version", "entry", "regime", "lang", "changed"}. EngineError for a file that is no draft of this case."""
    case, data = given.case, given.data
    if len(data) > MAX_FILE:
        raise EngineError("too_large", f"a draft is at most {MAX_FILE} bytes")
    try:
        file = returned(data)
        if file.incident != case:
            raise EngineError("wrong_case", f"the file belongs to another case, {file.incident[:40]}")
        with core.state.read() as db:
            base = stored(db, case, file.regime, file.version)
        if base is None:
            raise EngineError("no_version", "the file was made from a version that is not stored; download it again here")
        written = changes(file, base)
    except RegimeError as error:
        raise EngineError("bad_file", str(error)) from error
    done = await write(core, case, base.regime, base.lang, written, given.by)
    return {**done, "regime": base.regime, "lang": base.lang, "changed": sorted(written)}


async def write(core: Core, case: str, name: str, lang: str, given: Mapping[str, str | list[str]], by: str) -> dict[str, Any]:
    """A new version in which the fields and letters given say what a person wrote. {"version", "entry"}, or EngineError."""
    if lang not in LANGUAGES:
        raise EngineError("bad_language", f"known: {', '.join(LANGUAGES)}")
    now = core.now_ms()
    with core.state.read() as db:
        incident = cases.load(db, case)
        if incident is None:
            raise EngineError("not_found", f"there is no case {case[:60]}; see `checkvalve case list`")
        try:
            fresh = _with(db, incident, document(name).id, lang, given, by, now)
        except RegimeError as error:
            raise EngineError("bad_request", str(error)) from error
    saw = incident.positions
    (entry,) = await core.decide([decisions.draft("draft", at_ms=now, by=by, notification=fresh.as_json(), saw=saw)])
    return {"version": fresh.version, "entry": entry}


def _with(
    db: Connection, incident: Incident, name: str, lang: str, given: Mapping[str, str | list[str]], by: str, now: int
) -> Notification:
    plain = casework.prepare(db, incident.id, name, now, wish=Wish(lang=lang), edits={})
    assert plain is not None  # the case was just read
    written: Mapping[str, Edit] = edited(plain, casework.edits_of(db, incident.id, name, lang), given, by, now)
    fresh = casework.prepare(db, incident.id, name, now, wish=Wish(lang=lang), edits=written)
    assert fresh is not None
    return fresh


def stored(db: Connection, case: str, name: str, version: int) -> Notification | None:
    of_case = (notifications.c.incident == case) & (notifications.c.regime == name)
    data = db.scalar(select(notifications.c.data).where(of_case, notifications.c.version == version))
    return from_json(data) if data else None
