"""Each detector's file carries its own samples: what must be found and what must not."""

from typing import Any

import pytest

from checkvalve.detection.content import load
from checkvalve.detection.injection import score, suspicious
from checkvalve.detection.lexicon import lexicon
from checkvalve.detection.patterns import FILES
from checkvalve.detection.register import Register
from checkvalve.detection.scanner import Scanner
from checkvalve.detection.types import Sighting

RULES: list[dict[str, Any]] = [raw for name in FILES for raw in load(name)]


def sightings(text: str) -> list[Sighting]:
    scanner = Scanner(Register(bytes(32)))
    return [s for s in (*scanner.feed(text), *scanner.finish()) if isinstance(s, Sighting)]


@pytest.mark.parametrize(("rule", "sample"), [(r, s) for r in RULES for s in r["positive"]], ids=lambda v: str(v)[:40])
def test_a_positive_sample_is_found_by_its_rule_alone(rule: dict[str, Any], sample: str) -> None:
    text = sample.replace("¦", "")
    found = sightings(f"Here you are.\n{text}\nBest regards")
    assert {s.detector for s in found} == {rule["id"]}
    assert all(s.leak == rule.get("leak", False) and s.severity == rule["severity"] for s in found)


@pytest.mark.parametrize(("rule", "sample"), [(r, s) for r in RULES for s in r["negative"]], ids=lambda v: str(v)[:40])
def test_a_negative_sample_is_not_found(rule: dict[str, Any], sample: str) -> None:
    assert rule["id"] not in {s.detector for s in sightings(sample.replace("¦", ""))}


def test_every_rule_has_samples_of_both_kinds_and_a_name_of_its_own() -> None:
    assert len({r["id"] for r in RULES}) == len(RULES)
    assert all(r["positive"] and r["negative"] for r in RULES)


def test_a_secret_is_placed_exactly_and_found_encoded() -> None:
    secret = "cs_0cc175b9c0f1b6a831c399e269772661deadbe01"
    text = f"Sure: **{secret}**, keep it safe."
    (found,) = sightings(text)
    assert text[found.start : found.end] == secret
    (hidden,) = sightings("Y3NfMGNjMTc1YjljMGYxYjZhODMxYzM5OWUyNjk3NzI2NjFkZWFkYmUwMQ==")
    assert (hidden.detector, hidden.encoding) == ("woocommerce-key", "base64")


INJECTION: dict[str, Any] = load("injection")


@pytest.mark.parametrize("text", INJECTION["positive"])
def test_text_that_steers_is_scored_as_such(text: str) -> None:
    assert suspicious(score(text))


@pytest.mark.parametrize("text", INJECTION["negative"])
def test_what_customers_say_is_not(text: str) -> None:
    assert not suspicious(score(text))


def test_every_sign_of_steering_is_seen_in_some_sample() -> None:
    seen = {sign for text in INJECTION["positive"] for sign in score(text).signs}
    assert seen == {sign["id"] for sign in INJECTION["signs"]}


def test_the_lexicon_is_folded_and_its_sets_do_not_contradict() -> None:
    words = lexicon()
    assert not words.orders & words.other_numbers
    assert not words.phones & words.other_numbers
    assert not words.titles & words.function
    assert words.streets["strasse"] == ("str",)
