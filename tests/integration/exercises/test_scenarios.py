"""The acceptance test of the whole: every scenario runs unattended and scores what it must."""

from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from tests.integration.exercises.playing import play

from checkvalve.engine import exercise, exercise_report, offline
from checkvalve.engine.exercise_players import Scripted
from checkvalve.engine.settings import Settings
from checkvalve.exercises import library
from checkvalve.exercises.scenario import short_form

Played = Mapping[tuple[str, str], dict[str, Any]]
BAD = {  # what is left when people do the worst: what the system does without them
    "assistant-api-open": 34,
    "bot-email-change": 27,
    "cache-mixup": 42,
    "core-rce-friday": 20,
    "false-alarm-black-friday": 22,
    "host-refuses-logs": 12,
    "insider-export": 28,
    "journalist-call": 32,
    "processor-breach": 13,
    "review-injection": 37,
    "training-data-uploads": 12,
    "weights-in-bucket": 27,
}
SEEN_LIVE = {"assistant-api-open", "bot-email-change", "cache-mixup", "core-rce-friday", "journalist-call", "review-injection"}


@pytest.mark.parametrize("name", library.names())
def test_good_players_reach_everything(played: Played, name: str) -> None:
    record = played[name, "good"]
    assert set(record["expectations"].values()) == {"SUCCESS"}
    assert record["score"]["percent"] == 100
    best = {d.id: o.id for d in library.shipped(name).decisions for o in d.options if o.best}
    assert record["decisions"] == {d: best[d] for d in record["decisions"]}
    assert record["view"]["improvements"] == []


@pytest.mark.parametrize("name", library.names())
def test_bad_players_score_what_the_system_does_without_them(played: Played, name: str) -> None:
    record = played[name, "bad"]
    assert record["score"]["percent"] == BAD[name]
    assert record["expectations"]["acknowledged"] == "PARTIAL", "they acknowledge, but late"
    failed = [e for e, status in record["expectations"].items() if status != "SUCCESS"]
    assert len(record["view"]["improvements"]) == len(failed)


@pytest.mark.parametrize("name", sorted(SEEN_LIVE))
@pytest.mark.parametrize("players", ["good", "bad"])
def test_a_leak_that_the_gateway_sees_is_closed_by_the_playbook_whoever_plays(played: Played, name: str, players: str) -> None:
    measures = played[name, players]["measures"]
    assert measures["detect"] < 5_000 and measures["contain"] < 60_000 and measures["draft"] < 120_000
    assert measures["orders_lost"] == 0 and measures["orders_placed"] > 20


@pytest.mark.parametrize("name", sorted(set(library.names()) - {"false-alarm-black-friday"}))
def test_the_notice_is_in_time_for_the_good_and_late_for_the_bad(played: Played, name: str) -> None:
    good, bad = (played[name, p]["measures"] for p in ("good", "bad"))
    assert good["margins"] and all(m["filed"] and m["left_ms"] > 24 * 3_600_000 for m in good["margins"])
    assert bad["margins"] and all(not m["filed"] and m["left_ms"] < 0 for m in bad["margins"])
    assert good["fields"]["72"] > 90 > (bad["fields"]["72"] or 0)
    assert bad["pages"] > good["pages"], "who does not answer is paged again"


@pytest.mark.parametrize("name", sorted(set(library.names()) - SEEN_LIVE))
def test_a_case_from_anothers_log_has_a_draft_whoever_plays(played: Played, name: str) -> None:
    """Nothing is closed for it and nobody may be awake: what is known stands in a draft all the same."""
    assert all(played[name, players]["measures"]["draft"] < 5_000 for players in ("good", "bad"))


def test_who_closes_a_way_by_hand_writes_it_into_the_case(played: Played) -> None:
    record = played["weights-in-bucket", "good"]
    data = Path(record["home"]) / "exercises" / record["id"]
    shown = offline.show_case(Settings(data=data), record["cases"][0])
    (said,) = (t for t in shown["transitions"] if t["kind"] == "contained")
    assert said["by"] == "user:hoster" and "bucket is blocked" in said["data"]["by_hand"] and shown["case"]["contained_ms"]


def test_restraint_keeps_the_orders_and_haste_loses_them(played: Played) -> None:
    good, bad = (played["false-alarm-black-friday", p]["measures"] for p in ("good", "bad"))
    assert (good["orders_lost"], good["false_containment"]) == (0, 0)
    assert good["orders_placed"] > 500 and bad["orders_lost"] > 500 and bad["false_containment"] == 1
    assert [m["declined"] for m in good["margins"]] == [True], "it is decided that no notice is due"


def test_a_branch_is_taken_by_those_who_chose_it(played: Played) -> None:
    assert "open" in played["false-alarm-black-friday", "bad"]["decisions"]
    assert "open" not in played["false-alarm-black-friday", "good"]["decisions"]


@pytest.mark.parametrize(
    ("name", "inject"), [("assistant-api-open", "nobody answers"), ("training-data-uploads", "still there")]
)
def test_who_does_nothing_is_told_so(played: Played, name: str, inject: str) -> None:
    said = {p: [t["what"] for t in played[name, p]["view"]["timeline"] if t["kind"] == "inject"] for p in ("good", "bad")}
    assert any(inject in what for what in said["bad"]) and not any(inject in what for what in said["good"])


def test_two_cases_have_two_clocks(played: Played) -> None:
    good = played["core-rce-friday", "good"]
    assert len(good["cases"]) == 2 and len(good["measures"]["margins"]) == 2


def test_a_step_that_would_close_the_checkout_is_taken_back(played: Played) -> None:
    """The skimmer sits in a plugin without which nobody can pay: isolating it fails the test checkout."""
    record = played["core-rce-friday", "good"]
    data = Path(record["home"]) / "exercises" / record["id"]
    steps = offline.show_case(Settings(data=data), "INC-2027-0002")["steps"]
    told = [(s["kind"], s["status"]) for s in steps]
    isolated = next(i for i, s in enumerate(steps) if s["data"].get("action") == "isolate_plugin")
    assert told[isolated : isolated + 4] == [("order", "done"), ("probe", "failed"), ("release", "done"), ("probe", "done")]
    assert record["measures"]["orders_lost"] == 0


def test_the_same_seed_gives_the_same_exercise(played: Played, tmp_path: Any) -> None:
    again = play(tmp_path / "again", "cache-mixup", False)
    before = played["cache-mixup", "bad"]
    for part in ("measures", "expectations", "decisions", "score", "veris"):
        assert again[part] == before[part], part


def test_the_short_form_runs_at_a_speed_of_its_own(home: Settings) -> None:
    """At 50,000 times the pace of life, a day takes two seconds."""
    short = short_form(library.shipped("false-alarm-black-friday"))
    plan = exercise.Plan(scenario=short, home=home, players=Scripted(good=True), speed=50_000)
    began = monotonic()
    record = exercise_report.keep(home, exercise.run(plan))
    assert monotonic() - began > 86_400 / 50_000
    assert record["score"]["percent"] == 100
    assert set(record["expectations"]) == {"acknowledged", "checkout", "orders", "explained", "decided", "closed"}
