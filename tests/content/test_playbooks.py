"""The shipped playbooks: clean for the schemas and for us, and safe on every way through."""

from importlib.resources import files

import pytest

from checkvalve.playbooks.linter import lint
from checkvalve.playbooks.loader import shipped
from checkvalve.playbooks.simulate import MAX_PATHS, simulate

FOLDER = files("checkvalve.content.playbooks")
NAMES = sorted(f.name.removesuffix(".json") for f in FOLDER.iterdir() if f.name.endswith(".json"))


def test_there_are_playbooks() -> None:
    assert "plugin-exposes-customer-data" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_lints_clean(name: str) -> None:
    assert lint(FOLDER.joinpath(f"{name}.json").read_bytes()) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_order_stands_between_two_checkouts_and_ends_by_itself(name: str) -> None:
    for step in shipped(name).steps.values():
        if any(c.get("command") == "POST /orders HTTP/1.1" for c in step.commands):
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
