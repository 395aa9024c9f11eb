"""Commands that ask the evidence or look into it, whether core runs or not.

Questions only read. Finding and erasing write to the log, so they are done by the running core when there is one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeVar

import msgspec

from checkvalve.engine import decisions, erasing, holds, retention, searching
from checkvalve.engine.core import Core, open_core
from checkvalve.engine.errors import EngineError, JournalError
from checkvalve.engine.identity import load_identity
from checkvalve.engine.local_api import LocalApi
from checkvalve.engine.offline import opened
from checkvalve.engine.settings import Settings
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.archive import ArchiveError, Reading
from checkvalve.store.asking import Asker
from checkvalve.store.questions import QUESTIONS, Dialect, Value, text

Result = TypeVar("Result")
ASKED: Final = ("trace", "session", "subject", "scope", "counts")
NUMBERS: Final = ("since", "until")


class Looking(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/find."""

    value: str
    reader: str
    purpose: str
    case: str | None = None


class Erasing(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/erase."""

    subject: str
    by: str
    reason: str
    values: tuple[str, ...] = ()
    thorough: bool = False


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/hold: sets a hold, or helps to `lift` the one named. `by` was asked for a password."""

    by: str
    reason: str
    subject: str | None = None
    lift: str | None = None


class Retaining(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/retention."""

    by: str


def ask(settings: Settings, name: str, parameters: Mapping[str, Value]) -> list[dict[str, Any]]:
    """Rows of one of the ASKED questions."""
    with opened(settings) as state:
        identity = load_identity(settings.data)
        reading = Reading(directory=settings.archive_dir, origin=identity.origin, public_key=identity.log_public)
        asker = Asker(reading, state)
        try:
            return asker.ask(QUESTIONS[name], **parameters)
        except ArchiveError as error:
            raise EngineError("damaged_archive", str(error)) from error
        finally:
            asker.close()


def sql(name: str, dialect: Dialect, parameters: Mapping[str, Value]) -> str:
    """The question for another engine that holds the same segments."""
    return text(QUESTIONS[name], dialect, parameters)


def parameters(name: str, given: Sequence[str]) -> dict[str, Value]:
    """`name=value` arguments of a question. EngineError says which are missing or unknown."""
    wanted = QUESTIONS[name].parameters
    pairs = dict(g.split("=", 1) for g in given if "=" in g)
    if set(pairs) != set(wanted) or len(pairs) != len(given):
        raise EngineError("bad_parameters", f"the question {name} takes {' '.join(f'{w}=…' for w in wanted)}")
    try:
        return {n: int(v) if n in NUMBERS else v for n, v in pairs.items()}
    except ValueError as error:
        raise EngineError("bad_parameters", "since and until are milliseconds since 1970-01-01T00:00:00Z") from error


def find(settings: Settings, asked: Looking) -> dict[str, Any]:
    """The answer of `checkvalve evidence find` (its `hits` as in the console)."""
    return in_core(settings, "/v1/local/find", asked, lambda core: found(core, asked))


def erase(settings: Settings, asked: Erasing) -> dict[str, Any]:
    return in_core(settings, "/v1/local/erase", asked, lambda core: erased(core, asked))


def hold(settings: Settings, asked: Holding) -> dict[str, Any]:
    return in_core(settings, "/v1/local/hold", asked, lambda core: held(core, asked))


def retain(settings: Settings) -> dict[str, Any]:
    """Erase by age now; how many records of each class."""
    asked = Retaining(by="user:cli")
    return in_core(settings, "/v1/local/retention", asked, lambda core: retention.apply(core, asked.by))


async def held(core: Core, asked: Holding) -> dict[str, Any]:
    """`hold` in this core: which hold it is about, what was decided, and in which entry."""
    with core.state.read() as db:
        now = core.now_ms()
        if asked.lift is None:
            draft = holds.setting(asked.by, now, asked.reason, asked.subject)
        else:
            draft = holds.lifting(db, asked.by, now, asked.lift, asked.reason)
    [entry] = await core.decide([draft])
    return {"hold": asked.lift or f"hold-{entry}", "what": decisions.parse(draft.clear).type, "entry": entry}


async def found(core: Core, asked: Looking) -> dict[str, Any]:
    """`find` in this core, as JSON."""
    result = await _readable(
        searching.find(core, core.asker, asked.value, reader=asked.reader, purpose=asked.purpose, case=asked.case)
    )
    hits = [
        {
            "entry": h.entry,
            "time": None if h.time_ms is None else rfc3339(from_ms(h.time_ms)),
            "source": h.source,
            "field": h.field,
            "session": h.session,
        }
        for h in result.hits
    ]
    return {"hits": hits, "erased": result.erased, "access_entry": result.access}


async def erased(core: Core, asked: Erasing) -> dict[str, Any]:
    """`erase` in this core, as JSON."""
    work = erasing.erase(
        core, core.asker, asked.subject, by=asked.by, reason=asked.reason, values=asked.values, thorough=asked.thorough
    )
    done = await _readable(work)
    return asdict(done)


async def _readable(work: Awaitable[Result]) -> Result:
    try:
        return await work
    except ArchiveError as error:
        raise EngineError("damaged_archive", str(error)) from error


def in_core(
    settings: Settings, path: str, asked: msgspec.Struct, work: Callable[[Core], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Done by the running core, or by one opened for it."""
    with opened(settings):  # an installation, or EngineError
        pass
    try:
        core = open_core(settings)
    except JournalError:
        api = LocalApi(settings, load_identity(settings.data))
        if not api.answers():
            raise
        try:
            return api.post(path, msgspec.json.encode(asked))
        finally:
            api.close()
    return asyncio.run(_alone(core, work))


async def _alone(core: Core, work: Callable[[Core], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    digesting = None
    try:
        core.pipeline.catch_up()
        digesting = asyncio.create_task(core.pipeline.run())
        return await work(core)
    finally:
        await core.committer.stop()
        if digesting is not None:
            digesting.cancel()
            await asyncio.gather(digesting, return_exceptions=True)
        core.close()
