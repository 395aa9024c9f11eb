"""Every shipped scenario: complete, played in words that the product knows, and none of it real."""

import pytest

from checkvalve.exercises import library
from checkvalve.exercises.linter import lint
from checkvalve.exercises.scenario import Scenario
from checkvalve.playbooks.loader import names as playbooks

WANTED = {
    "core-rce-friday",
    "cache-mixup",
    "review-injection",
    "weights-in-bucket",
    "assistant-api-open",
    "bot-email-change",
    "processor-breach",
    "host-refuses-logs",
    "training-data-uploads",
    "false-alarm-black-friday",
    "insider-export",
    "journalist-call",
}


@pytest.fixture(params=library.names())
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return library.shipped(request.param)


def test_the_scenarios_of_the_plan_are_there() -> None:
    assert set(library.names()) >= WANTED


@pytest.mark.parametrize("name", library.names())
def test_each_lints_clean(name: str) -> None:
    assert lint(library.source(name)) == []
    assert library.shipped(name).id == name


def test_each_can_be_facilitated(scenario: Scenario) -> None:
    assert len(scenario.facilitator) >= 3 and len(scenario.hot_wash) >= 3 and scenario.references
    assert len(scenario.injects) >= 5 and len(list(scenario.decisions)) >= 3
    assert all(i.expected for i in scenario.injects)


def test_each_decision_has_a_wrong_answer_and_each_failure_a_lesson(scenario: Scenario) -> None:
    for decision in scenario.decisions:
        assert sum(o.worst for o in decision.options) == 1, decision.id
    for expectation in scenario.expectations:
        assert expectation.improve or expectation.type in ("PREVENTION", "DETECTION"), expectation.id


def test_playbooks_that_people_start_are_shipped(scenario: Scenario) -> None:
    started = {act.playbook for d in scenario.decisions for o in d.options for act in o.do if act.playbook}
    assert started <= set(playbooks())


def test_together_they_use_every_form_and_every_role() -> None:
    every = [library.shipped(n) for n in library.names()]
    assert {s.form for s in every} == {"technical", "discussion", "mixed"}
    assert {r for s in every for r in s.roles} >= {"incident_lead", "dpo", "controller", "hoster", "communications"}
    assert any(not s.real for s in every), "restraint is practised as well"
