"""Keyed pseudonyms of personal identifiers (docs/spec/wire.md, section 6).

The plugin computes the same values in PHP; `tests/golden/pseudonyms.json` binds both. Normal forms are deliberately
coarse: two spellings of one person's data should meet, and a false meeting costs less than a missed leak.
"""

import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Final, Literal

Category = Literal["email", "name", "phone", "address", "postcode_name", "order_number"]
CATEGORIES: Final[tuple[Category, ...]] = ("email", "name", "phone", "address", "postcode_name", "order_number")

MAX_WORDS: Final = 5  # longest name that is registered word by word; a street line has no more
DIGEST_BYTES: Final = 16
WORDS: Final = "words"  # not a category: which words the names and street lines of a person are made of
WORD_BYTES: Final = 3  # of the pseudonym of one word

_NOT_WORD = re.compile(r"[\x00-/:-@\[-`{-\x7f]+")


@cache
def _tables() -> tuple[dict[int, str], dict[int, str]]:
    raw = json.loads(files("checkvalve.content").joinpath("fold.json").read_text("utf-8"))
    fold_map: dict[int, str] = {ord(k): v for k, v in raw["map"].items()}
    fold_map.update({c: chr(c + 32) for c in range(ord("A"), ord("Z") + 1)})
    return fold_map, {ord(c): " " for c in raw["space"]}


def fold(text: str) -> str:
    """Lower-case ASCII form of Latin letters; other code points stay as they are."""
    return text.translate(_tables()[0])


def words(text: str) -> list[str]:
    """Folded words: runs of letters and digits; everything else separates."""
    return [w for w in _NOT_WORD.split(fold(text).translate(_tables()[1])) if w]


def pseudonym(key: bytes, category: str, normal: str) -> str:
    """32 hex digits for one normalised identifier under the site's 32-byte key (keyed BLAKE2b, RFC 7693)."""
    message = category.encode() + b"\x1f" + normal.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(message, key=key, digest_size=DIGEST_BYTES).hexdigest()


def words_pseudonym(key: bytes, normal: str) -> str:
    """32 hex digits: the pseudonyms of up to MAX_WORDS words, cut short, one after the other; then zeros."""
    parts = (pseudonym(key, WORDS, word)[: 2 * WORD_BYTES] for word in normal.split(" "))
    return "".join(parts).ljust(2 * DIGEST_BYTES, "0")


def normal_email(value: str) -> str | None:
    folded = "".join(fold(value).split())
    return folded if folded.count("@") == 1 and not folded.startswith("@") and not folded.endswith("@") else None


def untagged(normal: str) -> str | None:
    """A normal e-mail address without its tag (anna+shop@… is anna@…, RFC 5233); None if it has none."""
    local, at, domain = normal.partition("@")
    name, plus, _ = local.partition("+")
    return name + at + domain if plus and name else None


def normal_phone(value: str) -> str | None:
    digits = re.sub(r"[^0-9]", "", value).lstrip("0")
    return digits[-9:] if len(digits) >= 7 else None


def normal_words(value: str) -> str | None:
    """Names: 2 to 5 words; a longer one is reduced to its first and last word."""
    found = words(value)
    if len(found) < 2:
        return None
    return " ".join(found if len(found) <= MAX_WORDS else (found[0], found[-1]))


def normal_street(value: str) -> str | None:
    """Street lines: 2 words at least, the first 5 of more. What follows them, a flat or a floor, is often left out."""
    found = words(value)
    return " ".join(found[:MAX_WORDS]) if len(found) >= 2 else None


def normal_postcode(value: str) -> str:
    return re.sub(r"[^0-9a-z]", "", fold(value))


def normal_order_number(value: str) -> str | None:
    return value if value.isascii() and value.isdigit() else None


def identifiers(
    key: bytes,
    *,
    email: str | None = None,
    name: str | None = None,
    phone: str | None = None,
    address: str | None = None,
    postcode: str | None = None,
    order_numbers: tuple[str, ...] = (),
) -> list[tuple[str, str]]:
    """All (category, pseudonym) pairs under which one person is registered, and the words of names and street lines under
    WORDS. Values that say nothing are left out.
    """
    normals: list[tuple[Category, str | None]] = [
        ("email", normal_email(email or "")),
        ("email", untagged(normal_email(email or "") or "")),
        ("phone", normal_phone(phone or "")),
    ]
    name_words = words(name or "")
    if full := normal_words(name or ""):
        normals.append(("name", full))
        parts = full.split(" ")
        normals.append(("name", " ".join([parts[-1], *parts[:-1]])))  # "Schmidt Anna"
    normals.append(("address", normal_street(address or "")))
    code = normal_postcode(postcode or "")
    if code and name_words:
        normals.append(("postcode_name", f"{code}|{name_words[-1]}"))
    normals += [("order_number", normal_order_number(n)) for n in order_numbers]
    pairs: list[tuple[str, str]] = [(c, pseudonym(key, c, n)) for c, n in normals if n]
    said = (full or " ".join(name_words), normal_street(address or ""))
    pairs += [(WORDS, words_pseudonym(key, n)) for n in said if n]
    return list(dict.fromkeys(pairs))
