"""`checkvalve playbook` as a person or a script meets it."""

import json
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path

import pytest


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "checkvalve.cli", "playbook", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    with as_file(files("checkvalve.content.playbooks").joinpath("plugin-exposes-customer-data.json")) as shipped:
        (tmp_path / "good.json").write_bytes(shipped.read_bytes())
    return tmp_path / "good.json"


def test_lint_says_yes_to_the_good_and_no_to_the_bad(good: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"type": "playbook"')
    assert run("lint", good).returncode == 0
    answer = run("lint", good, bad, "--json")
    assert answer.returncode == 1
    first, second = json.loads(answer.stdout)["files"]
    assert first == {"file": str(good), "ok": True, "errors": [], "notes": []}
    assert (second["ok"], second["errors"][0]["code"]) == (False, "not-json")


@pytest.mark.parametrize("action", ["lint", "simulate"])
def test_a_file_that_is_not_there_is_one_clear_line(action: str, tmp_path: Path) -> None:
    for missing in (tmp_path / "none.json", tmp_path):
        answer = run(action, missing)
        assert answer.returncode == 2
        assert "Traceback" not in answer.stderr
        assert len(answer.stderr.strip().splitlines()) == 1


def test_simulate_walks_the_good_way_first(good: Path) -> None:
    answer = run("simulate", good, "--json")
    assert answer.returncode == 0
    first, *others = json.loads(answer.stdout)["paths"]
    assert "failed" not in {step["outcome"] for step in first}
    assert any(step["kind"] == "release" for path in others for step in path)


def test_simulate_of_a_playbook_with_errors_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    answer = run("simulate", tmp_path / "bad.json")
    assert answer.returncode == 2
    assert "playbook lint" in answer.stderr
    assert "Traceback" not in answer.stderr
