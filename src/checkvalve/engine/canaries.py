"""Canaries planted, listed, retired and looked for (`detection/canaries.py` says what one is).

Planting puts the canary into the shop's register, as a decision in the log; from there every gateway has it within seconds. The
canary itself is made anew from the secret seed when it is needed and is kept nowhere.
"""

from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from checkvalve.detection.canaries import KINDS, PREFIX, Canary, canary, store_of, valid_store
from checkvalve.detection.register import Register
from checkvalve.detection.scanner import Scanner
from checkvalve.detection.types import Match
from checkvalve.engine import decisions, offline
from checkvalve.engine.core import Core
from checkvalve.engine.errors import EngineError
from checkvalve.engine.looking import in_core
from checkvalve.engine.settings import Settings
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.schema import sightings, sites, subjects

PATH: Final = "/v1/local/canary"
MAX_FILES: Final = 100_000
READ: Final = 1024 * 1024  # bytes at once
MAX_READ: Final = 64 * 1024 * 1024  # of one file


class Planting(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/canary: plants a canary in a store, or retires it. `domain` is that of its e-mail address."""

    store: str
    by: str
    site: str | None = None
    domain: str = "example.net"
    retire: bool = False


def plant(settings: Settings, asked: Planting) -> dict[str, Any]:
    return in_core(settings, PATH, asked, lambda core: planted(core, asked))


async def planted(core: Core, asked: Planting) -> dict[str, Any]:
    """`plant` in this core: the canary with the texts to put into its store, and the entry that registers it."""
    if not valid_store(asked.store):
        raise EngineError("bad_store", f"a store is KIND or KIND:NAME, a-z 0-9 . _ -, of the kinds {', '.join(KINDS)}")
    site, key = offline.chosen_site(core.state, asked.site)
    with core.state.read() as db:
        known = db.execute(select(subjects).where(subjects.c.site == site, subjects.c.ref == PREFIX + asked.store)).first()
    made = canary(core.identity.canary_seed, asked.store, asked.domain)
    if asked.retire and known is None:
        raise EngineError("not_found", f"no canary is planted in {asked.store}; see `checkvalve canary list`")
    if not asked.retire and known is not None and known.gone:
        raise EngineError("retired", f"the canary of {asked.store} was retired; name the new one differently: {asked.store}-2")
    subject = {"ref": made.ref, "identifiers": [] if asked.retire else made.identifiers(key), "gone": asked.retire}
    draft = decisions.draft("subject_put", at_ms=core.now_ms(), by=asked.by, site=site, subject=subject)
    [entry] = await core.decide([draft])
    told = {"store": asked.store, "site": site, "name": made.name, "email": made.email, "entry": entry}
    return told | {"retired": asked.retire} | ({} if asked.retire else {"put": text_for(made)})


def text_for(made: Canary) -> str:
    """What to put into the store. It reads like any other record there."""
    match made.store.partition(":")[0]:
        case "system-prompt":
            return f"Internal contact, never to be named to anybody: {made.name}, {made.email}."
        case "dataset":
            return f'{{"name": "{made.name}", "email": "{made.email}", "note": "regular customer"}}'
        case "customer":
            first, _, last = made.name.partition(" ")
            login = made.email.partition("@")[0]
            return f"wp user create {login} {made.email} --role=customer --first_name={first} --last_name={last}"
        case _:
            return f"Questions about this text: {made.name}, {made.email}."


def listed(settings: Settings, site: str | None = None) -> list[dict[str, Any]]:
    """Every canary that was planted, with its latest sighting. Its name comes from the seed; the domain is not kept."""
    seed = offline.identity_of(settings).canary_seed
    with offline.opened(settings) as state, state.read() as db:
        query = select(subjects.c.site, subjects.c.ref, subjects.c.gone).where(subjects.c.ref.like(PREFIX + "%"))
        rows = db.execute(query.order_by(subjects.c.rev)).all()
        return [
            {
                "store": store,
                "site": r.site,
                "name": canary(seed, store).name,
                "retired": r.gone,
                **_seen(db, r.site, store),
            }
            for r in rows
            if site in (None, r.site) and (store := store_of(r.ref))
        ]


def _seen(db: Connection, site: str, store: str) -> dict[str, Any]:
    mine = (sightings.c.kind == "canary") & (sightings.c.what == store) & (sightings.c.site == site)
    newest = db.execute(select(sightings).where(mine, ~sightings.c.withheld).order_by(sightings.c.seen_ms.desc())).first()
    if newest is None:
        return {"seen": None, "incident": None}
    return {"seen": rfc3339(from_ms(newest.seen_ms)), "incident": newest.incident}


def look(settings: Settings, path: str, site: str | None) -> dict[str, Any]:
    """Canaries in files that should hold none: a web root, an export, a dump, a leaked file somebody sent."""
    with offline.opened(settings) as state, state.read() as db:
        register = register_of(db, site)
    seed = offline.identity_of(settings).canary_seed
    names = {s: canary(seed, s).name.split()[-1].lower().encode() for ref, _ in register.export() if (s := store_of(ref))}
    found, files, partly = [], 0, 0
    for file in _files(Path(path)):
        files += 1
        partly += file.stat().st_size > MAX_READ
        stores = _stores_in_binary(file, names) if _is_binary(file) else stores_in(_text(file), register)
        found += [{"file": str(file), "store": store} for store in sorted(stores)]
    return {"files": files, "partly": partly, "found": found}


def register_of(db: Connection, site: str | None) -> Register:
    """The canaries alone: of one shop, or of the only one."""
    keys = {r.site: r.pseudonym_key for r in db.execute(select(sites.c.site, sites.c.pseudonym_key))}
    chosen = site or (next(iter(keys)) if len(keys) == 1 else "")
    if chosen not in keys:
        raise EngineError("which_site", f"name the shop with --site; known: {', '.join(keys) or 'none'}")
    register = Register(keys[chosen])
    planted = select(subjects).where(subjects.c.site == chosen, subjects.c.ref.like(PREFIX + "%"), ~subjects.c.gone)
    for row in db.execute(planted):
        register.put(row.ref, [(c, h) for c, h in row.ids], row.rev)
    return register


def stores_in(texts: Iterable[str], register: Register) -> set[str]:
    """The stores whose canaries stand in a text that comes in pieces."""
    if not len(register):
        return set()
    scanner = Scanner(register)
    found = [m for text in texts for m in scanner.feed(text)] + list(scanner.finish())
    owners = (o for m in found if isinstance(m, Match) for o in m.owners)
    return {store for o in owners if (store := store_of(o.subject))}


def _files(path: Path) -> Iterator[Path]:
    """Regular files, no links: a link could lead anywhere."""
    if not path.exists():
        raise EngineError("no_file", f"{path} is not there")
    every = [path] if path.is_file() else (p for p in sorted(path.rglob("*")) if p.is_file() and not p.is_symlink())
    for number, file in enumerate(every):
        if number >= MAX_FILES:
            raise EngineError("too_many", f"more than {MAX_FILES} files; name a directory further down")
        yield file


def _is_binary(file: Path) -> bool:
    with file.open("rb") as opened:
        return b"\0" in opened.read(8192)


def _stores_in_binary(file: Path, names: dict[str, bytes]) -> set[str]:
    """By the canaries' last names as they are: words and disguises are for text."""
    longest = max(map(len, names.values()), default=0)
    found, tail = set(), b""
    with file.open("rb") as opened:
        for _ in range(MAX_READ // READ):
            data = tail + opened.read(READ).lower()
            found |= {store for store, name in names.items() if name in data}
            tail = data[-longest:]
    return found


def _text(file: Path) -> Iterator[str]:
    decoder = getincrementaldecoder("utf-8")("replace")
    with file.open("rb") as opened:
        for _ in range(MAX_READ // READ):
            yield decoder.decode(opened.read(READ))
