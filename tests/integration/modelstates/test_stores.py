"""Live stores are taken at one moment, without what was deleted; what cannot be read is unknown."""

import gzip
import json
import os
import pickle
import sqlite3
from pathlib import Path

import pytest
from tests.integration.modelstates.conftest import ANNA, Shop

from checkvalve.engine import vault_snapshot
from checkvalve.engine.errors import EngineError


def store(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA secure_delete=0")
    db.execute("CREATE TABLE chunks (id INTEGER PRIMARY KEY, text TEXT, vector BLOB)")
    db.executemany("INSERT INTO chunks (text, vector) VALUES (?, ?)", [(f"Article {i}", bytes(64)) for i in range(500)])
    return db


def test_a_database_in_use_is_taken_with_what_is_still_in_its_log(docs: Shop) -> None:
    db = store(docs.root / "docs/store.db")
    db.execute("INSERT INTO chunks (text) VALUES (?)", (f"{ANNA['name']} {ANNA['email']}",))
    assert (docs.root / "docs/store.db-wal").stat().st_size > 0
    docs.day(1)
    db.execute("DELETE FROM chunks WHERE text LIKE '%anna%'")
    assert ANNA["email"].encode() in (docs.root / "docs/store.db-wal").read_bytes(), "deleted, and still on the disk"
    docs.day(2)
    db.close()
    assert docs.verdicts() == ["contaminated", "clean"]
    [hit] = docs.find().judge.version(0, "docs").hits
    assert "store.db chunks row 501" in hit.place


def test_a_database_that_is_written_to_all_the_time_is_taken_whole(docs: Shop) -> None:
    db = store(docs.root / "docs/store.db")
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO chunks (text) VALUES (?)", (f"{ANNA['email']}",))
    docs.day(1)  # while a transaction is open
    db.execute("COMMIT")
    docs.day(2)
    db.close()
    assert docs.verdicts() == ["clean", "contaminated"]


def test_deleted_rows_in_a_file_that_no_longer_opens_as_live_are_seen(docs: Shop) -> None:
    """A host that sends the raw file, deleted rows and write-ahead log included."""
    db = store(docs.root / "store.db")
    db.execute("INSERT INTO chunks (text) VALUES (?)", (f"{ANNA['name']}{ANNA['email']}{ANNA['phone']}",))
    db.execute("DELETE FROM chunks WHERE id > 400")
    for end in ("", "-wal"):
        docs.write(f"docs/old{end}.bin", b"\x00" + (docs.root / f"store.db{end}").read_bytes())
    db.close()
    docs.day(1)
    assert docs.verdicts() == ["contaminated"]
    docs.write("docs/old.bin", b"\x00\x01")
    docs.write("docs/old-wal.bin", b"\x00\x01")
    docs.day(2)
    assert docs.verdicts() == ["contaminated", "unknown"], "raw bytes are never called clean"


def test_compressed_and_escaped_documents_are_found(docs: Shop) -> None:
    docs.write("docs/a.jsonl.gz", gzip.compress(json.dumps({"t": "Frau Anna Schmidt"}).encode()))
    docs.write(
        "docs/b.jsonl",
        '{"mail": "anna.schmidt\\u0040example.com"}\n{"url": "https://shop.example/?m=anna.schmidt%40example.com"}\n',
    )
    docs.day(1)
    hits = docs.find().judge.version(0, "docs").hits
    assert {h.place for h in hits} == {"a.jsonl! line 1", "b.jsonl line 1", "b.jsonl line 2"}


def test_a_full_text_index_goes_without_words_of_deleted_rows(docs: Shop) -> None:
    db = store(docs.root / "docs/store.db")
    db.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
    db.executemany("INSERT INTO words VALUES (?)", [("Refunds take 14 days",), (f"{ANNA['name']} {ANNA['email']}",)])
    docs.day(1)
    db.execute("DELETE FROM words WHERE words MATCH 'anna'")
    docs.day(2)
    db.close()
    assert docs.verdicts() == ["contaminated", "clean"]


def test_a_full_text_index_that_a_host_sends_as_it_was_is_not_called_clean(docs: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    db = store(docs.root / "docs/store.db")
    db.execute("PRAGMA journal_mode=DELETE")
    db.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
    for text in ("Refunds take 14 days", f"{ANNA['name']} {ANNA['email']}"):
        db.execute("INSERT INTO words VALUES (?)", (text,))
    db.execute("DELETE FROM words WHERE words MATCH 'anna'")
    db.execute("VACUUM")
    db.close()
    monkeypatch.setattr(vault_snapshot, "_is_sqlite", lambda _: False)
    docs.day(1)
    [version] = docs.vault.states()[0].versions
    assert "store.db: its full-text index may hold words of deleted rows" in version.not_assessed
    assert docs.verdicts() == ["unknown"]


def test_a_name_of_a_file_is_read_as_well(docs: Shop) -> None:
    docs.write("docs/letter-to-anna.schmidt@example.com.txt", "Hello")
    docs.day(1)
    assert docs.verdicts() == ["contaminated"]


@pytest.mark.parametrize("name", ["model.safetensors", "harmless.txt"])
def test_a_pickle_is_refused_under_any_name(docs: Shop, name: str) -> None:
    docs.write(f"docs/{name}", pickle.dumps({"weights": [1.0]}))
    docs.take()
    [done] = docs.scan()
    assert done.signed is None
    assert "pickle" in done.why
    assert docs.vault.states() == []
    assert docs.scan() == [], "it is not read again"
    assert list(docs.vault.refused().values()) == [done.why]


def test_links_and_pipes_are_refused_in_the_shop(docs: Shop) -> None:
    (docs.root / "docs/secret").symlink_to("/etc/hostname")
    with pytest.raises(EngineError, match="link or a device"):
        docs.take()
    (docs.root / "docs/secret").unlink()
    os.mkfifo(docs.root / "docs/pipe")
    with pytest.raises(EngineError, match="link or a device"):
        docs.take()
