"""Contracts with hosts, agencies, model and payment providers: what is agreed, weaker than it should be, missing, expiring.

What to ask for is data (content/readiness/provisions.yaml). This compares; it reads no contract and gives no legal advice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec
import yaml

Kind = Literal["host", "agency", "model_provider", "payment_provider"]
State = Literal["agreed", "weaker", "missing"]
EXPIRING_DAYS: Final = 90
MAX_BYTES: Final = 262_144
PRACTICE: Final = "practice"  # in place of an article: nobody's law asks for it


class ContractError(Exception):
    """A file of contracts that cannot be used."""


class Provision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`at_most`, `at_least` judge hours and days. `asks`: the sentence of the request letter, by language."""

    id: str
    kinds: tuple[Kind, ...]
    value: Literal["hours", "days", "yes", "text", "countries"]
    article: str
    title: str
    why: str
    asks: dict[str, str]
    at_most: int | None = None
    at_least: int | None = None

    @property
    def wanted(self) -> str:
        if self.at_most is not None:
            return f"at most {self.at_most} {self.value}"
        if self.at_least is not None:
            return f"at least {self.at_least} {self.value}"
        return {"yes": "yes", "text": "said", "countries": "countries named"}[self.value]

    def state(self, found: Any) -> State:
        """ContractError when the value is not of this provision's kind."""
        if found is None:
            return "missing"
        if self.value in ("hours", "days"):
            if isinstance(found, bool) or not isinstance(found, int) or found < 0:
                raise ContractError(f"{self.id} is a number of {self.value}")
            good = (self.at_most is None or found <= self.at_most) and (self.at_least is None or found >= self.at_least)
            return "agreed" if good else "weaker"
        if self.value == "yes":
            if not isinstance(found, bool):
                raise ContractError(f"{self.id} is true or false")
            return "agreed" if found else "weaker"
        if self.value == "countries" and not _countries(found):
            raise ContractError(f'{self.id} is a list of countries, like ["DE", "FR"]')
        if self.value == "text" and not isinstance(found, str):
            raise ContractError(f"{self.id} is a text")
        return "agreed" if found else "missing"


def _countries(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(c, str) and len(c) == 2 and c.isupper() for c in found)


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ends` None: runs until one party gives notice. `agreed`: provision id to its value."""

    party: str
    kind: Kind
    agreed: dict[str, Any] = {}
    ends: date | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    contracts: list[Contract]


class _Letter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    law: str
    head: str
    greeting: str
    intro: str
    have: str
    ends: str
    close: str


class _Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    as_of: date
    review_by: date
    provisions: list[Provision]
    letter: dict[str, _Letter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One provision of one contract."""

    provision: Provision
    state: State
    found: Any

    @property
    def plain(self) -> str:
        """What was found, for people: empty when nothing was."""
        if self.found is None or isinstance(self.found, bool):
            return {None: "", True: "yes", False: "no"}[self.found]
        if isinstance(self.found, list):
            return ", ".join(self.found)
        return (
            f"{self.found} h"
            if self.provision.value == "hours"
            else f"{self.found} d"
            if self.provision.value == "days"
            else self.found
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One contract looked at. `expires_in_days` is negative once it has ended."""

    contract: Contract
    standings: tuple[Standing, ...]
    expires_in_days: int | None

    @property
    def open(self) -> tuple[Standing, ...]:
        return tuple(s for s in self.standings if s.state != "agreed")

    @property
    def expiring(self) -> bool:
        return self.expires_in_days is not None and self.expires_in_days <= EXPIRING_DAYS

    def as_json(self) -> dict[str, Any]:
        return {
            "party": self.contract.party,
            "kind": self.contract.kind,
            "ends": self.contract.ends.isoformat() if self.contract.ends else None,
            "expires_in_days": self.expires_in_days,
            "provisions": [
                {
                    "id": s.provision.id,
                    "title": s.provision.title,
                    "state": s.state,
                    "found": s.found,
                    "wanted": s.provision.wanted,
                    "article": s.provision.article,
                    "why": s.provision.why,
                }
                for s in self.standings
            ],
        }


@cache
def content() -> _Content:
    text = (files("checkvalve.content.readiness") / "provisions.yaml").read_text("utf-8")
    return msgspec.convert(yaml.safe_load(text), _Content)


def read(raw: bytes) -> list[Contract]:
    """Contracts of a file, each party once. ContractError names what is wrong."""
    if len(raw) > MAX_BYTES:
        raise ContractError(f"it is longer than {MAX_BYTES} bytes")
    try:
        contracts = msgspec.json.decode(raw, type=_File).contracts
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ContractError(str(error)[:200]) from error
    known = {p.id for p in content().provisions}
    for contract in contracts:
        if not contract.party.strip() or not contract.party.isprintable() or len(contract.party) > 200:
            raise ContractError("a party is named in one line of at most 200 characters")
        if unknown := sorted(set(contract.agreed) - known):
            raise ContractError(f"{contract.party}: no provision {unknown[0][:40]!r}; known: {', '.join(sorted(known))}")
    parties = [c.party for c in contracts]
    if len(set(parties)) < len(parties):
        raise ContractError("a party stands there twice; give one contract for each")
    for contract in contracts:
        review(contract, date.min)  # its values are judged now, not at night
    return contracts


def review(contract: Contract, today: date) -> Review:
    """Every provision that this kind of contract should have."""
    wanted = [p for p in content().provisions if contract.kind in p.kinds]
    try:
        standings = tuple(
            Standing(provision=p, state=p.state(contract.agreed.get(p.id)), found=contract.agreed.get(p.id)) for p in wanted
        )
    except ContractError as error:
        raise ContractError(f"{contract.party}: {error}") from error
    left = (contract.ends - today).days if contract.ends else None
    return Review(contract=contract, standings=standings, expires_in_days=left)


def without_contract(contracts: Sequence[Contract]) -> list[Kind]:
    """Kinds of providers every shop has and that no contract is given for."""
    there = {c.kind for c in contracts}
    needed: tuple[Kind, ...] = ("host", "payment_provider")
    return [kind for kind in needed if kind not in there]


def letter(found: Review, lang: str) -> str:
    """A request for what is open, to be signed by the shop. ContractError when nothing is, or in an unknown language."""
    if lang not in content().letter:
        raise ContractError(f"languages: {', '.join(content().letter)}")
    if not found.open and not found.expiring:
        raise ContractError(f"nothing is open with {found.contract.party}")
    words = content().letter[lang]
    lines = [words.greeting.format(party=found.contract.party), "", words.head, "", words.intro, ""]
    for number, standing in enumerate(found.open, start=1):
        have = f" ({words.have.format(found=standing.plain)})" if standing.state == "weaker" else ""
        article = standing.provision.article
        basis = f" [{article.replace('GDPR', words.law)}]" if article != PRACTICE else ""
        lines.append(f"{number}. {standing.provision.asks[lang]}{basis}{have}")
    if found.expiring and found.contract.ends:
        lines += ["", words.ends.format(ends=found.contract.ends.isoformat())]
    return "\n".join([*lines, "", words.close])
