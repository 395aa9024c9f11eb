"""The client gets what the model sent, byte for byte; the log says what it was and whom it exposed."""

import gzip
import json
import os
import signal
import socket
import time

import pytest
from tests.integration.gateway.conftest import Stack
from tests.integration.gateway.upstream import CUT, ask, payload

PATH = "/v1/chat/completions"
QUESTION = json.dumps({"model": "smol", "messages": [{"role": "user", "content": "hello"}]}).encode()
LEAK = "Order for Anna.Schmidt@Example.DE, Zoë Łukasiewicz."


def plain(body: bytes, *, status: str = "200 OK", more: str = "") -> list[bytes]:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}X-Odd: Yes\r\n\r\n"
    return [head.encode() + body]


def message(text: str) -> bytes:
    usage = {"prompt_tokens": 5, "completion_tokens": 9}
    return json.dumps({"model": "smol", "choices": [{"index": 0, "message": {"content": text}}], "usage": usage}).encode()


def stream(text: str, *, newline: bytes = b"\n") -> bytes:
    deltas: list[dict[str, object]] = [{"role": "assistant", "content": None}]
    deltas += [{"content": text[i : i + 3]} for i in range(0, len(text), 3)]
    events = [json.dumps({"choices": [{"index": 0, "delta": d}]}, ensure_ascii=False).encode() for d in deltas]
    return b"".join(b"data: " + e + newline * 2 for e in [*events, b"[DONE]"])


def chunked(body: bytes, size: int, kind: str = "text/event-stream") -> list[bytes]:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return [head, *(b"%x\r\n%s\r\n" % (len(p), p) for p in parts), b"0\r\n\r\n"]


def test_an_answer_passes_unchanged_and_is_logged_with_its_caller(stack: Stack) -> None:
    stack.upstream.script = plain(message(LEAK), more="Date: Tue, 24 Nov 2026 10:00:00 GMT\r\nServer: model\r\n")
    direct, _ = ask(stack.upstream.url, PATH, QUESTION)
    through, _ = ask(stack.url, PATH, QUESTION, stack.context())
    assert payload(through) == payload(direct)
    told = {line.lower() for line in direct.partition(b"\r\n\r\n")[0].split(b"\r\n")}
    assert told <= {line.lower() for line in through.partition(b"\r\n\r\n")[0].split(b"\r\n")}
    assert stack.inferences(1) == [("complete", f"session:{'5' * 32}", stack.plugin, 9)]
    reader = f"session:{'5' * 32}"
    expected = {("customer:7", "email", reader), ("customer:8", "name", reader)}
    stack.wait(lambda: stack.exposures() == expected, "the exposures")
    asked = stack.upstream.requests[-1].lower()
    assert b"checkvalve-context" not in asked
    assert b"traceparent" not in asked
    assert stack.upstream.requests[-1].endswith(QUESTION)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_stream_split_at_any_byte_is_the_same_stream(stack: Stack, newline: bytes) -> None:
    body = stream(LEAK, newline=newline)
    for round_, size in enumerate((1, 2, 7, 64, 100_000), start=1):
        stack.upstream.script = chunked(body, size)
        through, _ = ask(stack.url, PATH, QUESTION, stack.context(plugin=f"{stack.plugin}-{size}"))
        assert payload(through) == (200, body, True)
        assert [o[0] for o in stack.inferences(round_)] == ["complete"] * round_
    query = f"SELECT inference, count(*) FROM exposures WHERE shown AND entry > {stack.mark} GROUP BY inference"
    assert [count for _, count in stack.rows(query)] == [2] * 5


def test_a_persons_own_data_is_no_exposure(stack: Stack) -> None:
    stack.upstream.script = plain(message("Dear Anna Schmidt, anna.schmidt@example.de"))
    ask(stack.url, PATH, QUESTION, stack.context(requester={"ref": "customer:7"}))
    assert stack.inferences(1)[0][:2] == ("complete", "customer:7")
    assert stack.exposures() == set()


def test_gzip_passes_as_it_is_and_is_read(stack: Stack) -> None:
    body = gzip.compress(message(LEAK))
    stack.upstream.script = plain(body, more="Content-Encoding: gzip\r\n")
    through, _ = ask(stack.url, PATH, QUESTION, stack.context())
    assert payload(through) == (200, body, True)
    stack.wait(lambda: len(stack.exposures()) == 2, "the exposures")


def test_errors_and_other_paths_pass_untouched(stack: Stack) -> None:
    busy = b'{"error": "busy"}'
    stack.upstream.script = plain(busy, status="429 Too Many Requests", more="Retry-After: 7\r\n")
    for path in (PATH, "/v1/models", "/api/tags?x=%2F..%2f", "/v1/embeddings"):
        through, _ = ask(stack.url, path, QUESTION)
        assert payload(through) == (429, busy, True)
        assert b"retry-after: 7" in through.lower()
        assert stack.upstream.requests[-1].startswith(b"POST " + path.encode() + b" ")
    assert [o[0] for o in stack.inferences(2)] == ["complete"] * 2, "the chat and the embedding"


def test_a_stream_that_the_model_cuts_is_cut_for_the_client(stack: Stack) -> None:
    whole = chunked(stream(LEAK), 40)
    for ending in ((), (CUT,)):
        stack.upstream.script = [*whole[:6], 0.2, *ending]
        direct, _ = ask(stack.upstream.url, PATH, QUESTION)
        through, _ = ask(stack.url, PATH, QUESTION, stack.context())
        assert payload(through)[1] == payload(direct)[1]
        assert payload(through)[2] is False
    assert [o[0] for o in stack.inferences(2)] == ["upstream_cut"] * 2


def test_a_body_shorter_than_announced_is_not_made_whole(stack: Stack) -> None:
    stack.upstream.script = [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{}"]
    through, _ = ask(stack.url, PATH, QUESTION)
    assert payload(through) == (200, b"{}", False)
    assert stack.inferences(1)[0][0] == "upstream_cut"


def test_a_model_that_is_down_is_a_502_and_logged(own_stack: Stack) -> None:
    own_stack.upstream.close()
    time.sleep(0.1)
    status, body, whole = payload(ask(own_stack.url, PATH, QUESTION)[0])
    assert (status, json.loads(body)["error"]["code"], whole) == (502, "bad_gateway", True)
    assert own_stack.inferences(1)[0][0] == "upstream_error"


def test_a_slow_model_is_waited_for_and_tokens_are_not_held_back(stack: Stack) -> None:
    parts = chunked(stream("one two"), 30)
    stack.upstream.script = [1.5, *parts[:2], 1.5, *parts[2:]]
    through, _ = ask(stack.url, PATH, QUESTION)
    assert payload(through)[2]
    stack.inferences(1)
    started, ended = stack.rows(f"SELECT started_ms, ended_ms FROM inferences WHERE entry > {stack.mark}")[0]
    assert ended - started >= 2900


def test_a_client_that_leaves_ends_the_models_work(stack: Stack) -> None:
    piece = b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "word "}}]}).encode() + b"\n\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    part = b"%x\r\n%s\r\n" % (len(piece), piece)
    steps: list[bytes | float] = [part, 0.05]
    stack.upstream.script = [head, *(steps * 200)]
    _leave_early(stack)
    assert stack.upstream.client_gone.wait(10)
    assert stack.inferences(1)[0][0] == "client_gone"


def _leave_early(stack: Stack) -> None:
    host, _, port = stack.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(QUESTION)}\r\n\r\n".encode()
        connection.sendall(head + QUESTION)
        assert connection.recv(1000)


def test_a_request_of_100_megabytes_passes_whole(stack: Stack) -> None:
    stack.upstream.script = plain(b"{}")
    big = b'{"messages": [{"role": "user", "content": "' + b"x" * 100_000_000 + b'"}]}'
    assert payload(ask(stack.url, PATH, big, timeout=60)[0]) == (200, b"{}", True)
    assert stack.upstream.requests[-1].endswith(big[-100:])
    assert len(stack.upstream.requests[-1].partition(b"\r\n\r\n")[2]) == len(big)
    assert stack.inferences(1)[0][0] == "complete"


def test_core_away_for_a_while_loses_nothing(own_stack: Stack) -> None:
    own_stack.core.stop()
    own_stack.upstream.script = plain(message(LEAK))
    for _ in range(5):
        assert payload(ask(own_stack.url, PATH, QUESTION, own_stack.context())[0])[0] == 200
    assert own_stack.health()["spool"]["depth"] >= 10
    own_stack.core.start()
    assert len(own_stack.inferences(5)) == 5
    own_stack.wait(lambda: own_stack.health()["spool"]["depth"] == 0, "an empty spool")
    assert own_stack.rows("SELECT count(*) FROM findings WHERE detector = 'sequence_gap'") == [(0,)]


def test_a_killed_gateway_keeps_its_events_and_its_orders(own_stack: Stack) -> None:
    own_stack.core.stop()
    own_stack.upstream.script = plain(message(LEAK))
    ask(own_stack.url, PATH, QUESTION, own_stack.context())
    assert own_stack.gateway is not None
    os.killpg(own_stack.gateway.pid, signal.SIGKILL)
    own_stack.stop()
    own_stack.start()
    assert sum(r["people"] for r in own_stack.health()["registers"]) == 2
    ask(own_stack.url, PATH, QUESTION, own_stack.context())
    own_stack.core.start()
    assert len(own_stack.inferences(2)) == 2
    assert own_stack.rows("SELECT count(*) FROM findings WHERE detector IN ('sequence_gap', 'malformed_event')") == [(0,)]


def test_a_forged_or_old_context_is_not_believed(stack: Stack) -> None:
    # The last one here: a leak through an unknown caller holds back the model's answers to everybody.
    stack.upstream.script = plain(message("Dear Anna Schmidt").replace(b"smol", b"other"))
    genuine = stack.context(requester={"ref": "customer:7"})["Checkvalve-Context"]
    head, body, signature = genuine.split(".")
    forged = [
        f"{head}.{body}.{signature[:-4]}AAAA",
        stack.context(requester={"ref": "customer:7"}, exp=int(time.time()) - 1)["Checkvalve-Context"],
        stack.context(requester={"ref": "customer:7"}, site="s-anotheronexx")["Checkvalve-Context"],
        "not.a.token",
        "x" * 20_000,
    ]
    for token in forged[:4]:
        ask(stack.url, PATH, QUESTION.replace(b"smol", b"other"), {"Checkvalve-Context": token})
    assert [o[1] for o in stack.inferences(4)] == ["anonymous"] * 4
    stack.wait(lambda: stack.exposures() == {("customer:7", "name", "anonymous")}, "the exposure")
