"""`checkvalve case approve | reject` while core runs: who may, with which words, and what came of it."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine.scene import CoreHere, scene, wait
from tests.integration.engine.test_people import ENDPOINT, People, came_of, contained, isolations, waiting

from checkvalve.cli.main import run

PASSWORD = "a long enough password"


def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON answer and the error line of a command; the password is typed."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    capsys.readouterr()
    code = run([*words, "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else {}, said.err


@pytest.mark.parametrize(("word", "status", "isolated"), [("approve", "done", 1), ("reject", "refused", 0)])
def test_a_persons_word_by_command(
    word: str, status: str, isolated: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tmp_path / "data")
    here = CoreHere(tmp_path / "data")
    with scene(here) as staged:
        for name, role in (("cleo", "wordpress_admin"), ("vera", "auditor")):
            assert typed(monkeypatch, capsys, "user", "add", name, "--role", role, "--data", data)[0] == 0
        case = contained(staged)
        why = ("--reason", "the assistant is not needed tonight", "--data", data)
        code, _, err = typed(monkeypatch, capsys, "case", word, case, "--by", "cleo", *why)
        assert (code, "waiting now: none" in err) == (2, True)

        People(here).start(case, ENDPOINT)
        wait(lambda: waiting(staged), "a step waits for a word")
        code, _, err = typed(monkeypatch, capsys, "case", word, case, "--by", "vera", *why)
        assert (code, "forbidden" in err or "no role" in err) == (2, True)
        assert waiting(staged)
        code, answer, err = typed(monkeypatch, capsys, "case", word, case, "--by", "cleo", *why)
        assert (code, answer.get("taken")) == (0, True), err
        assert came_of(staged) == (status, f"{'approved' if word == 'approve' else 'rejected'} by cleo: {why[1]}")
        if word == "approve":
            assert answer["done"] is not None
            assert answer["done"]["status"] == "done", "who agreed learns what came of it"
        staged.respond()
        assert isolations(staged) == isolated
