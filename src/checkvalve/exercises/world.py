"""The world of an exercise: a shop's people and a year of its trade, the same for the same seed. Nobody in it exists.

Values have the form and the check digits of real ones, in ranges that cannot be real: reserved mail domains (RFC 2606, 6761),
telephone numbers kept for fiction, postcodes no post office serves, banks that do not exist, card numbers that payment
providers publish for tests, order numbers from 900 million on. Trade is like a shop's: most people buy seldom and few often,
few products make most of the sales, the year peaks before Christmas and the day in the evening.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate, count
from math import log
from typing import Any, Final, Protocol, TypeVar

import yaml
from stdnum.iso7064 import mod_97_10

from checkvalve.events.pseudonym import WORDS, fold, identifiers

T = TypeVar("T")

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
FIRST_ORDER: Final = 900_000_001
DOMAINS: Final = ("example.com", "example.org", "example.net", "mail.example", "post.example", "inbox.test")
# Published by payment providers for tests; no issuer ever gave them to anybody.
CARDS: Final = (
    "4111111111111111",
    "4242424242424242",
    "5555555555554444",
    "5105105105105100",
    "378282246310005",
    "4012888888881881",
)
MONTHS: Final = (0.8, 0.8, 0.9, 0.9, 0.9, 0.8, 0.7, 0.8, 0.9, 1.0, 1.7, 1.9)  # of a year's sales, January first
HOURS: Final = (2, 1, 1, 1, 1, 2, 4, 7, 9, 11, 12, 12, 12, 11, 11, 11, 12, 13, 15, 18, 19, 16, 10, 5)
WEEKDAYS: Final = (1.05, 1.0, 1.0, 0.95, 0.9, 0.95, 1.15)  # Monday first
STATUSES: Final = (("completed", 88), ("refunded", 5), ("cancelled", 4), ("processing", 3))
STAFF: Final = ("owner", "wordpress_admin", "woocommerce", "ai_engineer", "support", "support")


class Chance(Protocol):
    """The randomness that is taken as an argument: `random.Random(seed)` is one."""

    def random(self) -> float: ...
    def randrange(self, start: int, stop: int) -> int: ...
    def choice(self, seq: Sequence[T]) -> T: ...
    def choices(self, population: Sequence[T], *, cum_weights: Sequence[float], k: int) -> list[T]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """`ref` as on the wire: `customer:7`, or `guest:…` for who bought without an account. `phone` None: not given."""

    ref: str
    lang: str
    first_name: str
    last_name: str
    email: str
    phone: str | None
    address: str
    postcode: str
    city: str
    country: str
    iban: str
    card: str

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`buyer` is the person's place in `World.people`; `at_ms` UTC; `lines` of (product, quantity, cents)."""

    number: str
    buyer: int
    at_ms: int
    lines: tuple[tuple[str, int, int], ...]
    status: str
    refunded_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Something written: a support chat (turns), a review, a document. `about` is the person's place in `World.people`."""

    kind: str
    about: int | None
    at_ms: int
    lang: str
    turns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Orders and baskets by time. `baskets` were left behind: nothing was bought."""

    people: tuple[Person, ...]
    staff: tuple[Person, ...]
    orders: tuple[Order, ...]
    baskets: tuple[Order, ...]
    texts: tuple[Text, ...]

    def identifiers(self, key: bytes) -> set[tuple[str, str]]:
        """Every identifier of everybody, as a shop with this key would register it; words are nobody's own."""
        numbers: dict[int, list[str]] = {}
        for order in self.orders:
            numbers.setdefault(order.buyer, []).append(order.number)
        found = [registered(p, key, tuple(numbers.get(i, ()))) for i, p in enumerate(self.people)]
        found += [registered(p, key, ()) for p in self.staff]
        return {pair for pairs in found for pair in pairs if pair[0] != WORDS}


def registered(person: Person, key: bytes, orders: tuple[str, ...]) -> list[tuple[str, str]]:
    """The person's entries in the register of a shop with this key."""
    return identifiers(
        key,
        email=person.email,
        name=person.name,
        phone=person.phone,
        address=person.address,
        postcode=person.postcode,
        order_numbers=orders,
    )


@cache
def words() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(files("checkvalve.content.world").joinpath("words.yaml").read_text("utf-8"))
    return found


def languages() -> tuple[str, ...]:
    return tuple(name for name in words() if name != "products")


def make(chance: Chance, *, customers: int, orders: int, languages: Sequence[str], until_ms: int) -> World:
    """A year of trade that ends at `until_ms`. At most 20,000 customers: the names of a language are finite."""
    if not 1 <= customers <= 20_000 or not customers <= orders <= 1_000_000:
        raise ValueError("1 to 20,000 customers, and at least as many orders, at most a million")
    phones = {patterns: _phones(chance, patterns) for patterns in map(_ranges, languages)}
    people = tuple(_people(chance, customers, languages, phones, "customer"))
    staff = tuple(_people(chance, len(STAFF), languages, phones, "staff"))
    prices = [round(3.5 * (1 + 12 * chance.random() ** 3), 1) for _ in words()["products"]]
    times = sorted(_moment(chance, until_ms - 365 * DAY_MS) for _ in range(orders))
    buyers = _buyers(chance, customers, orders)
    sold = tuple(_order(chance, number, buyer, at, prices) for number, buyer, at in zip(count(FIRST_ORDER), buyers, times))
    left = (_order(chance, 0, chance.randrange(0, customers), _moment(chance, until_ms - 30 * DAY_MS, 30), prices) for _ in
            range(orders // 8))  # fmt: skip
    baskets = tuple(sorted(left, key=lambda b: b.at_ms))
    return World(people=people, staff=staff, orders=sold, baskets=baskets, texts=tuple(_texts(chance, people, sold)))


def _people(
    chance: Chance, wanted: int, chosen: Sequence[str], phones: Mapping[tuple[str, ...], Iterator[str]], role: str
) -> Iterator[Person]:
    taken: set[str] = set()
    for number in range(1, wanted + 1):
        lang = chance.choice(chosen)
        said = words()[lang]
        first, last = _name(chance, said)
        while f"{first} {last}" in taken:
            first, last = _name(chance, said)
        taken.add(f"{first} {last}")
        local = "".join(c for c in fold(f"{first}.{last}") if c.isascii() and (c.isalnum() or c == "."))
        guest = role == "customer" and chance.random() < 0.3
        yield Person(
            ref=f"{'guest' if guest else role}:{number:05d}" if guest else f"{role}:{number}",
            lang=lang,
            first_name=first,
            last_name=last,
            email=f"{local}{number if chance.random() < 0.2 else ''}@{chance.choice(DOMAINS)}",
            phone=next(phones[_ranges(lang)], None) if chance.random() < 0.85 else None,
            address=_digits(chance, chance.choice(said["street"]).format(chance.choice(said["street_of"])), 1),
            postcode=_digits(chance, said["postcode"], 0),
            city=chance.choice(said["towns"]),
            country=said["country"],
            iban=_iban(chance, said),
            card=chance.choice(CARDS),
        )


def _name(chance: Chance, said: Mapping[str, Any]) -> tuple[str, str]:
    return chance.choice(said["first"]), chance.choice(said["last_1"]) + chance.choice(said["last_2"])


def _ranges(lang: str) -> tuple[str, ...]:
    return tuple(words()[lang]["phones"] or words()["en"]["phones"])


def _phones(chance: Chance, patterns: Sequence[str]) -> Iterator[str]:
    """Each number of the ranges once, from a different one on with each seed. The first of a range may be a probe's."""
    for pattern in patterns:
        width = pattern.count("#")
        start = chance.randrange(1, 10**width)
        for n in (*range(start, 10**width), *range(1, start)):
            digits = iter(f"{n:0{width}d}")
            yield "".join(next(digits) if c == "#" else c for c in pattern)


def _digits(chance: Chance, pattern: str, least: int) -> str:
    """`#` is a digit; where `least` is 1 a house number up to 199."""
    if least:
        return pattern.replace("#", str(chance.randrange(1, 200)))
    return "".join(str(chance.randrange(0, 10)) if c == "#" else c for c in pattern)


def _iban(chance: Chance, said: Mapping[str, Any]) -> str:
    """ISO 13616, with a bank that does not exist."""
    length = {"DE": 18, "FR": 23, "PL": 24, "GB": 18}[said["country"]]
    bank = str(said["bank"])[: 4 if said["country"] == "GB" else None]
    account = bank + "".join(str(chance.randrange(0, 10)) for _ in range(length - len(bank)))
    return f"{said['country']}{mod_97_10.calc_check_digits(account + said['country'])}{account}"


def _buyers(chance: Chance, customers: int, orders: int) -> list[int]:
    """Everybody once, then again by a long tail (Zipf), in a mixed order."""
    weights = list(accumulate(1 / (rank + 20) for rank in range(customers)))
    again = chance.choices(range(customers), cum_weights=weights, k=orders - customers)
    mixed = [(chance.random(), buyer) for buyer in (*range(customers), *again)]
    return [buyer for _, buyer in sorted(mixed)]


def _moment(chance: Chance, start_ms: int, days: int = 365) -> int:
    """A time by the rhythm of year, week and day (UTC), by rejection."""
    while True:
        at = start_ms + int(chance.random() * days * DAY_MS)
        if chance.random() * 43 < rhythm(at):
            return at


def rhythm(at_ms: int) -> float:
    """How busy a shop is at this time: 11.2 on average over a year, 42 at most."""
    day = at_ms // DAY_MS
    month = int(day % 365.2425 / 30.44) % 12
    return MONTHS[month] * WEEKDAYS[(day + 3) % 7] * HOURS[at_ms % DAY_MS // HOUR_MS]


def _order(chance: Chance, number: int, buyer: int, at_ms: int, prices: Sequence[float]) -> Order:
    lines: list[tuple[str, int, int]] = []
    while not lines or (chance.random() < 0.45 and len(lines) < 12):
        index = int(len(prices) * chance.random() ** 2.2)  # the first products sell most
        quantity = 1 + int(-log(1 - chance.random()) * 0.6)
        lines.append((str(words()["products"][index]), quantity, round(prices[index] * 100)))
    roll = chance.random() * sum(w for _, w in STATUSES)
    status = next(s for (s, _), end in zip(STATUSES, accumulate(w for _, w in STATUSES), strict=True) if roll < end)
    whole = sum(q * c for _, q, c in lines)
    refunded = whole if status == "refunded" and chance.random() < 0.7 else whole // 2 if status == "refunded" else 0
    return Order(number=str(number), buyer=buyer, at_ms=at_ms, lines=tuple(lines), status=status, refunded_cents=refunded)


def _texts(chance: Chance, people: Sequence[Person], orders: Sequence[Order]) -> Iterator[Text]:
    """A chat about one order in ten, a review of one in fourteen, and a few documents of the shop."""
    for order in orders:
        person = people[order.buyer]
        said, roll = words()[person.lang], chance.random()
        say = _sayer(chance, person, order)
        if roll < 0.10:
            turns = tuple(t for _ in range(1 + int(chance.random() * 3)) for t in (say(said["ask"]), say(said["answer"])))
            yield Text(
                kind="chat",
                about=order.buyer,
                at_ms=order.at_ms + chance.randrange(0, 5 * DAY_MS),
                lang=person.lang,
                turns=turns,
            )
        elif roll < 0.17:
            at = order.at_ms + chance.randrange(3 * DAY_MS, 30 * DAY_MS)
            yield Text(kind="review", about=order.buyer, at_ms=at, lang=person.lang, turns=(say(said["review"]),))
    for title in ("Returns policy", "Shipping times", "Supplier price list", "Holiday rota", "How to answer complaints"):
        yield Text(kind="document", about=None, at_ms=orders[0].at_ms, lang="en", turns=(title,))


def _sayer(chance: Chance, person: Person, order: Order) -> Callable[[Sequence[str]], str]:
    def say(patterns: Sequence[str]) -> str:
        return chance.choice(patterns).format(
            order=order.number, product=order.lines[0][0], name=person.name, email=person.email
        )

    return say


def record(person: Person, order: str) -> str:
    """One line as a shop's assistant tells it, with all that the shop knows of the person."""
    known = {n: getattr(person, n) for n in ("name", "email", "address", "postcode", "city")}
    return str(words()[person.lang]["record"]).format(order=order, phone=person.phone or "–", **known)
