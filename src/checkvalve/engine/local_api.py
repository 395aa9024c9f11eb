"""What a command on core's own machine asks of a running core: signed with core's key, which only its owner can read.

The request is an RFC 9421 message like a sensor's (docs/spec/wire.md, section 3), `keyid="core"`; nothing of a shop's or
gateway's requests covers the same components, so none can be used here.
"""

import http.client
import json
import secrets
import time
from collections import OrderedDict
from typing import Any, Final

from checkvalve.engine.errors import EngineError
from checkvalve.engine.identity import Identity
from checkvalve.engine.settings import Settings
from checkvalve.events import signature
from checkvalve.events.errors import EventError

COMPONENTS: Final = ("@method", "@path", "content-digest", "checkvalve-local")
MAX_SKEW_S: Final = 300
TIMEOUT_S: Final = 120
PATIENCE: Final = 12  # how often a busy core is asked again


class Gatekeeper:
    """Core's side."""

    def __init__(self, identity: Identity) -> None:
        self._public = identity.core_public
        self._nonces: OrderedDict[str, int] = OrderedDict()

    def check(self, message: signature.Message, body: bytes, now_ms: int) -> None:
        """EngineError unless core's own key signed this request just now."""
        now = now_ms // 1000
        try:
            given = signature.parse_input(message.headers)
            signature.verify(message, given, COMPONENTS, self._public)
            signature.check_digest(message.headers.get("content-digest"), body)
        except EventError as error:
            raise EngineError(error.code, error.hint) from error
        if given.keyid != "core":
            raise EngineError("forbidden", "only commands on core's own machine may ask this")
        if abs(given.created - now) > MAX_SKEW_S:
            raise EngineError("stale", "the request is older than five minutes")
        while self._nonces and next(iter(self._nonces.values())) < now - 2 * MAX_SKEW_S:
            self._nonces.popitem(last=False)
        if given.nonce in self._nonces:
            raise EngineError("replayed", "this nonce was used before")
        self._nonces[given.nonce] = now


class LocalApi:
    """The command's side. One connection, kept open."""

    def __init__(self, settings: Settings, identity: Identity) -> None:
        host, _, port = settings.listen.rpartition(":")
        reachable = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104
        self._identity = identity
        self._connection = http.client.HTTPConnection(reachable, int(port), timeout=TIMEOUT_S)

    def answers(self) -> bool:
        """Whether a core is there."""
        try:
            self._connection.request("GET", "/health")
            return self._connection.getresponse().read(65536) is not None
        except (OSError, http.client.HTTPException):
            return False

    def post(self, path: str, body: bytes) -> dict[str, Any]:
        """The answer. Waits for a core that is busy; EngineError when it refuses or is gone."""
        for _ in range(PATIENCE):
            status, answer = self._ask(path, body)
            if status != 503:
                break
            time.sleep(min(float(answer.get("retry_after", 5)), 30))
        if status >= 400:
            raise EngineError(str(answer.get("error", "refused")), str(answer.get("hint", f"core answered {status}")))
        return answer

    def _ask(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        headers = {"content-digest": signature.content_digest(body), "checkvalve-local": "1"}
        headers |= signature.sign(
            signature.Message(method="POST", path=path, query="", headers=headers),
            COMPONENTS,
            key=self._identity.core_key,
            keyid="core",
            created=int(time.time()),
            nonce=secrets.token_urlsafe(16),
        )
        try:
            self._connection.request("POST", path, body=body, headers=headers)
            answer = self._connection.getresponse()
            found = json.loads(answer.read(1024 * 1024))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            raise EngineError("core_gone", "core stopped answering; run the same command again, it goes on") from error
        return answer.status, found if isinstance(found, dict) else {}

    def close(self) -> None:
        self._connection.close()
