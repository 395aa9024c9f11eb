"""Every plugin of a site, and what changed on disk though nobody updated it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from checkvalve.engine.errors import EngineError
from checkvalve.engine.inventory import inventory
from checkvalve.engine.settings import Settings

HOLEY = Path(__file__).parents[2] / "unit" / "posture" / "plugins" / "holey"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    plugins = tmp_path / "site" / "wp-content" / "plugins"
    plugins.mkdir(parents=True)
    shutil.copytree(HOLEY, plugins / "holey")
    (plugins / "index.php").write_text("<?php // Silence is golden.\n")
    (plugins / "single.php").write_text("<?php\n/*\nPlugin Name: Single\nVersion: 1.0\n*/\n")
    shutil.copytree(plugins / "holey", plugins / "other")
    return tmp_path / "site"


def looked(tmp_path: Path, site: Path, at_ms: int = 1) -> dict[str, Any]:
    return inventory(Settings(data=tmp_path / "data"), str(site), None, at_ms)


def states(found: dict[str, Any]) -> dict[str, str]:
    return {p["slug"]: p["state"] for p in found["plugins"]}


def test_the_first_look_accuses_nobody(tmp_path: Path, site: Path) -> None:
    found = looked(tmp_path, site)
    assert states(found) == dict.fromkeys(("holey", "other", "single"), "unchanged")
    assert found["since_ms"] is None
    assert {f["rule"] for f in found["findings"]} & {"changed_without_update", "known_vulnerability"} == set()
    weights = [f["weight"] for f in found["findings"]]
    assert weights == sorted(weights) and [f["rank"] for f in found["findings"]] == list(range(1, len(weights) + 1))


def test_an_edited_file_is_found_first_and_an_update_is_none(tmp_path: Path, site: Path) -> None:
    looked(tmp_path, site)
    plugins = site / "wp-content" / "plugins"
    with (plugins / "holey" / "includes" / "flows.php").open("a") as file:
        file.write("\n// one line more\n")
    (plugins / "holey" / "shell.js").write_text("new")
    single = plugins / "single.php"
    single.write_text(single.read_text().replace("1.0", "1.1"))
    shutil.rmtree(plugins / "other")
    shutil.copytree(plugins / "holey", plugins / "fresh")
    found = looked(tmp_path, site, 2)
    assert states(found) == {"holey": "changed", "single": "updated", "fresh": "new"}
    assert found["removed"] == ["other"] and found["since_ms"] == 1
    first = [(f["plugin"], f["rule"], f["file"]) for f in found["findings"][:2]]
    assert first == [("holey", "changed_without_update", "includes/flows.php"), ("holey", "changed_without_update", "shell.js")]
    assert set(states(looked(tmp_path, site, 3)).values()) == {"unchanged"}


def test_progress_is_told_to_the_end(tmp_path: Path, site: Path) -> None:
    steps: list[tuple[int, int]] = []
    inventory(Settings(data=tmp_path / "data"), str(site), None, 1, lambda done, total: steps.append((done, total)))
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_directory_without_plugins_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="holds no plugins"):
        looked(tmp_path, tmp_path)


def test_what_was_kept_and_cannot_be_read_is_not_taken_for_a_first_look(tmp_path: Path, site: Path) -> None:
    looked(tmp_path, site)
    next((tmp_path / "data" / "inventory").iterdir()).write_text("{")
    with pytest.raises(EngineError, match="move it away"):
        looked(tmp_path, site)
