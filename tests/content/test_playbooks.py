"""The shipped playbooks: clean for the schemas and for us, and safe on every way through."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from checkvalve.playbooks.linter import lint
from checkvalve.playbooks.loader import choose, library, names, shipped
from checkvalve.playbooks.simulate import MAX_PATHS, simulate
from checkvalve.playbooks.types import Step

FOLDER = files("checkvalve.content.playbooks")
NAMES = sorted(f.name.removesuffix(".json") for f in FOLDER.iterdir() if f.name.endswith(".json"))


ROLES = {
    *("incident_lead", "wordpress_admin", "woocommerce", "ai_engineer", "dpo"),
    *("communications", "controller", "hoster", "auditor"),
}


def test_there_is_one_for_each_kind_of_incident() -> None:
    assert set(NAMES) == {
        "card-skimmer-on-checkout",
        "core-compromise",
        "cross-session-cache-leak",
        "false-alarm",
        "caller-harvests-data",
        "canary-shown",
        "leak-at-a-processor",
        "live-secret-in-an-answer",
        "model-or-adapter-stolen",
        "plugin-exposes-customer-data",
        "plugin-exposes-llm-endpoint",
        "prompt-injection-exfiltration",
        "stolen-admin-session",
        "stolen-woocommerce-api-key",
        "training-data-readable-from-web",
        "unknown-caller-leaks",
    }
    assert names() == tuple(NAMES)
    assert len(library()) == len(NAMES)


@pytest.mark.parametrize("plugin", [True, False])
@pytest.mark.parametrize("route", [True, False])
@pytest.mark.parametrize("model", [True, False])
def test_every_case_starts_one(plugin: bool, route: bool, model: bool) -> None:
    expected = "plugin-exposes-customer-data" if plugin else "unknown-caller-leaks"
    sighted = dict.fromkeys(("canary", "secret", "cache", "harvesting"), False)
    assert choose({"plugin": plugin, "route": route, "model": model} | sighted) == expected


@pytest.mark.parametrize(
    ("sighted", "expected"),
    [
        ("canary", "canary-shown"),
        ("secret", "live-secret-in-an-answer"),
        ("cache", "cross-session-cache-leak"),
        ("harvesting", "caller-harvests-data"),
    ],
)
def test_a_sighting_starts_the_playbook_about_it(sighted: str, expected: str) -> None:
    known = dict.fromkeys(("route", "model", "canary", "secret", "cache", "harvesting"), False) | {sighted: True}
    assert choose({"plugin": True} | known) == expected
    assert choose({"plugin": False} | known) == "unknown-caller-leaks"


def test_one_alone_is_the_default() -> None:
    assert [n for n in NAMES if shipped(n).trigger == {}] == ["plugin-exposes-customer-data"]


@pytest.mark.parametrize("name", NAMES)
def test_every_task_is_somebodys_and_no_approval_waits_for_ever(name: str) -> None:
    for step in shipped(name).steps.values():
        if any(c["type"] == "manual" for c in step.commands):
            assert step.role in ROLES
        if step.safeguard.approval is not None:
            assert step.safeguard.approval.role in ROLES
            assert step.safeguard.approval.timeout_s <= 900


@pytest.mark.parametrize("name", NAMES)
def test_the_narrower_order_comes_first(name: str) -> None:
    width = [
        "strip_tools",
        "strip_context",
        "redact",
        "flush_caches",
        "purge_caches",
        "revoke_sessions",
        "disable_application_passwords",
        "freeze_file_editing",
        "freeze_plugin_installation",
        "force_password_reset",
        "cut",
        "quarantine",
        "refuse",
        "disable_api_keys",
        "block_route",
        "isolate_plugin",
        "deny_path",
        "read_only",
        "maintenance",
    ]
    first = next(path for path in simulate(shipped(name)))
    given = [step["name"] for step in first if step["kind"] == "order"]
    actions = {s.name: json.loads(s.commands[0]["content"])["action"] for s in shipped(name).steps.values() if _orders(s)}
    assert [width.index(actions[n]) for n in given] == sorted(width.index(actions[n]) for n in given)


def _orders(step: Step) -> bool:
    return any(c.get("command") == "POST /orders HTTP/1.1" for c in step.commands)


@pytest.mark.parametrize("name", NAMES)
def test_it_lints_clean(name: str) -> None:
    assert lint(FOLDER.joinpath(f"{name}.json").read_bytes()) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_order_stands_between_two_checkouts_and_ends_by_itself(name: str) -> None:
    for step in shipped(name).steps.values():
        if _orders(step):
            assert step.safeguard.invariant == "checkout"
            assert 0 < step.safeguard.ttl_s <= 86_400


@pytest.mark.parametrize("name", NAMES)
def test_evidence_is_secured_before_anything_is_changed_on_every_way(name: str) -> None:
    paths = simulate(shipped(name))
    assert 1 < len(paths) <= MAX_PATHS
    for path in paths:
        kinds = [step["kind"] for step in path]
        assert kinds[0] == "checkpoint"
        assert kinds[-1] == "manual"


def test_the_guide_names_each_of_them_and_says_what_starts_it() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "playbooks.md").read_text("utf-8")
    for name in NAMES:
        says = "by itself" if shipped(name).trigger is not None else "by a person"
        assert f"| `{name}` | {says}" in guide, name
