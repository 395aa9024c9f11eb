"""What two servers could read differently is nobody's request: nothing a caller hides behind one reaches the model."""

import socket

import pytest
from tests.integration.gateway.local import LocalGateway
from tests.integration.gateway.test_faults import raw
from tests.integration.gateway.test_proxy import PATH, QUESTION, message, plain
from tests.integration.gateway.upstream import Upstream

HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n".encode()
HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


REFUSED = {
    "length and coding": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "coding and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + HIDDEN,
    "a length with a sign": HEAD + b"Content-Length: +5\r\n\r\nhello" + HIDDEN,
    "another coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + chunked(QUESTION) + HIDDEN,
    "a coding over chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked(QUESTION) + HIDDEN,
    "a space before the colon": HEAD + b"Content-Length : 5\r\n\r\nhello" + HIDDEN,
    "another version": b"POST " + PATH.encode() + b" HTTP/2.0\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" + HIDDEN,
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_and_what_follows_it_is_not_read(gateway: LocalGateway, upstream: Upstream, sent: bytes) -> None:
    upstream.script = plain(message("fine"))
    upstream.requests.clear()
    answer = raw(gateway, sent)
    assert answer.startswith(b"HTTP/1.1 400"), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert not any(b"smuggled" in request for request in upstream.requests)


def test_a_body_that_breaks_off_its_form_ends_the_connection(gateway: LocalGateway, upstream: Upstream) -> None:
    upstream.script = plain(message("fine"))
    upstream.requests.clear()
    answer = raw(gateway, HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n" + HIDDEN)
    assert not answer.startswith(b"HTTP/1.1 200")
    assert not any(b"smuggled" in request for request in upstream.requests)


def test_a_whole_address_is_asked_for_as_its_path_alone(gateway: LocalGateway, upstream: Upstream) -> None:
    upstream.script = plain(message("fine"))
    upstream.requests.clear()
    head = f"POST http://evil.example{PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(QUESTION)}\r\n\r\n"
    assert raw(gateway, head.encode() + QUESTION).startswith(b"HTTP/1.1 200")
    [request] = upstream.requests
    assert request.startswith(f"POST {PATH} HTTP/1.1\r\n".encode())
    assert b"evil.example" not in request


@pytest.mark.parametrize("whole", [True, False], ids=["at once", "byte by byte"])
def test_an_offered_upgrade_is_not_taken_and_the_request_is_answered(
    gateway: LocalGateway, upstream: Upstream, whole: bool
) -> None:
    upstream.script = plain(message("fine"))
    upstream.requests.clear()
    offer = f"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: {len(QUESTION)}\r\n\r\n"
    sent = HEAD + offer.encode() + QUESTION + HIDDEN
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        for part in [sent] if whole else [sent[i : i + 1] for i in range(len(sent))]:
            try:
                connection.sendall(part)
            except OSError:  # it has hung up: what follows is not wanted
                break
        answer = b""
        try:
            while data := connection.recv(65536):
                answer += data
        except ConnectionResetError:
            pass
    assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    [request] = upstream.requests
    assert request.endswith(QUESTION)
    assert b"smuggled" not in request and b"h2c" not in request
