"""Nobody who stands in a text is missed, however it is written; whoever does not stand in it is not found."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.events.pseudonym import fold
from checkvalve.modelstates.reading import forms
from checkvalve.modelstates.terms import Digester, Sought, raw_terms, sought, sought_value, terms

ANNA = {"email": "anna.schmidt@example.com", "name": "Anna Schmidt", "phone": "+49 30 1234567", "address": "Lindenweg 12"}


def holds(text: str, one: Sought, *, raw: bool = False) -> bool:
    found = {t for form in forms(text) for t in (raw_terms(form) if raw else terms(form))}
    return any(reading <= found for reading in one.readings)


def anna(category: str) -> Sought:
    [one] = [s for s in sought("customer:7", **ANNA) if s.category == category]  # type: ignore[arg-type]
    return one


@pytest.mark.parametrize(
    "text",
    [
        "Write to anna.schmidt@example.com.",
        "mailto:Anna.Schmidt@Example.com?subject=x",
        "<a href='mailto:anna.schmidt@example.com'>",
        "email=anna.schmidt@example.com&x=1",
        "anna.schmidt%40example.com",
        "anna.schmidt\\u0040example.com",
        '{"email": "anna.schmidt\\u0040example.com"}',
        "anna.schmidt&#64;example.com",
        "anna.schmidt=40example.com",
        "to/anna.schmidt@example.com/7",
        "anna.schmidt+shop@example.com",
        base64.b64encode(b"Dear anna.schmidt@example.com, hello").decode(),
        quote(quote("anna.schmidt@example.com")),
        "anna.schmidt@example.com.Please answer",
    ],
)
def test_an_address_is_found_in_each_way_of_writing(text: str) -> None:
    assert holds(text, anna("email"))


@pytest.mark.parametrize(
    "text",
    ["030 1234567", "0049301234567", "+49 (0)30 / 123 45 67", "tel:+49-30-1234567", "12 030 1234567 5", "0301234567"],
)
def test_a_telephone_number_is_found_beside_other_numbers(text: str) -> None:
    assert holds(text, anna("phone"))


@pytest.mark.parametrize(
    "text",
    [
        "Frau Anna Schmidt wohnt",
        "Schmidt, Anna",
        "ANNA\nSCHMIDT",
        '{"first": "Anna", "last": "Schmidt"}',
        "first_name;last_name\nAnna;Schmidt",
        "<td>Anna</td><td>Schmidt</td>",
        "&lt;b&gt;Anna&lt;/b&gt; Schmidt",
    ],
)
def test_a_name_is_found(text: str) -> None:
    assert holds(text, anna("name"))


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Anna Berger and Peter Schmidt", "name"),
        ("xanna.schmidt@example.com", "email"),
        ("anna.schmidt@example.community", "email"),
        ("030 1234568", "phone"),
        ("Lindenweg 13", "address"),
    ],
)
def test_another_is_not_taken_for_her(text: str, category: str) -> None:
    assert not holds(text, anna(category))


def test_values_glued_together_in_raw_bytes_are_found() -> None:
    cell = "Schmidtanna.schmidt@example.com03012345674711"
    assert holds(cell, anna("email"), raw=True)
    assert holds(cell, anna("phone"), raw=True)
    assert holds("BergerAnnaSchmidtLindenweg12", anna("name"), raw=True)


def test_a_long_name_is_found_whole_and_by_its_ends() -> None:
    [one] = sought("customer:8", name="Maria José del Carmen García López Ortega")
    assert holds("Maria José del Carmen García López Ortega", one)
    assert holds("Maria Ortega", one)
    assert not holds("María Ortiz", one)


def test_an_order_number_alone_is_not_certain() -> None:
    [one] = sought("customer:7", order_numbers=("4711",))
    assert not one.certain
    assert holds("Order #4711 was sent", one)


@pytest.mark.parametrize(
    ("value", "categories"), [("a@example.com", {"email"}), ("030 1234567", {"phone"}), ("#4711", {"order_number"})]
)
def test_a_bare_value_is_whatever_it_may_be(value: str, categories: set[str]) -> None:
    assert {s.category for s in sought_value("v", value)} == categories


local = st.from_regex(r"[a-z][a-z0-9]{0,8}([._+-][a-z0-9]{1,6}){0,2}", fullmatch=True)
domain = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]\.(example|test)", fullmatch=True)
around = st.text(alphabet=" \n\t,;:()[]<>\"'|/=?&#漢", max_size=6)


@given(local, domain, around, around, st.booleans(), st.sampled_from(["plain", "json", "url", "base64"]))
def test_no_address_is_ever_missed(name: str, host: str, before: str, after: str, upper: bool, way: str) -> None:
    address = f"{name}@{host}"
    [one, *_] = sought("x", email=address)
    written = address.upper() if upper else address
    text = {
        "plain": f"{before} {written}{after} more",
        "json": json.dumps({"text": f"{before} {written} {after}"}),
        "url": quote(f"{before} {written} {after}"),
        "base64": base64.b64encode(f"see {written} there".encode()).decode(),
    }[way]
    assert holds(text, one)


@given(
    st.lists(st.from_regex(r"[A-Za-zÀ-ÖØ-öø-ÿ]{2,12}", fullmatch=True), min_size=2, max_size=7),
    st.text(alphabet=" ,;:()[]<>\"'|/=", max_size=4),
)
def test_no_name_is_ever_missed(parts: list[str], between: str) -> None:
    name = " ".join(parts)
    for one in sought("x", name=name):
        assert holds(f"yes {between}{name}{between} no", one)
        assert holds(f"{parts[-1]}, {' '.join(parts[:-1])}", one)


@given(st.from_regex(r"0[1-9][0-9]{6,10}", fullmatch=True), st.integers(1, 6), st.sampled_from([" ", "-", "/", ".", " - "]))
def test_no_telephone_number_is_ever_missed(number: str, at: int, gap: str) -> None:
    [one] = sought("x", phone=number)
    assert holds(f"call {number[:at]}{gap}{number[at:]} 24", one)


def test_digests_need_the_key() -> None:
    term = {("email", "anna.schmidt@example.com")}
    assert Digester(bytes(32)).of(term) == Digester(bytes(32)).of(term)  # type: ignore[arg-type]
    assert Digester(bytes(32)).of(term) != Digester(b"\x01" * 32).of(term)  # type: ignore[arg-type]
    assert fold("ANNA") == "anna"
