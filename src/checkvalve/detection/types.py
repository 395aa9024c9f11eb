"""The statements a detector makes. An exposure is a fact about people; a finding is anything worth a look."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from checkvalve.detection.register import Owner
from checkvalve.events.pseudonym import Category

ENCODINGS: Final = (
    *("plain", "spaced", "at_dot", "invisible", "lookalike", "transliterated", "reversed", "rot13", "split", "words"),
    *("base64", "base32", "hex", "codes", "url", "html", "json", "quoted"),
)

Severity = Literal["informational", "low", "medium", "high", "critical"]


@dataclass(frozen=True, slots=True)
class Match:
    """A registered identifier in a text."""

    owners: tuple[Owner, ...]  # all of one category
    start: int
    end: int
    encoding: str = "plain"
    weak: bool = False  # words of everyday language: counts only beside other data of the same person

    @property
    def category(self) -> Category:
        return self.owners[0].category


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something that needs no register to be recognised: a secret, a card number."""

    detector: str
    what: str  # for people; nothing personal
    severity: Severity
    leak: bool  # makes the answer a leak by itself
    start: int
    end: int
    encoding: str = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """A registered person's data shown to someone who is not that person."""

    subject: str  # "customer:7", "guest:0f3a…"
    category: Category
    recipient: str  # "customer:42", "session:<pseudonym>", "anonymous"
    span: tuple[int, int]  # code points in the completion as plain text
    encoding: str  # "plain", or the disguise undone: ENCODINGS
    inference: str
    seen_ms: int  # when its last byte passed, ms since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A detector's statement with the log entries it rests on."""

    detector: str
    severity: Severity
    summary: str  # no personal data
    leak: bool = False  # makes the verdict "leak" by itself: a live secret, a canary
    entries: tuple[int, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
