"""Small chat servers with each kind of cache, on real sockets: what `checkvalve doctor --probe-cache` is tried against.

Their "model" repeats the reference that was stated in the conversation, or says that it knows none.
"""

import json
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW_S = 0.004  # an answer that is in no cache
READING_S = 0.05  # of a long prompt


class Model:
    """No cache at all, and each request costs the same."""

    def answer(self, body: dict[str, Any], session: str) -> str:
        time.sleep(SLOW_S)
        return reference(body)

    def gone(self, body: dict[str, Any]) -> None:
        """The caller did not wait."""


class Cache(Model):
    """Keeps answers under `key(question, session)`; what is in it is answered at once."""

    def __init__(self, key: Callable[[str, str], str]) -> None:
        self._key, self._kept = key, dict[str, str]()

    def answer(self, body: dict[str, Any], session: str) -> str:
        key = self._key(body["messages"][-1]["content"], session)
        if key not in self._kept:
            self._kept[key] = super().answer(body, session)
        return self._kept[key]


class Prefixes(Model):
    """Reads only what no request began with before; with `salted` of the same session."""

    def __init__(self, *, salted: bool) -> None:
        self._salted, self._seen = salted, set[str]()

    def answer(self, body: dict[str, Any], session: str) -> str:
        prefix = json.dumps(body["messages"])[:1000] + (session if self._salted else "")
        if prefix not in self._seen:
            time.sleep(READING_S)
        self._seen.add(prefix)
        return reference(body)


class Pool(Model):
    """One connection to the model for all: the reply to a request that was cut off stays in it for who comes next."""

    def __init__(self) -> None:
        self._replies: queue.SimpleQueue[str] = queue.SimpleQueue()

    def answer(self, body: dict[str, Any], session: str) -> str:
        self._replies.put(reference(body))
        return self._replies.get(timeout=5)

    def gone(self, body: dict[str, Any]) -> None:
        self._replies.put(reference(body))


def reference(body: dict[str, Any]) -> str:
    said = " ".join(m["content"] for m in body["messages"] if m["role"] == "user")
    stated = re.search(r"reference number (?:for ticket \w+ )?is (\w+)", said)
    return f"Your reference number is {stated[1]}." if stated else "I know no reference number of yours."


def words(question: str) -> str:
    """What the question is about, however it is put."""
    small = {"for", "what", "is", "my", "the", "please"}
    return " ".join(sorted(set(re.findall(r"\w+", question.lower())) - small))


KINDS: dict[str, Callable[[], Model]] = {
    "none": Model,
    "exact": lambda: Cache(lambda question, _: question),
    "semantic": lambda: Cache(lambda question, _: words(question)),
    "by session": lambda: Cache(lambda question, session: f"{session} {words(question)}"),
    "prefix": lambda: Prefixes(salted=False),
    "prefix by session": lambda: Prefixes(salted=True),
    "pool": Pool,
}


@contextmanager
def cache_server(kind: str) -> Iterator[str]:
    """Its URL."""
    model = KINDS[kind]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.connection.settimeout(0.005)
            try:
                left = self.connection.recv(1, socket.MSG_PEEK) == b""
            except (TimeoutError, ConnectionError) as error:
                left = isinstance(error, ConnectionError)
            self.connection.settimeout(5)
            if left:
                model.gone(body)
                return
            text = model.answer(body, f"{self.headers.get('Cookie')} {self.headers.get('Authorization')}")
            answer = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
