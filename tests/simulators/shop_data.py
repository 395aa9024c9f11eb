"""Made-up customers and their orders: the same ones for the same seed, and the truth about them to hold results against.

Nobody here exists: the e-mail domains are reserved (RFC 2606), the phone numbers lie in ranges kept for fiction.
"""

import base64
import json
import random
import unicodedata
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from tests.simulators.wordpress import Site

LOAD: Final = Path(__file__).resolve().parent / "site" / "load.php"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


_FIRST: Final = _words(
    "Anna,Zoë,Søren,Łukasz,Björn,Chloé,Íñigo,Aylin,Niamh,Mateusz,Françoise,Jürgen,Ingrid,Giulia,Piotr,Amélie,"
    "Oisín,Renée,Thijs,Katarzyna,Håkon,Lucía,Emre,Margit,Beatriz,Rhys,Ottilie,Milan,Freya,Tobias"
)
_LAST: Final = _words(
    "Schmidt,Núñez,Kjærgaard,Wiśniewski,Åkesson,Lefèvre,Etxeberria,Yıldız,O'Donoghue,Kowalczyk,Dubois,Größl,Sørensen,"
    "Rinaldi,Zieliński,Moreau,Byrne,van der Berg,de Vries,Nowak,Haugen,Fernández,Demir,Lindholm,Carvalho,Llewellyn,"
    "Brandstätter,Petrovič,Hargreaves,Vogelsang"
)
_PLACES: Final = (
    ("DE", "Berlin", "10{:03d}", "Lindenweg {}"),
    ("GB", "London", "SW{} 1AA", "{} Harbour Lane"),
    ("FR", "Lyon", "69{:03d}", "{} rue des Tilleuls"),
    ("AT", "Wien", "1{:03d}", "Rosengasse {}"),
    ("PL", "Kraków", "30-{:03d}", "ulica Lipowa {}"),
)
_PHONES: Final = {
    "DE": "+49 30 23125{:03d}",
    "GB": "+44 20 7946 0{:03d}",
    "FR": "+33 1 99 00 {:04d}",
    "AT": "+49 30 23125{:03d}",
    "PL": "+49 30 23125{:03d}",
}
_DOMAINS: Final = ("example.com", "example.org", "example.net")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the shop knows of one person. `user_id` is 0 for a guest; the WordPress ids come with load()."""

    first_name: str
    last_name: str
    email: str
    phone: str
    address_1: str
    postcode: str
    city: str
    country: str
    user_id: int = 0
    order_numbers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def ref(self) -> str | None:
        """The subject's reference on the wire; a guest's follows from the shop's key and is not known here."""
        return f"customer:{self.user_id}" if self.user_id else None


def _ascii(text: str) -> str:
    table = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "æ": "ae", "ß": "ss", "ı": "i"})
    plain = unicodedata.normalize("NFKD", text.translate(table)).encode("ascii", "ignore").decode()
    return "".join(c for c in plain.lower() if c.isalnum())


def people(count: int, *, seed: int = 1, start: int = 0) -> list[Person]:
    """`count` different people, at most 900 of one seed; `start` leaves out as many before them."""
    if start + count > len(_FIRST) * len(_LAST):
        raise ValueError(f"there are only {len(_FIRST) * len(_LAST)} different people")
    chance = random.Random(seed)
    names = [(first, last) for first in _FIRST for last in _LAST]
    chance.shuffle(names)
    return [_person(i, *names[i]) for i in range(start, start + count)]


def _person(index: int, first: str, last: str) -> Person:
    country, city, postcode, street = _PLACES[index % len(_PLACES)]
    number = 1 + index * 7 % 180
    return Person(
        first_name=first,
        last_name=last,
        email=f"{_ascii(first)}.{_ascii(last)}@{_DOMAINS[index % len(_DOMAINS)]}",
        phone=_PHONES[country].format(index % 1000),
        address_1=street.format(number),
        postcode=postcode.format(1 + index % 9 if country == "GB" else 100 + index * 13 % 800),
        city=city,
        country=country,
    )


def load(site: Site, *, customers: int = 8, guests: int = 4, orders: int = 20, seed: int = 1) -> list[Person]:
    """Put people and orders into the shop, in one PHP run and through WooCommerce's own API; mails are held back.

    Everybody gets an order before anybody gets a second one. Returns the truth: each person with user id and order numbers.
    """
    known = people(customers + guests, seed=seed)
    chance = random.Random(seed + 1)
    buyers = [i % len(known) if i < len(known) else chance.randrange(len(known)) for i in range(orders)]
    job = {
        "people": [asdict(p) | {"account": i < customers} for i, p in enumerate(known)],
        "orders": [{"person": b, "quantity": chance.randint(1, 3), "days": orders - i} for i, b in enumerate(buyers)],
    }
    code = LOAD.read_text("utf-8").removeprefix("<?php")
    made = site.php_json(f"$job = json_decode(base64_decode('{_base64(json.dumps(job))}'), true);{code}")
    numbers: dict[int, list[str]] = {}
    for buyer, number in zip(buyers, made["orders"], strict=True):
        numbers.setdefault(buyer, []).append(str(number))
    return [
        replace(person, user_id=made["users"][i], order_numbers=tuple(numbers.get(i, ()))) for i, person in enumerate(known)
    ]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
