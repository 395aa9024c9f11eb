"""Checks that tell a real secret or number from one that only has its shape."""

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Final

from stdnum import iban, luhn
from stdnum.de import idnr
from stdnum.es import nie, nif
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.us import ssn

_PREFIX = re.compile(r"(?:[a-z]{2,10}[_-])+")  # says whose secret it is, and is none
_CARD_LENGTHS: Final = {"34": (15,), "37": (15,), "4": (16, 19), "5": (16,), "2": (16,), "6": (16, 17, 18, 19)}


def varied(secret: str) -> bool:
    """Not a placeholder: as many different signs as chance gives, and nothing that says it is an example."""
    lowered = secret.lower()
    if any(
        word in lowered for word in ("example", "your", "xxxx", "****", "....", "1234567890abcdef1234", "insert", "placeholder")
    ):
        return False
    value = _PREFIX.sub("", secret) or secret
    mixed = any(map(str.isdigit, value)) or not value.isalpha()
    return len(set(value)) >= min(8, 2 + len(value) // 3) and mixed and _word_like(secret) < 0.5


def _word_like(secret: str) -> float:
    """Share of the signs that stand in plain words between hyphens: "risk-free-return"."""
    parts = [p for p in secret.replace("_", "-").split("-") if len(p) > 2]
    return sum(len(p) for p in parts if p.isalpha() and p.islower()) / len(secret)


def random_groups(secret: str) -> bool:
    """Six groups of four as WordPress draws them: cases and digits mixed inside groups, as no sentence does."""
    groups = secret.split(" ")
    mixed = sum(_mixed(g) for g in groups)
    return mixed >= 4 and any(map(str.isdigit, secret)) and any(map(str.islower, secret)) and any(map(str.isupper, secret))


def _mixed(group: str) -> bool:
    kinds = {"digit" if c.isdigit() else "upper" if c.isupper() else "lower" for c in group}
    return len(kinds) > 1 and not (group[0].isupper() and group[1:].islower())


def jwt(token: str) -> bool:
    """The header decodes to an object that names an algorithm (RFC 7515)."""
    head = token.partition(".")[0]
    try:
        return "alg" in json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        return False


def card(number: str) -> bool:
    """Luhn, and a length that the brand of its first digits issues (ISO/IEC 7812)."""
    digits = "".join(filter(str.isdigit, number))
    lengths = _CARD_LENGTHS.get(digits[:2]) or _CARD_LENGTHS.get(digits[0], ())
    return len(digits) in lengths and len(set(digits)) > 1 and bool(luhn.is_valid(digits))


CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "varied": varied,
    "random_groups": random_groups,
    "jwt": jwt,
    "card": card,
    "iban": iban.is_valid,
    "es.nif": lambda v: nif.is_valid(v) or nie.is_valid(v),
    "it.codicefiscale": codicefiscale.is_valid,
    "fr.nir": nir.is_valid,
    "pl.pesel": pesel.is_valid,
    "de.idnr": idnr.is_valid,
    "nl.bsn": bsn.is_valid,
    "us.ssn": ssn.is_valid,
}
