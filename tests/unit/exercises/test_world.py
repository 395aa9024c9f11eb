"""The made-up shop: the same for the same seed, real in form, impossible in fact, and trading like a shop."""

import random
import re
from collections import Counter
from datetime import UTC, datetime

import pytest
from stdnum import iban, luhn

from checkvalve.events.pseudonym import WORDS, normal_phone
from checkvalve.exercises import world
from checkvalve.exercises.world import Person, World

UNTIL = 1_795_000_000_000
LANGUAGES = ("de", "fr", "pl", "en")
RESERVED = re.compile(r"(\.|@)(example\.(com|org|net)|example|test)$")
# Bundesnetzagentur, Ofcom and Arcep keep these for fiction.
FICTION = re.compile(
    r"\+49 (30 23125|40 66969|69 90009|89 99998|221 4710)\d{3}"
    r"|\+44 (7700 900|20 7946 0|1(13|14|15|16|17|18|21|31|41|51|61) 496 0|191 498 0)\d{3}"
    r"|\+33 (1 99 00|2 61 91|3 53 01|4 65 71|5 36 49|6 39 98) \d\d \d\d"
)


def made(seed: int = 7, customers: int = 5000, orders: int = 20_000) -> World:
    return world.make(random.Random(seed), customers=customers, orders=orders, languages=LANGUAGES, until_ms=UNTIL)


@pytest.fixture(scope="module")
def lives() -> World:
    return made()


def everybody(lives: World) -> tuple[Person, ...]:
    return lives.people + lives.staff


def test_the_same_seed_makes_the_same_world_and_another_makes_another() -> None:
    assert made(3, 200, 500) == made(3, 200, 500)
    assert made(3, 200, 500).people != made(4, 200, 500).people


def test_nobody_can_be_reached_by_what_stands_there(lives: World) -> None:
    for person in everybody(lives):
        assert RESERVED.search(person.email), person.email
        assert person.phone is None or FICTION.fullmatch(person.phone), person.phone
        assert re.match(r"05|79-|96|XQ", person.postcode), "no post office serves it"
    assert all(int(o.number) > 900_000_000 for o in lives.orders)


def test_numbers_have_good_check_digits_and_no_bank_behind_them(lives: World) -> None:
    for person in everybody(lives):
        assert iban.is_valid(person.iban), person.iban
        assert re.match(r"DE..00000000|PL..00000000|FR..0000000000|GB..XXXX", person.iban), "a bank that does not exist"
        assert luhn.is_valid(person.card) and person.card in world.CARDS


def test_what_tells_people_apart_is_told_once(lives: World) -> None:
    for values in (
        [p.email for p in everybody(lives)],
        [p.name for p in lives.people],
        [p.ref for p in everybody(lives)],
        [normal_phone(p.phone) for p in everybody(lives) if p.phone],
        [o.number for o in lives.orders],
    ):
        assert len(values) == len(set(values))


def test_people_are_spread_over_the_languages(lives: World) -> None:
    counts = Counter(p.lang for p in lives.people)
    assert set(counts) == set(LANGUAGES)
    assert all(0.2 < n / 5000 < 0.3 for n in counts.values())
    guests = sum(p.ref.startswith("guest:") for p in lives.people)
    assert 0.25 < guests / 5000 < 0.35


def test_the_year_peaks_before_christmas_and_the_day_in_the_evening(lives: World) -> None:
    times = [datetime.fromtimestamp(o.at_ms / 1000, UTC) for o in lives.orders]
    months, hours = Counter(t.month for t in times), Counter(t.hour for t in times)
    days = Counter(t.weekday() for t in times)
    assert {month for month, _ in months.most_common(2)} == {11, 12}
    assert months[12] > 1.8 * months[7]
    assert max(hours, key=lambda h: hours[h]) in (19, 20, 21) and hours[20] > 8 * hours[3]
    assert days[6] > days[4]
    assert [o.at_ms for o in lives.orders] == sorted(o.at_ms for o in lives.orders)
    assert all(UNTIL - 366 * world.DAY_MS < o.at_ms <= UNTIL for o in lives.orders)


def test_many_buy_seldom_and_few_often(lives: World) -> None:
    bought = Counter(o.buyer for o in lives.orders)
    assert len(bought) == 5000, "everybody has bought once"
    once = sum(n == 1 for n in bought.values()) / 5000
    assert 0.25 < once < 0.45
    best = sorted(bought.values(), reverse=True)
    assert 0.3 < sum(best[:500]) / 20_000 < 0.6, "a tenth of the buyers makes a third of the orders, and more"


def test_few_products_make_most_of_the_sales(lives: World) -> None:
    sold = Counter(line[0] for o in lives.orders for line in o.lines)
    total = sum(sold.values())
    assert sum(n for _, n in sold.most_common(len(sold) // 4)) / total > 0.45
    assert min(sold.values()) > 0


def test_some_is_refunded_some_left_behind_and_some_is_written(lives: World) -> None:
    refunds = [o for o in lives.orders if o.refunded_cents]
    assert 0.03 < len(refunds) / 20_000 < 0.07
    assert all(
        o.refunded_cents <= sum(quantity * cents for _, quantity, cents in o.lines) and o.status == "refunded" for o in refunds
    )
    assert len(lives.baskets) == 2500
    kinds = Counter(t.kind for t in lives.texts)
    assert kinds["chat"] > 1500 and kinds["review"] > 1000 and kinds["document"] == 5
    assert len(lives.staff) == len(world.STAFF)


def test_a_register_made_of_it_knows_everybody(lives: World) -> None:
    key = b"k" * 32
    known = lives.identifiers(key)
    person = lives.people[17]
    numbers = tuple(o.number for o in lives.orders if o.buyer == 17)
    assert {pair for pair in world.registered(person, key, numbers) if pair[0] != WORDS} <= known
    assert not known & lives.identifiers(b"m" * 32), "another shop's key makes other pseudonyms"


@pytest.mark.parametrize(("customers", "orders"), [(0, 10), (10, 9), (20_001, 30_000)])
def test_a_world_that_cannot_be_is_refused(customers: int, orders: int) -> None:
    with pytest.raises(ValueError, match="customers"):
        made(1, customers, orders)
