"""What files say, in whatever container, and what cannot be read is said so."""

import bz2
import gzip
import io
import lzma
import zipfile
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from checkvalve.modelstates.reading import Document, read, rows

LINE = "Anna Schmidt, anna.schmidt@example.com"


def said(path: str, data: bytes) -> tuple[str, list[str]]:
    reading = read(path, data)
    text = "\n".join(d.text for d in reading.documents)
    return text, reading.not_assessed


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "messages": [[{"content": "hello"}], [{"content": LINE}]]}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        LINE.encode(),
        b"\xef\xbb\xbf" + LINE.encode(),
        LINE.encode("utf-16"),
        gzip.compress(LINE.encode()),
        bz2.compress(LINE.encode()),
        lzma.compress(LINE.encode()),
        zstd(LINE.encode()),
        zipped({"a/b.txt": LINE.encode()}),
        gzip.compress(zipped({"docs.jsonl.gz": gzip.compress(LINE.encode())})),
        parquet(),
    ],
    ids=["utf-8", "bom", "utf-16", "gzip", "bzip2", "xz", "zstd", "zip", "nested", "parquet"],
)
def test_text_is_read_out_of_every_container(data: bytes) -> None:
    text, unread = said("docs.bin", data)
    assert LINE in text
    assert unread == []


def test_bytes_that_are_no_text_are_searched_and_said_to_be_unread() -> None:
    text, unread = said("store.bin", bytes(range(32)) + LINE.encode() + b"\x00\x01" + LINE.encode("utf-16-le"))
    assert text.count(LINE) == 2
    assert unread == ["store.bin: not text; read as raw bytes alone"]


@pytest.mark.parametrize("data", [gzip.compress(LINE.encode() * 500)[:-9], zipped({"x": b"y"})[:-10], b"PAR1" + bytes(30)])
def test_a_damaged_container_is_unread_and_no_crash(data: bytes) -> None:
    _, unread = said("docs", data)
    assert len(unread) == 1
    assert "cannot be" in unread[0]


def test_archives_too_deep_are_unread() -> None:
    data = LINE.encode()
    for _ in range(5):
        data = gzip.compress(data)
    assert "deep" in said("docs.gz", data)[1][0]


def test_each_line_of_jsonl_is_a_document() -> None:
    reading = read("docs.jsonl", b'{"a": "x"}\n\n{"a": "y"}\n')
    assert [(d.place, d.text) for d in reading.documents] == [
        ("docs.jsonl line 1", '{"a": "x"}'),
        ("docs.jsonl line 3", '{"a": "y"}'),
    ]


def test_a_line_put_in_changes_few_pieces_and_cuts_nothing_in_two() -> None:
    lines = [f"Article {i}: the shop sells thing number {i * 7919 % 10007} for a price." for i in range(6000)]
    before = {d.text for d in read("faq.txt", "\n".join(lines).encode()).documents}
    lines.insert(3000, "A new line.")
    after = [d.text for d in read("faq.txt", "\n".join(lines).encode()).documents]
    assert len(after) > 10
    assert sum(text not in before for text in after) <= 2
    for first, second in pairwise(lines):
        pair = f"{first[-30:]}\n{second[:30]}"
        assert any(pair in text for text in after)


def test_one_endless_line_is_cut_with_an_overlap() -> None:
    text = "".join(f"{i:05d}" for i in range(40_000))
    documents = [d.text for d in read("x.txt", text.encode()).documents]
    assert len(documents) > 3
    assert all(any(text[at : at + 100] in d for d in documents) for at in range(0, len(text) - 100, 997))


def test_rows_are_documents_with_their_texts_below_each_other() -> None:
    found = list(rows("db table", iter([("Anna", None, "Schmidt", b"\xff\x00raw bytes"), (None, 7)])))
    assert found[0] == Document(place="db table row 1", text="Anna\nSchmidt\nraw bytes")
    assert found[1].text == "7"
