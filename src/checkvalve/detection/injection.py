"""Does a text try to steer the model? A score between 0 and 1; 0.5 and above is suspicious.

Two things are added: signs (content/detectors/injection.yaml), which are phrases, and a linear model over words, pairs of words
and parts of words (content/detectors/injection_weights.json, made by benchmarks/injection_training.py), which sees the
drift of a passage. What a page hides from people is judged by itself, and more strictly.

It raises suspicion and blocks nobody by itself: customers do write "ignore my last message".
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from typing import Final

from checkvalve.detection.content import load, load_json
from checkvalve.detection.readings import character, latin
from checkvalve.events.pseudonym import words

MAX_TEXT: Final = 20_000  # code points read of one text; the first and the last half of them if it is longer
SUSPICIOUS: Final = 0.5
WINDOW: Final = 60  # words judged together, so that a long document does not thin out what stands in it
GRAM: Final = 4  # code points of a part of a word
MAX_WORD: Final = 40
BY_SIGNS: Final = 10.0  # what signs of weight 1 add to the logit: a phrase tells more than the drift of a passage
BY_HIDING: Final = 2.0  # and what being hidden does: an instruction that no person is meant to see
MAX_HIDDEN: Final = 20  # places of one text
_HIDDEN: Final = re.compile(
    r"<[a-z][^<>]{0,300}?(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])"
    r"|color\s*:\s*(?:white|transparent|#fff(?:fff)?)\b|\shidden\b)[^<>]{0,300}>(?P<styled>[^<]{1,4000})"
    r"|(?P<tags>[\U000E0020-\U000E007E]{4,})",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Sign:
    id: str
    weight: float
    raw: bool  # meets the text as written
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Signs:
    threshold: float  # of weight together that is enough without the model
    signs: tuple[Sign, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Of the logit. `unit` is what one step of the tables is worth."""

    bias: float
    unit: float
    words: dict[str, int]
    pairs: dict[str, int]
    parts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Score:
    value: float
    signs: tuple[str, ...]


NOTHING: Final = Score(0.0, ())


@cache
def signs() -> Signs:
    data, found = load("injection"), []
    for raw in data["signs"]:
        pattern = re.compile(raw["pattern"].replace("| ", "|"), re.MULTILINE)  # lines are broken after a bar
        found.append(Sign(raw["id"], raw["weight"], raw.get("raw", False), pattern))
    return Signs(data["threshold"], tuple(found))


@cache
def weights() -> Weights:
    raw = load_json("injection_weights")
    return Weights(**{f.name: raw[f.name] for f in fields(Weights)})


def score(text: str) -> Score:
    if len(text) > MAX_TEXT:
        text = f"{text[: MAX_TEXT // 2]} {text[-MAX_TEXT // 2 :]}"
    whole = _judged(text, 0.0)
    hidden = [_judged(part, BY_HIDING) for part in _hidden(text)]
    best = max((*hidden, whole), key=lambda s: s.value)
    return Score(best.value, (*best.signs, "hidden-text")) if best is not whole else whole


def strongest(texts: Sequence[str]) -> Score:
    return max((score(text) for text in texts), key=lambda s: s.value, default=NOTHING)


def suspicious(found: Score) -> bool:
    return found.value >= SUSPICIOUS


def _hidden(text: str) -> Iterator[str]:
    for after in text.split("<!--")[1 : MAX_HIDDEN + 1]:
        yield after.partition("-->")[0]
    for count, found in enumerate(_HIDDEN.finditer(text)):
        if count == MAX_HIDDEN:
            return
        yield str(found.group(str(found.lastgroup)))


def _judged(text: str, more: float) -> Score:
    read = folded(text)
    joined = " ".join(read)
    doubt, seen = 1.0, []
    for sign in signs().signs:
        if sign.pattern.search(text if sign.raw else joined):
            doubt *= 1 - sign.weight
            seen.append(sign.id)
    by_signs = 1 - doubt
    value = 1 / (1 + math.exp(-max(-30.0, logit(read) + BY_SIGNS * by_signs + more)))
    if by_signs >= signs().threshold:
        value = max(value, by_signs)
    return Score(round(value, 3), tuple(seen))


def folded(text: str) -> list[str]:
    """Words as the weights know them: what is invisible left out, look-alike letters of other alphabets as Latin ones."""
    if not text.isascii():
        text = "".join([c if c < "\x80" else character(c)[0] for c in text])
    read = words(text)
    return read if text.isascii() else [w if w.isascii() or not (like := latin(w).lower()).isascii() else like for w in read]


def logit(read: Sequence[str]) -> float:
    """Of the most suspicious passage of WINDOW words: the sum of the weights of its features over the root of their number."""
    known = weights()
    if not read:
        return known.bias
    pairs = [0, *(known.pairs.get(f"{a} {b}", 0) for a, b in pairwise(read))]
    own = [_word(word) for word in read]
    sums = [0, *accumulate(w + p for (w, _), p in zip(own, pairs, strict=True))]
    counts = [0, *accumulate(n for _, n in own)]
    ends = range(WINDOW, len(read), WINDOW // 2)
    best: float = max(
        (sums[e] - sums[max(0, e - WINDOW)]) / math.sqrt(counts[e] - counts[max(0, e - WINDOW)]) for e in (*ends, len(read))
    )
    return known.bias + known.unit * best


@lru_cache(maxsize=16_384)
def _word(word: str) -> tuple[int, int]:
    """(weight of a word and its parts, number of its features); a pair is counted with its second word."""
    known, inside = weights(), parts(word)
    return known.words.get(word, 0) + sum([known.parts.get(part, 0) for part in inside]), len(inside) + 2


def parts(word: str) -> list[str]:
    """Runs of GRAM code points, the word's ends being blanks."""
    padded = f" {word[:MAX_WORD]} "
    return [padded[i : i + GRAM] for i in range(max(1, len(padded) - GRAM + 1))]
