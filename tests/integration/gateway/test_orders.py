"""An order takes effect on what comes and on what already runs, between two tokens, and on nothing else."""

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

from tests.integration.gateway.local import LocalGateway, local_gateway
from tests.integration.gateway.test_proxy import LEAK, PATH, QUESTION, chunked, message, plain, stream
from tests.integration.gateway.upstream import Upstream, ask, payload

from checkvalve.gateway.inspection import ENDING_TEXT, MARK

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def token(text: str) -> bytes:
    event = b"data: " + json.dumps({"id": "c1", "choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


def shown(body: bytes) -> str:
    bodies = [json.loads(e[5:]) for e in body.split(b"\n\n") if e.startswith(b"data:") and b"[DONE]" not in e]
    return "".join(c["delta"].get("content") or "" for b in bodies for c in b["choices"])


class Running:
    """A request whose answer is being read while it comes."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self.connection = socket.create_connection((host, int(port)), timeout=10)
        lines = [f"POST {PATH} HTTP/1.1", "Host: x", f"Content-Length: {len(QUESTION)}", "Connection: close"]
        lines += [f"{k}: {v}" for k, v in headers.items()]
        self.connection.sendall("\r\n".join((*lines, "", "")).encode() + QUESTION)
        self.data = b""

    def until(self, text: bytes) -> None:
        while text not in self.data:
            part = self.connection.recv(65536)
            assert part, f"the answer ended without {text!r}: {self.data[-200:]!r}"
            self.data += part

    def rest(self) -> tuple[int, bytes, bool]:
        with self.connection:
            while part := self.connection.recv(65536):
                self.data += part
        return payload(self.data)


def test_a_refusal_closes_the_model_to_whom_it_names_alone(gateway: LocalGateway, upstream: Upstream) -> None:
    upstream.script = plain(message("fine"))
    gateway.order("refuse", plugin="chat")
    for path in (PATH, "/v1/models", "/api/generate", "/anything"):
        status, body, whole = payload(ask(gateway.url, path, QUESTION, gateway.context())[0])
        assert (status, json.loads(body)["error"]["code"], whole) == (503, "checkvalve_refused", True)
    assert upstream.requests == []
    assert payload(ask(gateway.url, PATH, QUESTION, gateway.context(plugin="search"))[0])[0] == 200
    outcomes = [(i["outcome"], i["policy"]) for i in gateway.events("inference", 3)]
    assert outcomes == [("refused", "refuse"), ("refused", "refuse"), ("complete", "pass")]


def test_a_release_opens_it_again(gateway: LocalGateway, upstream: Upstream) -> None:
    upstream.script = plain(message("fine"))
    jti = gateway.order("refuse", model="smol")
    assert payload(ask(gateway.url, PATH, QUESTION)[0])[0] == 503
    gateway.order("release", jti=jti)
    assert payload(ask(gateway.url, PATH, QUESTION)[0])[0] == 200


def test_a_running_stream_ends_politely_before_its_next_token(gateway: LocalGateway, upstream: Upstream) -> None:
    go_on = threading.Event()
    upstream.script = [
        HEAD,
        token("The first "),
        token("words"),
        go_on,
        token(" and the secret"),
        0.1,
        token("!"),
        0.1,
        token("!"),
    ]
    running = Running(gateway.url, gateway.context())
    running.until(b"words")
    start = time.monotonic()
    gateway.order("refuse", session="5")
    running.until(b"[DONE]")
    took = time.monotonic() - start
    go_on.set()
    status, body, whole = running.rest()
    assert (status, shown(body), whole) == (200, "The first words" + ENDING_TEXT, True)
    assert took < 2
    assert upstream.client_gone.wait(10), "the model goes on working for nobody"
    assert gateway.events("inference")[0]["outcome"] == "cut"


def test_a_running_request_without_an_answer_yet_is_refused(gateway: LocalGateway, upstream: Upstream) -> None:
    go_on = threading.Event()
    upstream.script = [go_on, *plain(message("the secret"))]
    running = Running(gateway.url, gateway.context())
    deadline = time.monotonic() + 10
    while not upstream.requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    gateway.order("refuse", plugin="chat")
    status, _, whole = running.rest()
    go_on.set()
    assert (status, whole) == (503, True)
    assert gateway.events("inference")[0]["outcome"] == "refused"


def test_other_running_streams_go_on(gateway: LocalGateway, upstream: Upstream) -> None:
    go_on = threading.Event()
    upstream.script = [HEAD, token("one "), go_on, token("two"), b"0\r\n\r\n"]
    running = Running(gateway.url, gateway.context(plugin="search"))
    running.until(b"one")
    gateway.order("refuse", plugin="chat")
    go_on.set()
    assert shown(running.rest()[1]) == "one two"


def test_redaction_takes_out_other_peoples_data_and_lets_the_rest_flow(gateway: LocalGateway, upstream: Upstream) -> None:
    gateway.order("redact", plugin="chat")
    for size in (1, 7, 64, 100_000):
        upstream.script = chunked(stream(LEAK), size)
        status, body, whole = payload(ask(gateway.url, PATH, QUESTION, gateway.context())[0])
        assert (status, shown(body), whole) == (200, f"Order for {MARK}, {MARK}.", True)
    upstream.script = plain(message(LEAK))
    status, body, whole = payload(ask(gateway.url, PATH, QUESTION, gateway.context())[0])
    assert (status, json.loads(body)["choices"][0]["message"]["content"], whole) == (200, f"Order for {MARK}, {MARK}.", True)
    inferences = gateway.events("inference", 5)
    assert [(i["policy"], i["withheld"], i["completion"]) for i in inferences] == [
        ("redact", 2, f"Order for {MARK}, {MARK}.")
    ] * 5
    withheld = gateway.events("withheld", 10)
    assert {(e["subject"], e["category"]) for listed in withheld for e in listed} == {
        ("customer:7", "email"),
        ("customer:8", "name"),
    }
    assert gateway.events("exposures", 0) == []


def test_redaction_begins_in_a_stream_that_runs(gateway: LocalGateway, upstream: Upstream) -> None:
    go_on = threading.Event()
    upstream.script = [
        HEAD,
        token("zoe@example.org and "),
        token("then "),
        go_on,
        token("zoe@exam"),
        token("ple.org."),
        b"0\r\n\r\n",
    ]
    running = Running(gateway.url, gateway.context())
    running.until(b"then")
    gateway.order("redact", plugin="chat")
    go_on.set()
    assert shown(running.rest()[1]) == f"zoe@example.org and then {MARK}."
    assert len(gateway.events("exposures")[0]) == len(gateway.events("withheld")[0]) == 1


def test_an_answer_ends_where_other_peoples_data_would_begin(gateway: LocalGateway, upstream: Upstream) -> None:
    gateway.order("cut", route="/ask")
    upstream.script = chunked(stream(LEAK + " And more."), 50)
    status, body, whole = payload(ask(gateway.url, PATH, QUESTION, gateway.context())[0])
    assert (status, shown(body), whole) == (200, "Order for " + ENDING_TEXT, True)
    assert gateway.events("inference")[0]["outcome"] == "cut"
    upstream.script = chunked(stream("Nothing of anybody."), 50)
    assert shown(payload(ask(gateway.url, PATH, QUESTION, gateway.context())[0])[1]) == "Nothing of anybody."


def test_while_answers_are_held_nothing_passes_that_cannot_be_read(gateway: LocalGateway, upstream: Upstream) -> None:
    gateway.order("redact", plugin="chat")
    upstream.script = plain(b"\x1b\x03\x80brotli", more="Content-Encoding: br\r\n")
    assert payload(ask(gateway.url, PATH, QUESTION, gateway.context())[0])[0] == 503
    assert b"\r\naccept-encoding: identity\r\n" in upstream.requests[-1].lower()
    upstream.requests.clear()
    assert payload(ask(gateway.url, "/v1/audio/speech", QUESTION, gateway.context())[0])[0] == 503
    assert upstream.requests == []


def test_tools_are_taken_from_the_request_and_nothing_else(gateway: LocalGateway, upstream: Upstream) -> None:
    gateway.order("strip_tools", model="smol")
    upstream.script = plain(message("fine"))
    asked: dict[str, Any] = json.loads(QUESTION)
    offered = asked | {"tools": [{"type": "function", "function": {"name": "mail"}}], "tool_choice": "auto"}
    assert payload(ask(gateway.url, PATH, json.dumps(offered).encode())[0])[0] == 200
    assert json.loads(upstream.requests[-1].partition(b"\r\n\r\n")[2]) == asked
    assert payload(ask(gateway.url, PATH, b"not json")[0])[0] == 503
    ask(gateway.url, PATH, QUESTION)
    assert upstream.requests[-1].endswith(QUESTION)


def test_an_order_takes_effect_within_a_tenth_of_a_second(gateway: LocalGateway, upstream: Upstream) -> None:
    upstream.script = plain(message("fine"))
    times = []
    for _ in range(30):
        start = time.perf_counter()
        gateway.order("refuse", plugin="chat")
        assert payload(ask(gateway.url, PATH, QUESTION, gateway.context())[0])[0] == 503
        times.append(time.perf_counter() - start)
        gateway.release_all()
    assert sorted(times)[len(times) // 2] < 0.1


def test_orders_survive_a_restart(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script = plain(message("fine"))
    with local_gateway(tmp_path, upstream.url) as first:
        first.order("refuse", model="smol")
    with local_gateway(tmp_path, upstream.url, core=first.core) as second:
        assert payload(ask(second.url, PATH, QUESTION)[0])[0] == 503
