"""A bundle that leaves for another country: with a recorded basis, or redacted; either way the log says so."""

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from checkvalve.cli.main import run


@pytest.fixture
def desk(tmp_path: Path, installation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(installation, tmp_path / "data")

    def typed(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = run([*words, "--json", "--data", "data"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else said.err

    return typed


def test_a_whole_bundle_stays_until_somebody_records_a_basis(desk: Any) -> None:
    case = desk("case", "list")[1]["cases"][0]["id"]
    code, said = desk("case", "export", case, "--to", "US", "-o", "a.zip")
    assert code == 2 and "no basis is recorded" in said and "--redacted" in said
    assert not Path("a.zip").exists()
    transfer = {"to": "US", "basis": "standard contractual clauses", "recorded": "2026-05-01", "by": "dpo"}
    Path("places.json").write_text(json.dumps({"places": [], "transfers": [transfer]}))
    assert desk("residency", "keep", "places.json")[0] == 0
    code, said = desk("case", "export", case, "--to", "US", "-o", "a.zip")
    assert code == 0 and "standard contractual clauses" in said["basis"]
    assert desk("evidence", "verify", "a.zip")[1]["ok"] is True
    kept = [c for c in desk("evidence", "custody", "--case", case)[1]["readings"] if c["what"] == "bundle_exported"]
    assert [k["purpose"] for k in kept] == [said["basis"]]


def test_a_redacted_bundle_verifies_and_names_nobody(desk: Any) -> None:
    case = desk("case", "list")[1]["cases"][0]["id"]
    assert desk("case", "export", case, "-o", "whole.zip")[0] == 0
    assert desk("case", "export", case, "--to", "IN", "--redacted", "-o", "redacted.zip")[0] == 0
    assert desk("evidence", "verify", "redacted.zip")[1]["ok"] is True
    whole, redacted = (zipfile.ZipFile(io.BytesIO(Path(n).read_bytes())) for n in ("whole.zip", "redacted.zip"))
    assert any(n.startswith("entries/") for n in whole.namelist())
    assert not any(n.startswith("entries/") for n in redacted.namelist())
    before, after = (json.loads(z.read("documents/case.json")) for z in (whole, redacted))
    assert after["scope"]["confirmed"]["subjects"] == before["scope"]["confirmed"]["subjects"] > 0
    assert len(after["steps"]) == len(before["steps"])
    text = redacted.read("documents/case.json").decode()
    assert "customer:" not in text and "recipients" not in text and "session" not in text


def test_what_stands_against_each_other_names_who_decides(desk: Any) -> None:
    case = desk("case", "list")[1]["cases"][0]["id"]
    everything = ("model", "training_data", "index", "logs", "backups", "evidence", "people")
    places = [{"what": w, "where": "IN" if w == "logs" else "DE", "holder": "Example Hosting"} for w in everything]
    Path("places.json").write_text(json.dumps({"places": places}))
    desk("residency", "keep", "places.json")
    code, said = desk("case", "conflicts", case)
    assert code == 1
    assert [c["decides"] for c in said["conflicts"] if c["what"].startswith("logs at Example Hosting in IN")] == ["controller"]
    assert desk("evidence", "retention", "--keep", "shop=30")[0] == 0
    _, said = desk("case", "conflicts", case)
    assert {
        "what": "no hold stands: evidence of this case is erased by age",
        "between": "evidence, retention",
        "decides": "dpo",
    } in said["conflicts"]
