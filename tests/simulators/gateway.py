"""The real `checkvalve gateway` as a process of its own, and a core that only signs: configuration out, events in.

What it cannot say of core is tested against the real one in tests/integration/gateway/conftest.py.
"""

import base64
import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.simulators.processes import Server, free_port

from checkvalve.events import jws
from checkvalve.gateway.settings import Credentials, save_credentials

SITE = "s-aaaaaaaaaaaa"
WAIT_S = 10.0


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class SigningCore:
    """`events` are the lines it was sent, in order; `orders` the signed ones that the gateway is told of."""

    def __init__(self) -> None:
        self.key, self.shop = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.events: list[dict[str, Any]] = []
        self.orders: list[str] = []
        self.away = False
        self._news = threading.Condition()
        core = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                asked = urlsplit(self.path)
                if core.away or asked.path != "/v1/gateway/config":
                    return self._answer(503)
                config = core.config(parse_qs(asked.query).get("version", [""])[0])
                return self._answer(200, config) if config is not None else self._answer(304)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if core.away:
                    return self._answer(503)
                first, _, count = self.headers["checkvalve-sequence"].partition(";count=")
                with core._news:
                    core.events += [json.loads(line) for line in body.splitlines()]
                return self._answer(202, {"acknowledged": int(first) + int(count) - 1})

            def _answer(self, status: int, body: Any = None) -> None:
                data = json.dumps(body).encode() if body is not None else b""
                self.send_response(status)
                if status != 304:
                    self.send_header("Content-Length", str(len(data)))
                with contextlib.suppress(OSError):  # the gateway was stopped meanwhile
                    self.end_headers()
                    self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def config(self, known: str) -> dict[str, Any] | None:
        """The configuration, once it is another than `known`; None after a while."""
        with self._news:
            self._news.wait_for(lambda: str(len(self.orders)) != known, WAIT_S)
            if str(len(self.orders)) == known:
                return None
            contexts = {f"wp.{SITE}": b64(self.shop.public_key().public_bytes_raw())}
            sites = {SITE: {"pseudonym_key": b64(bytes(32)), "contexts": contexts}}
            return {"sites": sites, "orders": self.orders, "register": {}, "version": str(len(self.orders))}

    def order(self, action: str, ttl_s: int = 600, **args: str) -> str:
        now, jti = int(time.time()), f"ord-{len(self.orders) + 1}"
        payload = {"jti": jti, "iss": "core", "aud": SITE, "iat": now, "exp": now + ttl_s, "hand": "gateway"}
        signed = jws.sign(payload | {"action": action, "args": args}, typ="checkvalve-order+jws", kid="core", key=self.key)
        with self._news:
            self.orders.append(signed)
            self._news.notify_all()
        return jti

    def outcome(self, jti: str) -> dict[str, Any]:
        """What the gateway reported of an order."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for event in list(self.events):
                outcome: dict[str, Any] = event["unmapped"]["checkvalve"].get("outcome", {})
                if outcome.get("jti") == jti:
                    return outcome
            time.sleep(0.01)
        raise AssertionError(f"the gateway said nothing of {jti}")

    def context(self, **changes: Any) -> dict[str, str]:
        now = int(time.time())
        claims = {"site": SITE, "plugin": "chat", "route": "/ask", "session": "5", "iat": now, "exp": now + 120, **changes}
        return {"Checkvalve-Context": jws.sign(claims, typ="checkvalve-context+jws", kid=f"wp.{SITE}", key=self.shop)}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class GatewayProcess:
    def __init__(self, data: Path, core: SigningCore, upstream: str, port: int) -> None:
        self.data, self.core, self._upstream = data, core, upstream
        self.directory = data / "gateway"
        self.port = port
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: Server | None = None
        own = Ed25519PrivateKey.generate()
        credentials = Credentials(
            keyid="gw.test",
            private_key=b64(own.private_bytes_raw()),
            core_public_key=b64(core.key.public_key().public_bytes_raw()),
        )
        save_credentials(self.directory, credentials)

    @property
    def pid(self) -> int:
        assert self._server is not None
        return self._server.pid

    def start(self) -> None:
        command = [sys.executable, "-m", "checkvalve.cli", "gateway", "--data", str(self.data), "--core", self.core.url]
        command += ["--upstream", self._upstream, "--listen", f"127.0.0.1:{self.port}"]
        self._server = Server(command, self.url, log=self.data.parent / "gateway.log")
        self._server.wait_for("/.checkvalve/health", seconds=60)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()


@contextmanager
def gateway_process(data: Path, upstream: str, settings: str = "", port: int = 0) -> Iterator[GatewayProcess]:
    """`settings` is the content of settings.toml."""
    core = SigningCore()
    made = GatewayProcess(data, core, upstream, port or free_port())
    if settings:
        file = made.directory / "settings.toml"
        file.touch(mode=0o600)
        file.write_text(settings)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        core.close()
