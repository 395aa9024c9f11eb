"""A person has letters written to people whose data was shown, or those not sent yet withdrawn (GDPR Art. 34).

What was sent is kept as versions of the draft. Each batch is one signed order, done once; what became of it:
`engine/letters.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from checkvalve.engine import cases, casework, decisions
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.letters import ACTION, AGAIN, TYPE, WAITING, told
from checkvalve.engine.orders import jti_of
from checkvalve.incidents.case import Incident
from checkvalve.incidents.scope import people_by_kinds
from checkvalve.incidents.wording import LANGUAGES
from checkvalve.notifications.notification import Notification, Wish, letter_text
from checkvalve.store.schema import letters

PATH: Final = "/v1/local/letters"
DOCUMENT: Final = "gdpr_art34"
BATCH: Final = 500  # people of one order
LASTS_S: Final = 3 * 86_400  # how long a shop that is away may take to fetch it
MAY: Final = frozenset({"controller"})


class Writing(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/letters. `by` was asked for a password. `withdraw`: those not sent yet are not sent."""

    case: str
    reason: str
    by: str
    langs: tuple[str, ...] = ()
    withdraw: bool = False


async def asked(core: Core, given: Writing) -> dict[str, Any]:
    """`told` afterwards. EngineError while something is open that must come first."""
    if not given.reason.strip():
        raise EngineError("no_reason", "say why, with --reason TEXT")
    with core.state.read() as db:
        incident = cases.load(db, given.case)
        if incident is None:
            raise EngineError("not_found", f"there is no case {given.case[:60]}; see `checkvalve case list`")
        drafts = _withdrawal(core, db, incident, given) if given.withdraw else _order(core, db, incident, given)
    await core.decide(drafts)
    core.changed.ring()
    with core.state.read() as db:
        return told(db, incident)


def _order(core: Core, db: Connection, incident: Incident, given: Writing) -> list[Any]:
    now = core.now_ms()
    if incident.delayed_by is not None:
        lift = f"`checkvalve case delay {incident.id} --lift`"
        hint = f"{incident.delayed_by} asked that people are not told yet; when that is over: {lift}"
        raise EngineError("delayed", hint)
    seen = _drafted(db, incident, given.langs, now)
    people = list(_unwritten(db, incident))
    if not people:
        raise EngineError(
            "nobody_left", f"everybody of {incident.id} was written to; see `checkvalve case letters {incident.id}`"
        )
    texts = [
        {lang: dict(zip(("subject", "body"), _mail(draft, number), strict=True)) for lang, draft in seen.items()}
        for number in range(len(next(iter(seen.values())).letters))
    ]
    made, batches = [], {}
    for start in range(0, len(people), BATCH):
        command, portion = f"{incident.id}-letters-{now}-{start}", people[start : start + BATCH]
        batch = jti_of(command)
        batches[batch] = [ref for ref, _ in portion]
        args = {"batch": batch, "letters": texts, "people": portion}
        made.append(_decision(core, incident, command, ACTION, args, now, given.by))
    said = {"incident": incident.id, "reason": given.reason.strip()[:1000], "batches": batches}
    versions = {lang: draft.version for lang, draft in seen.items()}
    asked = decisions.draft(TYPE, at_ms=now, by=given.by, **said, versions=versions)
    kept = [
        decisions.draft("draft", at_ms=now, by=given.by, notification=d.as_json(), saw=incident.positions)
        for d in seen.values()
    ]
    return [
        *kept,
        asked,
        *made,
        _note(incident, f"{len(people)} letters to people: {given.reason.strip()[:300]}", now, given.by),
    ]


def _withdrawal(core: Core, db: Connection, incident: Incident, given: Writing) -> list[Any]:
    now = core.now_ms()
    waiting = select(letters.c.batch).distinct().where(letters.c.incident == incident.id, letters.c.state == WAITING)
    batches = sorted(db.scalars(waiting))
    if not batches:
        raise EngineError("none_waiting", "no letter waits; what was sent is sent")
    made = [_decision(core, incident, f"{batch}-withdrawn", "release", {"jti": batch}, now, given.by) for batch in batches]
    return [*made, _note(incident, f"letters to people withdrawn: {given.reason.strip()[:300]}", now, given.by)]


def _decision(core: Core, incident: Incident, command: str, action: str, args: dict[str, Any], now: int, by: str) -> Any:
    order = core.orders.make(
        command=command,
        incident=incident.id,
        site=incident.site,
        hand="wordpress",
        action=action,
        args=args,
        ttl_s=LASTS_S,
        now_ms=now,
    )
    return decisions.draft("order_issued", at_ms=now, by=by, **order)


def _note(incident: Incident, text: str, now: int, by: str) -> Any:
    return decisions.draft("note", at_ms=now, by=by, incident=incident.id, text=text)


def _drafted(db: Connection, incident: Incident, langs: Sequence[str], now: int) -> Mapping[str, Notification]:
    """The letters by language, with what people wrote into them; EngineError while one leaves something open."""
    chosen = [c.notify for c in incident.choices if c.regime == DOCUMENT]
    if not (chosen and chosen[-1]):
        hint = (
            f"decide first that people are told: `checkvalve case decide {incident.id} --regime {DOCUMENT} --notify --reason …`"
        )
        raise EngineError("not_decided", hint)
    if not langs or set(langs) - set(LANGUAGES):
        raise EngineError("bad_language", f"say in which languages, with --lang; known: {', '.join(LANGUAGES)}")
    found: dict[str, Notification] = {}
    for lang in dict.fromkeys(langs):
        fresh = casework.prepare(db, incident.id, DOCUMENT, now, wish=Wish(lang=lang))
        assert fresh is not None  # the case was just read
        if fresh.missing:
            open_ = "; ".join(m.question for m in fresh.missing)
            raise EngineError("open_questions", f"the letter ({lang}) leaves open: {open_[:400]}")
        found[lang] = replace(fresh, version=fresh.version + len(found))
    return found


def _mail(draft: Notification, number: int) -> tuple[str, str]:
    subject, *paragraphs = letter_text(draft.letters[number])
    return " ".join(subject.split()), "\n\n".join(paragraphs) + "\n"


def _unwritten(db: Connection, incident: Incident) -> Iterator[tuple[str, int]]:
    """(who, number of the letter) of people who have none."""
    rows = db.execute(select(letters.c.ref).where(letters.c.incident == incident.id, letters.c.state.not_in(AGAIN)))
    written = set(rows.scalars())
    groups = people_by_kinds(casework.case_exposures(db, incident.id))
    for number, people in enumerate(groups.values()):
        yield from ((ref, number) for ref in people if ref not in written)
