"""How one run of text may also be read: escapes undone, marks inside words left out, look-alike letters, other scripts.

Everything here keeps, for each code point it gives, the place in the raw text it came from.
"""

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from checkvalve.detection.content import load
from checkvalve.detection.lexicon import lexicon
from checkvalve.events.pseudonym import fold

_DEEPEST: Final = 3  # escapes within escapes
_ESCAPE = re.compile(
    r"(?P<url>(?:%[0-9A-Fa-f]{2})+)"
    r"|(?P<html>&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,10});|&(?:#[0-9]{2,7}|#[xX][0-9A-Fa-f]{2,6})(?![0-9]))"
    r"|(?P<json>(?:\\+u[0-9A-Fa-f]{4})+|\\+u\{[0-9A-Fa-f]{1,6}\}|(?:\\+x[0-9A-Fa-f]{2})+|(?:\\+[0-3][0-7]{2})+|\\+[nrt\"/@._-])"
    r"|(?P<quoted>(?:=[0-9A-F]{2}){2,})"
)
_BACKSLASHES = re.compile(r"\\+")
_TAG = re.compile(
    r"<(/?)(?:b|i|u|s|em|strong|span|code|mark|small|font|a|sub|sup|wbr|kbd|tt|ins|del)/?>|<!--(?:[^>]*-)?->?|<!-{2,4}>|(<)/?[A-Za-z][A-Za-z0-9]{0,9}/?>"
)
_JOINT = re.compile(r"(?<=[\w@.+-])(?:\*{1,3}|(?<!_)_{2}(?!_)|~~|==|\|\||`+|\[\]|\(\)){1,4}(?=[\w@.+-])")
_AT = re.compile(r"[(\[{][aA][)\]}]")
_SPECIAL = re.compile(r"[%&\\=*_~`<\[({|]")
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u2061\u2062\u2063\u2064\u3164\uffa0")
_TAGS: Final = range(0xE0020, 0xE007F)  # invisible copies of ASCII

_DIGRAPHS: Final = (("ae", "a"), ("oe", "o"), ("ue", "u"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripts:
    """Tables for str.translate (content/detectors/scripts.yaml)."""

    looks: dict[int, str]
    alphabets: tuple[dict[int, str], ...]
    umlauts: dict[int, str]
    leet: dict[int, str]


@cache
def scripts() -> Scripts:
    raw = load("scripts")
    tables = {name: {ord(pair[0]): pair[2:] for pair in text.split()} for name, text in raw.items() if name != "romanised"}
    alphabets = tuple(tables["english"] | tables[name] for name in ("english", "german", "polish", "simple"))
    return Scripts(looks=tables["looks"], alphabets=alphabets, umlauts=tables["umlauts"], leet=tables["leet"])


def unescape(text: str, places: list[int]) -> tuple[str, list[int], dict[int, str]]:
    """Escapes undone, marks inside words left out. `places` has one more entry than `text`; so has what comes back.

    The labels name what was undone, by place in the raw text.
    """
    labels: dict[int, str] = {}
    if not _SPECIAL.search(text):
        return text, places, labels
    for _ in range(_DEEPEST):
        changed, places = _substitute(_ESCAPE, text, places, _decoded, labels)
        if changed == text:
            break
        text = changed
    text, places = _substitute(_TAG, text, places, _untagged, labels)
    text, places = _substitute(_AT, text, places, lambda _: ("@", "at_dot"), labels)
    text, places = _substitute(_JOINT, text, places, lambda _: ("", "split"), labels)
    return text, places, labels


def _substitute(
    pattern: re.Pattern[str],
    text: str,
    places: list[int],
    becomes: Callable[[re.Match[str]], tuple[str, str]],
    labels: dict[int, str],
) -> tuple[str, list[int]]:
    parts: list[str] = []
    kept: list[int] = []
    at = 0
    for found in pattern.finditer(text):
        new, label = becomes(found)
        if new == found.group():
            continue
        parts += (text[at : found.start()], new)
        kept += places[at : found.start()]
        # Each new code point lies within what it stood in: evenly, which is exact for runs of equal escapes.
        low, high = places[found.start()], places[found.end()]
        kept += [low + (high - low) * i // len(new) for i in range(len(new))]
        labels[low] = label
        at = found.end()
    if not parts:
        return text, places
    return "".join(parts) + text[at:], kept + places[at:]


def _untagged(tag: re.Match[str]) -> tuple[str, str]:
    name = fold(tag.group().strip("</>"))
    if name in lexicon().at or lexicon().sign(name):
        return tag.group(), "html"  # "<at>"
    return " " if tag[2] else "", "html"


def _decoded(found: re.Match[str]) -> tuple[str, str]:
    kind, raw = str(found.lastgroup), found.group()
    try:
        if kind == "url":
            return bytes.fromhex(raw.replace("%", "")).decode(), kind
        if kind == "quoted":
            return bytes.fromhex(raw.replace("=", "")).decode(), kind
        if kind == "html":
            return html.unescape(raw), kind
        raw = _BACKSLASHES.sub(r"\\", raw)
        if raw.startswith("\\u{"):
            return chr(int(raw[3:-1], 16)), kind
        if raw.startswith("\\u"):
            units = bytes.fromhex(raw.replace("\\u", ""))
            return units.decode("utf-16-be"), kind
        if raw.startswith("\\x"):
            return bytes.fromhex(raw.replace("\\x", "")).decode(), kind
        if raw[1].isdigit():
            return bytes(int(n, 8) for n in raw[1:].split("\\")).decode(), kind
        return {"n": "\n", "r": "\n", "t": " "}.get(raw[1], raw[1]), kind
    except (ValueError, OverflowError):
        return raw, kind


@cache
def character(char: str) -> tuple[str, str | None]:
    """One code point as folded text, and the disguise it is part of, if any."""
    code = ord(char)
    if code in _TAGS:
        return chr(code - 0xE0000).lower(), "invisible"
    folded = fold(char)
    if folded != char or code < 128:
        return folded, "invisible" if char in "\u200b\u200c\u200d\u2060\ufeff" else None
    if char in _INVISIBLE or unicodedata.category(char) in ("Cf", "Mn", "Me") or 0xFE00 <= code <= 0xFE0F:
        return "", "invisible"
    if 0x1F1E6 <= code <= 0x1F1FF:
        return chr(code - 0x1F1E6 + 97), "lookalike"
    if 0x1F110 <= code <= 0x1F189 and unicodedata.name(char, "").endswith(f"LETTER {unicodedata.name(char)[-1]}"):
        return unicodedata.name(char)[-1].lower(), "lookalike"
    plain = fold(unicodedata.normalize("NFKC", char))
    if plain != char and plain.isascii():
        return plain, "lookalike"
    digit = unicodedata.decimal(char, None)
    return (str(digit), "lookalike") if digit is not None else (char, None)


def spellings(text: str, raw: str) -> tuple[tuple[str, str], ...]:
    """Other readings of one folded word, each with the disguise it undoes ("plain": only a way of writing)."""
    found: dict[str, str] = {}
    if not raw.isascii():
        found[fold(raw.translate(scripts().umlauts))] = "plain"
    for written, letter in _DIGRAPHS:
        if written in text:
            found[text.replace(written, letter)] = "plain"
    if not text.isascii():
        lower = text.lower()
        found.setdefault(latin(text).lower(), "lookalike")
        for table in scripts().alphabets if len(text) > 1 else ():  # a letter alone is no word of a name
            found.setdefault(lower.translate(table), "transliterated")
        found = {t: label for t, label in found.items() if t.isascii() or label == "plain"}
    elif len(text) > 2 and not text.isalpha() and sum(map(str.isalpha, text)) > 1:
        found[text.translate(scripts().leet)] = "lookalike"
        found[text.replace("1", "l").translate(scripts().leet)] = "lookalike"
    found.pop(text, None)
    return tuple(found.items())


def leet(text: str) -> str:
    """An e-mail address written with digits for letters, as letters; its @ stays."""
    return "@".join(part.translate(scripts().leet) for part in text.split("@"))


def latin(text: str) -> str:
    """Look-alike letters as the Latin ones they look like."""
    return text.translate(scripts().looks)
