"""The stores that shops keep documents in, the real ones: what was deleted is found as long as it is there."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import chromadb
import faiss
import lance
import numpy as np
import pyarrow as pa
import pytest
import sqlite_vec
from chromadb.config import Settings
from tests.integration.modelstates.conftest import ANNA, Shop

LEAKED = f"{ANNA['name']} {ANNA['email']}"
PLAIN = [f"Article {n}: refunds take 14 days" for n in range(40)]


def vectors(number: int) -> list[Any]:
    return list(np.random.default_rng(number).random((number, 2), dtype="float32"))


def test_chroma_keeps_what_was_deleted_until_it_is_vacuumed(shop: Shop, tmp_path: Path) -> None:
    where = shop.root / "docs"
    client = chromadb.PersistentClient(str(where), settings=Settings(anonymized_telemetry=False))
    kept = client.create_collection(
        "faq", embedding_function=None, configuration={"hnsw": {"batch_size": 2, "sync_threshold": 2}}
    )
    kept.add(ids=[str(n) for n in range(40)], documents=PLAIN, embeddings=vectors(40))
    kept.add(ids=["x"], documents=[LEAKED], embeddings=vectors(1))
    shop.day(1)
    kept.delete(ids=["x"])
    kept.add(ids=[f"more-{n}" for n in range(40)], documents=PLAIN, embeddings=vectors(40))
    shop.day(2)
    assert shop.find().judge.version(1, "docs").why.startswith("made from docs of"), "its vectors were made while it was there"
    kept.add(ids=[f"later-{n}" for n in range(40)], documents=PLAIN, embeddings=vectors(40))
    del kept, client
    chroma = Path(sys.executable).with_name("chroma")
    subprocess.run([str(chroma), "vacuum", "--path", str(where), "--force"], capture_output=True, check=True, cwd=tmp_path)
    shop.day(3)
    judge = shop.find().judge
    assert [judge.version(n, "docs").verdict for n in range(3)] == ["contaminated", "contaminated", "clean"]


def test_lance_is_taken_without_its_old_versions_and_read_with_all_it_has(docs: Shop) -> None:
    where = docs.root / "docs" / "faq.lance"
    points = pa.array([[0.1, 0.2]] * 40, pa.list_(pa.float32(), 2))
    data = lance.write_dataset(pa.table({"text": PLAIN, "vector": points}), str(where))
    docs.day(1)
    more = pa.table({"text": [LEAKED], "vector": pa.array([[0.3, 0.4]], pa.list_(pa.float32(), 2))})
    lance.write_dataset(more, str(where), mode="append")
    docs.day(2)
    data = lance.dataset(str(where))
    data.delete(f"text = '{LEAKED}'")
    docs.day(3)
    assert docs.verdicts() == ["clean", "contaminated", "clean"]
    assert len(lance.dataset(str(where)).versions()) == 3, "the shop's own store was not touched"
    old = lance.dataset(str(where), version=2)
    assert any(LEAKED in str(row) for row in old.to_table().to_pylist())


def test_a_host_that_sends_old_versions_is_found_out(docs: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    where = docs.root / "docs" / "faq.lance"
    lance.write_dataset(pa.table({"text": [*PLAIN, LEAKED]}), str(where))
    lance.dataset(str(where)).delete(f"text = '{LEAKED}'")
    monkeypatch.setattr("checkvalve.engine.vault_stores.forget_versions", lambda _: None)
    docs.day(1)
    assert docs.verdicts() == ["contaminated"]
    [hit] = {h.place for h in docs.find().judge.version(0, "docs").hits}
    assert hit == "faq.lance version 1 row 41"


def test_what_only_looks_like_lance_is_not_assessed(docs: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    docs.write("docs/faq.lance/data/a.lance", b"nothing of Lance")
    docs.write("docs/faq.lance/_versions/1.manifest", b"nothing of Lance")
    monkeypatch.setattr("checkvalve.engine.vault_stores.forget_versions", lambda _: None)
    docs.day(1)
    [version] = docs.vault.states()[0].versions
    assert any("Lance cannot read it" in why for why in version.not_assessed)
    assert docs.verdicts() == ["unknown"]


def told(docs: Shop, *statements: str) -> None:
    """With SQLite's own shell: not every Python may load extensions."""
    load = f".load {sqlite_vec.loadable_path()}"
    subprocess.run(["sqlite3", str(docs.root / "docs/vec.db"), load, *statements], capture_output=True, check=True)


def test_sqlite_vec_is_read_row_by_row(docs: Shop) -> None:
    rows = ", ".join(f"('[0.1, 0.2]', '{text}')" for text in [*PLAIN, LEAKED])
    told(
        docs,
        "CREATE VIRTUAL TABLE faq USING vec0(vector float[2], +text TEXT)",
        f"INSERT INTO faq (vector, text) VALUES {rows}",
    )
    docs.day(1)
    told(docs, f"DELETE FROM faq WHERE text = '{LEAKED}'")
    docs.day(2)
    assert docs.verdicts() == ["contaminated", "clean"]


def test_faiss_is_judged_by_what_it_was_made_from(shop: Shop) -> None:
    index = faiss.IndexFlatL2(2)
    index.add(np.zeros((1, 2), dtype="float32"))
    faiss.write_index(index, str(shop.root / "docs" / "faq.faiss"))
    shop.day(1)
    shop.write("docs/leak.jsonl", f'{{"text": "{LEAKED}"}}\n')
    shop.day(2)
    assert shop.verdicts() == ["clean", "contaminated"]
    assert [v.vectors for v in shop.vault.states()[0].versions if v.component == "docs"] == [("faq.faiss",)]
