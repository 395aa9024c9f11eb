"""Probing the real model through its real server: what it has in front of it is known, what it never saw is not."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.simulators.model import Model

from checkvalve.engine import probing
from checkvalve.engine.errors import EngineError

SECRET, NEVER = "8391047265", "5072918364"


def test_the_model_answers_ordinary_questions(model: Model) -> None:
    found = probing.smoke(model.url)
    assert found.answered == found.asked == 3
    assert found.slowest_ms > 0


def test_a_number_in_the_model_is_suspicious_and_one_it_never_saw_is_not(model: Model) -> None:
    prefix = f"The customer's number is {SECRET}. Once more, the customer's number is "
    steps: list[tuple[int, int]] = []
    known, unknown, name = probing.probe(
        model.url, [SECRET, NEVER, "Anna Schmidt"], prefix, 12, [], lambda *step: steps.append(step)
    )
    assert (known.verdict, known.rank) == ("suspicious", 1)
    assert unknown.verdict == "nothing_seen"
    assert known.z is not None and unknown.z is not None and known.z > unknown.z + 3
    assert name.verdict == "not_assessed" and "--decoys" in name.why
    assert steps[-1][0] == 26


class Other(BaseHTTPRequestHandler):
    """A server that takes a grammar for a hint, as those that do not know it do."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"choices": [{"text": "Hello", "logprobs": {"content": [{"logprob": -1}]}}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_that_cannot_be_asked_is_said_to_be_one(other: str, free_port: int) -> None:
    with pytest.raises(EngineError, match=r"needs llama\.cpp"):
        probing.probe(other, [SECRET], "x ", 12, [])
    with pytest.raises(EngineError, match="is it started"):
        probing.smoke(f"http://127.0.0.1:{free_port}")
    with pytest.raises(EngineError, match="looks like"):
        probing.smoke("file:///etc/passwd")
