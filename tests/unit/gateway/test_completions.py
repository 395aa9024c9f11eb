"""What is read of an answer does not depend on how it was cut, and nothing a model sends can break the reading."""

import gzip
import itertools
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.gateway.completions import MAX_BODY, MAX_EVENT, Delta, Reader

SSE = "text/event-stream; charset=utf-8"


def read(parts: list[bytes], kind: str = SSE, encoding: str = "") -> tuple[list[Delta], Reader]:
    reader = Reader(kind, encoding)
    found = [d for part in parts for d in reader.feed(part)]
    return found + list(reader.finish()), reader


def texts(deltas: list[Delta], *, choice: int = 0, tool: bool = False) -> str:
    return "".join(d.text for d in deltas if (d.choice, d.tool) == (choice, tool))


def event(delta: dict[str, Any], index: int = 0, **more: Any) -> bytes:
    body = {"choices": [{"index": index, "delta": delta}], **more}
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


STREAM = b"".join(
    (
        b": a comment\n\n",
        event({"role": "assistant", "content": None}, model="smol"),
        event({"content": "Zoë "}),
        event({"content": "other"}, 1),
        event({"reasoning_content": "hm "}),
        event({"tool_calls": [{"index": 0, "function": {"name": "mail", "arguments": '{"to": "zo'}}]}),
        event({"tool_calls": [{"index": 0, "function": {"arguments": 'e@example.org"}'}}]}),
        event({"content": "Łuka"}).replace(b"\n", b"\r\n"),
        b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5}}\n\n',
        b"data: [DONE]\n\n",
    )
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_a_stream_cut_anywhere_reads_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    found, reader = read([STREAM[a:b] for a, b in itertools.pairwise(edges)])
    assert (texts(found), texts(found, choice=1)) == ("Zoë hm Łuka", "other")
    assert texts(found, tool=True) == '{"to": "zoe@example.org"}'
    answer = reader.answer
    assert (answer.model, answer.finish, answer.usage) == ("smol", "stop", {"prompt_tokens": 5})


def test_a_last_event_without_its_newline_is_read() -> None:
    assert texts(read([event({"content": "end"}).rstrip()])[0]) == "end"


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_answer_is_read_byte_by_byte(encoding: str, pack: Any) -> None:
    packed = pack(json.dumps({"choices": [{"message": {"content": "Anna"}}]}).encode())
    found, reader = read([packed[i : i + 1] for i in range(len(packed))], "application/json", encoding)
    assert (texts(found), reader.readable, reader.streamed) == ("Anna", True, False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[1]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"choices": null}',
        b'{"choices": 3}',
        b'{"choices": [{"delta": {"tool_calls": true}}]}',
        b'{"choices": [null, 3, {"delta": 4}, {"message": [1]}, {"delta": {"content": 7}}]}',
        b'{"choices": [{"delta": {"tool_calls": [null, {"function": 1}, {"function": {"arguments": {}}}]}}]}',
        b'{"model": 3, "usage": "none"}',
    ],
)
def test_an_answer_of_no_known_shape_says_nothing_and_breaks_nothing(body: bytes) -> None:
    assert read([body], "application/json")[0] == []
    assert read([b"data: " + body + b"\n\n", event({"content": "after"})])[0] == [Delta(choice=0, text="after")]


def test_what_cannot_be_read_is_told() -> None:
    assert not read([b"xyz"], encoding="br")[1].readable
    assert not read([b"this is no gzip"], encoding="gzip")[1].readable
    assert read([b"x" * (MAX_BODY + 1)], "application/json")[1].truncated
    found, reader = read([b"data: " + b"x" * (MAX_EVENT + 1), b"\n\n", event({"content": "after"})])
    assert (reader.truncated, texts(found)) == (True, "after")


@given(st.binary(max_size=200), st.sampled_from([SSE, "application/json"]), st.sampled_from(["", "gzip", "deflate", "br"]))
def test_no_bytes_raise(body: bytes, kind: str, encoding: str) -> None:
    for found in (read([body], kind, encoding)[0], read([bytes([b]) for b in body], kind, encoding)[0]):
        assert all(isinstance(d.text, str) for d in found)
