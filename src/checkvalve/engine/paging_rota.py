"""The rota: who is paged, in which order, over which channels. `paging.json` in the data directory, its owner's alone.

    {"contacts": {"owner": {"urls": ["mailtos://…"], "away": [["2026-12-24T00:00:00Z", "2026-12-27T00:00:00Z"]]}},
     "rungs": [{"contacts": ["owner"], "wait_minutes": 10}], "repeat_minutes": 15, "repeats": 4}

`"heartbeat": {"url": "https://…", "minutes": 5}` calls a watch outside that pages people when the calls stop (a dead man's
switch); `"monthly_test": false` ends the test page that goes out a month after the last.

A contact is a call sign (a role, no name): it stands in the log. Absence is a span; a third text in it is the contact who
stands in.
"""

import re
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import Settings, make_private, write_private
from checkvalve.incidents.escalation import Rota, Rung
from checkvalve.regimes.deadline import from_ms, parse_time, rfc3339
from checkvalve.regimes.law import RegimeError
from checkvalve.transports import heartbeat, pages

CALL_SIGN: Final = re.compile(r"[a-z0-9_-]{1,32}")
MAX_BYTES: Final = 262_144
MAX_AWAY: Final = 50  # absences of a contact that are kept
_writing = threading.Lock()


class Contact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    urls: list[str]
    away: list[list[str]] = []


class RungFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    contacts: list[str]
    wait_minutes: int = 10


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str
    minutes: int = 5


class RotaFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    contacts: dict[str, Contact]
    rungs: list[RungFile]
    repeat_minutes: int = 15
    repeats: int = 4
    heartbeat: Heartbeat | None = None
    monthly_test: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    rota: Rota
    urls: dict[str, tuple[str, ...]]
    heartbeat: str = ""
    heartbeat_minutes: int = 5
    monthly_test: bool = True


def path(settings: Settings) -> Path:
    return settings.data / "paging.json"


def load(settings: Settings) -> Paging | None:
    """None when there is no rota. EngineError when it cannot be read."""
    try:
        raw = path(settings).read_bytes()
    except FileNotFoundError:
        return None
    return read(raw)


def install(settings: Settings, raw: bytes) -> Paging:
    """Check a rota and put it in force at once."""
    found = read(raw)
    make_private(settings.data)
    write_private(path(settings), raw)
    return found


def read(raw: bytes) -> Paging:
    """The rota, or EngineError naming what is wrong and no URL."""
    try:
        if len(raw) > MAX_BYTES:
            raise _bad("it is too long")
        file = msgspec.json.decode(raw, type=RotaFile)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _bad(str(error)[:200]) from error
    for name, contact in file.contacts.items():
        if not CALL_SIGN.fullmatch(name):
            raise _bad("a contact is named by a call sign of a-z, 0-9, - and _, like owner or on-call")
        if not contact.urls or not all(pages.usable(u) for u in contact.urls):
            raise _bad(f"{name} has no channel, or one that cannot be used; see the list of Apprise services")
    _check_rungs(file)
    away = {n: tuple(_span(n, a, file.contacts) for a in c.away) for n, c in file.contacts.items()}
    rungs = tuple(Rung(contacts=tuple(r.contacts), wait_minutes=r.wait_minutes) for r in file.rungs)
    rota = Rota(rungs=rungs, away=away, repeat_minutes=file.repeat_minutes, repeats=file.repeats)
    beat = file.heartbeat or Heartbeat(url="")
    return Paging(
        rota=rota,
        urls={n: tuple(c.urls) for n, c in file.contacts.items()},
        heartbeat=beat.url,
        heartbeat_minutes=beat.minutes,
        monthly_test=file.monthly_test,
    )


def _check_rungs(file: RotaFile) -> None:
    if not file.rungs or not all(r.contacts for r in file.rungs):
        raise _bad("at least one rung, and in each somebody")
    if unknown := sorted({c for r in file.rungs for c in r.contacts} - set(file.contacts)):
        raise _bad(f"a rung names {unknown[0][:32]!r}, who is no contact")
    if file.heartbeat and (not heartbeat.usable(file.heartbeat.url) or not 1 <= file.heartbeat.minutes <= 1440):
        raise _bad("a heartbeat has an http or https address and 1 to 1440 minutes")
    waits = [*(r.wait_minutes for r in file.rungs), file.repeat_minutes]
    if not all(1 <= w <= 240 for w in waits) or not 0 <= file.repeats <= 50:
        raise _bad("waits are 1 to 240 minutes, repeats 0 to 50")


def absent(settings: Settings, contact: str, first_ms: int, last_ms: int, stands_in: str = "") -> Paging:
    """Put a contact's absence into the rota in force. EngineError, and nothing changes, when it makes no sense."""
    with _writing:
        try:
            file = msgspec.json.decode(path(settings).read_bytes(), type=RotaFile)
        except FileNotFoundError as error:
            raise EngineError("no_rota", "nobody would be paged; give a rota with `checkvalve page rota FILE`") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _bad(str(error)[:200]) from error
        if contact not in file.contacts:
            raise EngineError("unknown_contact", f"known: {', '.join(file.contacts)}")
        away = [rfc3339(from_ms(first_ms)), rfc3339(from_ms(last_ms)), *([stands_in] if stands_in else [])]
        person = file.contacts[contact]
        changed = msgspec.structs.replace(person, away=[*person.away[-MAX_AWAY:], away])
        return install(
            settings, msgspec.json.encode(msgspec.structs.replace(file, contacts={**file.contacts, contact: changed}))
        )


def returned(settings: Settings, contact: str, now_ms: int) -> Paging:
    """A contact is back: its absences that have not ended are taken out."""
    with _writing:
        file = msgspec.json.decode(path(settings).read_bytes(), type=RotaFile)
        if contact not in file.contacts:
            raise EngineError("unknown_contact", f"known: {', '.join(file.contacts)}")
        person = file.contacts[contact]
        past = [a for a in person.away if _span(contact, a, file.contacts)[1] <= now_ms]
        changed = {**file.contacts, contact: msgspec.structs.replace(person, away=past)}
        return install(settings, msgspec.json.encode(msgspec.structs.replace(file, contacts=changed)))


def _span(name: str, away: list[str], known: Collection[str]) -> tuple[int, int, str]:
    if len(away) not in (2, 3):
        raise _bad(f"{name} is away from a time to a time, and a third text names who stands in")
    try:
        first, last = (int(parse_time(t).timestamp() * 1000) for t in away[:2])
    except RegimeError as error:
        raise _bad(f"{name} is away at {error}") from error
    if last <= first:
        raise _bad(f"{name} is back before the absence begins")
    stands_in = away[2] if len(away) == 3 else ""
    if stands_in and (stands_in not in known or stands_in == name):
        raise _bad(f"{stands_in[:32]!r} cannot stand in for {name}: another contact of the rota can")
    return first, last, stands_in


def _bad(why: str) -> EngineError:
    return EngineError("bad_rota", f"the rota cannot be used: {why}")
