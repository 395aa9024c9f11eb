"""What may be passed over, and that nothing is lost by it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.detection.test_scanner import FRAGMENTS, KEY, NOBODY, PEOPLE, CountingRegister, seen, told

from checkvalve.detection.register import Register
from checkvalve.detection.scanner import scan
from checkvalve.events.pseudonym import WORDS, identifiers

ORDINARY = "You can send back anything within a month, unused and in its original box. Is there more that we can do for you?"


def filled(register: Register, *, words: bool = True) -> Register:
    for rev, (ref, person) in enumerate(PEOPLE.items(), start=1):
        ids = identifiers(KEY, **person)  # type: ignore[arg-type]
        register.put(ref, [pair for pair in ids if words or pair[0] != WORDS], rev)
    return register


SELECTIVE = filled(Register(KEY))
TOLD_NOTHING = filled(Register(KEY), words=False)
TURNED = st.sampled_from(
    [
        *(
            "Schmidts ",
            "Lindenstr. ",
            "12 ",
            "12a ",
            "a ",
            "Heide Max Mustermann von der ",
            "nedieH red nov ",
            "tdimhcS ",
            "annA ",
        ),
        *("Naan Fpuzvqg ", "Mbë Łhxnfvrjvpm ", "Анна Шмидт ", "Mr ", "name: ", "Lukasiewicz ", "Dr. ", "SW1A 1AA ", "10115 "),
    ]
)


def test_only_registers_that_were_told_all_words_pass_over_others() -> None:
    assert SELECTIVE.selective and not TOLD_NOTHING.selective


@settings(max_examples=200, deadline=None)
@given(st.lists(FRAGMENTS | TURNED | st.text(max_size=6), max_size=20))
def test_passing_over_words_loses_nothing(parts: list[str]) -> None:
    text = "".join(parts)
    assert told(SELECTIVE, [text]) == told(TOLD_NOTHING, [text])


@pytest.mark.parametrize("words", [True, False])
def test_ordinary_text_costs_no_look_ups_once_words_are_known(words: bool) -> None:
    register = CountingRegister()
    filled(register, words=words)
    scan(ORDINARY * 5, register, NOBODY, "i", 0)
    assert (register.lookups == 0) is words


def test_a_person_without_words_is_found_and_makes_everybody_be_looked_for_in_full() -> None:
    register = filled(Register(KEY))
    assert seen("Eva Novak", register) == set()
    bare = [pair for pair in identifiers(KEY, name="Eva Novak") if pair[0] != WORDS]
    register.put("customer:20", bare, 20)
    assert (register.selective, seen("Eva Novak", register)) == (False, {("customer:20", "name")})
    register.put("customer:20", identifiers(KEY, name="Eva Novak"), 21)
    assert (register.selective, seen("Eva Novak", register)) == (True, {("customer:20", "name")})


def test_a_word_is_known_until_the_last_person_with_it_is_gone() -> None:
    register = Register(KEY)
    register.put("customer:1", identifiers(KEY, name="Eva Novak"), 1)
    register.put("customer:2", identifiers(KEY, name="Ada Novak"), 2)
    assert seen("Eva Novak", register) == {("customer:1", "name")}
    register.drop("customer:1", 3)
    assert (register.knows("novak"), register.knows("eva")) == (True, False)
    register.drop("customer:2", 4)
    assert (register.knows("novak"), register.selective, register.identifiers) == (False, True, 0)


def test_somebody_registered_after_a_text_was_read_is_found_in_the_next() -> None:
    register = filled(Register(KEY))
    assert seen("Eva Novak met Mr Novak", register) == set()
    register.put("customer:20", identifiers(KEY, name="Eva Novak"), 20)
    assert seen("Eva Novak met Mr Novak", register) == {("customer:20", "name")}


def test_what_is_exported_is_taken_again_with_its_words() -> None:
    copy = Register(KEY)
    for rev, (ref, ids) in enumerate(SELECTIVE.export(), start=1):
        copy.put(ref, [(category, value) for category, value in ids], rev)
    assert copy.selective
    assert sorted(copy.export()) == sorted(SELECTIVE.export())
    assert seen("Zoe Lukasiewicz", copy) == {("customer:8", "name")}
