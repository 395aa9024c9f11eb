"""Text inside text: base64, base32, hex, numbers of letters. Found in pieces as they stream by, decoded, to be read again."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from checkvalve.detection.tokens import Piece

MAX_BLOB: Final = 4096
MAX_GROUPS: Final = 64  # short ones that belong together
MAX_CODE: Final = 40  # a number of a letter and what stands around it
MIN_TEXT: Final = 6  # decoded code points worth reading
_BLOB = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,6}")
_HEX = re.compile(r"(?:0[xX])?((?:[0-9A-Fa-f]{2}){4,})")
_LINE = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,6}[\"',;.)]*")
_NUMBER = r"(?:0[xX]|\\x|U\+00)?([0-9A-Fa-f]{2,3}|[01]{8})"
_CODE = re.compile(rf"(?:[^\s]*[^0-9A-Za-z\s])?{_NUMBER}[^0-9A-Za-z\s]*(?:['’]s)?")
_BETWEEN = r"[^0-9A-Za-z\s]{1,3}(?:[A-Za-z]{2,4}[^0-9A-Za-z\s])?"  # "," or ").chr("
_CODES = re.compile(rf"(?<![0-9A-Za-z]){_NUMBER}(?:{_BETWEEN}{_NUMBER}){{5,}}(?![0-9A-Za-z])")
_GLUE = re.compile(r"[+&.,|;]{1,2}")  # stands alone between the numbers of letters
_GROUPS = re.compile(r"[0-9A-Za-z+/]{4,8}(?:[-:._][0-9A-Za-z+/]{1,8}){2,}={0,2}")
_GROUP = re.compile(r"[A-Za-z0-9+/_-]{1,7}={0,6}")
_SEPARATORS = re.compile(r"[-:._]")
_MARKER = re.compile(r"[-*+•>#/]{1,3}|[0-9]{1,2}[.)]")
_LATIN: Final = 0x250  # code points of Latin letters end there
_ONE = re.compile(rf"{_NUMBER}(?![0-9A-Za-z])")


class Decoded(NamedTuple):
    text: str
    start: int  # of the encoded text
    end: int
    encoding: str


class Blobs:
    __slots__ = ("_by_line", "codes", "lines")

    def __init__(self) -> None:
        self.lines: list[tuple[str, int, int]] = []  # encoded text that goes on over white space
        self._by_line = False  # one a line, or blanks between
        self.codes: list[tuple[str, int, int]] = []  # "97 110 110 97", "61 6e 6e 61"

    @property
    def undecided(self) -> int | None:
        """Where encoded text begins that may go on."""
        return min((parts[0][1] for parts in (self.lines, self.codes) if parts), default=None)

    def piece(self, piece: "Piece") -> Iterator[Decoded]:
        """To be given every piece that may be part of such text, and while there are `lines` or `codes` every piece."""
        clear = piece.reading.clear
        start, end = piece.span(0, -1)
        runs = list(_CODES.finditer(clear)) if len(clear) >= 17 else []
        code = _CODE.fullmatch(clear) if len(clear) <= MAX_CODE and not runs else None
        if code and (not self.codes or not clear[0].isalpha() or code.start(1) == 0 or "(" in clear):
            self.codes.append((code[1], _raw(piece, code.start(1)), end))
            if len(self.codes) >= MAX_BLOB // 4:
                yield from self._end_of_codes()
        elif not (self.codes and _GLUE.fullmatch(clear)):
            yield from self._end_of_codes()
            for run in runs:
                codes = [one[1] for one in _ONE.finditer(run.group())]
                yield from _from_codes(codes, _raw(piece, run.start()), _raw(piece, run.end()))
        if self.lines and _MARKER.fullmatch(clear) and piece.gap[:1] == "\n":
            return  # of a list or quotation
        if len(clear) < 8 or not _looks_encoded(clear):
            yield from self._short(piece, clear, start, end)
            return
        for found in _BLOB.finditer(clear):
            low, high = _raw(piece, found.start()), _raw(piece, found.end())
            yield from _decode(found.group(), low, high)
        if groups := _GROUPS.fullmatch(clear.strip("\"',;.)")):
            yield from _decode(_SEPARATORS.sub("", groups.group()), start, end)
        if _LINE.fullmatch(clear.lstrip("\"'")):
            self._by_line = piece.gap[:1] == "\n" if len(self.lines) == 1 else self._by_line
            self.lines.append((clear.strip("\"',;.)"), start, end))
            if sum(len(text) for text, _, _ in self.lines) >= MAX_BLOB:
                yield from self._end_of_lines()
        else:
            yield from self._short(piece, clear, start, end)

    def _short(self, piece: "Piece", clear: str, start: int, end: int) -> Iterator[Decoded]:
        """Groups of equal length, and what ends them or longer lines: one shorter."""
        text = clear.strip("\"',;.)")
        size = len(self.lines[-1][0]) if self.lines else 0
        by_line = piece.gap[:1] == "\n"
        fits = bool(_GROUP.fullmatch(text)) and (not size or len(self.lines) == 1 or by_line == self._by_line)
        if not fits or (size and len(text) > size):
            yield from self._end_of_lines()
            size = 0
        if _GROUP.fullmatch(text) and (size or _looks_grouped(text)):
            self._by_line = by_line if len(self.lines) == 1 else self._by_line
            self.lines.append((text, start, end))
            if len(text) < size or len(self.lines) >= MAX_GROUPS:
                yield from self._end_of_lines()

    def finish(self) -> Iterator[Decoded]:
        yield from self._end_of_codes()
        yield from self._end_of_lines()

    def _end_of_lines(self) -> Iterator[Decoded]:
        lines, self.lines = self.lines, []
        if len(lines) > 1:
            yield from _decode("".join(text for text, _, _ in lines), lines[0][1], lines[-1][2])

    def _end_of_codes(self) -> Iterator[Decoded]:
        codes, self.codes = self.codes, []
        if len(codes) >= MIN_TEXT:
            yield from _from_codes([text for text, _, _ in codes], codes[0][1], codes[-1][2])


def may_be_part(clear: str) -> bool:
    """Whether a piece may be encoded text, or one of the numbers that are."""
    return (
        (len(clear) >= 8 and _looks_encoded(clear))
        or _looks_grouped(clear)
        or (len(clear) <= MAX_CODE and _CODE.fullmatch(clear) is not None)
    )


def _raw(piece: "Piece", clear_index: int) -> int:
    """The raw place of a place in the clear text; exact where folding keeps lengths."""
    sources = piece.reading.sources
    if isinstance(sources, range):
        return piece.start + clear_index
    low, high = 0, len(sources) - 1
    while low < high:
        middle = (low + high) // 2
        if sources[middle] < clear_index:
            low = middle + 1
        else:
            high = middle
    return piece.start + piece.reading.places[low]


def _looks_encoded(text: str) -> bool:
    """Words of a language have no digits or capitals inside; encoded text nearly always has."""
    return len(text) >= 16 or any(c.isdigit() for c in text) or any(c.isupper() for c in text[1:])


def _looks_grouped(text: str) -> bool:
    """The same of a short group: hex with digits and letters, or capitals inside."""
    if not 4 <= len(text) < 8 or text.isdigit() or text.isupper() or not text.isascii():
        return False
    return any(c.isupper() for c in text[1:]) or (any(map(str.isdigit, text)) and _HEX.fullmatch("0000" + text) is not None)


def decoded(text: str) -> str:
    """What one word hides, or "" if it is what it looks like."""
    if not _BLOB.fullmatch(text) or not _looks_encoded(text):
        return ""
    return next((found.text for found in _decode(text, 0, len(text)) if any(map(str.isalpha, found.text))), "")


def _decode(blob: str, start: int, end: int) -> Iterator[Decoded]:
    if (hexed := _HEX.fullmatch(blob)) is not None and (text := _text(bytes.fromhex(hexed[1]))):
        yield Decoded(text, start, end, "hex")
        return
    bare = blob.rstrip("=")
    if bare.isalnum() and set(bare.upper()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"):
        with_padding = bare.upper() + "=" * (-len(bare) % 8)
        if text := _try(base64.b32decode, with_padding):
            yield Decoded(text, start, end, "base32")
            return
    standard = bare.replace("-", "+").replace("_", "/")
    if len(standard) % 4 != 1 and (text := _try(base64.b64decode, standard + "=" * (-len(standard) % 4))):
        yield Decoded(text, start, end, "base64")


def _try(decode: Callable[[str], bytes], text: str) -> str:
    try:
        return _text(decode(text))
    except (binascii.Error, ValueError):
        return ""


def _text(data: bytes) -> str:
    """As text, or "" if it is none."""
    for encoding in ("utf-8", "utf-16-le") if b"\0" in data else ("utf-8",):
        try:
            text = data.decode(encoding)
        except ValueError:
            continue
        if len(text) >= MIN_TEXT and all(c.isprintable() or c in "\n\r\t" for c in text):
            return text
    return ""


def _from_codes(codes: list[str], start: int, end: int) -> Iterator[Decoded]:
    """Numbers of letters in hex, decimal or binary: whatever gives text."""
    for skip in range(min(3, len(codes) - MIN_TEXT + 1)):  # a word before may look like a number: "de"
        if found := list(_numbers(codes[skip:])):
            yield from (Decoded(text, start, end, encoding) for text, encoding in found)
            return


def _numbers(codes: list[str]) -> Iterator[tuple[str, str]]:
    for base, fits in ((2, all(len(c) == 8 for c in codes)), (16, all(len(c) == 2 for c in codes)), (10, True), (8, True)):
        try:
            numbers = [int(c, base) for c in codes] if fits else []
        except ValueError:
            continue
        small = all(number < 256 for number in numbers)
        text = _text(bytes(numbers)) if small else ""
        if not text and numbers and base == 10 and min(numbers) >= 32 and max(numbers) < _LATIN:
            text = "".join(map(chr, numbers))
        if text.isprintable() and any(map(str.isalnum, text)):
            yield text, "hex" if base == 16 else "codes"
