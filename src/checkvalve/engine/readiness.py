"""Asks the installation what would fail tonight (posture/readiness.py), and keeps what people say of contracts and reviews."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select

from checkvalve.engine import paging_rota, reviews, watching
from checkvalve.engine.casework import organisation_of
from checkvalve.engine.core import Core
from checkvalve.engine.deployment import read
from checkvalve.engine.diagnosis import Check, diagnose
from checkvalve.engine.errors import EngineError
from checkvalve.engine.holds import MAY_HOLD
from checkvalve.engine.looking import in_core
from checkvalve.engine.offline import opened
from checkvalve.engine.settings import Settings, write_private
from checkvalve.engine.vault import open_vault
from checkvalve.posture import contracts, scan
from checkvalve.posture.contracts import Contract, ContractError
from checkvalve.posture.readiness import Answer, Readiness, readiness
from checkvalve.regimes.deadline import from_ms
from checkvalve.regimes.law import age, regimes
from checkvalve.store.schema import sites, subjects, users
from checkvalve.transports.pages import scheme

PATH: Final = "/v1/local/review"
CONTRACTS: Final = "contracts.json"
STATE_DAYS: Final = 30  # a model state older than this is not what runs
EXERCISE: Final = "exercise"
NEEDED: Final = ("controller", "address", "country", "contact_name", "contact_email")
HOST: Final = ("data directory", "free disk", "clock", "log", "data")


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/review. `good` False: done, and something is to be mended, as the notes say."""

    review: str
    by: str
    good: bool = True
    notes: str = ""


async def stated(core: Core, done: Done) -> dict[str, Any]:
    (entry,) = await core.decide([reviews.doing(core.now_ms(), done.by, done.review, done.good, done.notes)])
    return {"review": done.review, "entry": entry}


def state(settings: Settings, done: Done) -> dict[str, Any]:
    return in_core(settings, PATH, done, lambda core: stated(core, done))


def standings(settings: Settings) -> list[reviews.Standing]:
    with opened(settings) as store, store.read() as db:
        return reviews.standings(db)


def keep_contracts(settings: Settings, raw: bytes) -> list[Contract]:
    """Check contracts and keep them in the data directory in place of those there were."""
    found = read_contracts(raw)
    with opened(settings):  # an installation, or EngineError
        pass
    write_private(settings.data / CONTRACTS, raw)
    return found


def kept_contracts(settings: Settings) -> list[Contract] | None:
    """None when none were ever given."""
    try:
        raw = (settings.data / CONTRACTS).read_bytes()
    except FileNotFoundError:
        return None
    return read_contracts(raw)


def read_contracts(raw: bytes) -> list[Contract]:
    try:
        return contracts.read(raw)
    except ContractError as error:
        raise EngineError("bad_contracts", f"the contracts cannot be used: {error}") from error


def tonight(settings: Settings, now_ms: int, deployment: str | None = None) -> Readiness:
    """`deployment`: a directory for `posture scan`."""
    answers = [*_servers(diagnose(settings, None, now_ms)), *_paged(settings), *_law(from_ms(now_ms).date())]
    answers += [_contracts(settings, from_ms(now_ms).date()), _model_state(settings, now_ms), _anchored(settings)]
    answers += [_containment(settings, deployment)]
    if settings.has_state:
        with opened(settings) as store, store.read() as db:
            answers += [*_people(db), *_shops(db), *_reviewed(db, now_ms)]
    return readiness(answers)


def _servers(checks: Sequence[Check]) -> Iterator[Answer]:
    groups = {"core": ("core",), "gateway": ("gateway", "gateway paired"), "host": HOST}
    for name, members in groups.items():
        yield _group(name, [c for c in checks if c.name in members])
    yield _group("shops", [c for c in checks if c.name == "shops" or c.name.startswith("shop ")])


def _group(name: str, checks: Sequence[Check]) -> Answer:
    bad = [f"{c.name}: {c.found}" for c in checks if not c.ok]
    return Answer(id=name, good=not bad if checks else None, found="; ".join(bad) if checks else "there is no data yet")


def _paged(settings: Settings) -> Iterator[Answer]:
    try:
        paging = paging_rota.load(settings)
    except EngineError as error:
        yield Answer(id="rota", good=False, found=error.hint)
        return
    yield Answer(id="rota", good=paging is not None, found="there is no rota: nobody would be called")
    if paging is not None:
        kinds = {scheme(url) for urls in paging.urls.values() for url in urls}
        yield Answer(id="channels", good=len(kinds) > 1, found=f"the only kind of channel is {', '.join(kinds)}")


def _law(today: date) -> Iterator[Answer]:
    old = [regime for regime in regimes() if age(regime).review_by < today]
    yield Answer(id="law", good=not old, found=f"past their review date: {', '.join(old)}")


def _contracts(settings: Settings, today: date) -> Answer:
    try:
        given = kept_contracts(settings)
    except EngineError as error:
        return Answer(id="contracts", good=False, found=error.hint)
    if given is None:
        return Answer(id="contracts", good=None, found="none were given; checkvalve contract keep FILE")
    found = [contracts.review(c, today) for c in given]
    said = [f"no contract with a {kind.replace('_', ' ')}" for kind in contracts.without_contract(given)]
    said += [f"{r.contract.party}: {len(r.open)} of {len(r.standings)} provisions open" for r in found if r.open]
    said += [f"{r.contract.party}: ends in {r.expires_in_days} days" for r in found if r.expiring]
    return Answer(id="contracts", good=not said, found="; ".join(said))


def _model_state(settings: Settings, now_ms: int) -> Answer:
    try:
        states = open_vault(settings.data).states()
    except EngineError as error:
        return Answer(id="model-state", good=False, found=error.hint)
    if not states:
        return Answer(id="model-state", good=False, found="none was signed")
    days = (now_ms - states[-1].received_ms) // reviews.DAY_MS
    return Answer(id="model-state", good=days <= STATE_DAYS, found=f"the newest is {days} days old")


def _anchored(settings: Settings) -> Answer:
    directory: Path = settings.data / "anchors"
    there = directory.is_dir() and any(directory.iterdir())
    return Answer(id="anchors", good=there, found="no time stamp and no witness")


def _containment(settings: Settings, deployment: str | None) -> Answer:
    if deployment is not None:
        weak = [f"{w.where}: {w.what}" for c in scan.scan(read(deployment)) for w in c.weaknesses if w.hinders_containment]
        return Answer(id="containment", good=not weak, found="; ".join(weak))
    watched = watching.every(settings)
    if not watched:
        return Answer(id="containment", good=None, found="no deployment was looked at; give --scan DIR, or use posture watch")
    weak = [f"{s.where}: {s.what}" for kept in watched for s in kept.weak.values() if s.hinders]
    return Answer(id="containment", good=not weak, found="; ".join(weak))


def _people(db: Connection) -> Iterator[Answer]:
    roles = {u.name: set(u.roles) for u in db.execute(select(users.c.name, users.c.roles).order_by(users.c.name))}
    yield Answer(id="controller", good=any("controller" in r for r in roles.values()), found="nobody has the role controller")
    deciding = [name for name, held in roles.items() if held & set(MAY_HOLD)]
    yield Answer(id="second-person", good=len(deciding) > 1, found=", ".join(deciding) or "nobody")


def _shops(db: Connection) -> Iterator[Answer]:
    named = {r.site: r.name for r in db.execute(select(sites.c.site, sites.c.name).order_by(sites.c.created_ms))}
    if not named:
        return
    counted = select(subjects.c.site, func.count()).where(subjects.c.gone.is_(False)).group_by(subjects.c.site)
    known = {row[0]: row[1] for row in db.execute(counted)}
    empty = [name for site, name in named.items() if not known.get(site)]
    yield Answer(id="register", good=not empty, found=", ".join(empty))
    missing = {name: [f for f in NEEDED if not asdict(organisation_of(db, site))[f]] for site, name in named.items()}
    said = "; ".join(f"{name} lacks {', '.join(fields)}" for name, fields in missing.items() if fields)
    yield Answer(id="particulars", good=not said, found=said)


def _reviewed(db: Connection, now_ms: int) -> Iterator[Answer]:
    due = [s for s in reviews.standings(db) if s.due_ms <= now_ms or not s.good]
    said = ", ".join(s.review.title for s in due if s.review.id != EXERCISE)
    yield Answer(id="reviews", good=not said, found=f"due or not well: {said}")
    rehearsed = next((s for s in due if s.review.id == EXERCISE), None)
    when = (
        "there was no exercise yet" if rehearsed is None or rehearsed.done_ms is None else "the last exercise is too long ago"
    )
    yield Answer(id=EXERCISE, good=rehearsed is None, found=when)
