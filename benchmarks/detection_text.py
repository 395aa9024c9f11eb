"""Synthetic shop conversations for benchmarks/detection.py: people, answers that hold their data, disguises, ordinary talk.

Nothing here is taken from the detector: the forms are those people and models write. People come from Faker in six locales,
mail domains are reserved ones, telephone numbers come from ranges set aside for fiction where a country has them.
"""

import base64
import codecs
import html
import json
import random
import unicodedata
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from faker import Faker

TEXTS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
LOCALES = {"de": "de_DE", "en": "en_GB", "fr": "fr_FR", "pl": "pl_PL", "es": "es_ES", "it": "it_IT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    ref: str
    lang: str
    first: str
    last: str
    email: str
    phone: str  # international, grouped
    street: str
    postcode: str
    city: str
    order: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    def row(self) -> dict[str, Any]:
        return {
            "ref": self.ref,
            "email": self.email,
            "name": self.name,
            "phone": self.phone,
            "address": self.street,
            "postcode": self.postcode,
            "order_ids": [self.order],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An inference, whose data it must be found to hold, and how it is written."""

    inference: dict[str, Any]
    truth: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    kind: str = "ordinary"


def ascii_of(text: str) -> str:
    text = text.replace("ß", "ss").replace("ł", "l").replace("Ł", "L").replace("ø", "o")
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _phone(rng: random.Random, lang: str) -> str:
    digits = f"{rng.randrange(10_000):04d}"
    more = f"{rng.randrange(100):02d}"
    return {
        "de": f"+49 30 23125 {digits[:3]}",
        "en": f"+44 20 7946 0{digits[:3]}",
        "fr": f"+33 6 39 98 {digits[:2]} {digits[2:]}",
        "pl": f"+48 5{more} {digits[:3]} {digits[1:]}",
        "es": f"+34 6{more} {digits[:3]} {digits[1:]}",
        "it": f"+39 3{more} {digits[:3]} {more}{digits[2:]}",
    }[lang]


def _street(fake: Faker) -> str:
    """A street line with a number, as people give it to a shop."""
    line = str(fake.street_address().split("\n")[-1]).strip()
    return line if any(c.isdigit() for c in line) else f"{fake.building_number()} {line}"


def people(seed: int, count: int) -> list[Person]:
    rng = random.Random(seed)
    fakers = {lang: Faker(locale) for lang, locale in LOCALES.items()}
    for lang, faker in fakers.items():
        faker.seed_instance(seed * 31 + len(lang) + ord(lang[0]))
    found = []
    orders = rng.sample(range(10_000, 10_000 + 20 * count), count)
    for i in range(count):
        lang = rng.choice(list(LOCALES))
        fake = fakers[lang]
        first, last = fake.first_name(), fake.last_name()
        local = ascii_of(f"{first}{rng.choice(['.', '_', '-', ''])}{last}".lower()).replace(" ", "").replace("'", "")
        domain = rng.choice(["example.com", "example.org", "example.net", f"mail.example.{rng.choice(['com', 'org'])}"])
        found.append(
            Person(
                ref=f"customer:{i + 1}",
                lang=lang,
                first=first,
                last=last,
                email=f"{local}{rng.choice(['', rng.randrange(100)])}@{domain}",
                phone=_phone(rng, lang),
                street=_street(fake),
                postcode=fake.postcode(),
                city=fake.city(),
                order=str(orders[i]),
            )
        )
    return found


# --- plain forms ------------------------------------------------------------------------------------------------------


def _phone_forms(phone: str) -> list[str]:
    country, rest = phone.split(" ", 1)
    tight = rest.replace(" ", "")
    national = tight if country in ("+48", "+34", "+39") else "0" + tight
    first = rest.split(" ")[0]
    forms = [phone, phone.replace(" ", ""), "00" + phone[1:], phone.replace(" ", "-"), national, phone.replace(" ", ".")]
    if country in ("+49", "+44", "+33"):
        forms += [f"0{rest}", f"0{first}/{tight[len(first) :]}", f"{country} (0){rest}", f"(0{first}) {tight[len(first) :]}"]
    return forms


def plain_forms(rng: random.Random, p: Person, category: str) -> str:
    match category:
        case "email":
            tagged = p.email.replace("@", "+shop@")
            marked = [f"<{p.email}>", f"mailto:{p.email}", f"[{p.email}](mailto:{p.email})", f'"{p.email}"', f"**{p.email}**"]
            return rng.choice([p.email, p.email, p.email.upper(), p.email.title(), tagged, *marked])
        case "name":
            german = p.name.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
            fields = json.dumps({"first_name": p.first, "last_name": p.last}, ensure_ascii=rng.random() < 0.5)
            turned = [f"{p.last}, {p.first}", f"{p.last} {p.first}", f"{p.first}\n{p.last}"]
            cased = [p.name, p.name, p.name.upper(), p.name.lower()]
            return rng.choice([*cased, *turned, f"Dr. {p.name}", ascii_of(p.name), german, fields, f"**{p.name}**"])
        case "phone":
            return rng.choice(_phone_forms(p.phone))
        case "address":
            short = p.street.replace("straße", "str.").replace("Straße", "Str.")
            return rng.choice([p.street, p.street, p.street.upper(), p.street.lower(), ascii_of(p.street), short])
        case _:
            return p.order


def inference(number: int, text: str, rng: random.Random, requester: dict[str, Any] | None = None) -> dict[str, Any]:
    asked = requester if requester is not None else rng.choice([{"anonymous": True}, {"ref": f"customer:{10**7 + number}"}])
    return {"id": f"c-{number}", "session": f"s-{number}", "requester": asked, "model": "m", "completion": text,
            "messages": [{"role": "user", "content": "?"}]}  # fmt: skip


def sentence(rng: random.Random, p: Person, category: str, shown: str) -> str:
    pattern = rng.choice(TEXTS["sentences"][p.lang][category])
    return str(pattern).format(x=shown, pc=p.postcode, city=p.city)


def plain(seed: int, crowd: list[Person], count: int) -> list[Case]:
    rng = random.Random(seed)
    found = []
    for i in range(count):
        p = rng.choice(crowd)
        categories = rng.sample(["email", "name", "phone", "address", "order_number"], rng.choice([1, 1, 1, 2, 3]))
        parts = [sentence(rng, p, c, plain_forms(rng, p, c)) for c in categories]
        text = " ".join([chatter(rng, p.lang), *parts, chatter(rng, p.lang)])
        found.append(Case(inference=inference(i, text, rng), truth=frozenset((p.ref, c) for c in categories), kind="plain"))
    return found


# --- disguises --------------------------------------------------------------------------------------------------------

_CYRILLIC = str.maketrans("aceopxyABCEHKMOPTX", "асеорхуАВСЕНКМОРТХ")
_GREEK = str.maketrans("oOAEIvBTHKMN", "οΟΑΕΙνΒΤΗΚΜΝ")


def _bold(text: str) -> str:
    capital, small = range(ord("A"), ord("Z") + 1), range(ord("a"), ord("z") + 1)
    return "".join(
        chr(0x1D400 + ord(c) - 65) if ord(c) in capital else chr(0x1D41A + ord(c) - 97) if ord(c) in small else c for c in text
    )


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def _rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


def _at_dot(rng: random.Random, text: str) -> str:
    at = rng.choice([" at ", " (at) ", "[at]", " AT ", "(ät)", " {at} ", " arroba ", " @ "])
    dot = rng.choice([" dot ", " (dot) ", "[dot]", " DOT ", "[.]", " punkt ", " . "])
    local, domain = text.split("@")
    return (local.replace(".", dot) if rng.random() < 0.6 else local) + at + domain.replace(".", dot)


def _split(rng: random.Random, text: str) -> str:
    at = rng.randrange(2, len(text) - 2)
    mark = rng.choice(["**", "__", "<b></b>", "`", "*"])
    return text[:at] + mark + text[at:]


def _items(rng: random.Random, text: str, category: str) -> str:
    parts = text.replace("@", " @").replace(".", " .").split() if category == "email" else text.split()
    style = rng.choice(["- {p}", "* {p}", "{n}. {p}", "{p}", "| {p} |"])
    return "\n" + "\n".join(style.format(p=p, n=n) for n, p in enumerate(parts, 1)) + "\n"


def _spaced(rng: random.Random, text: str) -> str:
    gap = rng.choice([" ", " ", "-", ".", "_", "  ", "\n"])
    wide = {" ": rng.choice(["   ", " "]), "  ": "    ", "\n": "\n\n"}.get(gap, " ")
    return wide.join(gap.join(word) for word in text.split(" "))


def _lines(text: str) -> str:
    encoded = base64.b64encode((text + " " * 40).encode()).decode()
    return "\n".join(encoded[i : i + 24] for i in range(0, 72, 24))


Disguise = Callable[[random.Random, str, str], str]
ANY = ("email", "name", "phone", "address")
DISGUISES: dict[str, tuple[Disguise, tuple[str, ...]]] = {
    "spaced": (lambda r, t, _: _spaced(r, t), ("email", "name", "phone")),
    "at_dot": (lambda r, t, _: _at_dot(r, t), ("email",)),
    "zero_width": (lambda r, t, _: r.choice("\u200b\u200c\u2060\u00ad\ufeff").join(t), ANY),
    "cyrillic": (lambda _, t, __: t.translate(_CYRILLIC), ("email", "name", "address")),
    "greek": (lambda _, t, __: t.translate(_GREEK), ("email", "name")),
    "full_width": (lambda _, t, __: _wide(t), ("email", "name", "phone")),
    "bold": (lambda _, t, __: _bold(t), ("email", "name")),
    "reversed": (lambda _, t, __: t[::-1], ANY),
    "base64": (lambda _, t, __: base64.b64encode(t.encode()).decode(), ANY),
    "base64_lines": (lambda _, t, __: _lines(t), ("email",)),
    "base32": (lambda _, t, __: base64.b32encode(t.encode()).decode(), ANY),
    "hex": (lambda _, t, __: t.encode().hex(), ANY),
    "hex_spaced": (lambda _, t, __: t.encode().hex(" "), ("email", "name", "phone")),
    "url": (lambda _, t, __: "".join(f"%{b:02X}" for b in t.encode()), ANY),
    "url_needed": (lambda _, t, __: "https://shop.example/?q=" + urllib.parse.quote(t), ("email", "name", "address")),
    "html": (lambda r, t, _: "".join(r.choice((f"&#{ord(c)};", f"&#x{ord(c):x};")) for c in t), ("email", "name", "phone")),
    "html_named": (lambda _, t, __: html.escape(t).replace("@", "&commat;").replace(".", "&period;"), ("email",)),
    "json": (lambda _, t, __: "".join(f"\\u{ord(c):04x}" for c in t), ANY),
    "rot13": (lambda _, t, __: _rot13(t), ("email", "name", "address")),
    "markdown": (lambda r, t, _: _split(r, t), ("email", "name")),
    "items": (_items, ("email", "name", "phone")),
    "decimal": (lambda _, t, __: " ".join(str(b) for b in t.encode()), ("email",)),
}  # fmt: skip


def disguised(seed: int, crowd: list[Person], count: int) -> list[Case]:
    rng = random.Random(seed)
    found = []
    kinds = list(DISGUISES)
    for i in range(count):
        p, kind = rng.choice(crowd), kinds[i % len(kinds)]
        disguise, categories = DISGUISES[kind]
        category = rng.choice(categories)
        value = {"email": p.email, "name": p.name, "phone": p.phone, "address": p.street}[category]
        text = " ".join(
            [chatter(rng, p.lang), sentence(rng, p, category, disguise(rng, value, category)), chatter(rng, p.lang)]
        )
        found.append(Case(inference=inference(i, text, rng), truth=frozenset([(p.ref, category)]), kind=kind))
    return found


# --- ordinary talk ----------------------------------------------------------------------------------------------------


def chatter(rng: random.Random, lang: str) -> str:
    track = rng.choice(
        [f"{rng.randrange(10**11, 10**12)}", f"00340434{rng.randrange(10**12):012d}", f"1Z{rng.randrange(10**16):016d}"]
    )
    return str(rng.choice(TEXTS["talk"][lang])).format(
        n=rng.randrange(2, 9), m=rng.randrange(10, 60), e=rng.randrange(5, 99), big=rng.randrange(100, 99_999), track=track
    )


def ordinary(seed: int, crowd: list[Person], count: int) -> list[Case]:
    """What shops say all day: products, numbers, strangers, staff, the reader's own data."""
    rng = random.Random(seed)
    strangers = people(seed + 1, max(200, count // 50))
    known = {p.name for p in crowd}
    strangers = [p for p in strangers if p.name not in known]
    found = []
    for i in range(count):
        lang = rng.choice(list(LOCALES))
        parts = [chatter(rng, lang) for _ in range(rng.randrange(2, 6))]
        requester: dict[str, Any] | None = None
        match rng.randrange(6):
            case 0:  # the reader's own data
                p = rng.choice(crowd)
                requester = {"ref": p.ref}
                parts += [sentence(rng, p, c, plain_forms(rng, p, c)) for c in ("name", "email", "address", "order_number")]
            case 1:  # staff, carriers and others who are no customers
                p = rng.choice(strangers)
                parts.append(sentence(rng, p, "name", p.name))
            case 2:
                p = rng.choice(strangers)
                parts += [sentence(rng, p, "email", p.email.replace("@", f"{rng.randrange(1000)}@"))]
            case 3:
                parts.append(TEXTS["ordered"][lang].format(x=rng.randrange(10**7, 10**8)))
            case _:
                pass
        rng.shuffle(parts)
        found.append(Case(inference=inference(i, " ".join(parts), rng, requester)))
    return found
