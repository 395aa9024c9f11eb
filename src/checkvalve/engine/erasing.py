"""Erasing a person: `evidence erase`, in a core that runs or was opened for it.

Which records hold somebody is found in three ways. By what detection saw: exposures and the person's own conversations. By the
blind index: the register's e-mail addresses and telephones. And by names and addresses, of which the register keeps only
pseudonyms: their spelling is taken from records that were found, or from whoever asks (`values`), and looked for in turn. Every
candidate is opened and compared before it counts, and opening is an entry first. `thorough` opens every record there is.

What was not looked for is said. Erasing is a decision: an entry with the records' numbers, before the first key is deleted.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from checkvalve.detection.register import Register
from checkvalve.detection.scanner import Scanner
from checkvalve.detection.types import Match
from checkvalve.engine import decisions, holds
from checkvalve.engine.errors import EngineError
from checkvalve.engine.searching import MAX_OPENED, access_draft, index_keys, opened_ones, said
from checkvalve.events.pseudonym import identifiers, pseudonym
from checkvalve.evidence import blind
from checkvalve.store.asking import Asker
from checkvalve.store.questions import QUESTIONS
from checkvalve.store.questions import value as having
from checkvalve.store.schema import erased, sites, subjects

if TYPE_CHECKING:
    from checkvalve.engine.core import Core

INDEXED: Final = ("email", "phone")  # categories that the blind index holds as the register does
SPELT: Final = ("name", "address")  # of which the spelling must be known before the index can be asked
AT_ONCE: Final = 200
SPELLINGS_FROM: Final = 200  # of the records that detection found, the newest, opened to learn how a name is spelt


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """`not_searched` says which of the person's data was not looked for in sealed text, and what would help."""

    subject: str
    records: int  # readable until now
    kept: int  # left, because a legal hold for somebody else covers them
    entry: int  # of the decision
    not_searched: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """`registers`: of each shop that knows the person, one that holds nobody else. `ids`: their pseudonyms, by category."""

    subject: str
    registers: tuple[Register, ...]
    ids: frozenset[tuple[str, str]]


@dataclass(slots=True, kw_only=True)
class Look:
    """What opening records gave: those that hold the person, and how names and addresses are spelt in them."""

    held: set[int] = field(default_factory=set)
    spelt: dict[str, set[str]] = field(default_factory=lambda: {category: set() for category in SPELT})


async def erase(
    core: "Core", asker: Asker, subject: str, *, by: str, reason: str, values: Sequence[str] = (), thorough: bool = False
) -> Erased:
    """Delete the keys of every record that holds this person. The log verifies as before; pseudonym rows stay.

    A record that also holds somebody for whom a legal hold stands is kept, and counted. EngineError when a value is too short,
    or when no readable record holds the person.
    """
    for value in values:
        _sought(value)
    with core.state.read() as db:
        holds.refuse(db, subject)
        others = {h.subject for h in holds.standing(db) if h.subject is not None}
    held, missed = await _holding(core, asker, subject, values, (by, f"erasure of {subject}"), thorough)
    if not held:
        raise EngineError(
            "not_found",
            f"no readable record holds {subject}; a reference reads like customer:42 (see `evidence scope`)"
            + "".join(f". Not searched: {m}" for m in missed),
        )
    kept = set()
    for other in others:
        why = (by, f"hold for {other}, at the erasure of {subject}")
        kept |= held & (await _holding(core, asker, other, (), why, False))[0]
    numbers = sorted(held - kept)
    if not numbers:
        raise EngineError("on_hold", f"all {len(kept)} records also hold somebody for whom a hold stands; nothing was erased")
    decided = await core.decide(
        [decisions.draft("erased", at_ms=core.now_ms(), by=by, subject=subject, entries=numbers, reason=reason)]
    )
    records = await asyncio.to_thread(core.journal.erase, numbers)
    return Erased(subject=subject, records=records, kept=len(kept), entry=decided[0], not_searched=missed)


def _sought(text: str) -> blind.Sought:
    """A single word would erase everybody of that name."""
    found = blind.sought(text)
    if found is None or (found.email is None and found.phone is None and len(found.words.split()) < 2):
        raise EngineError("bad_value", "a value is an e-mail address, a telephone, or two words at least, e.g. a full name")
    return found


async def _holding(
    core: "Core", asker: Asker, subject: str, values: Sequence[str], why: tuple[str, str], thorough: bool
) -> tuple[set[int], list[str]]:
    """Readable entries that hold a person, and what was not looked for. `why`: who reads, and what for."""
    person = await asyncio.to_thread(_person, core, subject)
    sought = [_sought(v) for v in values]
    seen = {row["entry"] for row in await asyncio.to_thread(asker.ask, QUESTIONS["held"], subject=subject)}
    tokens = [[blind.token_of(digest)] for category, digest in person.ids if category in INDEXED]
    look, opened = Look(held=set(seen)), set[int]()
    telling = sorted(seen)[-SPELLINGS_FROM:] if any(category in SPELT for category, _ in person.ids) else []
    await _open(core, person, sought, {*telling, *(await _candidates(asker, tokens) - seen)}, look, opened, why)
    told = [s for spelt in look.spelt.values() for text in sorted(spelt) if (s := blind.sought(text)) is not None]
    keys = await asyncio.to_thread(index_keys, core)
    tokens = [[blind.token(key, term) for term in reading] for s in (*sought, *told) for key in keys for reading in s.readings]
    await _open(core, person, sought, await _candidates(asker, tokens) - seen, look, opened, why)
    if thorough:
        await _open(core, person, sought, set(range(core.journal.size)), look, opened, why, everything=True)
    with core.state.read() as db:
        gone = set(db.scalars(select(erased.c.entry)))
    return {n for n in look.held - gone if n < core.journal.size}, [] if thorough else _missed(person, look, values)


def _person(core: "Core", subject: str) -> Person:
    found: list[Register] = []
    ids: set[tuple[str, str]] = set()
    with core.state.read() as db:
        known = select(sites.c.pseudonym_key, subjects.c.ids, subjects.c.rev).join(subjects, subjects.c.site == sites.c.site)
        for row in db.execute(known.where(subjects.c.ref == subject)):
            alone = Register(row.pseudonym_key)
            alone.put(subject, [(c, h) for c, h in row.ids], row.rev)
            found.append(alone)
            ids |= {(c, h) for c, h in row.ids}
    return Person(subject=subject, registers=tuple(found), ids=frozenset(ids))


async def _candidates(asker: Asker, readings: list[list[int]]) -> set[int]:
    if not readings:
        return set()
    found = {row["entry"] for row in await asyncio.to_thread(asker.ask, having(readings))}
    if len(found) > MAX_OPENED:
        raise EngineError("too_common", f"{len(found)} entries may hold what was looked for; give something rarer")
    return found


async def _open(
    core: "Core",
    person: Person,
    sought: list[blind.Sought],
    numbers: set[int],
    look: Look,
    opened: set[int],
    why: tuple[str, str],
    *,
    everything: bool = False,
) -> None:
    """Open what was not opened yet and compare it; that it is read, and why, is an entry first."""
    fresh = sorted(n for n in numbers - opened if n < core.journal.size)
    if not fresh:
        return
    opened |= numbers
    by, purpose = why
    every = {"until": core.journal.size} if everything else {}
    await core.decide([access_draft(core.now_ms(), by, [] if everything else fresh, purpose=purpose, case=None, **every)])
    for start in range(0, len(fresh), AT_ONCE):
        await asyncio.to_thread(_compare, core, person, sought, fresh[start : start + AT_ONCE], look)


def _compare(core: "Core", person: Person, sought: list[blind.Sought], numbers: Iterable[int], look: Look) -> None:
    for opened in opened_ones(core, numbers):
        if opened.clear is None or opened.header.kind != "event":
            continue
        for _, text in said(opened):
            if _spelt(person, text, look) or any(s.within(text) for s in sought):
                look.held.add(opened.number)


def _spelt(person: Person, text: str, look: Look) -> bool:
    """Whether a text says anything of the person that is registered; names and addresses are noted as they stand in it."""
    says = False
    for register in person.registers:
        terms = (t for t in blind.terms(text) if t[0] in INDEXED)
        says = says or any((c, pseudonym(register.key, c, normal)) in person.ids for c, normal in terms)
        scanner = Scanner(register)
        for match in (*scanner.feed(text), *scanner.finish()):
            if not isinstance(match, Match) or match.weak or match.category == "order_number":
                continue
            says = True
            if match.category in SPELT and match.encoding == "plain":
                look.spelt[match.category].add(text[match.start : match.end])
    return says


def _missed(person: Person, look: Look, values: Sequence[str]) -> list[str]:
    known = {category for category, _ in person.ids}
    if not known:
        return [] if values else ["the register knows nothing of this person (any more): give what you know with --value"]
    given = {pair for r in person.registers for v in values for pair in identifiers(r.key, name=v, address=v)}
    spelt = {category for category, _ in person.ids.intersection(given)} | {c for c, texts in look.spelt.items() if texts}
    return [
        f"the {category}, of which only a pseudonym is kept, and no record found so far shows how it is spelt: give it with"
        " --value, or open each record with --every-record"
        for category in SPELT
        if category in known - spelt
    ]
