"""Which documents there are: one for each regime that lists what its notice must say, and the letters beside the law."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import msgspec
import yaml

from checkvalve.regimes.law import SHOWN, ClockRule, Field, RegimeError, age, regimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`clocks` are those that ask for a notice of their own; none for a letter that no law times."""

    id: str
    fields: tuple[Field, ...]
    clocks: tuple[ClockRule, ...] = ()
    review_by: date | None = None

    def clock(self, wanted: str | None, filed: frozenset[str] = frozenset()) -> ClockRule | None:
        """The clock named, else the first that has not been met."""
        if wanted is None:
            return next((c for c in self.clocks if c.id not in filed), self.clocks[0] if self.clocks else None)
        found = next((c for c in self.clocks if c.id == wanted), None)
        if found is None:
            known = ", ".join(c.id for c in self.clocks) or "none"
            raise RegimeError(f"{self.id} has no notice for the clock {wanted[:SHOWN]!r}", f"Known: {known}")
        return found

    def asked(self, clock: ClockRule | None, *, late: bool) -> list[Field]:
        return [
            f
            for f in self.fields
            if (not f.clocks or (clock is not None and clock.id in f.clocks))
            and (f.required is True or (f.required == "when_late" and late))
        ]


@cache
def documents() -> Mapping[str, Document]:
    found = {}
    for regime in regimes().values():
        if regime.fields:
            own = {c for f in regime.fields for c in f.clocks}
            clocks = tuple(c for c in regime.clocks if c.id in own) if own else regime.clocks[:1]
            found[regime.id] = Document(id=regime.id, fields=regime.fields, clocks=clocks, review_by=age(regime.id).review_by)
    raw = yaml.safe_load(files("checkvalve.content.letters").joinpath("documents.yaml").read_text("utf-8"))
    for letter in raw["documents"]:
        found[letter["id"]] = Document(id=letter["id"], fields=msgspec.convert(letter["fields"], tuple[Field, ...]))
    return found


def document(name: str) -> Document:
    known = documents()
    if name in known:
        return known[name]
    if name in regimes():
        raise RegimeError(f"there is no draft for {name}", f"A person has to assess this duty; drafts: {', '.join(known)}")
    raise RegimeError(f"there is no document {name[:SHOWN]!r}", f"Known: {', '.join(known)}")
