"""`checkvalve exercise`, as a person types it."""

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from checkvalve.cli.main import run
from checkvalve.engine import exercise_plan
from checkvalve.engine.exercise_players import Solo
from checkvalve.engine.settings import EXERCISE_MARK, STATE_URL, Settings, load_settings
from checkvalve.exercises import library
from checkvalve.exercises.scenario import Decision
from checkvalve.exercises.scoring import DAY_MS


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert run(["exercise", *words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert run(["exercise", *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_run_list_report_trend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data", str(tmp_path / "data"))
    first = told(capsys, "run", "false-alarm-black-friday", "--short", *data)
    second = told(capsys, "run", "false-alarm-black-friday", "--short", "--players", "scripted:bad", "--seed", "2", *data)
    assert (first["id"], second["id"]) == ("EX-0001", "EX-0002")
    assert first["exercise"] == "EXERCISE EX-0001" and first["score"]["percent"] == 100 > second["score"]["percent"]
    listed = told(capsys, "list", *data)
    assert {s["id"] for s in listed["scenarios"]} == set(library.names())
    assert [e["id"] for e in listed["exercises"]] == ["EX-0001", "EX-0002"]
    trend = told(capsys, "trend", *data)["exercises"]
    assert [(t["name"], t["percent"] == 100) for t in trend] == [("EX-0001", True), ("EX-0002", False)]
    out = tmp_path / "report.html"
    assert told(capsys, "report", "EX-0002", "--out", str(out), *data)["id"] == "EX-0002"
    html = out.read_text()
    assert "EX-0001" in html and "Trend" in html, "the chart shows the exercises before"
    for plain in (("list",), ("trend",), ("report", "EX-0001")):
        assert run(["exercise", *plain, *data]) == 0
    assert "EX-0002" in capsys.readouterr().out


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of an installation in which one exercise was run."""
    data = tmp_path_factory.mktemp("done") / "data"
    assert run(["exercise", "run", "false-alarm-black-friday", "--short", "--data", str(data)]) == 0
    return data


def test_an_exercise_lies_in_a_marked_directory_of_its_owner_alone(done: Path) -> None:
    there = done / "exercises" / "EX-0001"
    assert json.loads((there / EXERCISE_MARK).read_text())["exercise"] == "EXERCISE EX-0001"
    for path in (done, done / "exercises", there):
        assert path.stat().st_mode & 0o077 == 0, path
    assert not (done / "state.db").exists() and not (done / "log").exists(), "nothing of it in the real installation"


def test_what_reads_a_data_directory_reads_an_exercise_too(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = str(done / "exercises" / "EX-0001")
    assert run(["evidence", "verify", "--data", there]) == 0
    capsys.readouterr()
    assert run(["case", "list", "--data", there, "--json"]) == 0
    assert "EXERCISE" in capsys.readouterr().out
    people = write(tmp_path, '{"ref": "customer:1", "email": "a@example.com"}')
    assert run(["subjects", "import", str(people), "--data", there]) == 2
    assert "exercise" in capsys.readouterr().err


def test_an_exercise_never_uses_the_real_state_that_the_environment_names(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_URL, "postgresql://real.example/state")
    assert load_settings(done).state_url is not None
    assert load_settings(done / "exercises" / "EX-0001").state_url is None


def write(directory: Path, text: str, name: str = "file") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def test_lint_says_what_is_wrong_and_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path, library.source("cache-mixup").decode(), "good.yaml")
    bad = write(tmp_path, good.read_text().replace("after: first-answers", "after: nothing"), "bad.yaml")
    found = told(capsys, "lint", str(good), str(bad), code=1)["files"]
    assert [f["ok"] for f in found] == [True, False]
    assert {"pointer": "/expectations/0/after", "code": "no-such-inject"}.items() <= found[1]["errors"][0].items()
    assert told(capsys, "lint")["files"], "without files, the shipped ones"
    schema = told(capsys, "lint", "--schema")
    assert "injects" in schema["$defs"]["Scenario"]["properties"]
    assert run(["exercise", "lint", str(bad)]) == 1


def test_a_world_is_written_as_others_take_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "world"
    said = told(capsys, "world", "--customers", "50", "--orders", "120", "--out", str(out), "--data", str(tmp_path / "data"))
    assert (said["people"], said["orders"], said["seed"]) == (50, 120, 1)
    assert {p.name for p in out.iterdir()} == {f"{n}.jsonl" for n in ("people", "staff", "orders", "baskets", "texts")}
    assert run(["subjects", "import", str(out / "people.jsonl"), "--data", str(tmp_path / "data")]) == 0
    assert "real_people" in complaint(capsys, "world", "--customers", "50", "--orders", "120", "--data", str(tmp_path / "data"))


@pytest.mark.parametrize(
    "words",
    [
        ("run", "no-such-scenario"),
        ("run", "cache-mixup", "--speed", "0"),
        ("run", "cache-mixup", "--speed", "nan"),
        ("run", "cache-mixup", "--role", "dpo"),
        ("report", "EX-0001"),
        ("report", "../EX-0001"),
        ("world", "--languages", "xx"),
        ("world", "--customers", "0"),
        ("world", "--customers", "9", "--orders", "8"),
        ("world", "--until", "tomorrow"),
        ("lint", "/no/such/file"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert complaint(capsys, *words, "--data", str(tmp_path / "data"))
    assert not (tmp_path / "data").exists()


def test_the_plan_is_followed_up_until_it_is_done(played: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    shutil.copytree(played["cache-mixup", "bad"]["home"], data)
    home, record = Settings(data=data), played["cache-mixup", "bad"]
    first = told(capsys, "plan", "--data", str(data))["items"]
    assert {i["id"] for i in first} == {f"EX-0001/{e}" for e, s in record["expectations"].items() if s != "SUCCESS"}
    assert {i["state"] for i in first} == {"open"}
    held = record["held_ms"]
    later = exercise_plan.items(home, held + 31 * DAY_MS)
    assert {i.state for i in later} == {"overdue"} and all(i.look for i in later), "looked at again after 90 days"
    assert all(i.look is None for i in exercise_plan.items(home, held + 91 * DAY_MS))
    done = told(capsys, "done", "EX-0001/acknowledged", "--note", "A second person is on the rota.", "--data", str(data))
    assert done["state"] == "done" and done["note"] == "A second person is on the rota."
    again = told(capsys, "done", "EX-0001/acknowledged", "--note", "twice", "--data", str(data))
    assert again["note"] == done["note"], "the first word stands"
    states = {i.id: i.state for i in exercise_plan.items(home, held + 31 * DAY_MS)}
    assert states["EX-0001/acknowledged"] == "done" and states["EX-0001/aware"] == "overdue"
    for wrong in ("EX-0001/nothing", "EX-0002/aware", "../EX-0001/aware"):
        assert "exercise plan" in complaint(capsys, "done", wrong, "--data", str(data))
    (data / "exercises" / "EX-0001" / "plan.json").write_bytes(b"{")
    assert "bad_plan" in complaint(capsys, "plan", "--data", str(data))


# --- solo ------------------------------------------------------------------------------------------------------------


def test_a_person_plays_one_role_at_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The AI engineer answers with option 1, the others are played by rules."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("seven\n9\n1\n" * 20))
    words = ("run", "false-alarm-black-friday", "--short", "--solo", "--role", "ai_engineer", "--speed", "50000")
    assert run(["exercise", *words, "--data", str(tmp_path / "data")]) == 0
    said = capsys.readouterr().out
    assert "AI engineer" in said or "ai engineer" in said
    assert "Go through each exposure" in said and "100 %" in said
    assert "Do you close the checkout?" not in said, "another role's question is not asked here"


async def test_no_answer_is_an_answer() -> None:
    (decision, *_) = library.shipped("cache-mixup").decisions
    lines: list[str] = []
    reply = await Solo(None, lines.append, lambda _: "", 1.0).answers(decision)
    assert reply.option is None and any("Keep it closed" in line for line in lines)
    assert isinstance(decision, Decision)


@pytest.mark.parametrize("role", [(), ("--role", "ai_engineer")])
def test_the_end_of_the_input_ends_the_exercise_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, role: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    words = ("run", "false-alarm-black-friday", "--solo", *role, "--speed", "50000")
    assert "no_answer" in complaint(capsys, *words, "--data", str(tmp_path / "data"))
    assert run(["exercise", "list", "--data", str(tmp_path / "data")]) == 0, "what was not played to its end has no record"
    assert "EX-0001" not in capsys.readouterr().out
