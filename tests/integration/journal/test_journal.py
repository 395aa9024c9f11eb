"""The log on a real disk: what was acknowledged is there, what was signed cannot be changed, erased is erased."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.integration.journal.conftest import KEY, ORIGIN, Open, contents, event, verified

from checkvalve.evidence.errors import VerificationError
from checkvalve.evidence.merkle import leaf_hash
from checkvalve.store.journal import Journal, JournalError
from checkvalve.store.recordkeys import KeysError, RecordKeys
from checkvalve.store.segments import MAX_RECORD

FIRST = "log/segments/0000000000000000.seg"


def fill(journal: Journal, count: int) -> None:
    for start in range(0, count, 5):
        journal.append_many([event(b"content of entry %d" % n, n) for n in range(start, min(start + 5, count))])


def test_entries_come_back_as_received_before_and_after_a_restart(opened: Open) -> None:
    hostile = [b"", b"\xff\xfe\x00", b'{"a":1}\n', b"x" * 100_000, "Zoë".encode()]
    journal = opened()
    assert journal.append_many([event(c, n) for n, c in enumerate(hostile)]) == [0, 1, 2, 3, 4]
    assert journal.append_many([]) == []
    assert [journal.read(n).clear for n in range(5)] == hostile
    journal.close()
    again = opened()
    assert [again.read(n).clear for n in range(5)] == hostile
    assert again.append_many([event(b"next")]) == [5]
    assert [again.read(n).header.seq for n in range(6)] == [0, 1, 2, 3, 4, None]


def test_an_entry_that_is_not_there_is_said_so(opened: Open) -> None:
    journal = opened()
    fill(journal, 3)
    for number in (-1, 3):
        with pytest.raises(IndexError, match="a log of 3"):
            journal.record(number)


def test_a_log_over_many_segments_is_read_and_verified_as_one(opened: Open, tmp_path: Path) -> None:
    journal = opened(segment_bytes=1000)
    fill(journal, 100)
    journal.close()
    assert len(list((tmp_path / "log/segments").iterdir())) > 5
    again = opened(segment_bytes=1000)
    assert [again.read(n).clear for n in range(100)] == [b"content of entry %d" % n for n in range(100)]
    fill(again, 10)
    assert (verified(tmp_path).ok, verified(tmp_path).entries) == (True, 110)


def test_opening_a_log_that_is_in_order_changes_nothing(opened: Open, tmp_path: Path) -> None:
    journal = opened(segment_bytes=1000)
    fill(journal, 30)
    journal.close()
    before = contents(tmp_path / "log")
    opened(segment_bytes=1000).close()
    assert contents(tmp_path / "log") == before


def test_a_second_process_is_refused_with_a_reason(opened: Open, tmp_path: Path) -> None:
    opened()
    writer = Path(__file__).with_name("writer.py")
    second = subprocess.run([sys.executable, writer, tmp_path, "1000"], capture_output=True, text=True, timeout=30)
    assert second.returncode != 0
    assert "another Checkvalve uses" in second.stderr
    assert "--data" in second.stderr
    with pytest.raises(JournalError, match="another Checkvalve"):
        opened()


def test_a_record_too_large_to_be_read_back_is_refused_and_the_log_goes_on(opened: Open) -> None:
    journal = opened()
    with pytest.raises(JournalError, match="a record of"):
        journal.append_many([event(bytes(MAX_RECORD))])
    assert journal.append_many([event(b"small")]) == [0]


def test_no_clear_text_and_no_key_reaches_the_log(opened: Open, tmp_path: Path) -> None:
    journal = opened()
    journal.append_many([event(b"jane.doe@example.com")])
    key = journal.keys.get(journal.read(0).header.key)
    assert key is not None
    for name, content in contents(tmp_path / "log").items():
        assert b"jane.doe" not in content, name
        assert key not in content, name
    assert all(p.stat().st_mode & 0o077 == 0 for p in tmp_path.glob("keys.db*"))


# --- tampering while nobody looks ------------------------------------------------------------------------------------


def closed_log(opened: Open, count: int = 20, segment_bytes: int = 1_000_000) -> None:
    journal = opened(segment_bytes=segment_bytes)
    fill(journal, count)
    journal.close()


def refused_untouched(opened: Open, directory: Path, match: str) -> None:
    """Neither opened nor altered by the attempt: the bytes are evidence."""
    before = contents(directory / "log")
    with pytest.raises(JournalError, match=match) as refusal:
        opened()
    assert refusal.value.hint
    assert contents(directory / "log") == before


def test_every_changed_byte_of_a_segment_is_found_and_never_signed(opened: Open, tmp_path: Path) -> None:
    closed_log(opened, count=4)
    path = tmp_path / FIRST
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        result = verified(tmp_path)
        assert not result.ok, position
        assert FIRST.removeprefix("log/") in {e.file for e in result.errors}, position
        if position % 7 == 0:
            refused_untouched(opened, tmp_path, "checkpoint|entry")
    path.write_bytes(whole)
    assert verified(tmp_path).ok


def test_a_record_changed_together_with_its_leaf_is_refused(opened: Open, tmp_path: Path) -> None:
    closed_log(opened)
    segment, leaves = tmp_path / FIRST, tmp_path / "log/leaves"
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(bytes(data))
    leaves.write_bytes(leaves.read_bytes()[:-32] + leaf_hash(_last_record(bytes(data))))
    assert {e.file for e in verified(tmp_path).errors} == {"checkpoint"}
    refused_untouched(opened, tmp_path, "not what its checkpoint signed")


def _last_record(segment: bytes) -> bytes:
    offset = record = 0
    while offset < len(segment):
        record = int.from_bytes(segment[offset : offset + 4], "big")
        offset += 4 + record
    return segment[len(segment) - record :]


def test_a_log_shorter_than_its_checkpoint_is_refused(opened: Open, tmp_path: Path) -> None:
    closed_log(opened)
    data = (tmp_path / FIRST).read_bytes()
    (tmp_path / FIRST).write_bytes(data[: -4 - len(_last_record(data))])
    refused_untouched(opened, tmp_path, "covers 20 entries, the log has 19")
    (tmp_path / FIRST).write_bytes(data[:-3])
    refused_untouched(opened, tmp_path, "entry 19")
    assert not verified(tmp_path).ok


def test_a_missing_segment_is_refused_and_named(opened: Open, tmp_path: Path) -> None:
    closed_log(opened, segment_bytes=700)
    paths = sorted((tmp_path / "log/segments").iterdir())
    paths[1].unlink()
    refused_untouched(opened, tmp_path, paths[2].name)
    assert paths[2].name in str(verified(tmp_path).errors)


@pytest.mark.parametrize("name", ["foo.seg", "1.seg", "0000000000000099.seg"])
def test_a_file_that_is_no_segment_of_this_log_is_refused(opened: Open, tmp_path: Path, name: str) -> None:
    closed_log(opened)
    (tmp_path / "log/segments" / name).write_bytes(b"")
    refused_untouched(opened, tmp_path, name)


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\xff" * 200])
def test_a_damaged_checkpoint_is_refused(opened: Open, tmp_path: Path, damage: bytes) -> None:
    closed_log(opened)
    (tmp_path / "log/checkpoint").write_bytes(damage)
    assert not verified(tmp_path).ok
    refused_untouched(opened, tmp_path, "log/checkpoint")


def test_a_missing_checkpoint_is_refused(opened: Open, tmp_path: Path) -> None:
    closed_log(opened)
    (tmp_path / "log/checkpoint").unlink()
    refused_untouched(opened, tmp_path, "no checkpoint")


def test_a_log_of_another_installation_is_refused(opened: Open, tmp_path: Path) -> None:
    closed_log(opened)
    with pytest.raises(JournalError, match="another key"):
        Journal.open(tmp_path, key=Ed25519PrivateKey.generate(), origin=ORIGIN)
    with pytest.raises(JournalError, match="not signed by this log"):
        Journal.open(tmp_path, key=KEY, origin="checkvalve/other")


def test_a_refused_log_can_be_opened_once_it_is_restored(opened: Open, tmp_path: Path) -> None:
    closed_log(opened)
    whole = (tmp_path / FIRST).read_bytes()
    (tmp_path / FIRST).write_bytes(whole[:50])
    refused_untouched(opened, tmp_path, "entry 0")
    (tmp_path / FIRST).write_bytes(whole)
    assert opened().size == 20


# --- what a crash leaves ---------------------------------------------------------------------------------------------


def test_a_torn_tail_is_cut_and_verifying_before_the_restart_is_no_false_alarm(opened: Open, tmp_path: Path) -> None:
    closed_log(opened)
    whole = (tmp_path / FIRST).read_bytes()
    for tail in (b"\0", b"\0\0\1", b"\0\0\1\0half a record", bytes(4096), b"\xff" * 100):
        (tmp_path / FIRST).write_bytes(whole + tail)
        assert (verified(tmp_path).ok, verified(tmp_path).entries) == (True, 20)
        opened().close()
        assert (tmp_path / FIRST).read_bytes() == whole


def test_a_whole_but_unreadable_record_after_the_checkpoint_is_cut(opened: Open, tmp_path: Path) -> None:
    """A power cut may leave a frame's length on disk and not its content."""
    closed_log(opened)
    whole = (tmp_path / FIRST).read_bytes()
    for frame in (bytes([0, 0, 0, 9]) + bytes(9), (300).to_bytes(4, "big") + _last_record(whole)[:100] + bytes(200)):
        (tmp_path / FIRST).write_bytes(whole + frame)
        opened().close()
        assert (tmp_path / FIRST).read_bytes() == whole


def test_records_that_came_to_disk_before_a_crash_are_kept(opened: Open, tmp_path: Path) -> None:
    """Records and keys on disk, checkpoint and leaves not: nobody was told, and nothing is lost."""
    journal = opened()
    fill(journal, 10)
    old = {n: (tmp_path / "log" / n).read_bytes() for n in ("checkpoint", "leaves")}
    fill(journal, 3)
    journal.close()
    for name, content in old.items():
        (tmp_path / "log" / name).write_bytes(content)
    assert (verified(tmp_path).ok, verified(tmp_path).uncovered) == (True, 3)
    again = opened()
    assert [again.read(n).clear for n in range(10, 13)] == [b"content of entry %d" % n for n in range(3)]
    assert (verified(tmp_path).ok, verified(tmp_path).uncovered) == (True, 0)


@pytest.mark.parametrize("damage", [b"", b"x" * 7, bytes(32 * 20), bytes(32 * 25)])
def test_the_leaf_file_follows_from_the_records(opened: Open, tmp_path: Path, damage: bytes) -> None:
    closed_log(opened)
    whole = (tmp_path / "log/leaves").read_bytes()
    (tmp_path / "log/leaves").write_bytes(damage)
    assert {e.file for e in verified(tmp_path).errors} == {"leaves"}
    opened().close()
    assert (tmp_path / "log/leaves").read_bytes() == whole
    assert verified(tmp_path).ok


# --- keys ------------------------------------------------------------------------------------------------------------


def test_erased_content_is_gone_from_every_file_and_the_log_still_verifies(opened: Open, tmp_path: Path) -> None:
    journal = opened()
    fill(journal, 200)
    ids = {n: journal.read(n).header.key for n in range(200)}
    keys = {n: journal.keys.get(ids[n]) for n in range(200)}
    erased = list(range(0, 200, 3))
    for start in range(0, len(erased), 10):
        chunk = erased[start : start + 10]
        assert journal.erase(chunk) == len(chunk)
    assert journal.erase(erased) == 0
    for name, content in contents(tmp_path).items():
        for number in erased:
            assert (keys[number] or b"?") not in content, (name, number)
    assert [journal.read(n).clear is None for n in range(200)] == [n in erased for n in range(200)]
    journal.close()
    assert verified(tmp_path).ok
    again = opened()
    assert again.read(0).clear is None
    assert again.read(1).clear == b"content of entry 1"


def test_a_reader_that_holds_old_pages_makes_erasing_say_so(opened: Open, tmp_path: Path) -> None:
    journal = opened()
    fill(journal, 5)
    with closing(sqlite3.connect(tmp_path / "keys.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM record_keys").fetchone()
        keys = RecordKeys(tmp_path / "keys.db", patience_s=0.1)
        with closing(keys), pytest.raises(KeysError, match="copies may stand") as told:
            keys.delete([journal.read(0).header.key])
        assert "again" in told.value.hint
        reader.execute("COMMIT")
    assert journal.read(0).clear is None
    assert journal.erase([0]) == 0


def test_a_log_without_its_keys_is_refused(opened: Open, tmp_path: Path) -> None:
    closed_log(opened)
    for path in tmp_path.glob("keys.db*"):
        path.unlink()
    refused_untouched(opened, tmp_path, "keys.db is missing")
    assert not (tmp_path / "keys.db").exists()
    (tmp_path / "keys.db").write_bytes(b"this is no database" * 100)
    refused_untouched(opened, tmp_path, "keys.db")


def test_a_record_changed_under_a_running_log_is_an_error_of_that_entry_alone(opened: Open, tmp_path: Path) -> None:
    journal = opened()
    fill(journal, 5)
    with (tmp_path / FIRST).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\0" if (tmp_path / FIRST).read_bytes()[-1] else b"\1")
    with pytest.raises(VerificationError):
        journal.read(4)
    assert journal.read(3).clear == b"content of entry 3"
    assert [e.entry for e in verified(tmp_path).errors] == [4]
