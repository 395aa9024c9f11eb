"""Vault and shop on one machine: read once, beside the backup, and still nothing is signed that is not in the repository."""

import gzip
import time
from collections.abc import Iterator

import pytest
from tests.integration.modelstates.conftest import ANNA, Shop

from checkvalve.actuators.restic import Repository
from checkvalve.engine import vault_erasure, vault_here, vault_read, vault_restore
from checkvalve.engine.errors import EngineError
from checkvalve.modelstates.manifest import State


def snapshot(shop: Shop) -> State:
    _, [done] = vault_here.snapshot(shop.vault, time.time_ns() // 1_000_000)
    assert done.signed is not None, done.why
    return done.signed


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths of the files that are read, one after the other."""
    paths: list[str] = []
    before = vault_read._file

    def reading(member: vault_read.Member, *rest: object) -> object:
        paths.append(member.path)
        return before(member, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(vault_read, "_file", reading)
    yield paths


def test_what_is_read_beside_the_backup_is_what_the_repository_holds(
    docs: Shop, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    docs.write("docs/more/leak.jsonl.gz", gzip.compress(f'{{"mail": "{ANNA["email"]}"}}\n'.encode()))
    with monkeypatch.context() as only:
        for reading in ("contents", "listed"):
            only.setattr(Repository, reading, lambda *_: pytest.fail("the repository was read"))
        first = snapshot(docs)
        docs.write("docs/faq.txt", "Refunds take 30 days.\n")
        second = snapshot(docs)
    assert read == ["faq.txt", "more/leak.jsonl.gz", "faq.txt"], "what did not change is not read again"
    assert docs.verdicts() == ["contaminated", "contaminated"]
    assert vault_restore.verify_states(docs.vault, [first, second]) == []
    (docs.root / "docs/more/leak.jsonl.gz").unlink()
    third = snapshot(docs)
    assert docs.verdicts() == ["contaminated", "contaminated", "clean"]
    vault_erasure.forget(docs.vault, [first.id, second.id])
    assert snapshot(docs).versions[0].files == third.versions[0].files
    assert docs.verdicts() == ["clean", "clean"], "numbers of documents that were erased are nobody's"


def test_a_file_that_changes_meanwhile_is_signed_as_the_repository_holds_it(
    docs: Shop, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = Repository.backup

    def late(self: Repository, *given: object, **named: object) -> object:
        if self.location.endswith("/docs"):
            while not read:  # it has been read beside …
                time.sleep(0.01)
            docs.write("docs/faq.txt", f"Write to {ANNA['email']}\n")  # … and restic comes later
        return backup(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Repository, "backup", late)
    state = snapshot(docs)
    assert docs.verdicts() == ["contaminated"]
    assert vault_restore.verify_states(docs.vault, [state]) == []
    assert read == ["faq.txt", "faq.txt"]


def test_a_second_command_waits_for_nobody_and_says_so(docs: Shop) -> None:
    with docs.vault.alone(), pytest.raises(EngineError, match="busy"):
        docs.scan()
    assert docs.scan() == []
