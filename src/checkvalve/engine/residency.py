"""Where things are, kept with the installation; bundles for another country; what stands against each other in a case."""

import hashlib
from typing import Any, Final

import msgspec

from checkvalve.engine import cases, casework, decisions, holds, outside, retention
from checkvalve.engine.core import Core, now_ms
from checkvalve.engine.errors import EngineError
from checkvalve.engine.looking import in_core
from checkvalve.engine.offline import export_case, opened
from checkvalve.engine.settings import Settings, write_private
from checkvalve.posture import residency
from checkvalve.posture.residency import Residency, ResidencyError
from checkvalve.regimes.deadline import from_ms, rfc3339

PATH: Final = "/v1/local/transfer"
FILE: Final = "residency.json"


class Transferring(msgspec.Struct, frozen=True, kw_only=True):
    """Body of POST /v1/local/transfer: a bundle leaves for a country."""

    case: str
    to: str
    basis: str
    redacted: bool
    sha256: str
    by: str


def keep(settings: Settings, raw: bytes) -> Residency:
    """Check a statement of places and keep it in place of the one there was."""
    found = read(raw)
    with opened(settings):  # an installation, or EngineError
        pass
    write_private(settings.data / FILE, raw)
    return found


def kept(settings: Settings) -> Residency | None:
    """None when nobody said where things are."""
    try:
        raw = (settings.data / FILE).read_bytes()
    except FileNotFoundError:
        return None
    return read(raw)


def seen_outside(settings: Settings, stated: Residency) -> list[dict[str, Any]]:
    """`outside.hosts` that no place of the statement names as its holder."""
    if not settings.has_state:
        return []
    with opened(settings) as state, state.read() as db:
        return [h for h in outside.hosts(db) if not any(h["host"] in p.holder for p in stated.places)]


def read(raw: bytes) -> Residency:
    try:
        return residency.read(raw)
    except ResidencyError as error:
        raise EngineError("bad_residency", f"the statement of places cannot be used: {error}") from error


def export(settings: Settings, case: str, to: str, *, redacted: bool, by: str) -> tuple[bytes, str]:
    """(bundle for somebody in a country, why it may go there). Whole ones need a basis; each is an entry of the log."""
    try:
        verdict, why = residency.basis(kept(settings) or Residency(places=()), to)
    except ResidencyError as error:
        raise EngineError("bad_country", str(error)) from error
    if verdict == "outside" and not redacted:
        hint = "record the basis of the transfer (`checkvalve residency keep`), or export with --redacted"
        raise EngineError("no_basis", f"{why}; {hint}")
    bundle = export_case(settings, case, redacted=redacted)
    digest = hashlib.sha256(bundle).hexdigest()
    said = "redacted: no entry of a customer, counts alone" if verdict == "outside" else why
    leaving = Transferring(case=case, to=to, basis=said, redacted=redacted, sha256=digest, by=by)
    in_core(settings, PATH, leaving, lambda core: stated(core, leaving))
    return bundle, said


async def stated(core: Core, leaving: Transferring) -> dict[str, Any]:
    told = {k: v for k, v in msgspec.to_builtins(leaving).items() if k != "by"}
    (entry,) = await core.decide([decisions.draft("bundle_exported", at_ms=core.now_ms(), by=leaving.by, **told)])
    return {"entry": entry}


def conflicts(settings: Settings, case: str) -> list[dict[str, str]]:
    """What stands against each other in a case, and who must decide: {"what", "between", "decides"}."""
    now = now_ms()
    with opened(settings) as state, state.read() as db:
        incident = cases.load(db, case)
        if incident is None:
            raise EngineError("not_found", f"there is no case {case}; see `checkvalve case list`")
        named = ", ".join(h.id for h in holds.standing(db))
        elsewhere = [h for h in outside.hosts(db) if h["site"] == incident.site]
        running = [c for c in casework.running_clocks(db, incident, now) if not c.met]
    found = _retained(named, any(retention.kept_days(settings).values()))
    places = [s for s in residency.standings(kept(settings) or Residency(places=())) if s.verdict != "inside" and s.open]
    for thing in places:
        where = f"at {thing.holder} in {thing.where}" if thing.where else "in a place nobody named"
        what = f"{thing.what.replace('_', ' ')} {where}: securing it as evidence may be a transfer ({thing.why})"
        found.append(_conflict(what, "evidence, residency (GDPR chapter V)", "controller"))
    for host in elsewhere:
        seen = f"{host['calls']} calls, the last {host['last']}"
        what = f"{host['plugin'] or 'a plugin'} sent requests to {host['host']} past the gateway ({seen})"
        found.append(_conflict(f"{what}: what went there is in no log of this shop", "evidence, residency", "controller"))
    if running and places:
        first = min(running, key=lambda c: c.due_ms)
        due = rfc3339(from_ms(first.due_ms))
        what = f"{first.regime} {first.clock} is due {due}, and it is not settled what may be fetched from where"
        found.append(_conflict(what, "deadline, residency", "controller"))
    return found


def _retained(hold: str, erases: bool) -> list[dict[str, str]]:
    if hold and erases:
        return [_conflict(f"{hold} keeps what would be erased by age", "hold, retention (GDPR 5(1)(e), 17(3)(e))", "dpo")]
    if erases:
        return [_conflict("no hold stands: evidence of this case is erased by age", "evidence, retention", "dpo")]
    return []


def _conflict(what: str, between: str, decides: str) -> dict[str, str]:
    return {"what": what, "between": between, "decides": decides}
