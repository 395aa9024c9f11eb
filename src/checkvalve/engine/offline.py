"""What the command line does with a data directory itself, also while core runs: read, verify, export, add people.

Only `import_subjects` writes to the log, so it needs core to be stopped.
"""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, insert, select

from checkvalve.detection.register import Register
from checkvalve.engine import anchoring, cases, casework, completeness, holds, letters, live_watch, soundness
from checkvalve.engine.accounts import Accounts
from checkvalve.engine.completeness import SensorStatement
from checkvalve.engine.core import now_ms, open_core
from checkvalve.engine.decisions import draft
from checkvalve.engine.errors import EngineError
from checkvalve.engine.given import Person as Person
from checkvalve.engine.given import read_file as read_file
from checkvalve.engine.given import read_people as read_people
from checkvalve.engine.holds import Hold
from checkvalve.engine.identity import Identity, load_identity
from checkvalve.engine.known_people import Registers
from checkvalve.engine.pairing import Pairing
from checkvalve.engine.register import entries as register_of_breaches
from checkvalve.engine.settings import Settings, make_private
from checkvalve.events.pseudonym import identifiers
from checkvalve.evidence import bundle, checkpoint, entry
from checkvalve.evidence.merkle import inclusion_proof
from checkvalve.evidence.tiles import tiles
from checkvalve.evidence.verify import MAX_ERRORS, Verified, verify_log
from checkvalve.incidents.cost import Assumptions, Cost
from checkvalve.incidents.scope import Scope, scope_of
from checkvalve.notifications.notification import Notification, Wish
from checkvalve.notifications.register import Entry
from checkvalve.notifications.render import render_html, render_json, render_pdf
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.recordkeys import RecordKeys
from checkvalve.store.schema import commands, exposures, incidents, sites, transitions
from checkvalve.store.segments import LogFiles
from checkvalve.store.state import State, open_state

SCOPE_FILTERS = ("site", "plugin", "route", "session", "model", "trace")


@contextmanager
def opened(settings: Settings) -> Iterator[State]:
    """The state database of an existing installation."""
    if not settings.has_state:
        raise EngineError("no_data", f"there is no Checkvalve data in {settings.data}; run `checkvalve up` or give --data DIR")
    state = open_state(settings.state)
    try:
        yield state
    finally:
        state.close()


def add_user(
    settings: Settings, name: str, password: str, roles: tuple[str, ...], shops: tuple[str, ...] | None = None
) -> None:
    """`shops`: the sites that this person alone sees; None: every shop."""
    with prepared(settings) as state:
        with state.read() as db:
            unknown = sorted(set(shops or ()) - set(db.scalars(select(sites.c.site))))
        if unknown:
            raise EngineError("unknown_site", f"there is no shop {unknown[0][:60]}; pair it first")
        Accounts(state).add(name, password, roles, now_ms(), shops)


def second_factor(settings: Settings, name: str, secret: str | None) -> None:
    with opened(settings) as state:
        Accounts(state).set_second_factor(name, secret)


def person(settings: Settings, name: str, password: str, roles: Iterable[str], code: str = "", site: str | None = None) -> str:
    """`user:<name>` of somebody with one of these roles who sees the shop. EngineError for a wrong password or code, or another
    role or shop."""
    if not name.isprintable():
        raise EngineError("login_failed", "name or password is wrong, or the code is")
    with opened(settings) as state:
        accounts = Accounts(state)
        token = accounts.log_in(name, password, "local", now_ms(), code)
        user = accounts.who(token, now_ms())
        accounts.log_out(token)
    if user is None or not set(user.roles) & set(roles) or not (site is None or user.sees(site)):
        raise EngineError("forbidden", f"{name} has no role of {', '.join(sorted(roles))}; add one with `checkvalve user add`")
    return f"user:{user.name}"


def holds_of(settings: Settings) -> list[Hold]:
    with opened(settings) as state, state.read() as db:
        return holds.every(db)


def user_names(settings: Settings) -> list[str]:
    with prepared(settings) as state:
        return Accounts(state).names()


def pairing_code(settings: Settings, by: str) -> str:
    with prepared(settings) as state:
        return Pairing(state, load_identity(settings.data), settings, lambda _: 1).new_code(by, now_ms())


@contextmanager
def prepared(settings: Settings) -> Iterator[State]:
    """The state database, made if need be: people may be added before the first start."""
    make_private(settings.data)
    state = open_state(settings.state)
    try:
        yield state
    finally:
        state.close()


def identity_of(settings: Settings) -> Identity:
    """The keys of an installation that is there: a question makes none."""
    if not settings.has_state:
        raise EngineError("no_data", f"there is no Checkvalve data in {settings.data}; run `checkvalve up` or give --data DIR")
    return load_identity(settings.data)


def verify_live(settings: Settings, *, quick: bool = False) -> Verified:
    """The log, the segments sealed from it, and unless `quick` the databases beside it."""
    from checkvalve.store.archive import Reading  # slow to import, and this module is everybody's

    rotten = [] if quick else soundness.at_rest(settings.data)  # before anything is opened
    identity = identity_of(settings)
    log = LogFiles(settings.data / "log")
    found = verify_log(log, origin=identity.origin, public_key=identity.log_public)
    reading = Reading(directory=settings.archive_dir, origin=identity.origin, public_key=identity.log_public)
    flaws = [*rotten, *reading.flaws()]
    if not quick:
        keys = settings.data / "keys.db"
        flaws += soundness.database(keys) or soundness.record_keys(log, keys, found.entries - found.uncovered)
        flaws += soundness.database(settings.state_file) if settings.state_url is None else []
    errors = (*found.errors, *flaws)[:MAX_ERRORS]
    return replace(found, ok=found.ok and not flaws, errors=errors)


def public_key_text(settings: Settings) -> str:
    identity = identity_of(settings)
    return checkpoint.verifier_key(identity.origin, identity.log_public)


def scope(settings: Settings, since_ms: int, until_ms: int, filters: dict[str, str]) -> Scope:
    """Scope over a window, narrowed by any of SCOPE_FILTERS."""
    where: ColumnElement[bool] = exposures.c.seen_ms.between(since_ms, until_ms)
    for name, value in filters.items():
        where = where & (exposures.c[name] == value)
    with opened(settings) as state, state.read() as db:
        found = casework.records(db, where)
        every_site = [filters["site"]] if "site" in filters else list(db.scalars(select(sites.c.site)))
        missing = [g for s in every_site for g in casework.gaps(db, s, since_ms, min(until_ms, now_ms()))]
    return scope_of(found, since_ms, until_ms, dict.fromkeys(missing))


def sensors(settings: Settings, since_ms: int, until_ms: int, site: str | None) -> list[SensorStatement]:
    """What each sensor sent and when it was not heard, over a window."""
    with opened(settings) as state, state.read() as db:
        return completeness.statements(db, site, since_ms, min(until_ms, now_ms()))


# --- cases -----------------------------------------------------------------------------------------------------------


def list_cases(settings: Settings) -> list[dict[str, Any]]:
    with opened(settings) as state, state.read() as db:
        return [dict(r.state) for r in db.execute(select(incidents.c.state).order_by(incidents.c.opened_ms))]


def show_case(settings: Settings, case: str) -> dict[str, Any]:
    with opened(settings) as state, state.read() as db:
        incident = cases.load(db, case)
        if incident is None:
            raise EngineError("not_found", f"there is no case {case}; see `checkvalve case list`")
        changes = db.execute(select(transitions).where(transitions.c.incident == case).order_by(transitions.c.position)).all()
        steps = db.execute(select(commands).where(commands.c.incident == case).order_by(commands.c.position)).all()
        return {
            "case": asdict(incident),
            "scope": casework.case_scope(db, incident).as_json(),
            "letters": letters.told(db, incident),
            "trade": live_watch.report(db, incident, now_ms()),
            "assessment": found.as_json() if (found := casework.case_assessment(db, incident)) else None,
            "applicability": casework.case_applicability(db, incident, now_ms()),
            "transitions": [
                {
                    "at_utc": rfc3339(from_ms(t.at_ms)),
                    "at_ms": t.at_ms,
                    "kind": t.kind,
                    "by": t.by,
                    "entries": t.entries,
                    "data": t.data,
                }
                for t in changes
            ],
            "steps": [
                {"id": s.id, "kind": s.kind, "data": s.data, "status": s.status, "ended_ms": s.ended_ms, "outcome": s.outcome}
                for s in steps
            ],
        }


def letters_of(settings: Settings, case: str) -> tuple[str, dict[str, int]]:
    """The shop of a case, and what became of its letters to people."""
    with opened(settings) as state, state.read() as db:
        incident = cases.load(db, case)
        if incident is None:
            raise EngineError("not_found", f"there is no case {case[:60]}; see `checkvalve case list`")
        return incident.site, letters.told(db, incident)


def notice(
    settings: Settings, case: str, document: str, wish: Wish | None = None, *, reason: str | None = None
) -> Notification:
    with opened(settings) as state, state.read() as db:
        prepared = casework.prepare(db, case, document, now_ms(), wish=wish, reason=reason)
    if prepared is None:
        raise EngineError("not_found", f"there is no case {case}; see `checkvalve case list`")
    return prepared


def register(settings: Settings, lang: str = "en") -> list[Entry]:
    """GDPR Art. 33(5), every case."""
    with opened(settings) as state, state.read() as db:
        return register_of_breaches(db, lang)


def case_cost(settings: Settings, case: str, assumptions: Assumptions) -> Cost:
    with opened(settings) as state, state.read() as db:
        incident = cases.load(db, case)
        if incident is None:
            raise EngineError("not_found", f"there is no case {case}; see `checkvalve case list`")
        return casework.case_cost(db, incident, assumptions, now_ms())


def export_case(settings: Settings, case: str, *, redacted: bool = False) -> bytes:
    """A bundle: the case's entries with proofs (events sealed, decisions open), scope, timeline, draft notice.

    `redacted`: for eyes that may not have the rest: no entry of anybody's event, and of the case counts, times and steps alone.
    """
    shown = show_case(settings, case)
    numbers = {n for t in shown["transitions"] for n in t["entries"]}
    numbers |= {s["outcome"]["entry"] for s in shown["steps"] if s["outcome"] and "entry" in s["outcome"]}
    with opened(settings) as state, state.read() as db:
        numbers |= {r.entry for r in casework.case_exposures(db, case)}
    shown = _redacted(shown) if redacted else shown
    identity = load_identity(settings.data)
    files = LogFiles(settings.data / "log")
    head = files.checkpoint()
    signed = checkpoint.verify(head, origin=identity.origin, public_key=identity.log_public)
    size = signed.size
    data = files.leaves()[: 32 * size]
    leaves = [data[i : i + 32] for i in range(0, len(data), 32)]
    keys = RecordKeys(settings.data / "keys.db")
    try:
        entries = [
            bundle.LoggedEntry(number=n, record=record, proof=inclusion_proof(n, leaves), key=_decision_key(keys, record))
            for n, record in _records(files, {n for n in numbers if n < size} if not redacted else set())
        ]
    finally:
        keys.close()
    document = notice(settings, case, "gdpr_art33")
    documents = {
        "case.json": msgspec.json.format(msgspec.json.encode(shown), indent=1),
        "gdpr_art33.json": render_json(document),
        "gdpr_art33.html": render_html(document).encode(),
        "gdpr_art33.pdf": render_pdf(document),
    }
    created = datetime.fromtimestamp(now_ms() / 1000, UTC)
    return bundle.build(
        case=case,
        created=rfc3339(created),
        entries=entries,
        documents=documents,
        head=head,
        origin=identity.origin,
        key=identity.log_key,
        anchors=anchoring.for_bundle(settings, signed, leaves),
        notes=succession_notes(settings),
    )


def _redacted(shown: dict[str, Any]) -> dict[str, Any]:
    """What was done, when, and to how many. Nothing of who: named keys alone are taken over."""
    counted = ("subjects", "records", "categories", "channels")
    scope = shown["scope"]
    return {
        "case": {k: shown["case"][k] for k in ("id", "status", "opened_ms")},
        "scope": {
            **{k: scope[k] for k in ("window", "complete")},
            **{part: {k: scope[part][k] for k in counted} for part in ("confirmed", "worst_case")},
        },
        "assessment": shown["assessment"],
        "applicability": shown["applicability"],
        "transitions": [{k: t[k] for k in ("at_utc", "at_ms", "kind")} for t in shown["transitions"]],
        "steps": [{k: s[k] for k in ("id", "kind", "status", "ended_ms")} for s in shown["steps"]],
    }


def succession_notes(settings: Settings) -> list[bytes]:
    """In which each key of the log names the next, oldest first."""
    return [p.read_bytes() for p in sorted((settings.data / "log" / "succession").glob("*.note"))]


def export_tiles(settings: Settings, directory: Path) -> int:
    """The tree as C2SP tlog-tiles below `directory`; returns how many tiles."""
    identity = identity_of(settings)
    files = LogFiles(settings.data / "log")
    head = files.checkpoint()
    size = checkpoint.verify(head, origin=identity.origin, public_key=identity.log_public).size
    data = files.leaves()[: 32 * size]
    made = dict(tiles([data[i : i + 32] for i in range(0, len(data), 32)]))
    for name, content in made.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (directory / "checkpoint").write_bytes(head)
    return len(made)


def _records(files: LogFiles, numbers: set[int]) -> Iterator[tuple[int, bytes]]:
    for number, (file, record) in enumerate(files.records()):
        if not isinstance(record, bytes):
            raise EngineError("damaged_log", f"{file}: {record.what}; run `checkvalve evidence verify`")
        if number in numbers:
            yield number, record


def _decision_key(keys: RecordKeys, record: bytes) -> bytes | None:
    """Decisions hold no personal data of customers and are opened; events stay sealed."""
    header = entry.parse(record).header
    return keys.get(header.key) if header.kind == "decision" else None


# --- register --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    site: str
    people: int
    identifiers: int


def import_subjects(settings: Settings, people: list[Person], site: str | None) -> Imported:
    """Put people into the register as keyed pseudonyms; each is an entry of the log."""
    core = open_core(settings)
    try:
        core.pipeline.catch_up()
        name, key = chosen_site(core.state, site)
        drafts, count = [], 0
        for person in people:
            ids = identifiers(
                key,
                email=person.email,
                name=person.name,
                phone=person.phone,
                address=person.address,
                postcode=person.postcode,
                order_numbers=tuple(str(o) for o in person.order_ids),
            )
            count += len(ids)
            subject = {"ref": person.ref, "identifiers": ids}
            drafts.append(draft("subject_put", at_ms=now_ms(), by="user:cli", site=name, subject=subject))
        for start in range(0, len(drafts), 1000):
            core.journal.append_many(drafts[start : start + 1000])
        core.pipeline.catch_up()
    finally:
        core.close()
    return Imported(site=name, people=len(people), identifiers=count)


def chosen_site(state: State, wanted: str | None) -> tuple[str, bytes]:
    """A shop and its pseudonym key: the one named, the only one, or one made for imports when there is none."""
    with state.begin() as db:
        rows = db.execute(select(sites.c.site, sites.c.pseudonym_key)).all()
        if wanted is None and not rows:
            key = secrets.token_bytes(32)
            site = "s-" + "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(12))
            url = "https://imported.invalid"
            values = {"site": site, "name": "imported register", "site_url": url, "rest_url": url + "/wp-json/"}
            db.execute(insert(sites).values(**values, pseudonym_key=key, created_ms=now_ms()))
            return site, key
    known: dict[str, bytes] = {r.site: r.pseudonym_key for r in rows}
    chosen = wanted or (rows[0].site if len(rows) == 1 else "")
    if chosen not in known:
        raise EngineError("which_site", f"name the shop with --site; known: {', '.join(known) or 'none'}")
    return chosen, known[chosen]


def site_of(settings: Settings, wanted: str | None) -> str:
    """The shop named, or the only one."""
    with opened(settings) as state, state.read() as db:
        known = list(db.scalars(select(sites.c.site)))
    chosen = wanted or (known[0] if len(known) == 1 else "")
    if chosen not in known:
        raise EngineError("which_site", f"name the shop with --site; known: {', '.join(known) or 'none'}")
    return chosen


def register_of(settings: Settings, site: str | None) -> Register:
    """The register for offline detection; of the only site unless one is named."""
    with opened(settings) as state, state.read() as db:
        known = list(db.scalars(select(sites.c.site)))
        chosen = site or (known[0] if len(known) == 1 else "")
        registers = Registers()
        registers.load(db)
        register = registers.get(db, chosen) if chosen in known else None
    if register is None:
        raise EngineError("which_site", f"name the shop with --site; known: {', '.join(known) or 'none'}")
    return register
