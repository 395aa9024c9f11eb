"""Blind index: keyed digests of what an entry's content says, so that sealed content can be searched without opening it.

A term is a word, an e-mail address or a telephone number in its normal form (docs/spec/wire.md, section 6). A token is the
first four bytes of the term's pseudonym under the site's key: short on purpose, so that a token names no term for certain and
says nothing to whoever lacks the key. An entry that has all tokens of a value is a candidate, and opening it confirms.
"""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from checkvalve.events.pseudonym import fold, normal_email, normal_phone, pseudonym, words

Term = tuple[str, str]  # category, normal form

MAX_DEPTH: Final = 64
MAX_WORD: Final = 64
REMEMBERED: Final = 50_000  # terms whose tokens a Blinder keeps

# Attributes that number, time or name the event itself: they are columns, or say nothing a person would look for.
_PLUMBING: Final = frozenset(
    (
        *("class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "status_id", "time", "metadata"),
        *("site", "session", "trace", "identifiers", "context_error", "version", "nonce", "iat", "exp", "span", "encoding"),
    )
)
_MEASURES: Final = ("_ms", "_tokens", "_id", "duration")
_ASCII_WORD: Final = re.compile(r"[0-9a-z]+")
_EMAIL: Final = re.compile(r"[^\s\"'<>()\[\]{},;:|\\]{1,64}@[^\s\"'<>()\[\]{},;:|\\@]{1,255}")
_PHONE: Final = re.compile(r"\d(?:[ ()/.\-]{0,3}\d){6,16}")
_PHONE_VALUE: Final = re.compile(r"\+?[\d ()/.\-]{7,40}")


def texts(body: Any) -> list[tuple[str, str]]:
    """(field, text) of everything said in an event's body; text that is JSON is looked into. Fields are dotted paths."""
    found: list[tuple[str, str]] = []
    _collect({"": body}, "", 0, found)
    return found


def _collect(holder: dict[str, Any], path: str, depth: int, found: list[tuple[str, str]]) -> None:
    for key, value in holder.items():
        if key in _PLUMBING:
            continue
        field = f"{path}.{key}" if path and key else path or key
        kind = type(value)
        if kind is str and value[:1] in ("{", "[") and depth < MAX_DEPTH and (inner := _json(value)) is not None:
            _collect({"": inner}, field, depth + 1, found)
        elif kind is str:
            found.append((field, value))
        elif kind is dict:
            _collect(value, field, depth + 1, found)
        elif kind is list:
            for part in value:
                _collect({"": part}, field, depth + 1, found)
        elif kind in (int, float) and not field.endswith(_MEASURES):
            found.append((field, str(value)))


def _json(text: str) -> Any:
    """What a text that is a JSON object or list holds; None for other text."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def terms(text: str) -> set[Term]:
    folded = fold(text)
    said = _ASCII_WORD.findall(folded) if folded.isascii() else words(folded)
    found: set[Term] = {("word", w) for w in set(said) if 1 < len(w) <= MAX_WORD}
    if "@" in folded:
        found.update(("email", a) for a in _addresses(folded))
    found.update(("phone", p) for p in _phones(folded))
    return found


def _addresses(folded: str) -> Iterator[str]:
    return (address for m in _EMAIL.finditer(folded) if (address := normal_email(m.group().strip(".!?"))))


def _phones(folded: str) -> Iterator[str]:
    return (number for m in _PHONE.finditer(folded) if (number := normal_phone(m.group())))


def token(key: bytes, term: Term) -> int:
    """A signed 32-bit number."""
    return token_of(pseudonym(key, *term))


def token_of(digest: str) -> int:
    """The token of a pseudonym, 32 hex digits."""
    return int(digest[:8], 16) - (1 << 31)


class Blinder:
    """Tokens under one site's key; remembers those of words that come again."""

    __slots__ = ("_key", "_known")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[Term, int] = {}

    def tokens(self, body: Any) -> bytes:
        """The sorted tokens of an event's body, four bytes each (see `pack`)."""
        if len(self._known) > REMEMBERED:
            self._known.clear()
        known, tokens = self._known, set()
        for term in terms("\n".join(t for _, t in texts(body))):  # no term goes over a line break
            number = known.get(term)
            if number is None:
                number = known[term] = token(self._key, term)
            tokens.add(number)
        return pack(tokens)


def pack(tokens: set[int]) -> bytes:
    """Little-endian, sorted."""
    return array("i", sorted(tokens)).tobytes()


def unpack(packed: bytes) -> list[int]:
    tokens = array("i")
    tokens.frombytes(packed)
    return tokens.tolist()


@dataclass(frozen=True, slots=True)
class Sought:
    """A value somebody looks for. A candidate has all terms of one of the `readings`."""

    readings: tuple[frozenset[Term], ...]
    email: str | None
    phone: str | None
    words: str

    def within(self, text: str) -> bool:
        """Whether the value stands in this text, in any spelling that has its normal form."""
        folded = fold(text)
        if self.email is not None:
            return self.email in _addresses(folded)
        if self.phone is not None and self.phone in _phones(folded):
            return True
        return f" {self.words} " in f" {' '.join(words(folded))} "


def sought(value: str) -> Sought | None:
    """None when the value has nothing to look for."""
    said = [w for w in words(value) if len(w) <= MAX_WORD]
    email = normal_email(value)
    phone = normal_phone(value) if _PHONE_VALUE.fullmatch(value.strip()) else None
    if email is not None:
        readings = [frozenset({("email", email)})]
    else:
        readings = [frozenset(("word", w) for w in said if len(w) > 1)]
        if phone is not None:
            readings.append(frozenset({("phone", phone)}))
    readings = [r for r in readings if r]
    return Sought(tuple(readings), email, phone, " ".join(said)) if readings else None
