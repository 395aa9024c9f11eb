"""Where model, training data, index, logs, backups, evidence and people are, against where they may be (GDPR chapter V).

The shop says where things are; a transfer out of the EEA needs a basis that a person recorded, or an adequacy decision.
What nobody said is unknown, never inside.
"""

from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec
import yaml

MAX_BYTES: Final = 262_144
MAX_TEXT: Final = 300

Verdict = Literal["inside", "adequate", "basis", "outside", "unknown"]
Thing = Literal["model", "training_data", "index", "logs", "backups", "evidence", "people"]


class ResidencyError(Exception):
    """A statement of places that cannot be used."""


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`where`: ISO 3166 country. For `people`: from where somebody can look in."""

    what: Thing
    where: str
    holder: str


class Transfer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The basis of transfers to one country, as somebody recorded it: adequacy, standard clauses, derogation."""

    to: str
    basis: str
    recorded: date
    by: str


class Residency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    places: tuple[Place, ...]
    transfers: tuple[Transfer, ...] = ()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of one thing in one place. `ask`: what would settle it, empty when nothing is open."""

    what: Thing
    where: str | None
    holder: str
    verdict: Verdict
    why: str
    ask: str = ""

    @property
    def open(self) -> bool:
        return bool(self.ask)


class _Adequate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    country: str
    evidence: str
    only: str = ""


class _Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    as_of: date
    review_by: date
    eea: tuple[str, ...]
    adequate: tuple[_Adequate, ...]
    things: tuple[Thing, ...]


@cache
def content() -> _Content:
    text = (files("checkvalve.content.readiness") / "places.yaml").read_text("utf-8")
    return msgspec.convert(yaml.safe_load(text), _Content)


def read(raw: bytes) -> Residency:
    if len(raw) > MAX_BYTES:
        raise ResidencyError(f"it is longer than {MAX_BYTES} bytes")
    try:
        found = msgspec.json.decode(raw, type=Residency)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ResidencyError(str(error)[:200]) from error
    for country in (*(p.where for p in found.places), *(t.to for t in found.transfers)):
        _country(country)
    for text in (*(p.holder for p in found.places), *(t.basis for t in found.transfers), *(t.by for t in found.transfers)):
        if not text.strip() or not text.isprintable() or len(text) > MAX_TEXT:
            raise ResidencyError(f"holder, basis and by are text in one line of at most {MAX_TEXT} characters")
    return found


def _country(code: str) -> None:
    if len(code) != 2 or not code.isascii() or not code.isalpha() or not code.isupper():
        raise ResidencyError(f"{code[:20]!r} is no country; give ISO 3166 codes like DE")


def basis(stated: Residency, country: str) -> tuple[Verdict, str]:
    """Whether personal data may go to a country, and why."""
    _country(country)
    known = content()
    if country in known.eea:
        return "inside", f"{country} is in the EEA"
    recorded = [t for t in stated.transfers if t.to == country]
    if recorded:
        newest = max(recorded, key=lambda t: t.recorded)
        return "basis", f"{newest.basis}, recorded on {newest.recorded.isoformat()} by {newest.by}"
    decided = next((a for a in known.adequate if a.country == country), None)
    if decided is not None and not decided.only:
        return "adequate", f"adequacy decision for {country} (evidence {decided.evidence}; as of {known.as_of.isoformat()})"
    limit = f"; the adequacy decision covers only {decided.only}" if decided else ""
    return "outside", f"{country} is outside the EEA and no basis is recorded{limit}"


def standings(stated: Residency) -> list[Standing]:
    """Every thing a shop with a model has, in every place somebody named; what nobody named is unknown."""
    found = []
    for thing in content().things:
        places = [p for p in stated.places if p.what == thing]
        for place in places:
            verdict, why = basis(stated, place.where)
            ask = f"record the basis of the transfer to {place.where}, or move it" if verdict == "outside" else ""
            found.append(Standing(what=thing, where=place.where, holder=place.holder, verdict=verdict, why=why, ask=ask))
        if not places:
            ask = f"who holds the {thing.replace('_', ' ')}, and where"
            found.append(Standing(what=thing, where=None, holder="", verdict="unknown", why="nobody said", ask=ask))
    return found


def as_json(stated: Residency, today: date) -> dict[str, Any]:
    return {
        "places": [msgspec.to_builtins(s) for s in standings(stated)],
        "as_of": content().as_of.isoformat(),
        "review_overdue": content().review_by < today,
    }
