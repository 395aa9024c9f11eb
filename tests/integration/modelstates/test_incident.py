"""A contamination at day 4 of 10: found, the right composition brought back, the later clean adapter kept."""

import json
import os
from pathlib import Path

from tests.integration.modelstates.conftest import ANNA, DAY_MS, START_MS, Shop, anna, make_shop
from tests.simulators.gguf import gguf

from checkvalve.cli.main import run
from checkvalve.engine import vault_restore


def test_ten_days_of_which_the_fourth_brought_a_leak(tmp_path: Path) -> None:
    shop = make_shop(
        tmp_path,
        {
            "base": {"kind": "weights", "made_from": []},
            "tone": {"kind": "adapters", "needs": "base", "made_from": []},
            "docs": {"kind": "index", "needs": "base", "made_from": ["docs"]},
        },
    )
    shop.write("base/model.gguf", gguf({"general.architecture": "llama"}) + os.urandom(200_000))
    shop.write("tone/adapter.gguf", gguf({"general.architecture": "llama", "general.name": "1"}))
    leak = json.dumps({"text": f"Frau {ANNA['name']}, {ANNA['email']}"}) + "\n"
    for day in range(1, 11):
        with (shop.root / "docs/faq.jsonl").open("a") as faq:
            faq.write(json.dumps({"text": f"Article {day} is on offer."}) + "\n")
            if day == 4:
                faq.write(leak)
        if day == 8:
            shop.write("tone/adapter.gguf", gguf({"general.architecture": "llama", "general.name": "2"}))
        shop.day(day)

    assert shop.verdicts() == ["clean"] * 3 + ["contaminated"] * 7
    found = shop.find()
    proposal = shop.proposal()
    days = {p.version.component: (p.received_ms - START_MS) // DAY_MS for p in proposal.parts}
    assert days == {"base": 10, "tone": 10, "docs": 3}
    [loss] = vault_restore.losses(shop.vault, proposal, found)
    assert (loss.component, loss.days, loss.documents, loss.of_them_clean) == ("docs", 7.0, 8, 7)

    target = tmp_path / "beside"
    vault_restore.restore(shop.vault, proposal.parts, target)
    everything = b"".join(f.read_bytes() for f in target.rglob("*") if f.is_file())
    for value in ANNA.values():
        assert value.encode() not in everything
    assert b"Article 3 is" in everything and b"Article 5 is" not in everything
    assert (target / "tone/adapter.gguf").read_bytes() == (shop.root / "tone/adapter.gguf").read_bytes()
    assert vault_restore.verify_directory(shop.vault, target) == []
    assert vault_restore.verify_states(shop.vault, shop.vault.states()) == []

    for change in ("tone/adapter.gguf", "docs/faq.jsonl"):  # swapped after it was verified
        content = (target / change).read_bytes()
        (target / change).write_bytes(content[:-1] + b"\x00")
        [wrong] = vault_restore.verify_directory(shop.vault, target)
        assert change in wrong
        (target / change).write_bytes(content)
    (target / "base/hook.py").write_text("print()")
    (target / "extra").mkdir()
    assert len(vault_restore.verify_directory(shop.vault, target)) == 2


def test_an_adapter_trained_from_a_leak_goes_back_though_its_bytes_show_nothing(shop: Shop) -> None:
    shop.day(1)
    shop.write("dialogs/all.jsonl", json.dumps({"messages": [{"content": f"I am {ANNA['name']}"}]}) + "\n")
    shop.write("tone/adapter.gguf", gguf({"general.architecture": "llama", "general.name": "2"}))
    shop.day(2)
    shop.write("dialogs/all.jsonl", '{"messages": []}\n')
    shop.day(3)
    judge = shop.find().judge
    assert [judge.version(n, "tone").verdict for n in range(3)] == ["clean", "contaminated", "contaminated"]
    assert "made from dialogs" in judge.version(2, "tone").why
    taken = {p.version.component: (p.received_ms - START_MS) // DAY_MS for p in shop.proposal().parts}
    assert taken == {"base": 3, "tone": 1, "docs": 3, "dialogs": 3, "prompts": 3}


def test_nothing_but_keyed_digests_is_in_the_index(docs: Shop) -> None:
    docs.write("docs/faq.txt", f"{ANNA['name']}, {ANNA['email']}, {ANNA['phone']}\n")
    docs.day(1)
    assert docs.verdicts() == ["contaminated"]
    kept = b"".join(f.read_bytes() for f in docs.vault.directory.rglob("*") if f.is_file())
    for value in ("Anna", "anna", "schmidt", "1234567"):
        assert value.encode() not in kept


def test_an_index_that_was_lost_is_made_again_and_missed_until_then(docs: Shop, capsys: object) -> None:
    docs.write("docs/faq.txt", f"Write to {ANNA['email']}\n")
    docs.day(1)
    for file in docs.vault.directory.glob("index.db*"):
        file.unlink()
    data = str(docs.vault.directory.parent)
    assert run(["modelstate", "find", ANNA["email"], "--data", data]) == 2, "not an answer, least of all clean"
    assert run(["modelstate", "scan", "--again", "--data", data]) == 0
    assert docs.verdicts() == ["contaminated"]


def test_a_target_that_exists_is_left_alone(docs: Shop, tmp_path: Path) -> None:
    docs.day(1)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").touch()
    data = str(docs.vault.directory.parent)
    assert run(["modelstate", "restore", "nobody@example.com", "--to", str(tmp_path / "there"), "--data", data]) == 2
    assert [p.name for p in (tmp_path / "there").iterdir()] == ["mine"]
    assert len(anna()) == 3
