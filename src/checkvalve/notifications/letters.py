"""Letters: the text of a document that people read, filled from facts. What is unknown stands in it as missing.

A paragraph that is one {fact} alone becomes a list when the fact is one. A letter says nothing that its facts do not say.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from checkvalve.incidents.facts import BreachFacts, Fact, for_people
from checkvalve.incidents.scope import Scope
from checkvalve.incidents.wording import Wording

NAME: Final = re.compile(r"\{(\w+)\}")
# The question behind a fact that is another's short form.
ASKED: Final[Mapping[str, str]] = {
    "controller_name": "controller",
    "measures_plain": "measures_taken",
    "record_kinds": "record_categories",
    "your_data": "groups",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """`to`: a group of people by the kinds of their data, or the addressee. A paragraph is text or a list of texts."""

    to: str
    subject: str
    paragraphs: tuple[str | list[str], ...]

    def as_json(self) -> dict[str, Any]:
        return {"to": self.to, "subject": self.subject, "paragraphs": list(self.paragraphs)}


def question(fact: str, words: Wording) -> str:
    return words.say(f"questions.{ASKED.get(fact, fact)}")


def letters(document: str, facts: BreachFacts, scope: Scope, words: Wording) -> tuple[Letter, ...]:
    """The letters of a document: none for a form, one for each group of people for GDPR Art. 34, else one."""
    if f"letters.{document}.subject" not in words.texts:
        return ()
    if document != "gdpr_art34":
        return (_letter(document, words.say(f"documents.{document}.whom"), facts, words),)
    found = []
    for categories, people in scope.groups:
        own = {f.id: f for f in for_people(words, categories)}
        named = ", ".join(words.texts.get(f"categories.{c}", c) for c in categories)
        to = words.say("facts.group", people=words.count("counts.person", people), categories=named)
        found.append(_letter(document, to, {**facts, **own}, words))
    return tuple(found)


def _letter(document: str, to: str, facts: BreachFacts, words: Wording) -> Letter:
    subject = _filled(words.texts[f"letters.{document}.subject"], facts, words)
    body = (_filled(p, facts, words) for p in words.lists[f"letters.{document}.body"])
    return Letter(to=to, subject=subject if isinstance(subject, str) else "; ".join(subject), paragraphs=tuple(body))


def _filled(pattern: str, facts: BreachFacts, words: Wording) -> str | list[str]:
    alone = NAME.fullmatch(pattern)
    if alone and isinstance(value := _value(alone[1], facts, words), list):
        return value

    def text(match: re.Match[str]) -> str:
        value = _value(match[1], facts, words)
        return value if isinstance(value, str) else "; ".join(value)

    return NAME.sub(text, pattern)


def _value(name: str, facts: BreachFacts, words: Wording) -> str | list[str]:
    fact: Fact | None = facts.get(name)
    if fact is None or fact.value is None:
        return words.say("labels.missing_here", question=question(name, words))
    return fact.value
