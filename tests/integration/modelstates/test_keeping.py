"""States go at their time, by the vault alone; holds stand; what was trained from erased data is not called clean."""

import json
from pathlib import Path

import pytest
from tests.integration.modelstates.conftest import ANNA, Shop, make_shop
from tests.simulators.gguf import gguf

from checkvalve.cli.main import run
from checkvalve.engine import vault_drill, vault_erasure, vault_restore
from checkvalve.engine.errors import EngineError
from checkvalve.modelstates.retention import Policy

NEWEST = Policy(daily=1, weekly=0, monthly=0)


def test_what_is_past_its_time_goes_and_what_is_on_hold_stays(docs: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    days = []
    for number in range(1, 4):
        docs.write("docs/faq.txt", f"Refunds take {number} days.\n")
        days.append(docs.day(number))
    data = ("--data", str(docs.vault.directory.parent))
    assert run(["modelstate", "hold", days[0].id, *data]) == 2, "why is it kept?"
    assert run(["modelstate", "hold", days[0].id, "--reason", "case INC-2026-0001", *data]) == 0
    with pytest.raises(EngineError, match="on_hold"):
        vault_erasure.forget(docs.vault, [days[0].id])
    capsys.readouterr()
    few = ("--daily", "1", "--weekly", "0", "--monthly", "0")
    assert run(["modelstate", "prune", *few, "--json", *data]) == 0
    assert json.loads(capsys.readouterr().out) == {"past": [days[1].id], "kept": [days[0].id, days[2].id], "done": False}
    assert docs.vault.states() == days, "it only says so"
    assert run(["modelstate", "prune", *few, "--yes", *data]) == 0
    assert [s.id for s in docs.vault.states()] == [days[0].id, days[2].id]
    assert len(docs.vault.repository("docs").snapshots()) == 2
    assert vault_restore.verify_states(docs.vault, docs.vault.states()) == []
    assert run(["modelstate", "hold", days[0].id, "--lift", *data]) == 0
    assert [s.id for s in vault_erasure.due(docs.vault, NEWEST)] == [days[0].id]


@pytest.fixture
def trained(tmp_path: Path) -> Shop:
    made = make_shop(
        tmp_path,
        {"base": {"kind": "weights", "made_from": ["dialogs"]}, "dialogs": {"kind": "training"}},
    )
    made.write("base/model.gguf", gguf({"general.architecture": "llama"}))
    made.write("dialogs/all.jsonl", '{"text": "Hello"}\n')
    return made


def test_what_was_trained_from_erased_data_is_not_called_clean_afterwards(trained: Shop) -> None:
    trained.day(1)
    trained.write("dialogs/all.jsonl", f'{{"text": "I am {ANNA["name"]}"}}\n')
    trained.write("base/model.gguf", gguf({"general.architecture": "llama", "general.name": "2"}))
    leaked = trained.day(2)
    trained.write("dialogs/all.jsonl", '{"text": "Hello"}\n')
    trained.day(3)
    assert trained.verdicts() == ["clean", "contaminated", "contaminated"]
    vault_erasure.forget(trained.vault, [leaked.id])
    assert trained.verdicts() == ["clean", "unknown"]
    trained.write("dialogs/all.jsonl", '{"text": "Good morning"}\n')
    trained.day(4)
    judge = trained.find().judge
    assert judge.version(2, "base").why == "a state that it may have been made from was erased"


def test_a_drill_brings_back_the_newest_clean_state_and_its_result_is_kept(
    docs: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", str(docs.vault.directory.parent))
    assert run(["modelstate", "drill", *data]) == 1, "there is nothing to bring back"
    assert "no clean state" in capsys.readouterr().out
    state = docs.day(1)
    assert run(["modelstate", "drill", "--json", *data]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["good"], told["components"], told["entry"]) == (True, {"docs": state.id}, None)
    assert told["restore_s"] > 0
    assert run(["modelstate", "list", "--json", *data]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["drill"]["good"] is True and listed["newest_age_days"] > 0
    kept = vault_drill.last(docs.vault)
    assert kept is not None and kept.good
    bad = vault_drill.drill(docs.vault, kept.done_ms, "false {dir} --port {port}")
    assert not bad.good and "ended with 1 before it was ready" in bad.why
    for start in ("llama-server", "no-such-program {dir} {port}", "'{dir} {port}"):
        assert not vault_drill.drill(docs.vault, kept.done_ms, start).good
    assert not any(docs.vault.scratch.iterdir()), "nothing of it stays in the clear"
