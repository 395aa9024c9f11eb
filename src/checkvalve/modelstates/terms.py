"""Keyed digests of the identifiers in a text, and the same of people that are looked for.

A term is an e-mail address, a telephone number, a number, or two words in a row, in its normal form (docs/spec/wire.md,
section 6). Text gives every term it may hold under any reading, so that a person that stands in it is never missed; a
person's reading is found where all its terms are in one document. Digests are 64 bits under a key that only the vault has.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from checkvalve.events.pseudonym import (
    MAX_WORDS,
    fold,
    normal_email,
    normal_order_number,
    normal_phone,
    pseudonym,
    untagged,
    words,
)

Sort = Literal["email", "phone", "number", "pair"]
Term = tuple[Sort, str]

REMEMBERED: Final = 500_000
MAX_WORD: Final = 64
MAX_GROUPS: Final = 9  # groups of digits one telephone number may be written in
LOCAL: Final = 64  # RFC 5321, 4.5.3.1.1
RAW_LOCAL, RAW_DOMAIN = 40, 40
_SEPARATORS: Final = frozenset(' \t\r\n\v\f\x00"<>()[],;:\\@')
_DOMAIN = re.compile(r"[a-z0-9\x80-\U0010ffff][a-z0-9.\-\x80-\U0010ffff]{0,254}")
_DIGITS = re.compile(r"\d(?:[ \t()/.\-]{0,4}\d)*", re.ASCII)
_GROUP = re.compile(r"\d+", re.ASCII)
_HUMP = re.compile(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def terms(text: str) -> set[Term]:
    """Every term of a text, as people write."""
    folded = fold(text)
    said = [w for w in words(text) if len(w) <= MAX_WORD]
    found: set[Term] = {("pair", f"{a} {b}") for a, b in pairwise(said)}
    found.update(("number", w) for w in said if w.isascii() and w.isdigit())
    if "@" in folded:
        found.update(("email", a) for a in _addresses(folded, glued=False))
    found.update(("phone", p) for p in _phones(folded))
    return found


def raw_terms(text: str) -> set[Term]:
    """Terms of bytes read as text, where values stand side by side without anything between them. Names may be missed."""
    found = terms(text) | terms(_HUMP.sub(" ", text))
    folded = fold(text)
    found.update(("email", a) for a in _addresses(folded, glued=True))
    for run in _GROUP.findall(folded):
        found.update(("phone", p) for n in (7, 8, 9) for i in range(len(run) - n + 1) if (p := normal_phone(run[i : i + n])))
        found.update(("number", run[i : i + n]) for n in range(4, 11) for i in range(len(run) - n + 1))
    return found


def _addresses(folded: str, *, glued: bool) -> Iterator[str]:
    """Each address an @ may be part of: local parts from the widest to the one after the last mark, domains likewise."""
    at = -1
    while (at := folded.find("@", at + 1)) >= 0:
        low = at
        while low > 0 and at - low < LOCAL and folded[low - 1] not in _SEPARATORS:
            low -= 1
        after = _DOMAIN.match(folded, at + 1)
        if after is None or low == at:
            continue
        local, domain = folded[low:at], after.group().rstrip(".-")
        starts = [i for i in range(len(local)) if (glued and len(local) - i <= RAW_LOCAL) or _opens(local, i)]
        for end in _ends(domain, glued=glued):
            for start in starts:
                if normal := normal_email(f"{local[start:]}@{domain[:end]}"):
                    yield normal
                    if bare := untagged(normal):
                        yield bare


def _opens(local: str, at: int) -> bool:
    """Also after a letter of another script: some are written without spaces."""
    return at == 0 or not local[at - 1].isalnum() or ord(local[at - 1]) > 127


def _ends(domain: str, *, glued: bool) -> Iterator[int]:
    """Where a domain may end: at its end, before each label after the second and before another script; glued: anywhere."""
    dots = [i for i, c in enumerate(domain) if c == "."]
    yield len(domain)
    yield from dots[1:]
    if not domain.isascii():
        yield next(i for i, c in enumerate(domain) if ord(c) > 127)
    if glued and dots:
        yield from range(dots[0] + 3, min(len(domain), dots[0] + RAW_DOMAIN))


def _phones(folded: str) -> Iterator[str]:
    """Each number that a run of digits may hold, from any group to any later one."""
    for run in _DIGITS.finditer(folded):
        groups = _GROUP.findall(run.group())
        for i in range(len(groups)):
            digits = ""
            for group in groups[i : i + MAX_GROUPS]:
                digits += group
                if len(digits) > 40:
                    break
                if number := normal_phone(digits):
                    yield number


class Digester:
    """Digests of terms under one 32-byte key: signed 64-bit numbers. Remembers those of terms that come again."""

    __slots__ = ("_key", "_known")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[Term, int] = {}

    def of(self, found: set[Term]) -> set[int]:
        known = self._known
        if len(known) > REMEMBERED:
            known.clear()
        digests = set()
        for term in found:
            number = known.get(term)
            if number is None:
                number = known[term] = int(pseudonym(self._key, *term)[:16], 16) - (1 << 63)
            digests.add(number)
        return digests


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """One identifier of one person. It stands in a document that has all terms of one reading.

    `certain` False: the value alone names nobody (an order number is a number like any other).
    """

    ref: str
    category: Literal["email", "phone", "name", "address", "order_number"]
    readings: tuple[frozenset[Term], ...]
    certain: bool = True


def sought(
    ref: str,
    *,
    email: str | None = None,
    name: str | None = None,
    phone: str | None = None,
    address: str | None = None,
    order_numbers: tuple[str, ...] = (),
) -> list[Sought]:
    """What to look for to find a person. Values that say nothing are left out."""
    found = []
    if email and (normal := normal_email(email)):
        wanted = [normal, *([bare] if (bare := untagged(normal)) else [])]
        found.append(Sought(ref=ref, category="email", readings=tuple(frozenset({("email", a)}) for a in wanted)))
    if phone and (number := normal_phone(phone)):
        found.append(Sought(ref=ref, category="phone", readings=(frozenset({("phone", number)}),)))
    if readings := _names([w for w in words(name or "") if len(w) <= MAX_WORD]):
        found.append(Sought(ref=ref, category="name", readings=readings))
    street = words(address or "")[:MAX_WORDS]
    if len(street) > 1:
        found.append(Sought(ref=ref, category="address", readings=(_pairs(street),)))
    for order in order_numbers:
        if number := normal_order_number(order):
            reading: frozenset[Term] = frozenset({("number", number)})
            found.append(Sought(ref=ref, category="order_number", readings=(reading,), certain=False))
    return found


def _names(said: list[str]) -> tuple[frozenset[Term], ...]:
    """As given, with the last word first, and a long name by its first and last word."""
    if len(said) < 2:
        return ()
    readings = [_pairs(said), _pairs([said[-1], *said[:-1]])]
    if len(said) > MAX_WORDS:
        readings.append(_pairs([said[0], said[-1]]))
    return tuple(dict.fromkeys(readings))


def _pairs(said: list[str]) -> frozenset[Term]:
    return frozenset(("pair", f"{a} {b}") for a, b in pairwise(said))


def sought_value(ref: str, value: str) -> list[Sought]:
    """One value of which nobody said what it is: everything it may be."""
    if "@" in value:
        return sought(ref, email=value)
    bare = value.strip()
    if not any(c.isalpha() for c in bare):
        return sought(ref, phone=bare, order_numbers=(bare.lstrip("#"),))
    return sought(ref, name=bare, address=bare)
