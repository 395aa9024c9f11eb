"""Canaries, live secrets and what an order held back: the case names them, and nothing more is claimed than was seen."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine.scene import PLUGIN, Scene, scene, wait
from tests.simulators.simulated.shop import ASK
from tests.wire.core_process import CoreProcess

from checkvalve.engine import offline
from checkvalve.engine.settings import load_settings
from checkvalve.events import event as ocsf


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Scene]:
    with scene(CoreProcess(data=tmp_path / "data")) as made:
        yield made


def tell(staged: Scene, *findings: dict[str, Any], inference: str = "inf-1", **own: Any) -> None:
    """What the gateway says of an answer."""
    base = {"site": staged.shop.sensor.site, "plugin": PLUGIN, "route": ASK, "model": "smollm2", "inference_id": inference}
    staged.gateway.tell(ocsf.DETECTION_FINDING, **base, findings=list(findings), **own)


def found(detector: str, **more: Any) -> dict[str, Any]:
    return {
        "detector": detector,
        "severity": "critical",
        "summary": "x",
        "leak": True,
        "span": [0, 5],
        "encoding": "plain",
        **more,
    }


def digested(staged: Scene, detector: str) -> None:
    wait(lambda: staged.rows("SELECT 1 FROM findings WHERE detector = ?", detector), f"{detector} is digested")


def nature(staged: Scene, case: str, lang: str = "en") -> str:
    from checkvalve.notifications.notification import Wish

    document = offline.notice(load_settings(staged.core.data), case, "gdpr_art33", Wish(lang=lang))
    return json.dumps(document.as_json(), ensure_ascii=False)


def test_a_live_secret_opens_a_case_that_says_which_key_to_revoke(staged: Scene) -> None:
    tell(staged, found("stripe-key"), found("card-number", leak=False))
    shown = staged.respond()
    case = shown["case"]
    assert [(s["kind"], s["what"]) for s in case["signs"]] == [("secret", "stripe-key")]
    assert (case["severity"], case["subjects"], case["sightings"]) == ("critical", 0, 1)
    assert "stripe-key" in case["title"]
    started = next(t["data"] for t in shown["transitions"] if t["kind"] == "containment_started")
    assert started["playbook"] == "live-secret-in-an-answer"
    assert "contained" in staged.kinds()
    assert ("manual", "waiting") in staged.steps()
    for lang, words in (
        ("en", "secret key of Stripe"),
        ("de", "geheimer Schlüssel von Stripe"),
        ("fr", "clé secrète de Stripe"),
    ):
        assert nature(staged, case["id"], lang).count(words) >= 2, "what happened, and what to do about it"


def test_a_canary_goes_into_the_open_case_and_names_its_store(staged: Scene) -> None:
    staged.leak(0)
    tell(staged, found("canary", store="document:returns"), inference="inf-2")
    digested(staged, "canary")
    shown = staged.respond()
    assert [(s["kind"], s["what"]) for s in shown["case"]["signs"]] == [("canary", "document:returns")]
    assert shown["case"]["subjects"] == 1
    assert "document:returns" in nature(staged, shown["case"]["id"])
    playbooks = [t["data"]["playbook"] for t in shown["transitions"] if t["kind"] == "containment_started"]
    wait(lambda: staged.rows("SELECT 1 FROM runs WHERE playbook = 'canary-shown'"), f"the playbook about it, after {playbooks}")


def test_what_was_held_back_is_an_attempt_and_no_leak(staged: Scene) -> None:
    now = time.time_ns() // 1_000_000
    kept = [
        {"subject": f"customer:{n}", "category": "email", "recipient": "anonymous", "inference": "inf-3", "seen_ms": now}
        for n in (3, 4)
    ]
    tell(staged, found("stripe-key", withheld=True), inference="inf-3", withheld=kept)
    digested(staged, "stripe-key")
    assert staged.case() is None, "nobody was shown anything"
    assert staged.rows("SELECT subject, incident FROM attempts ORDER BY subject") == [
        ("customer:3", None),
        ("customer:4", None),
    ]
    staged.leak(0)
    tell(
        staged, found("canary", store="dataset", withheld=True), inference="inf-4", withheld=[{**kept[0], "inference": "inf-4"}]
    )
    digested(staged, "canary")
    shown = staged.respond()
    assert (shown["case"]["subjects"], len(shown["case"]["signs"])) == (1, 0)
    scope = shown["scope"]
    assert (scope["confirmed"]["subjects"], scope["prevented"]["subjects"], scope["prevented"]["records"]) == (1, 1, 1)
    assert "held back and shown to nobody: 1 records of 1 person" in nature(staged, shown["case"]["id"])


def test_what_was_held_back_and_shown_after_all_counts_as_shown(staged: Scene) -> None:
    tell(staged, found("stripe-key", withheld=True), inference="inf-5")
    tell(staged, found("stripe-key"), inference="inf-5")
    tell(staged, found("stripe-key"), inference="inf-5")
    shown = staged.respond()
    assert shown["case"]["sightings"] == 1
    assert staged.rows("SELECT withheld FROM sightings") == [(0,)]


def test_a_finding_that_cannot_be_read_opens_nothing(staged: Scene) -> None:
    nameless = [found("canary", store=5), {"detector": "canary", "leak": True}, {"detector": 7, "leak": True}, "x", None]
    tell(staged, *nameless, found("card-number", leak=False))  # type: ignore[arg-type] # hostile on purpose
    digested(staged, "card-number")
    assert staged.case() is None
    assert staged.rows("SELECT 1 FROM sightings") == []


def test_a_shop_cannot_make_its_people_canaries(staged: Scene) -> None:
    sensor = staged.shop.sensor
    before = staged.rows("SELECT count(*) FROM subjects")
    own = {"subject": {"ref": "canary:document", "identifiers": [["email", "0" * 32]]}}
    sensor.record(ocsf.USER_INVENTORY, 2, own, trace="c" * 32)
    sensor.flush()
    digested(staged, "malformed_event")
    assert staged.rows("SELECT count(*) FROM subjects") == before


def answered(staged: Scene, text: str, *, to: int, inference: str, prompt: str = "What is new?") -> None:
    """A whole inference: what a customer was answered."""
    requester = {"ref": f"customer:{2 + to}"}
    caller = {"plugin": PLUGIN, "route": ASK, "requester": requester, "session": f"{to}" * 32}
    body = {"messages": [{"role": "user", "content": prompt}]}
    told = {"id": inference, "path": "/v1/chat/completions", "request": json.dumps(body), "completion": text, "caller": caller}
    staged.gateway.tell(ocsf.API_ACTIVITY, site=staged.shop.sensor.site, inference={**told, "outcome": "complete"})
    wait(lambda: staged.rows("SELECT 1 FROM inferences WHERE id = ?", inference), f"{inference} is digested")


def test_an_answer_that_two_people_get_is_a_cache_mix_up(staged: Scene) -> None:
    anna = staged.people[0]
    text = f"Good news: your parcel goes to {anna.name} tomorrow, and {anna.email} gets a mail when it has left our store."
    answered(staged, text, to=0, inference="inf-anna")
    assert staged.case() is None, "her own data"
    answered(staged, f"Of course! {text} Anything else?", to=1, inference="inf-other")
    shown = staged.respond()
    assert [(s["kind"], s["what"]) for s in shown["case"]["signs"]] == [("cache", "inf-anna")]
    ((severity, summary, data),) = staged.rows("SELECT severity, summary, data FROM findings WHERE detector = 'cache-mix-up'")
    assert (severity, json.loads(data)["earlier"]) == ("critical", "inf-anna")
    assert "cache mix-up" in summary and "inf-anna" in summary and anna.email not in summary
    wait(lambda: staged.rows("SELECT 1 FROM runs WHERE playbook = 'cross-session-cache-leak'"), "the playbook about caches")


def test_the_same_words_from_a_prompt_or_about_somebody_else_are_no_mix_up(staged: Scene) -> None:
    anna = staged.people[0]
    text = f"Good news: your parcel goes to {anna.name} tomorrow, and {anna.email} gets a mail when it has left our store."
    answered(staged, text, to=0, inference="inf-1")
    answered(staged, text, to=1, inference="inf-2", prompt=f"Record: {anna.name}, {anna.email}. What is new?")
    answered(staged, f"That was {anna.email}.", to=2, inference="inf-3")
    shown = staged.respond()
    assert shown["case"]["subjects"] == 1, "a leak all the same"
    assert len(shown["case"]["signs"]) == 0
    assert staged.rows("SELECT 1 FROM findings WHERE detector = 'cache-mix-up'") == []
