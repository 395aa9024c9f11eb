"""Models that lie, die and flood; callers that stall, leave and send rubbish: each sees what it would have seen."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.integration.gateway.local import LocalGateway, local_gateway
from tests.integration.gateway.test_proxy import LEAK, PATH, QUESTION, chunked, message, plain, stream
from tests.integration.gateway.upstream import Upstream, ask, payload

from checkvalve.detection.register import Register

POST = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(QUESTION)}\r\n".encode()


def connect(gateway: LocalGateway) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=20)


def read_all(connection: socket.socket) -> bytes:
    data = b""
    try:
        while part := connection.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


def raw(gateway: LocalGateway, sent: bytes) -> bytes:
    with connect(gateway) as connection:
        connection.sendall(sent)
        return read_all(connection)


def test_requests_on_one_connection_are_answered_in_order_and_models_that_close_are_asked_anew(
    gateway: LocalGateway, upstream: Upstream
) -> None:
    upstream.script = plain(message("fine"))  # it closes the connection each time without saying so
    many = (POST + b"\r\n" + QUESTION) * 49 + POST + b"Connection: close\r\n\r\n" + QUESTION
    answers = raw(gateway, many)
    assert answers.count(b"HTTP/1.1 200 OK") == answers.count(message("fine")) == 50
    assert [i["outcome"] for i in gateway.events("inference", 50)] == ["complete"] * 50


def test_a_thousand_questions_sent_at_once_about_its_health(gateway: LocalGateway) -> None:
    one = b"GET /.checkvalve/health HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = raw(gateway, one * 1999 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answers.count(b"HTTP/1.1 200 OK") == 2000


@pytest.mark.parametrize("announced", [3, 5000])
def test_a_length_that_lies(gateway: LocalGateway, upstream: Upstream, announced: int) -> None:
    body = message("fine")
    upstream.script = [
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {announced}\r\n\r\n".encode() + body
    ]
    direct, through = (payload(ask(url, PATH, QUESTION)[0]) for url in (upstream.url, gateway.url))
    assert through == (200, body[:announced], announced < len(body))
    assert direct[1][:announced] == through[1]
    assert gateway.events("inference")[0]["outcome"] == ("complete" if announced < len(body) else "upstream_cut")


@pytest.mark.parametrize(
    "rubbish", [b"", b"\x00\x01\x02", b"HTTP/9.9 hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
def test_a_model_that_does_not_speak_http_is_a_502(gateway: LocalGateway, upstream: Upstream, rubbish: bytes) -> None:
    upstream.script = [rubbish]
    assert payload(ask(gateway.url, PATH, QUESTION)[0])[0] == 502
    assert gateway.events("inference")[0]["outcome"] == "upstream_error"


def test_an_answer_in_a_hundred_thousand_chunks(gateway: LocalGateway, upstream: Upstream) -> None:
    body = stream("word " * 7_000 + LEAK)
    upstream.script = [b"".join(chunked(body, 10))]
    assert payload(ask(gateway.url, PATH, QUESTION)[0]) == (200, body, True)
    assert len({(e["subject"], e["category"]) for listed in gateway.events("exposures", 2) for e in listed}) == 2


def test_a_body_that_ends_with_the_connection_is_whole(gateway: LocalGateway, upstream: Upstream) -> None:
    upstream.script = [b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n", message(LEAK)]
    assert payload(ask(gateway.url, PATH, QUESTION)[0]) == (200, message(LEAK), True)
    assert gateway.events("inference")[0]["completion"] == LEAK


def test_a_caller_of_http_1_0_gets_no_chunks(gateway: LocalGateway, upstream: Upstream) -> None:
    upstream.script = chunked(stream(LEAK), 50)
    head, _, body = raw(gateway, POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n" + QUESTION).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body == stream(LEAK)


def test_a_head_request_gets_no_body_and_the_next_is_answered(gateway: LocalGateway, upstream: Upstream) -> None:
    upstream.script = [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"]
    answer = raw(gateway, b"HEAD /v1/models HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /.checkvalve/health HTTP/1.0\r\n\r\n")
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert b"Content-Length: 500" in first
    assert rest.startswith(b"HTTP/1.1 200 OK")


def test_chunked_requests_and_those_that_wait_to_be_told_arrive(gateway: LocalGateway, upstream: Upstream) -> None:
    upstream.script = plain(message("fine"))
    parts = [QUESTION[:9], QUESTION[9:]]
    body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    answer = raw(gateway, head.encode() + body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    sent = upstream.requests[-1]
    assert b"expect" not in sent.lower()
    assert sent.endswith(b"%x\r\n%s\r\n0\r\n\r\n" % (len(QUESTION), QUESTION))
    assert gateway.events("inference")[0]["request"] == QUESTION.decode()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000, b"431"),
    ],
)
def test_a_request_that_is_none_is_refused_and_reaches_no_model(
    gateway: LocalGateway, upstream: Upstream, sent: bytes, status: bytes
) -> None:
    assert raw(gateway, sent).split(b" ")[1] == status
    assert upstream.requests == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.integers(0, 3))
@example(b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nrubbish", 0)
@example(b"CONNECT a:1 HTTP/1.1\r\n\r\n", 0)
@example(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0)
def test_no_bytes_bring_it_down(gateway: LocalGateway, upstream: Upstream, sent: bytes, where: int) -> None:
    upstream.script = plain(b"{}")
    pieces = [b"POST ", PATH.encode(), b" HTTP/1.1\r\nContent-Length: 5\r\n", b"\r\n{}{}{"]
    pieces.insert(where, sent)
    for data in (sent, b"".join(pieces)):
        with connect(gateway) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            read_all(connection)
    assert b"200 OK" in raw(gateway, b"GET /.checkvalve/health HTTP/1.0\r\n\r\n")


def test_a_caller_that_does_not_read_stops_the_model_instead_of_filling_memory(
    gateway: LocalGateway, upstream: Upstream
) -> None:
    sent = 0
    block = b"%x\r\n%s\r\n" % (100_000, b":" + b"x" * 99_997 + b"\n\n")

    class Counting(list[Any]):
        def __iter__(self) -> Iterator[bytes]:
            nonlocal sent
            yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            for _ in range(1000):
                yield block
                sent += len(block)

    upstream.script = Counting()
    with connect(gateway) as connection:
        connection.sendall(POST + b"\r\n" + QUESTION)
        time.sleep(1.5)
        before = sent
        time.sleep(0.5)
        assert sent == before < 30_000_000
    assert upstream.client_gone.wait(10)
    assert gateway.events("inference")[0]["outcome"] == "client_gone"


@pytest.mark.parametrize(
    "body", [b'{"x": "%s"}' % (b"x" * 7_000_000), message("QW" * 50_000)], ids=["to be taken", "to be scanned"]
)
def test_what_was_slow_leaves_the_connection_to_the_model_as_it_should_be(tmp_path: Path, body: bytes) -> None:
    upstream = Upstream()
    upstream.keeps, upstream.script = True, plain(body)
    with local_gateway(tmp_path, upstream.url) as gateway:
        for _ in range(3):
            with connect(gateway) as connection:
                connection.sendall(POST + b"Connection: close\r\n\r\n" + QUESTION)
                time.sleep(0.2)
                assert payload(read_all(connection))[2], "the answer was cut"
        assert (upstream.connections, len(upstream.requests)) == (1, 3)
    upstream.close()


def test_a_full_spool_costs_the_log_and_not_the_caller(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script = plain(message(LEAK))
    with local_gateway(tmp_path, upstream.url) as gateway:
        gateway.spool._max = 2000
        for _ in range(5):
            assert payload(ask(gateway.url, PATH, QUESTION)[0]) == (200, message(LEAK), True)
        assert gateway.spool.dropped > 0


def test_a_fault_of_ours_costs_the_inspection_and_not_the_caller(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Register, "owners", broken)
    upstream.script = plain(message(LEAK))
    with local_gateway(tmp_path, upstream.url) as gateway:
        assert payload(ask(gateway.url, PATH, QUESTION)[0]) == (200, message(LEAK), True)
        assert gateway.events("inference_id") == [gateway.events("inference")[0]["id"]]
        gateway.order("redact", model="smol")
        status, body, _ = payload(ask(gateway.url, PATH, QUESTION)[0])
        assert (status, json.loads(body)["error"]["code"]) == (503, "checkvalve_refused")
