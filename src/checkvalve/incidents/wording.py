"""The words of documents in one language: content/letters/<language>.yaml, flattened to keys like "facts.nature".

Texts are patterns for `str.format`; what stands in for a name is never read as a pattern. Every language has every key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from checkvalve.incidents.case import IncidentError

LANGUAGES = ("en", "de", "fr")


class WordingError(IncidentError):
    """A language or text that is not there. `hint` says what is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    lang: str
    texts: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]

    def say(self, key: str, /, **values: object) -> str:
        try:
            return self.texts[key].format(**values)
        except KeyError as error:
            raise WordingError(f"{self.lang} has no text {key!r} with {error}", "Add it to every language") from error

    def count(self, key: str, number: int) -> str:
        """ "1 person", "3 people"."""
        return self.say(f"{key}.{'one' if number == 1 else 'many'}", n=number)

    def every(self, key: str, /, **values: object) -> list[str]:
        """A text that is a list."""
        return [pattern.format(**values) for pattern in self.lists[key]]

    def named(self, section: str) -> dict[str, str]:
        """The texts of a section by their last name."""
        return {k.removeprefix(f"{section}."): t for k, t in self.texts.items() if k.startswith(f"{section}.")}

    def article(self, reference: str) -> str:
        """ "33(1)" is an article; what names itself (a contract, a requirement) is left as it is."""
        return self.say("labels.article", article=reference) if reference[:1].isdigit() else reference


@cache
def wording(lang: str) -> Wording:
    if lang not in LANGUAGES:
        raise WordingError(f"there are no words in {lang[:20]!r}", f"Known: {', '.join(LANGUAGES)}")
    tree = yaml.safe_load(files("checkvalve.content.letters").joinpath(f"{lang}.yaml").read_text("utf-8"))
    texts: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    _flatten("", tree, texts, lists)
    return Wording(lang=lang, texts=texts, lists=lists)


def _flatten(prefix: str, tree: Any, texts: dict[str, str], lists: dict[str, tuple[str, ...]]) -> None:
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            _flatten(f"{key}.", value, texts, lists)
        elif isinstance(value, list):
            lists[key] = tuple(value)
        else:
            texts[key] = str(value)
