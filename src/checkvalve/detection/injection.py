"""Does a text try to steer the model? A score between 0 and 1 from signs in content/detectors/injection.yaml.

It raises suspicion and blocks nobody by itself: customers do write "ignore my last message".
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from checkvalve.detection.content import load
from checkvalve.events.pseudonym import words

MAX_TEXT: Final = 20_000  # code points read of one text; the first and the last half of them if it is longer


@dataclass(frozen=True, slots=True)
class Sign:
    id: str
    weight: float
    raw: bool  # meets the text as written
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Signs:
    threshold: float
    signs: tuple[Sign, ...]


@dataclass(frozen=True, slots=True)
class Score:
    value: float
    signs: tuple[str, ...]


@cache
def signs() -> Signs:
    data = load("injection")
    found = []
    for raw in data["signs"]:
        pattern = re.compile(raw["pattern"].replace("| ", "|"), re.MULTILINE)  # lines are broken after a bar
        found.append(Sign(raw["id"], raw["weight"], raw.get("raw", False), pattern))
    return Signs(data["threshold"], tuple(found))


def score(text: str) -> Score:
    if len(text) > MAX_TEXT:
        text = f"{text[: MAX_TEXT // 2]} {text[-MAX_TEXT // 2 :]}"
    folded = " ".join(words(text))
    doubt, seen = 1.0, []
    for sign in signs().signs:
        if sign.pattern.search(text if sign.raw else folded):
            doubt *= 1 - sign.weight
            seen.append(sign.id)
    return Score(round(1 - doubt, 3), tuple(seen))


def suspicious(found: Score) -> bool:
    return found.value >= signs().threshold
