"""Killed, full, locked, damaged: nothing is lost, one clear error, and it goes on."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.integration.modelstates.conftest import Shop

from checkvalve.actuators.restic import ResticError
from checkvalve.engine import vault_restore, vault_scan

SIZE = 60_000_000


def big(shop: Shop) -> None:
    with (shop.root / "docs/vectors.npy").open("wb") as file:
        file.write(b"\x93NUMPY")
        for _ in range(SIZE // 1_000_000):
            file.write(os.urandom(1_000_000))


def sent_to(packs: Path) -> int:
    """Bytes that have arrived whole in a repository that is being written: its files come and go meanwhile."""
    size = 0
    for file in packs.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            size += file.stat().st_size if len(file.name) == 64 and file.is_file() else 0
    return size


def test_a_backup_killed_midway_goes_on_where_it_stopped(docs: Shop) -> None:
    big(docs)
    repository = docs.vault.repository("docs")
    slow = subprocess.Popen(
        repository._command(("backup", "--json", ".")),
        cwd=docs.root / "docs",
        env=repository._environment() | {"GOMAXPROCS": "1"},
        stdout=subprocess.DEVNULL,
    )
    packs = docs.vault.repositories / "docs" / "data"
    end = time.monotonic() + 60
    while sent_to(packs) < SIZE // 4 and time.monotonic() < end and slow.poll() is None:
        time.sleep(0.01)
    slow.send_signal(signal.SIGKILL)
    slow.wait()
    sent = sent_to(packs)
    assert sent >= SIZE // 4, "it must have been killed midway"
    assert any((docs.vault.repositories / "docs/locks").iterdir()), "a lock was left behind"
    assert vault_scan.heal(docs.vault) == ["docs"]
    assert not any((docs.vault.repositories / "docs/locks").iterdir())
    taken = docs.take()
    assert taken.parts["docs"].added < SIZE - sent // 2, "what was sent before is not sent again"
    [done] = docs.scan()
    assert done.signed is not None
    assert vault_restore.verify_states(docs.vault, [done.signed]) == []


def test_a_lock_left_behind_does_not_stop_the_next_backup(docs: Shop) -> None:
    repository = docs.vault.repository("docs")
    locks, end = docs.vault.repositories / "docs/locks", time.monotonic() + 30
    command = repository._command(("backup", "--stdin", "--stdin-filename", "x"))
    with subprocess.Popen(command, env=repository._environment(), stdin=subprocess.PIPE) as backup:
        while not any(locks.iterdir()) and time.monotonic() < end:
            time.sleep(0.02)
        backup.kill()
    assert any(locks.iterdir())
    assert docs.day(1).versions[0].documents == 2, "the file and its name"


def test_a_full_disk_is_said_and_the_next_run_goes_through(docs: Shop) -> None:
    big(docs)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))  # packs are larger
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(ResticError) as error:
            docs.take()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    assert error.value.code == "disk_full"
    assert docs.scan() == [], "a state without a commit is none"
    vault_scan.heal(docs.vault)
    assert docs.day(1).versions[0].files


def test_a_damaged_pack_is_found_and_nothing_wrong_is_brought_back(docs: Shop, tmp_path: Path) -> None:
    docs.write("docs/faq.txt", "Refunds take 14 days.\n" * 2000)
    state = docs.day(1)
    parts = docs.proposal().parts
    for pack in (docs.vault.repositories / "docs/data").rglob("*"):
        if pack.is_file():
            content = bytearray(pack.read_bytes())
            content[len(content) // 3] ^= 1
            pack.chmod(0o600)
            pack.write_bytes(content)
    assert any("docs" in line for line in vault_restore.verify_states(docs.vault, [state]))
    with pytest.raises(ResticError):
        vault_restore.restore(docs.vault, parts, tmp_path / "back")
    assert not (tmp_path / "back").exists() and not (tmp_path / "back.partial").exists()


def test_a_pack_that_is_gone_is_said(docs: Shop) -> None:
    state = docs.day(1)
    next(f for f in (docs.vault.repositories / "docs/data").rglob("*") if f.is_file()).unlink()
    [line] = vault_restore.verify_states(docs.vault, [state])
    assert "was there when it was signed" in line


def test_a_vault_that_is_away_is_said_in_one_line(docs: Shop) -> None:
    with docs.server() as target:
        pass
    with pytest.raises(ResticError) as error:
        docs.take(target)
    assert error.value.code == "away"
