"""The words of documents: complete in every language, and saying nothing that no fact says."""

import re
from string import Formatter

import pytest
from tests.unit.notifications.sample import incident, prepare
from tests.unit.notifications.test_draft import facts_of

from checkvalve.incidents.wording import LANGUAGES, WordingError, wording
from checkvalve.notifications.documents import documents
from checkvalve.notifications.letters import ASKED
from checkvalve.playbooks.executable import ACTIONS
from checkvalve.regimes.severity import PRESUMPTION

ENGLISH = wording("en")
OTHERS = [lang for lang in LANGUAGES if lang != "en"]


def names(pattern: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(pattern) if field}


@pytest.mark.parametrize("lang", OTHERS)
def test_every_language_says_everything_that_english_says(lang: str) -> None:
    words = wording(lang)
    assert words.texts.keys() == ENGLISH.texts.keys()
    assert {k: len(v) for k, v in words.lists.items()} == {k: len(v) for k, v in ENGLISH.lists.items()}


@pytest.mark.parametrize("lang", OTHERS)
def test_every_language_fills_in_the_same_names(lang: str) -> None:
    words = wording(lang)
    for key, text in ENGLISH.texts.items():
        assert names(words.texts[key]) == names(text), key
    for key, texts in ENGLISH.lists.items():
        for mine, theirs in zip(words.lists[key], texts, strict=True):
            assert names(mine) == names(theirs), key


@pytest.mark.parametrize("lang", OTHERS)
def test_hardly_a_text_is_the_english_one(lang: str) -> None:
    """Patterns without words, ids and names of things may be the same in two languages; sentences may not."""
    same = [k for k, t in wording(lang).texts.items() if t == ENGLISH.texts[k] and re.search(r"[a-z]{3,} [a-z]{2,}", t)]
    assert same == []


def test_every_field_of_every_document_has_a_question_and_a_fact() -> None:
    facts = facts_of(incident())
    for document in documents().values():
        for field in document.fields:
            assert f"questions.{ASKED.get(field.fact, field.fact)}" in ENGLISH.texts, (document.id, field.fact)
            assert field.fact in facts, (document.id, field.fact)


def test_every_document_has_a_title_an_addressee_and_names_for_its_clocks() -> None:
    for document in documents().values():
        assert ENGLISH.say(f"documents.{document.id}.title")
        assert ENGLISH.say(f"documents.{document.id}.whom")
        if len(document.clocks) > 1:
            assert all(f"clocks.{clock.id}" in ENGLISH.texts for clock in document.clocks)
    assert {k.split(".")[1] for k in ENGLISH.texts if k.startswith("documents.")} == set(documents())


def test_a_letter_fills_in_facts_alone_and_can_ask_for_each() -> None:
    facts = facts_of(incident())
    for key, texts in ENGLISH.lists.items():
        if key.startswith("letters."):
            used = set().union(*map(names, [*texts, ENGLISH.texts[key.replace(".body", ".subject")]]))
            assert used <= set(facts), key
            assert all(f"questions.{ASKED.get(n, n)}" in ENGLISH.texts for n in used), key


def test_the_presumptions_in_english_are_those_of_the_method() -> None:
    assert ENGLISH.named("presumptions") == PRESUMPTION


def test_a_language_that_is_not_there_is_one_clear_error() -> None:
    with pytest.raises(WordingError, match="Known: en, de, fr"):
        wording("xx")


def test_what_stands_in_for_a_name_is_never_read_as_a_pattern() -> None:
    found = prepare(found=incident("{controller}{0}{nature!r}"))
    assert "{controller}{0}{nature!r}" in str(found.lines[0].value)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_action_of_a_playbook_has_words_for_a_notice(lang: str) -> None:
    said = wording(lang).texts
    assert not [a for hand in ACTIONS.values() for a in hand if a != "release" and not said.get(f"measures.{a}")]
