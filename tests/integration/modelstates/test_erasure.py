"""Somebody is erased from the backups: gone from the repositories and the index, and what stays still is what was signed."""

from pathlib import Path

import pytest
from tests.integration.modelstates.conftest import ANNA, Shop, anna

from checkvalve.actuators.restic import Repository
from checkvalve.engine import vault_erasure, vault_restore
from checkvalve.engine.errors import EngineError
from checkvalve.engine.vault import STATES


def test_a_person_is_erased_and_the_other_states_still_verify(docs: Shop, tmp_path: Path) -> None:
    first = docs.day(1)
    docs.write("docs/anna.txt", f"{ANNA['name']}, {ANNA['email']}\n")
    second = docs.day(2)
    (docs.root / "docs/anna.txt").unlink()
    docs.write("docs/faq.txt", "Refunds take 30 days.\n")
    third = docs.day(3)
    docs.take()  # sent, not scanned
    assert docs.verdicts() == ["clean", "contaminated", "clean"]
    assert any(ANNA["email"].encode() in blob for blob in every_blob(docs.vault.repository("docs")))

    kept = vault_erasure.forget(docs.vault, [second.id])

    assert [s.id for s in kept] == [s.id for s in docs.vault.states()] == [first.id, third.id]
    assert docs.verdicts() == ["clean", "clean"]
    stored = docs.vault.repository("docs").snapshots()
    assert {s.id for s in stored} == {s.versions[0].snapshot for s in kept}
    assert len(docs.vault.repository(STATES).snapshots()) == 2
    assert vault_restore.verify_states(docs.vault, kept) == []
    assert docs.scan() == []
    vault_restore.restore(docs.vault, docs.proposal().parts, tmp_path / "back")
    assert (tmp_path / "back/docs/faq.txt").read_text() == "Refunds take 30 days.\n"
    with docs.vault.index() as index:
        assert index._matched(anna()) == {}
    assert not any(ANNA["email"].encode() in blob for blob in every_blob(docs.vault.repository("docs"))), "by raw scan"


def every_blob(repository: Repository) -> list[bytes]:
    """All that a repository still holds, whether a snapshot leads there or not."""
    names = [line.split() for line in repository._run("list", "blobs").decode().splitlines()]
    return [repository._run("cat", "blob", name) for kind, name in names if kind == "data"]


def test_a_state_that_is_not_there_removes_nothing(docs: Shop) -> None:
    state = docs.day(1)
    with pytest.raises(EngineError, match="not_found"):
        vault_erasure.forget(docs.vault, [state.id, "S0"])
    assert docs.vault.states() == [state]


def test_a_run_that_was_cut_is_made_good_by_the_next(docs: Shop) -> None:
    docs.day(1)
    docs.write("docs/faq.txt", f"{ANNA['email']}\n")
    second = docs.day(2)
    docs.vault.drop(second.id)
    docs.vault.repository("docs").forget(second.versions[0].snapshot)
    docs.vault.repository("docs").prune()  # and cut here
    assert vault_restore.verify_states(docs.vault, docs.vault.states()) != []
    kept = vault_erasure.forget(docs.vault, [])
    assert vault_restore.verify_states(docs.vault, kept) == []
    assert docs.verdicts() == ["clean"]
