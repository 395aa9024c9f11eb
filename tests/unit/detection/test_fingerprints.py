"""The same passage is known again, whole or in part; the same data in other words is not."""

from checkvalve.detection.fingerprints import MAX_PRINTS, fingerprints, pack, same_passage, unpack

KEY = b"k" * 32
MAIL = "anna.schmidt@example.com"
ANSWER = f"Hello! Your last order is on its way to you, and we write to {MAIL} as soon as it has been handed to the courier."


def of(text: str, data: str = MAIL, key: bytes = KEY) -> frozenset[bytes]:
    at = text.index(data)
    return fingerprints(key, text, [(at, at + len(data))])


def test_the_same_answer_is_known_again_however_it_is_set() -> None:
    assert same_passage(of(ANSWER), of(ANSWER))
    assert same_passage(of(ANSWER), of(ANSWER.upper().replace(",", " ;").replace(" ", "\n"), MAIL.upper()))


def test_a_fragment_in_another_answer_is_known_again() -> None:
    fragment = ANSWER[ANSWER.index("and we") : ANSWER.index(" the courier")]
    assert same_passage(of(ANSWER), of(f"About your question on tea pots: {fragment} somebody, and we have blue ones."))


def test_the_same_data_in_other_words_is_not_the_same_answer() -> None:
    for other in (
        f"The customer is {MAIL}.",
        f"We wrote to {MAIL} yesterday about the parcel that came back to the shop, twice.",
    ):
        assert not same_passage(of(ANSWER), of(other))


def test_other_data_in_the_same_words_is_not_the_same_answer() -> None:
    other = "zoe@example.org"
    assert not same_passage(of(ANSWER), of(ANSWER.replace(MAIL, other), other))


def test_an_answer_of_nothing_but_the_data_is_compared_whole() -> None:
    assert same_passage(of(MAIL), of(f"{MAIL}."))
    assert not same_passage(of(MAIL), of(ANSWER))


def test_they_are_keyed_and_few_and_survive_storage() -> None:
    assert of(ANSWER).isdisjoint(of(ANSWER, key=b"x" * 32))
    long = " ".join(f"word{i}" for i in range(20_000))
    many = fingerprints(KEY, long, [(i, i + 6) for i in range(0, 150_000, 10)])
    assert len(many) == MAX_PRINTS
    assert unpack(pack(many)) == many
    assert unpack(pack(frozenset())) == fingerprints(KEY, "", []) == frozenset()
