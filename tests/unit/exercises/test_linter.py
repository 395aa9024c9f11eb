"""Scenarios that are broken, each in one way, and what is said of them."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from checkvalve.exercises import library
from checkvalve.exercises.linter import lint, load
from checkvalve.exercises.scenario import ScenarioError, span_ms

GOOD: dict[str, Any] = yaml.safe_load(library.source("cache-mixup"))
Defect = Callable[[dict[str, Any]], Any]


def linted(defect: Defect) -> list[tuple[str, str]]:
    body = copy.deepcopy(GOOD)
    defect(body)
    return [(e.code, e.pointer) for e in lint(yaml.safe_dump(body).encode())]


def put(*path: Any, value: Any) -> Defect:
    def defect(body: dict[str, Any]) -> None:
        place: Any = body
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return defect


DEFECTS: list[tuple[str, str, Defect]] = [
    ("shape", "", lambda b: b.pop("title")),
    ("shape", "", put("colour", value="red")),
    ("shape", "/injects/0/means", put("injects", 0, "means", value="telepathy")),
    ("bad-span", "/injects/1/at", put("injects", 1, "at", value="soon")),
    ("bad-span", "/injects/0/effects/0/leak/every", put("injects", 0, "effects", 0, "leak", "every", value="")),
    ("bad-span", "/lasts", put("lasts", value="15d")),
    ("bad-time", "/starts", put("starts", value="Friday evening")),
    ("after-the-end", "/injects/5/at", put("injects", 5, "at", value="4d")),
    ("out-of-order", "/injects/1/at", put("injects", 1, "at", value="1m")),
    ("twice", "/injects/1/id", put("injects", 1, "id", value="first-answers")),
    ("twice", "/injects/2/decision/id", put("injects", 2, "decision", "id", value="reopen")),
    ("incomplete", "", put("facilitator", value=[])),
    ("no-such-way", "/injects/0/effects/0", put("injects", 0, "effects", 0, "leak", "way", value="window")),
    ("too-many-people", "/injects/0/effects/0", put("injects", 0, "effects", 0, "leak", "people", value=301)),
    ("no-such-objective", "/injects/0/objective", put("injects", 0, "objective", value="fame")),
    ("no-such-option", "/injects/3/when", put("injects", 3, "when", value={"chosen": "reopen.never"})),
    ("no-such-role", "/injects/0", put("injects", 0, "to", value=["hoster"])),
    ("no-such-language", "/world/languages", put("world", "languages", value=["de", "xx"])),
    ("idle-role", "/roles", lambda b: b["roles"].append("communications")),
    ("no-best", "/injects/1/decision/options", put("injects", 1, "decision", "options", 0, "best", value=False)),
    ("not-one-act", "/injects/1/decision/options/0/do/0", put("injects", 1, "decision", "options", 0, "do", value=[{}])),
    (
        "no-such-regime",
        "/injects/5/decision/options/0/do/0",
        put("injects", 5, "decision", "options", 0, "do", 0, value={"file": "moon"}),
    ),
    (
        "no-such-field",
        "/injects/4/decision/options/0/do/0/enter/shoe_size",
        put("injects", 4, "decision", "options", 0, "do", 0, "enter", "shoe_size", value="43"),
    ),
    ("no-such-inject", "/expectations/0/after", put("expectations", 0, "after", value="nothing")),
    ("bad-score", "/expectations/0/score", put("expectations", 0, "score", value=0)),
    ("not-one-sign", "/expectations/0", put("expectations", 0, "never", value={"kind": "closed"})),
    ("no-such-sign", "/expectations/0", put("expectations", 0, "met", "kind", value="applause")),
    ("no-such-option", "/expectations/0", put("expectations", 0, "met", value={"kind": "decided", "option": "reopen.x"})),
    ("not-measured", "/objectives/4", lambda b: b["objectives"].append({"id": "more", "text": "more"})),
    ("real-address", "/injects/0/text", put("injects", 0, "text", value="Write to somebody@real-shop.de now.")),
    ("real-address", "/summary", put("summary", value="See https://192.0.2.7/ for more.")),
    ("real-address", "/injects/0/text", put("injects", 0, "text", value="Call +49 171 1234567 now.")),
    (
        "real-address",
        "/injects/4/decision/options/0/do/0/enter/contact_email",
        put("injects", 4, "decision", "options", 0, "do", 0, "enter", "contact_email", value="dpo@tea-house.com"),
    ),
]


@pytest.mark.parametrize(("code", "pointer", "defect"), DEFECTS, ids=[f"{c}{p}" for c, p, _ in DEFECTS])
def test_a_defect_is_named_with_its_place(code: str, pointer: str, defect: Defect) -> None:
    assert (code, pointer) in linted(defect)


def test_the_scenario_without_defect_has_none() -> None:
    assert linted(lambda _: None) == []


@pytest.mark.parametrize("data", [b"\xff\xfe", b"{", b"a: [1", b"&a [*a]", b"x" * (1024 * 1024 + 1), b"42", b""])
def test_what_is_no_scenario_is_an_error_and_no_exception(data: bytes) -> None:
    assert lint(data)


def test_a_broken_scenario_is_not_loaded() -> None:
    with pytest.raises(ScenarioError, match="exercise lint"):
        load(b"id: nothing")
    with pytest.raises(ScenarioError, match="Known"):
        library.shipped("../../etc/passwd")


@pytest.mark.parametrize(("text", "ms"), [("5m", 300_000), ("2h", 7_200_000), ("1d6h30m", 109_800_000)])
def test_spans_of_time(text: str, ms: int) -> None:
    assert span_ms(text) == ms


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5m2h", "5 m", "99999m"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="span"):
        span_ms(text)
