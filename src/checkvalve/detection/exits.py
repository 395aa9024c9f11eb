"""Ways out of an answer that need no reader: a link or an image on somebody else's host that carries data, hidden characters.

An image is fetched as soon as the answer is drawn, so data in its address has left before anybody reads it.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from checkvalve.detection.encoded import decoded
from checkvalve.detection.types import Severity, Sighting

if TYPE_CHECKING:
    from checkvalve.detection.tokens import Piece

MAX_HIDDEN: Final = 6  # invisible characters that happen by accident
_URL = re.compile(r"(?i)(?:https?|ftp)://([^/\s?#:)>\"'\]]+)([^\s)>\"'\]]*)")
_PART = re.compile(r"[/?&=#;,.]+")
_HIDDEN: Final = frozenset("\u200b\u2060\u2061\u2062\u2063\u2064\ufeff\u202d\u202e\u2066\u2067\u2068\u2069")
_TAGS: Final = range(0xE0020, 0xE007F)
_FLAG: Final = "\U0001f3f4"  # flags of regions are written with tag characters


def hosts_in(text: str) -> frozenset[str]:
    """The hosts a text links to, lower-case. What the shop's own prompt links to is not outside."""
    return frozenset(found[1].lower() for found in _URL.finditer(text))


def may_be_part(clear: str) -> bool:
    """Whether a piece may be of a link or an image, or hold characters nobody sees."""
    return "://" in clear or "![" in clear or clear[:4].lower() == "<img" or not clear.isascii()


class Exits:
    __slots__ = ("_hidden", "_hosts", "image")

    def __init__(self, hosts: frozenset[str]) -> None:
        self._hosts = hosts
        self.image = False  # the piece before opened an image
        self._hidden = 0

    def piece(self, piece: "Piece") -> Iterator[Sighting]:
        """To be given every piece that may be part of a way out, and while an `image` is open every piece."""
        clear = piece.reading.clear
        start, end = piece.span(0, -1)
        if "://" in clear:
            image = "![" in clear or "<img" in clear.lower() or self.image
            for found in _URL.finditer(clear):
                if not self._ours(found[1].lower()) and _carries(found[1], found[2], image=image):
                    yield _outside("image" if image else "link", "high" if image else "medium", start, end)
        opened = self.image and "](" not in clear and ">" not in clear
        self.image = opened or "![" in clear or clear.lower().startswith("<img")
        if not clear.isascii() and _FLAG not in clear:
            before = self._hidden
            self._hidden += sum(c in _HIDDEN or ord(c) in _TAGS for c in clear)
            if before <= MAX_HIDDEN < self._hidden:
                yield Sighting("invisible-characters", "text that people cannot see", "medium", False, start, end, "invisible")

    def _ours(self, host: str) -> bool:
        return any(host == own or host.endswith("." + own) for own in self._hosts)


def _outside(kind: str, severity: Severity, start: int, end: int) -> Sighting:
    return Sighting(f"outside-{kind}", f"the address of a {kind} on another host carries data", severity, False, start, end)


def _carries(host: str, rest: str, *, image: bool) -> bool:
    """Text in disguise, an e-mail address, or in an image's query a sentence."""
    if any(decoded(part) for part in (*host.split("."), *_PART.split(rest)) if len(part) >= 8):
        return True
    query = rest.partition("?")[2]
    return "@" in query or (image and len(re.findall(r"[^\W\d_]{2,}(?=[+ _-]|$)", query)) >= 4)
