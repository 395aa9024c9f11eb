"""A bit that goes bad in a database beside the log is named by `evidence verify`; a lost key is told from an erased one."""

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.integration.evidence.installation import installation

from checkvalve.engine import offline, soundness
from checkvalve.engine.settings import Settings
from checkvalve.store.segments import LogFiles


@pytest.fixture(scope="module")
def resting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation whose core has stopped, with an erased person in it."""
    data = tmp_path_factory.mktemp("resting") / "data"
    with installation(data) as here:
        here.person("customer:7", email="anna.schmidt@example.com")
        for n in range(40):
            here.request()
            here.inference("Who?", f"order {n}" if n % 2 else "anna.schmidt@example.com")
        here.erase("customer:7")
    return data


@pytest.fixture
def data(resting: Path) -> Iterator[Path]:
    names = [name for name in soundness.AT_REST if (resting / name).exists()]
    kept = {name: (resting / name).read_bytes() for name in names}
    times = {name: (resting / name).stat().st_mtime_ns for name in names}
    yield resting
    for name, content in kept.items():
        (resting / name).write_bytes(content)
        os.utime(resting / name, ns=(times[name], times[name]))
        for beside in resting.glob(f"{name}-*"):
            beside.unlink()


def rot(path: Path, place: int, bit: int) -> None:
    """One bit goes bad, as on a disk: nobody wrote to the file."""
    at = path.stat().st_mtime_ns
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)
    os.utime(path, ns=(at, at))


def test_a_stopped_installation_with_erased_records_is_good(data: Path) -> None:
    found = offline.verify_live(Settings(data=data))
    assert found.ok and found.entries > 80 and not found.errors


@pytest.mark.parametrize("name", soundness.DATABASES)
def test_a_bit_anywhere_in_a_database_at_rest_is_named_with_its_file(data: Path, name: str) -> None:
    chance, path = random.Random(7), data / name
    for _ in range(40):
        place, bit = chance.randrange(path.stat().st_size), chance.randrange(8)
        rot(path, place, bit)
        assert {f.file for f in soundness.at_rest(data)} == {name}, (place, bit)
        rot(path, place, bit)
    rot(path, path.stat().st_size // 2, 3)
    found = offline.verify_live(Settings(data=data))
    assert not found.ok and name in {f.file for f in found.errors}
    assert offline.verify_live(Settings(data=data), quick=True).ok, "the log itself is as it was"


@pytest.mark.parametrize("name", ["keys/log.key", "keys/core.key"])
def test_a_bit_of_a_key_is_named_with_its_file(data: Path, name: str) -> None:
    rot(data / name, 17, 5)
    found = offline.verify_live(Settings(data=data))
    assert not found.ok and found.errors and name in {f.file for f in found.errors}


def test_a_changed_key_and_a_lost_one_are_named_with_their_entry(data: Path) -> None:
    log = LogFiles(data / "log")
    with closing(sqlite3.connect(data / "keys.db")) as db, db:
        ids = [row[0] for row in db.execute("SELECT id FROM record_keys ORDER BY id")]
        db.execute("UPDATE record_keys SET key = zeroblob(32) WHERE id = ?", (ids[3],))
        db.execute("DELETE FROM record_keys WHERE id = ?", (ids[9],))
    flaws = soundness.record_keys(log, data / "keys.db", 10_000)
    told = {f.what for f in flaws}
    assert len(flaws) == 2 and {f.file for f in flaws} == {"keys.db"} and all(f.entry is not None for f in flaws)
    assert told == {"the record's content does not open with its key", "its key is missing, and no decision erased it"}


@pytest.mark.parametrize("name", soundness.DATABASES)
def test_a_database_that_is_none_any_more_is_an_answer(data: Path, name: str) -> None:
    (data / name).write_bytes(b"not a database, but long enough to be taken for one " * 100)
    found = offline.verify_live(Settings(data=data))
    assert not found.ok and {f.file for f in found.errors} == {name}


def test_what_was_written_to_since_is_no_rot(data: Path) -> None:
    with installation(data) as here:
        here.request()
        here.digest()
        assert offline.verify_live(Settings(data=data)).ok, "while it runs"
    assert offline.verify_live(Settings(data=data)).ok
