"""A sensor for tests: its own key, its own numbers, and every bad habit on request."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.events import event as ocsf
from checkvalve.events import signature


@dataclass(slots=True)
class Sensor:
    """Posts signed batches to core at `url`. `next` is the number of the next event."""

    url: str
    keyid: str
    key: Ed25519PrivateKey
    next: int = 1
    client: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=30))

    def event(self, number: int, **own: Any) -> bytes:
        """A REST request served by the shop; `own` goes under unmapped.checkvalve."""
        return ocsf.encode(
            class_uid=ocsf.API_ACTIVITY,
            activity_id=2,
            time=time.time_ns() // 1_000_000,
            uid=secrets.token_hex(8),
            sequence=number,
            product="test sensor",
            version="0",
            own=own,
            api={"operation": "GET /wc/v3/orders"},
            http_response={"code": 200},
        )

    def batch(self, count: int = 1) -> list[bytes]:
        lines = [self.event(self.next + i) for i in range(count)]
        self.next += count
        return lines

    def post(self, lines: list[bytes], first: int, **changes: Any) -> httpx2.Response:
        """`changes`: body, sequence, key, keyid, created, digest replace what an honest sensor would send."""
        body = changes.get("body", b"\n".join(lines) + b"\n")
        headers = {
            "content-digest": changes.get("digest", signature.content_digest(body)),
            "checkvalve-sequence": changes.get("sequence", f"{first};count={len(lines)}"),
        }
        message = signature.Message(method="POST", path="/v1/events", headers=headers)
        headers |= signature.sign(
            message,
            signature.POST_EVENTS,
            key=changes.get("key", self.key),
            keyid=changes.get("keyid", self.keyid),
            created=changes.get("created", int(time.time())),
            nonce=secrets.token_urlsafe(16),
        )
        headers["content-type"] = "application/x-ndjson"
        return self.client.post(f"{self.url}/v1/events", content=changes.get("sent", body), headers=headers)

    def send(self, count: int = 1) -> httpx2.Response:
        first = self.next
        return self.post(self.batch(count), first)

    def get(self, path: str, query: str = "", *, nonce: str | None = None, created: int | None = None) -> httpx2.Response:
        message = signature.Message(method="GET", path=path, query=query, headers={})
        headers = signature.sign(
            message,
            signature.GET,
            key=self.key,
            keyid=self.keyid,
            created=created or int(time.time()),
            nonce=nonce or secrets.token_urlsafe(16),
        )
        return self.client.get(f"{self.url}{path}" + (f"?{query}" if query else ""), headers=headers)
