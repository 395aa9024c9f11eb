"""Words that tell what the words around them are, in the languages of the shops (content/detectors/lexicon.yaml)."""

from dataclasses import dataclass, fields
from functools import cache

from checkvalve.detection.content import load
from checkvalve.events.pseudonym import fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """Folded words; the data file says what each set is for."""

    titles: frozenset[str]
    labels: frozenset[str]
    persons: frozenset[str]
    orders: frozenset[str]
    order_links: frozenset[str]
    number_words: frozenset[str]
    units: frozenset[str]
    other_numbers: frozenset[str]
    phones: frozenset[str]
    at: frozenset[str]
    dot: frozenset[str]
    dash: frozenset[str]
    underscore: frozenset[str]
    low: frozenset[str]
    plus: frozenset[str]
    function: frozenset[str]
    addresses: frozenset[str]
    dwellings: frozenset[str]
    parts: frozenset[str]
    beside: frozenset[str]
    articles: frozenset[str]
    particles: frozenset[str]
    ordinary: frozenset[str]
    namelike: frozenset[str]
    streets: dict[str, tuple[str, ...]]  # a word of street lines -> other ways to write it

    def sign(self, text: str) -> str:
        """The sign of an address that a word stands for, or ""."""
        if text in self.dot:
            return "."
        if text in self.dash:
            return "-"
        if text in self.underscore:
            return "_"
        return "+" if text in self.plus else ""


@cache
def lexicon() -> Lexicon:
    raw = load("lexicon")
    sets = {f.name: frozenset(fold(raw[f.name]).split()) for f in fields(Lexicon) if f.name != "streets"}
    groups = [group.split("=") for group in raw["streets"].split()]
    streets: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for word in group:
            streets[word] = (*streets.get(word, ()), *(other for other in group if other != word))
    return Lexicon(**sets, streets=streets)
