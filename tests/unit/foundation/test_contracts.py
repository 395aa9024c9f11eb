"""The one rule of the layout holds by itself: each contract is broken once, in a copy, and must be named."""

import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
LAYERS = "A package imports only what stands below it"
PURE = "Pure packages do no I/O"
GATEWAY = "The gateway runs alone on the GPU host"
STORE = "Only the engine touches the store"


def project() -> dict[str, Any]:
    tool: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    return tool


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def run(copy: Path, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sysconfig.get_path("scripts")) / program), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=copy / "src", env=environment, capture_output=True, text=True, check=False)


def broken(copy: Path) -> set[str]:
    """Names of the contracts that do not hold in the copy."""
    done = run(copy, "lint-imports", "--config", str(copy / "pyproject.toml"), "--no-cache")
    assert "Contracts" in done.stdout, done.stdout + done.stderr
    found = set(re.findall(r"^(.+) BROKEN(?: \(.*\))?$", done.stdout, re.MULTILINE))
    assert (done.returncode == 0) == (not found)
    return found


def plant(copy: Path, module: str, line: str) -> None:
    path = copy / "src" / "checkvalve" / module
    path.parent.mkdir(exist_ok=True)
    before = path.read_text("utf-8") if path.exists() else ""
    path.write_text(f"{before}\n{line}\n", "utf-8")


def test_the_tree_as_it_is_keeps_every_contract(copy: Path) -> None:
    assert broken(copy) == set()


@pytest.mark.parametrize(
    ("module", "line", "named"),
    [
        ("events/event.py", "import sqlalchemy", {PURE}),
        ("incidents/case.py", "import urllib.request", {PURE}),
        ("playbooks/interpreter.py", "import asyncio", {PURE}),
        ("regimes/deadline.py", "from pathlib import Path", {PURE}),
        ("regimes/deadline.py", "import checkvalve.evidence.entry", {LAYERS}),
        ("events/event.py", "import checkvalve.detection.scanner", {LAYERS}),
        ("gateway/proxy.py", "import checkvalve.engine.core", {LAYERS, GATEWAY}),
        ("gateway/proxy.py", "import checkvalve.incidents.case", {GATEWAY}),
        ("web/app.py", "import checkvalve.store.schema", {STORE}),
        ("cli/detect.py", "import checkvalve.store.state", {STORE}),
    ],
)
def test_a_planted_import_breaks_its_contract(copy: Path, module: str, line: str, named: set[str]) -> None:
    plant(copy, module, line)
    assert broken(copy) == named


def test_a_new_package_has_to_take_its_place(copy: Path) -> None:
    plant(copy, "utils/__init__.py", '"""Anything."""')
    done = run(copy, "lint-imports", "--config", str(copy / "pyproject.toml"), "--no-cache")
    assert done.returncode != 0
    assert "checkvalve.utils" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("line", "banned"),
    [
        ("import datetime\nNOW = datetime.datetime.now(datetime.UTC)", "datetime.datetime.now"),
        ("import time\nNOW = time.time()", "time.time"),
        ("import uuid\nID = uuid.uuid4()", "uuid.uuid4"),
        ("import os\nKEY = os.urandom(4)", "os.urandom"),
        ("import random\nCHANCE = random.random()", "random"),
    ],
)
def test_a_pure_package_takes_time_and_chance_as_arguments(copy: Path, line: str, banned: str) -> None:
    plant(copy, "evidence/entry.py", line)
    done = run(copy, "ruff", "check", "--select", "TID251", "--no-cache", "--config", str(copy / "pyproject.toml"), ".")
    assert done.returncode == 1, done.stderr
    assert f"`{banned}` is banned" in done.stdout


def test_every_package_is_pure_or_named_as_one_that_is_not() -> None:
    tool = project()
    pure = next(c for c in tool["importlinter"]["contracts"] if c["name"] == PURE)["source_modules"]
    allowed = next(k for k, v in tool["ruff"]["lint"]["per-file-ignores"].items() if v == ["TID251"] and "src/" in k)
    impure = {f"checkvalve.{n}" for n in allowed.partition("{")[2].partition("}")[0].split(",")}
    packages = {f"checkvalve.{p.parent.name}" for p in (ROOT / "src" / "checkvalve").glob("*/__init__.py")}
    assert packages - set(pure) - impure == {"checkvalve.content"}
    assert set(pure) & impure == set()
