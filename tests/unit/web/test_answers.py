"""The four questions of the first minute: never answered better than what is known now."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.web.test_present import HOUR, INCIDENT, NOW, ORDER, command

from checkvalve.engine.views import Case, CaseFile, CommandRow, Draft, OrderRow, Overview, SensorHealth, Shop
from checkvalve.incidents.case import Choice, Incident
from checkvalve.incidents.scope import scope_of
from checkvalve.web.console import answers, present

CONTAINED = replace(INCIDENT, contained_ms=NOW + 2000, status="eradication_recovery")
HELD = replace(ORDER, reported="done", reported_ms=NOW + 500, expires_ms=NOW + 4 * HOUR)
SENSOR = SensorHealth(
    keyid="gw.a", kind="gateway", site=None, name="a", paired_ms=NOW, last_seen_ms=NOW, skew_ms=0, versions={}
)


def closure(incident: Incident, order: OrderRow, now_ms: int) -> answers.Answer:
    return answers.closure(incident, present.order_lines([order], [], now_ms), now_ms)


def test_a_way_out_is_closed_while_an_order_holds_it() -> None:
    said = closure(CONTAINED, HELD, NOW + HOUR)
    assert (said.tone, said.head) == ("good", "Closed")
    assert said.said.startswith("2.0 s after detection") and said.said.endswith("in 3 h 0 min.")


def test_orders_that_end_soon_are_a_warning_and_ended_ones_an_alarm() -> None:
    assert closure(CONTAINED, HELD, NOW + 3 * HOUR + 1).tone == "warn"
    ended = closure(CONTAINED, HELD, NOW + 4 * HOUR)
    assert (ended.tone, ended.head) == ("bad", "NOT held closed")


def test_an_order_taken_back_holds_nothing() -> None:
    assert closure(CONTAINED, replace(HELD, released_ms=NOW + 3000), NOW + HOUR).head == "NOT held closed"


def test_data_shown_after_the_closing_means_open_again() -> None:
    assert closure(replace(CONTAINED, last_seen_ms=NOW + 2001), HELD, NOW + HOUR).head == "Shown AGAIN"


def test_a_closed_case_raises_no_alarm_when_its_orders_end() -> None:
    assert closure(replace(CONTAINED, status="closed"), HELD, NOW + 9 * HOUR).tone == "good"


def test_not_yet_closed_is_not_closed() -> None:
    assert closure(INCIDENT, HELD, NOW + 1000).head == "Not closed yet"
    assert closure(replace(INCIDENT, containment_failed_ms=NOW), HELD, NOW + 1000).head == "NOT closed"


def probe(when: str, ok: bool) -> CommandRow:
    report = {"ok": ok, "total": "1900", "currency": "EUR", "why": None if ok else "payment methods gone: bacs"}
    status = "done" if ok else "failed"
    data = {"name": "Isolate the plugin", "when": when}
    return command("probe", data=data, status=status, outcome={"status": status, "detail": "", "data": report})


def test_the_newest_try_of_the_checkout_counts() -> None:
    assert answers.checkout([], NOW).head == "not tried yet"
    works = answers.checkout([probe("before", True), command(), probe("after", True)], NOW + HOUR)
    assert works.tone == "good" and works.said.startswith("A test order over 19.00 EUR went through 59 min 59 s ago")
    fails = answers.checkout([probe("before", True), command(), probe("after", False)], NOW + HOUR)
    assert fails.tone == "bad" and "payment methods gone: bacs" in fails.said
    assert "before" in answers.checkout([probe("before", False)], NOW + HOUR).said


def test_a_step_taken_back_leaves_the_checkout_untried_until_it_is_tried_once_more() -> None:
    tried = [probe("before", True), command(), probe("after", False), command("release")]
    assert answers.checkout(tried, NOW + HOUR).tone == "warn"
    works = answers.checkout([*tried, probe("after roll-back", True)], NOW + HOUR)
    assert works.tone == "good" and works.said.endswith("\u201cIsolate the plugin\u201d had broken it and was taken back.")
    fails = answers.checkout([*tried, probe("after roll-back", False)], NOW + HOUR)
    assert fails.tone == "bad" and "although \u201cIsolate the plugin\u201d was taken back" in fails.said


def file(incident: Incident, *commands: CommandRow, draft: Draft | None = None, still: bool = True) -> CaseFile:
    case = Case(incident=incident, shop="x", open=still, running=False)
    nothing = scope_of([], NOW, NOW)
    drafts = (draft,) if draft else ()
    return CaseFile(case=case, scope=nothing, orders=(), commands=commands, runs=(), drafts=drafts, country="")


def steps(of: CaseFile, order: OrderRow = HELD, now_ms: int = NOW + HOUR) -> list[answers.NextStep]:
    incident = of.case.incident
    closed, buys = closure(incident, order, now_ms), answers.checkout(of.commands, now_ms)
    return answers.next_steps(of, present.clock_face(incident, "", now_ms), closed, buys)


def test_what_leaks_now_comes_before_what_the_law_wants() -> None:
    task = command("manual", id="c9", data={"text": "Read the draft", "role": "dpo"}, status="waiting", ended_ms=None)
    found = steps(file(replace(INCIDENT, containment_failed_ms=NOW), probe("after", False), task))
    assert [s.urgent for s in found] == [True, True, False, False]
    assert [s.text.split()[0] for s in found] == ["Switch", "Place", "Say", "Read"]


def test_without_a_plugin_the_model_server_is_what_can_be_switched_off() -> None:
    (first, *_) = steps(file(replace(INCIDENT, plugin=None, containment_failed_ms=NOW)))
    assert first.text == "Switch the model server off."


def test_the_draft_asks_for_the_organisation_until_it_has_it() -> None:
    lacks = {"fields": [{"id": "contact", "status": "missing"}]}
    draft = Draft(regime="gdpr_art33", version=1, created_ms=NOW, complete=False, data=lacks)
    aware = replace(CONTAINED, aware_ms=NOW)
    assert [s.label for s in steps(file(aware, draft=draft))] == ["Organisation", "Decide \u2026"]
    assert [s.label for s in steps(file(aware, draft=replace(draft, data={"fields": []})))] == ["Decide \u2026"]


def test_the_controller_is_asked_for_a_decision_until_there_is_one() -> None:
    draft = Draft(regime="gdpr_art33", version=1, created_ms=NOW, complete=True, data={"fields": []})
    aware = replace(CONTAINED, aware_ms=NOW)
    (asked,) = steps(file(aware, draft=draft))
    assert (asked.path, asked.may) == ("drafts/gdpr_art33/decision", frozenset({"controller"}))
    said = Choice(regime="gdpr_art33", notify=False, reason="No risk.", at_ms=NOW, by="user:owner", entry=1)
    assert steps(file(replace(aware, choices=(said,)), draft=draft)) == []
    assert steps(file(aware, draft=replace(draft, regime="host_request"))) == [], "no law asks for it"


def test_reasons_for_a_delay_are_asked_for_once() -> None:
    late = replace(CONTAINED, aware_ms=NOW)
    assert "late-reason" in [s.path for s in steps(file(late), now_ms=NOW + 73 * HOUR)]
    assert "late-reason" not in [s.path for s in steps(file(replace(late, late_reason="x")), now_ms=NOW + 73 * HOUR)]


def test_a_closed_case_asks_for_nothing() -> None:
    assert steps(file(replace(INCIDENT, status="closed", containment_failed_ms=NOW), still=False)) == []


@pytest.mark.parametrize(
    ("gateways", "tones", "tone", "said"),
    [
        ((), {"good"}, "warn", "No LLM gateway is paired"),
        ((SENSOR,), {"good"}, "good", "Watched since"),
        ((SENSOR,), {"good", "bad"}, "warn", "not everything that watches is well"),
        ((replace(SENSOR, last_seen_ms=None),), {"wait"}, "wait", "No sensor has said anything yet"),
    ],
)
def test_no_news_is_good_news_only_while_news_would_come(
    gateways: tuple[SensorHealth, ...], tones: set[str], tone: str, said: str
) -> None:
    sensor = replace(
        SENSOR, keyid="wp.s", kind="wordpress", site="s", last_seen_ms=gateways[0].last_seen_ms if gateways else NOW
    )
    shop = Shop(site="s", name="x", site_url="https://shop.example", sensors=(sensor,))
    found = answers.watching(Overview(open=(), closed=(), shops=(shop,), gateways=gateways), tones, NOW + 1000)
    assert (found.tone, found.head) == (tone, "No open incident")
    assert said in found.said


def test_a_gateway_that_has_been_silent_for_long_is_not_green() -> None:
    assert present.sensor_state(SENSOR, None, False, NOW + HOUR)[0] == "good"
    tone, said = present.sensor_state(SENSOR, None, False, NOW + 2 * HOUR)
    assert tone == "warn" and "or it is not running" in said


SOLD = {"since_ms": NOW - 600_000, "until_ms": NOW - 20_000, "taken": 2, "failed": 0, "answers": 3, "broken": 0}
NO_LOSS = {"fewest": None, "most": None, "because": "not enough history"}
NO_DELAY = {"fewest": 0, "most": 0, "because": "late"}


def report(state: str | None, **changes: Any) -> dict[str, Any]:
    seen = None if state is None else {**SOLD, "state": state, "why": "2 orders went through, 30.0 are usual"}
    return {"step": None, "watch": seen, "lost": NO_LOSS, "delayed": NO_DELAY, **changes}


@pytest.mark.parametrize(
    ("state", "tone"),
    [
        *(("fallen", "bad"), ("failing", "bad"), ("usual", "good")),
        *(("too_few", "wait"), ("no_history", "wait"), ("not_heard", "wait"), (None, "off")),
    ],
)
def test_whether_customers_buy_is_never_better_than_what_is_known(state: str | None, tone: str) -> None:
    assert answers.trade(report(state), NOW).tone == tone


def test_sales_that_fall_say_so_with_the_numbers_and_what_it_has_cost() -> None:
    cost = {
        "lost": {"fewest": 12, "most": 41, "because": "30 are usual"},
        "delayed": {"fewest": 1, "most": 3, "because": "late"},
    }
    said = answers.trade(report("fallen", **cost), NOW)
    assert said.head == "NOT as usual"
    for part in ("2 orders went through", "Orders lost so far: 12 to 41", "Delayed: 1 to 3"):
        assert part in said.said
    assert "Orders lost" not in answers.trade(report("no_history"), NOW).said  # nobody can say


def test_without_a_step_in_the_shop_nothing_is_asked_of_its_sales() -> None:
    assert (answers.trade(None, NOW).tone, answers.trade(None, NOW).said) == ("wait", "")
