"""Makes content/detectors/injection_weights.json: `python -m benchmarks.injection_training DIR` (see injection_sets.py).

Logistic regression over counts of words, pairs of words and parts of words in passages of WINDOW words, divided by the root of
their number; the features are those that chi-squared tells most of. Seeded: the same sets give the same weights. What
comes out holds single words, pairs and parts, none of them with digits, and no sentence of anybody.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.injection import everyday, flagged_above
from benchmarks.injection_sets import HELD_OUT, LEARNT, Labelled, sets

import checkvalve.content.detectors
from checkvalve.detection import injection
from checkvalve.detection.injection import WINDOW, folded, parts

OUT: Final = Path(checkvalve.content.detectors.__path__[0]) / "injection_weights.json"
FEATURES: Final = 16_000
RARE: Final = 5  # features of fewer passages are not learnt
PASSAGES: Final = {True: 3, False: 12}  # of one text that are learnt from
AT_MOST: Final = 9_000  # texts of one set
WEIGHT: Final = {"own attempts": 2.0, "own ordinary": 4.0, "in the wild": 0.3, "templates": 0.3}  # 1 for the other sets
STRENGTH: Final = 1.0  # of the data against the penalty on large weights
ROUNDS: Final = 800
FALSE_ALARMS: Final = 0.001  # of everyday text that was not learnt from, at a score of 0.5

Floats = np.ndarray[Any, np.dtype[np.float64]]


def features(read: list[str]) -> Iterator[tuple[str, str]]:
    for word in read:
        yield "words", word
        yield from (("parts", part) for part in parts(word))
    yield from (("pairs", f"{a} {b}") for a, b in pairwise(read))


def passages(text: str) -> list[list[str]]:
    read = folded(text)
    return [read[i : i + WINDOW] for i in range(0, max(1, len(read) - WINDOW // 2), WINDOW // 2)]


class Matrix:
    """Passages as rows of counts over the root of their number of features, sparse."""

    def __init__(self, learnt: dict[str, list[Labelled]]) -> None:
        rng = random.Random(1)
        counted, labels, weights = [], [], []
        for name, listed in learnt.items():
            for text, label in rng.sample(listed, min(len(listed), AT_MOST)):
                cut = passages(text)[: PASSAGES[label]]
                for passage in cut:
                    counted.append(Counter(features(passage)))
                    labels.append(label)
                    weights.append(WEIGHT.get(name, 1.0) / len(cut) ** 0.5)
        self.labels, weight = np.array(labels, dtype=np.float64), np.array(weights)
        total = len(labels)
        both = np.array([total / 2 / (total - sum(labels)), total / 2 / sum(labels)])  # each side counts the same
        self.weight: Floats = weight * both[self.labels.astype(int)]
        self.names = _telling(counted, self.labels)
        number = {name: i for i, name in enumerate(self.names)}
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        for row, counts in enumerate(counted):
            root = max(1, sum(counts.values()) + 1) ** 0.5
            for feature in sorted(counts.keys() & number.keys()):
                rows.append(row)
                columns.append(number[feature])
                values.append(counts[feature] / root)
        self._rows, self._columns, self._values = np.array(rows), np.array(columns), np.array(values)

    def times(self, vector: Floats) -> Floats:
        found: Floats = np.bincount(self._rows, self._values * vector[self._columns], len(self.labels)).astype(np.float64)
        return found

    def back(self, vector: Floats) -> Floats:
        found: Floats = np.bincount(self._columns, self._values * vector[self._rows], len(self.names)).astype(np.float64)
        return found


def _telling(counted: list[Counter[tuple[str, str]]], labels: Floats) -> list[tuple[str, str]]:
    """The features that differ most between the two labels (chi-squared of their presence)."""
    attempts, others = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for counts, label in zip(counted, labels, strict=True):
        (attempts if label else others).update(counts.keys())
    share = float(labels.mean())

    def chi(name: tuple[str, str]) -> float:
        seen = attempts[name] + others[name]
        expected = seen * share
        return (attempts[name] - expected) ** 2 / expected + (others[name] - seen + expected) ** 2 / (seen - expected)

    names = [n for n in attempts | others if attempts[n] + others[n] >= RARE and not any(c.isdigit() for c in n[1])]
    return sorted(sorted(names, key=chi, reverse=True)[:FEATURES])


def fit(data: Matrix) -> tuple[Floats, float]:
    """(weights, bias) by accelerated gradient descent (Nesterov).

    Each step is bounded by its feature's own share of the curvature, which no entry of the matrix being negative allows.
    """
    rows = data.times(np.ones(len(data.names))) + 1  # the bias is one more column, of ones
    step = 1 / (0.25 * STRENGTH * data.back(data.weight * rows) + 1)
    step_bias = 1 / (0.25 * STRENGTH * float((data.weight * rows).sum()))
    weights, bias = np.zeros(len(data.names)), 0.0
    ahead, ahead_bias, momentum = weights, bias, 1.0
    for _ in range(ROUNDS):
        guess = 1 / (1 + np.exp(-(data.times(ahead) + ahead_bias)))
        wrong = STRENGTH * data.weight * (guess - data.labels)
        new, new_bias = ahead - step * (data.back(wrong) + ahead), ahead_bias - step_bias * float(wrong.sum())
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        pull = (momentum - 1) / following
        ahead, ahead_bias = new + pull * (new - weights), new_bias + pull * (new_bias - bias)
        weights, bias, momentum = new, new_bias, following
    slope = float(np.abs(data.back(wrong) + weights).max())
    print(f"steepest slope left: {slope:.3g}, largest weight: {np.abs(weights).max():.3g}")
    return weights, bias


def exported(names: list[tuple[str, str]], weights: Floats, bias: float, provenance: dict[str, str]) -> dict[str, Any]:
    unit = float(np.abs(weights).max()) / 127
    found: dict[str, Any] = {"provenance": provenance, "bias": round(bias, 4), "unit": round(unit, 6)}
    found |= {"words": {}, "pairs": {}, "parts": {}}
    for (kind, name), weight in zip(names, weights, strict=True):
        if steps := round(float(weight) / unit):
            found[kind][name] = steps
    return found


def save(model: dict[str, Any]) -> None:
    OUT.write_text(json.dumps(model, ensure_ascii=False, separators=(",", ":"), indent=0) + "\n", "utf-8")
    injection.weights.cache_clear()
    injection._word.cache_clear()


def train(directory: Path) -> None:
    learnt, missing = sets(LEARNT, directory)
    if missing:
        raise SystemExit(f"not found under {directory}: {', '.join(missing)}")
    data = Matrix(learnt)
    print(f"{len(data.labels):,} passages, {data.labels.sum():,.0f} of attempts, {len(data.names):,} features")
    model = exported(data.names, *fit(data), {n: f"{s.place} ({s.licence})" for n, s in LEARNT.items()})
    save(model)
    # The bias is moved so that a score of 0.5 is as rare in everyday text as it should be.
    ordinary = everyday(sets(HELD_OUT, directory)[0])
    limit = flagged_above([injection.score(text).value for text in ordinary], FALSE_ALARMS)
    model["bias"] = round(model["bias"] - float(np.log(limit / (1 - limit))), 4)
    save(model)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    train(parser.parse_args().directory)
