"""What people state about a case beside its containment: reasons, decisions, filings, and the shop's own particulars.

Each is a decision in the log before anything follows from it. GDPR Art. 33(5): decisions not to notify are kept as well.
"""

from typing import Any, Final, Literal

import msgspec

from checkvalve.engine import cases, casework, decisions
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import Settings
from checkvalve.incidents import case as rules
from checkvalve.incidents.facts import Organisation, Particulars
from checkvalve.incidents.wording import LANGUAGES
from checkvalve.notifications.documents import document
from checkvalve.notifications.notification import Wish
from checkvalve.regimes.law import regime
from checkvalve.store.schema import notifications

PATH: Final = "/v1/local/state"
MAX_TEXT: Final = 1000
CHANGES = {"shut_by_hand": "contained"}  # what is said, and how the case changes where that has another name


class Reasoned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Why the severity is as a person sees it."""

    case: str
    reason: str
    by: str


class Aware(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """When the entity became aware (GDPR Art. 33(1)), of the case or of one law. A correction is added; the first stays."""

    case: str
    aware_ms: int
    why: str
    by: str
    regime: str | None = None


class Contracted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The hours that a contract sets for a notice of this case."""

    case: str
    regime: str
    hours: int
    by: str


class Shut(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The way out was closed by hand: `how`, and how that was seen. It counts as closed from now on."""

    case: str
    how: str
    by: str


class Decided(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Whether a regime's notice is given, and why."""

    case: str
    regime: str
    notify: bool
    reason: str
    by: str


class Filed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A notice was filed or withdrawn by a person. `version` None: a fresh draft is stored and taken as what was filed."""

    case: str
    document: str
    reference: str
    by: str
    clock: str | None = None
    lang: str = "en"
    version: int | None = None
    at_ms: int | None = None
    withdrawn: bool = False


class Noted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something to be kept with the case: a note, what the next shift must know, or what was said to or by `other`."""

    case: str
    text: str
    by: str
    about: Literal["note", "handover", "contact"] = "note"
    other: str = ""


class Delayed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An authority asks that people are not told yet, as that would hinder an investigation (GDPR recital 88); `lift`: no more.

    It delays what people are told, and no notice to a supervisory authority.
    """

    case: str
    reason: str
    by: str
    authority: str = ""
    lift: bool = False


class Entered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Fields of `incidents.facts.Organisation` and `Particulars` that are to be changed; the others stay."""

    site: str
    given: dict[str, Any]
    by: str


Statement = Reasoned | Aware | Contracted | Shut | Decided | Filed | Noted | Delayed | Entered


def state(settings: Settings, statement: Statement) -> dict[str, Any]:
    """`{"entry": n}`, and for a filing its version. EngineError or IncidentError for what makes no sense."""
    from checkvalve.engine.looking import in_core  # slow to import, and every command on cases passes here

    return in_core(settings, PATH, statement, lambda core: stated(core, statement))


async def stated(core: Core, statement: Statement) -> dict[str, Any]:
    match statement:
        case Reasoned():
            return await _change(core, statement.case, "severity_reasoned", {"reason": statement.reason}, statement.by)
        case Aware():
            data: dict[str, Any] = {"aware_ms": statement.aware_ms, "why": statement.why.strip()[:1000]}
            if statement.regime is not None:
                data["regime"] = regime(statement.regime).id
            return await _change(core, statement.case, "aware_set", data, statement.by)
        case Contracted():
            if not any(c.contract for c in regime(statement.regime).clocks):
                raise EngineError("no_contract", f"no contract sets hours for {statement.regime}; see `checkvalve deadline`")
            hours = {"regime": statement.regime, "hours": statement.hours}
            return await _change(core, statement.case, "contract_hours_set", hours, statement.by)
        case Shut():
            return await _change(core, statement.case, "shut_by_hand", {"by_hand": statement.how.strip()[:1000]}, statement.by)
        case Decided():
            chosen = {"regime": regime(statement.regime).id, "notify": statement.notify, "reason": statement.reason}
            return await _change(core, statement.case, "notice_decided", chosen, statement.by)
        case Filed():
            return await _filed(core, statement)
        case Noted():
            noted = {"text": _one_line(statement.text), "about": statement.about, "with": _one_line(statement.other)}
            return await _change(core, statement.case, "note", noted, statement.by)
        case Delayed(lift=True):
            lifted = {"reason": _one_line(statement.reason)}
            return await _change(core, statement.case, "telling_resumed", lifted, statement.by)
        case Delayed():
            asked = {"authority": _one_line(statement.authority), "reason": _one_line(statement.reason)}
            return await _change(core, statement.case, "telling_delayed", asked, statement.by)
        case Entered():
            return await _particulars(core, statement)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:MAX_TEXT]


async def _change(core: Core, case: str, kind: str, data: dict[str, Any], by: str) -> dict[str, Any]:
    with core.state.read() as db:
        incident = cases.load(db, case)
    if incident is None:
        raise EngineError("not_found", f"there is no case {case[:60]}; see `checkvalve case list`")
    now = core.now_ms()
    rules.change(incident, CHANGES.get(kind, kind), now, (), data, by)  # refused before it is logged
    (entry,) = await core.decide([decisions.draft(kind, at_ms=now, by=by, incident=case, **data)])
    return {"entry": entry}


async def _filed(core: Core, statement: Filed) -> dict[str, Any]:
    now = core.now_ms()
    if not statement.reference.strip():
        raise EngineError("no_reference", "say under which number or how it was filed, with --reference")
    if statement.at_ms is not None and statement.at_ms > now:
        raise EngineError("in_future", "it cannot have been filed later than now")
    if statement.lang not in LANGUAGES:
        raise EngineError("bad_language", f"known: {', '.join(LANGUAGES)}")
    wanted = document(statement.document)
    with core.state.read() as db:
        incident = cases.load(db, statement.case)
        if incident is None:
            raise EngineError("not_found", f"there is no case {statement.case[:60]}; see `checkvalve case list`")
        done = frozenset(f.clock for f in incident.filings if f.regime == wanted.id and not f.withdrawn)
        if statement.withdrawn and not done:
            raise EngineError("not_filed", f"no {wanted.id} of {incident.id} was filed; withdraw only what was")
        clock = wanted.clock(statement.clock, done)
        wish = Wish(clock=clock.id if clock else None, lang=statement.lang)
        fresh = casework.prepare(db, incident.id, wanted.id, now, wish=wish)
        of_case = (notifications.c.incident == incident.id) & (notifications.c.regime == wanted.id)
        known = set(db.scalars(notifications.select().with_only_columns(notifications.c.version).where(of_case)))
    assert fresh is not None
    if statement.version is not None and statement.version not in known:
        raise EngineError("no_version", f"known versions of {wanted.id}: {', '.join(map(str, sorted(known))) or 'none'}")
    version = statement.version or fresh.version
    drafts = []
    if statement.version is None:
        drafts.append(
            decisions.draft("draft", at_ms=now, by=statement.by, notification=fresh.as_json(), saw=incident.positions)
        )
    filing = {"regime": wanted.id, "clock": clock.id if clock else "", "version": version, "withdrawn": statement.withdrawn}
    filing |= {"reference": statement.reference.strip()[:200], "filed_ms": statement.at_ms or now}
    drafts.append(decisions.draft("notice_filed", at_ms=now, by=statement.by, incident=incident.id, **filing))
    entries = await core.decide(drafts)
    return {"entry": entries[-1], "version": version, "clock": filing["clock"]}


async def _particulars(core: Core, statement: Entered) -> dict[str, Any]:
    with core.state.read() as db:
        before = {
            **msgspec.to_builtins(casework.organisation_of(db, statement.site)),
            **msgspec.to_builtins(casework.particulars_of(db, statement.site)),
        }
    if unknown := sorted(set(statement.given) - set(before)):
        raise EngineError("bad_particulars", f"no such field: {', '.join(unknown)[:100]}; fields: {', '.join(before)}")
    try:
        for kind in (Organisation, Particulars):
            msgspec.convert({k: v for k, v in statement.given.items() if k in kind.__dataclass_fields__}, kind)
    except msgspec.ValidationError as error:
        raise EngineError("bad_particulars", str(error)[:200]) from error
    drafted = decisions.draft(
        "organisation_set", at_ms=core.now_ms(), by=statement.by, site=statement.site, organisation=statement.given
    )
    (entry,) = await core.decide([drafted])
    return {"entry": entry}
