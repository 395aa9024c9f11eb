"""What works, what is missing and what to do about it: one installation looked at from the outside, changing nothing.

Safe while core runs, and on a data directory that is none. Each check is a value; nothing here raises for what it finds.
"""

import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import func, select

from checkvalve.engine.errors import EngineError, JournalError
from checkvalve.engine.identity import load_identity
from checkvalve.engine.offline import opened
from checkvalve.engine.settings import Settings, require_private
from checkvalve.evidence import checkpoint
from checkvalve.evidence.errors import VerificationError
from checkvalve.store.schema import events, sensors, sites, users
from checkvalve.store.segments import LogFiles

FREE_BYTES = 2 * 1024**3
SILENT_MS = 15 * 60 * 1000
SKEW_MS = 60_000
SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`found` is what was seen; `hint` what to do, empty when all is well."""

    name: str
    ok: bool
    found: str
    hint: str = ""


def diagnose(settings: Settings, upstream: str | None, now_ms: int) -> list[Check]:
    """Every check that can be made here and now. `upstream` is the model server, if it is to be asked."""
    parts: list[Callable[[], Iterator[Check]]] = [
        lambda: _data(settings),
        lambda: _servers(settings),
        lambda: _model(upstream),
        lambda: _log(settings),
        lambda: _state(settings, now_ms),
    ]
    return [check for part in parts for check in _safely(part)]


def _safely(part: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from part()
    except (EngineError, JournalError) as error:
        yield Check(name="data", ok=False, found="cannot be read", hint=error.hint)
    except OSError as error:
        yield Check(
            name="data", ok=False, found=f"{error.filename}: {error.strerror}", hint="run this as the owner of the data"
        )


def _data(settings: Settings) -> Iterator[Check]:
    data = settings.data
    if not data.exists():
        yield Check(
            name="data directory", ok=False, found=f"{data} is not there", hint="`checkvalve up` makes it, or give --data"
        )
        return
    require_private(data)
    yield Check(name="data directory", ok=True, found=f"{data}, its owner's alone")
    free = shutil.disk_usage(data).free
    hint = "" if free >= FREE_BYTES else "make room: a full disk makes core refuse events until there is some"
    yield Check(name="free disk", ok=not hint, found=f"{free / 1024**3:.1f} GiB", hint=hint)
    paired = (settings.gateway_dir / "credentials.json").exists()
    hint = "" if paired else "`checkvalve up` pairs one; elsewhere: checkvalve gateway --pair CODE"
    yield Check(name="gateway paired", ok=paired, found="here" if paired else "no gateway on this data directory", hint=hint)


def _servers(settings: Settings) -> Iterator[Check]:
    gateway = urlsplit(settings.gateway_url)
    yield _server("core", settings.listen, f"http://{settings.listen}/health", "`checkvalve up` starts it")
    address = f"{gateway.hostname}:{gateway.port or (443 if gateway.scheme == 'https' else 80)}"
    yield _server("gateway", address, f"{settings.gateway_url}/.checkvalve/health", "`checkvalve up` or `checkvalve gateway`")


def _server(name: str, address: str, url: str, start: str) -> Check:
    """Whether the server at this address is ours, another program's or nobody's."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), SECONDS):
            pass
    except (OSError, ValueError):
        return Check(name=name, ok=False, found=f"nobody listens at {address}", hint=start)
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - an address of the installation's own
            health = msgspec.json.decode(answer.read(65536), type=dict[str, object])
    except (OSError, ValueError, msgspec.DecodeError):
        health = {}
    if health.get("status") != "ok":
        hint = "another program has this port: end it, or give --listen / --gateway-listen another"
        return Check(name=name, ok=False, found=f"{address} is taken by something that is not Checkvalve", hint=hint)
    return Check(name=name, ok=True, found=f"answers at {address}")


def _model(upstream: str | None) -> Iterator[Check]:
    if upstream is None:
        return
    url = f"{upstream.rstrip('/')}/v1/models"
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - what the operator named
            found, good = f"{upstream} answers {answer.status}", True
    except urllib.error.HTTPError as error:
        error.close()
        found, good = f"{upstream} answers {error.code}", error.code < 500
    except (OSError, ValueError) as error:
        found, good = f"{upstream} cannot be reached ({type(error).__name__})", False
    yield Check(name="model server", ok=good, found=found, hint="" if good else "start it, or correct --upstream")


def _log(settings: Settings) -> Iterator[Check]:
    """The head alone: its signature, and that the log is as long as it says. `evidence verify` reads all of it."""
    if not (settings.data / "log" / "checkpoint").exists():
        return
    identity, files = load_identity(settings.data), LogFiles(settings.data / "log")
    try:
        head = checkpoint.verify(files.checkpoint(), origin=identity.origin, public_key=identity.log_public)
    except VerificationError as error:
        hint = "copy the directory as it is, then run `checkvalve evidence verify`"
        yield Check(name="log", ok=False, found=error.what, hint=hint)
        return
    length = (settings.data / "log" / "leaves").stat().st_size // 32
    good = length >= head.size
    found = f"{head.size} entries signed" if good else f"{head.size} entries signed, {length} there"
    yield Check(name="log", ok=good, found=found, hint="" if good else "run `checkvalve evidence verify`")


def _state(settings: Settings, now_ms: int) -> Iterator[Check]:
    if not settings.has_state:
        return
    with opened(settings) as state, state.read() as db:
        people = db.scalar(select(func.count()).select_from(users)) or 0
        shops = db.execute(select(sites.c.site, sites.c.name).order_by(sites.c.created_ms)).all()
        heard = db.execute(select(sensors).order_by(sensors.c.keyid)).all()
        newest = db.scalar(select(func.max(events.c.received_ms)))
    hint = "" if people else "checkvalve user add NAME --role controller"
    yield Check(name="people who may log in", ok=people > 0, found=str(people), hint=hint)
    seen = {r.site: r.last_seen_ms for r in heard if r.site}
    if not shops:
        yield Check(name="shops", ok=False, found="none is paired", hint="run `checkvalve pair`, type the code into the shop")
    for shop in shops:
        yield _shop(shop.name, seen.get(shop.site), now_ms)
    yield _clock([r.skew_ms for r in heard if r.skew_ms is not None], newest, now_ms)


def _shop(name: str, seen_ms: int | None, now_ms: int) -> Check:
    if seen_ms is None:
        return Check(
            name=f"shop {name}", ok=False, found="never heard of", hint="is the plugin active? Tools, Checkvalve says why"
        )
    minutes = max(0, now_ms - seen_ms) // 60_000
    quiet = now_ms - seen_ms > SILENT_MS
    hint = "is the shop up, and can it reach core? Its page Tools, Checkvalve says why" if quiet else ""
    return Check(name=f"shop {name}", ok=not quiet, found=f"last heard of {minutes} min ago", hint=hint)


def _clock(skews: list[int], newest_ms: int | None, now_ms: int) -> Check:
    if newest_ms is not None and newest_ms > now_ms + SKEW_MS:
        return Check(name="clock", ok=False, found="it went back since the newest event", hint="set this machine's time (NTP)")
    worst = max(skews, key=abs, default=0)
    hint = "set the time on both machines (NTP)" if abs(worst) > SKEW_MS else ""
    return Check(name="clock", ok=not hint, found=f"at most {abs(worst) / 1000:.0f} s from the sensors'", hint=hint)
