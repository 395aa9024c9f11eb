"""A core of the tests' own, to the letter of docs/spec/wire.md, that can be bent in one line. Checks every request with
the same code as the real one; what it accepted lies in `events`, what it refused in `refusals`."""

import base64
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from checkvalve.events import jws, signature
from checkvalve.events.errors import EventError
from checkvalve.events.event import Event, Malformed, parse

SITE: Final = "s-abcdefghijkl"
CODE: Final = "K7QM-2XPD-9FHR"
PSEUDONYM_KEY: Final = bytes(range(32))


class FakeCore:
    """Also stands in for the model's gateway: POST /llm answers and keeps the headers it saw."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.sensor_key: bytes | None = None
        self.site = SITE
        self.pair_request: dict[str, Any] = {}
        self.lines: dict[int, bytes] = {}  # by sequence number
        self.batches: list[tuple[int, int]] = []
        self.refusals: list[str] = []
        self.orders: list[str] = []  # answer to GET /v1/orders
        self.llm_calls: list[dict[str, str]] = []
        self.llm_most: int | None = None  # calls of the model that are answered; those after them get 503
        self.answer_with: int | None = None  # a status for POST /v1/events instead of taking the batch
        self.drop_answer = False  # take the batch, then cut the connection
        self.most_lines = 500
        self.next_sequence = 1
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def code(self) -> str:
        return f"{CODE}@{self.place}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def events(self, class_uid: int | None = None) -> list[dict[str, Any]]:
        """Accepted events in the order of their numbers."""
        found = [json.loads(self.lines[n]) for n in sorted(self.lines)]
        return [e for e in found if class_uid in (None, e["class_uid"])]

    def order(
        self, action: str, args: dict[str, Any], *, ttl: int = 600, key: Ed25519PrivateKey | None = None, **bent: Any
    ) -> str:
        now = int(time.time())
        payload = {
            "jti": f"ord-{secrets.token_hex(8)}",
            "iss": "core",
            "aud": self.site,
            "iat": now,
            "exp": now + ttl,
            "nonce": secrets.token_urlsafe(12),
            "hand": "wordpress",
            "action": action,
            "args": args,
            "incident": "inc-1",
        } | bent
        return jws.sign(payload, typ="checkvalve-order+jws", kid="core", key=key or self.key)

    def probe_pass(self, *, key: Ed25519PrivateKey | None = None, **bent: Any) -> str:
        now = int(time.time())
        payload = {"aud": self.site, "jti": secrets.token_hex(8), "iat": now, "exp": now + 120} | bent
        return jws.sign(payload, typ="checkvalve-probe+jws", kid="core", key=key or self.key)

    def sync_request(self, url: str, orders: list[str], **bent: Any) -> urllib.request.Request:
        """A signed request for the plugin's sync route. `bent`: created, nonce, key, site, body."""
        body = bent.get("body", json.dumps({"site": self.site, "orders": orders}).encode())
        headers = {"content-digest": signature.content_digest(body), "checkvalve-site": bent.get("site", self.site)}
        message = signature.Message(method="POST", path="/", headers=headers)
        signed = signature.sign(
            message,
            signature.POST_TO_PLUGIN,
            key=bent.get("key", self.key),
            keyid=bent.get("keyid", "core"),
            created=bent.get("created", int(time.time())),
            nonce=bent.get("nonce", secrets.token_urlsafe(16)),
        )
        body = bent.get("sent_body", body)
        return urllib.request.Request(url, body, {**headers, **signed, "Content-Type": "application/json"}, method="POST")

    def sync(self, url: str, orders: list[str] | None = None, **bent: Any) -> tuple[int, dict[str, Any]]:
        return fetch(self.sync_request(url, orders or [], **bent))


def fetch(request: urllib.request.Request | str) -> tuple[int, dict[str, Any]]:
    """Status and JSON body, whatever the status."""
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, raw = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, raw = error.code, error.read()
    try:
        return status, json.loads(raw)
    except ValueError:
        return status, {"raw": raw.decode(errors="replace")}


def _handler(core: FakeCore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            try:
                self._check("GET", path, query, signature.GET)
            except EventError as error:
                core.refusals.append(error.code)
                return self._answer(401, {"error": error.code, "hint": error.hint})
            return self._answer(200, {"orders": core.orders, "time": int(time.time())})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if self.path == "/v1/pair":
                return self._pair(body)
            if self.path.startswith("/llm"):
                core.llm_calls.append({k.lower(): v for k, v in self.headers.items()})
                if core.llm_most is not None and len(core.llm_calls) > core.llm_most:
                    return self._answer(503, {"error": {"message": "not available"}})
                return self._answer(200, {"choices": [{"message": {"content": "hello"}}]})
            return self._events(body)

        def _pair(self, body: bytes) -> None:
            core.pair_request = json.loads(body)
            if core.pair_request["code"] != CODE:
                return self._answer(403, {"error": "bad_code", "hint": "the code is wrong, used or older than 15 minutes"})
            core.sensor_key = base64.b64decode(core.pair_request["public_key"])
            answer = {
                "site": core.site,
                "keyid": f"wp.{core.site}",
                "core_public_key": base64.b64encode(core.public_key).decode(),
                "pseudonym_key": base64.b64encode(PSEUDONYM_KEY).decode(),
                "gateway_url": f"http://{core.place}",
                "next_sequence": core.next_sequence,
            }
            return self._answer(200, answer)

        def _events(self, body: bytes) -> None:
            if core.answer_with is not None:
                return self._answer(core.answer_with, {"error": "busy", "hint": "the log cannot be written now"})
            try:
                self._check("POST", self.path, "", signature.POST_EVENTS)
                signature.check_digest(self.headers.get("content-digest"), body)
            except EventError as error:
                core.refusals.append(error.code)
                return self._answer(401, {"error": error.code, "hint": error.hint})
            return self._take(body)

        def _take(self, body: bytes) -> None:
            first, count = (int(part.removeprefix("count=")) for part in self.headers["checkvalve-sequence"].split(";"))
            lines = body.removesuffix(b"\n").split(b"\n")
            if len(lines) > core.most_lines:
                return self._answer(413, {"error": "too_large", "hint": "send smaller batches"})
            assert len(lines) == count, "the header does not count the lines"
            for number, line in enumerate(lines, first):
                if core.lines.get(number, line) != line:
                    core.refusals.append("sequence_conflict")
                    return self._answer(409, {"error": "sequence_conflict", "hint": f"number {number} had other content"})
            for number, line in enumerate(lines, first):
                _well_formed(line, number)
                core.lines[number] = line
            core.batches.append((first, count))
            if core.drop_answer:
                self.connection.close()
                return None
            return self._answer(202, {"acknowledged": first + count - 1, "entries": [0, count]})

        def _check(self, method: str, path: str, query: str, required: tuple[str, ...]) -> None:
            headers = {k.lower(): v for k, v in self.headers.items()}
            given = signature.parse_input(headers)
            message = signature.Message(method=method, path=path, query=query, headers=headers)
            signature.verify(message, given, required, core.sensor_key or b"")

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    return Handler


def _well_formed(line: bytes, number: int) -> None:
    event = parse(line)
    if isinstance(event, Malformed):
        raise AssertionError(f"event {number} is malformed: {event.reason}")
    assert isinstance(event, Event)
    assert event.body["metadata"]["sequence"] == number
    assert event.trace or event.class_uid == 0, f"event {number} has no trace id"  # a row of another plugin has none
    assert event.own.get("site") == SITE
