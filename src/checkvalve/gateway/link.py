"""The gateway's line to core: events out of the spool, configuration and registers in. Patient with a core that is away."""

import asyncio
import itertools
import secrets
import time
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from checkvalve.events import signature
from checkvalve.gateway.control import Control
from checkvalve.gateway.settings import Credentials
from checkvalve.gateway.spool import Spool

BATCH_LINES: Final = 200
BATCH_BYTES: Final = 4 * 1024 * 1024
WAIT_S: Final = 20
SYNC_S: Final = 0.05
GATHER_S: Final = 0.01
MAX_ANSWER: Final = 256 * 1024 * 1024
# Core is away, or what answers in its place does not speak as core does: patience is right for both.
UNREACHABLE: Final = (
    *(aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError),
    *(KeyError, TypeError, ValueError, AttributeError),
)


class Link:
    def __init__(self, core: str, credentials: Credentials, spool: Spool, control: Control, report: Any) -> None:
        self._core, self._credentials = core, credentials
        self._path = urlsplit(core).path
        self._spool, self._control, self._report = spool, control, report
        self._kick = asyncio.Event()
        self.last_contact_ms: int | None = None
        self.last_error: str | None = None

    def kick(self) -> None:
        """There is something to send."""
        self._kick.set()

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=WAIT_S + 15, sock_connect=5)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
            group.create_task(self._send_forever(session))
            group.create_task(self._listen_forever(session))
            group.create_task(self._sync_forever())

    async def _sync_forever(self) -> None:
        """The disk may be slow: it is waited for beside the loop, and lines that core has go about once a second."""
        for turn in itertools.count():
            await asyncio.sleep(SYNC_S)
            try:
                await asyncio.to_thread(self._spool.sync)
                if turn % 20 == 0 and self._spool.spent:
                    await asyncio.to_thread(self._spool.keep_highest)
                    self._spool.empty()
            except OSError as error:
                self.last_error = f"the spool cannot be forced to disk ({error.strerror})"

    async def _send_forever(self, session: aiohttp.ClientSession) -> None:
        pause = 0.2
        while True:
            batch = self._spool.batch(BATCH_LINES, BATCH_BYTES)
            if not batch:
                self._kick.clear()
                await self._kick.wait()
                await asyncio.sleep(GATHER_S)  # who was just answered may ask at once, and comes first
                continue
            try:
                pause = 0.2 if await self._send(session, batch) else min(pause * 2, 30)
            except UNREACHABLE as error:
                self.last_error = f"core does not answer ({type(error).__name__})"
                pause = min(pause * 2, 15)
            # What comes right after a batch is gathered for the next one: a batch costs more than an event.
            await asyncio.sleep(pause if pause > 0.2 else GATHER_S)

    async def _send(self, session: aiohttp.ClientSession, batch: list[tuple[int, bytes]]) -> bool:
        body = b"\n".join(line for _, line in batch) + b"\n"
        headers = {
            "content-digest": signature.content_digest(body),
            "checkvalve-sequence": f"{batch[0][0]};count={len(batch)}",
        }
        headers |= self._signed("POST", "/v1/events", "", headers, signature.POST_EVENTS)
        headers["content-type"] = "application/x-ndjson"
        async with session.post(f"{self._core}/v1/events", data=body, headers=headers) as answer:
            text = await bounded(answer, 65536)
            self._heard()
            if answer.status == 202:
                self._spool.acknowledge(msgspec.json.decode(text)["acknowledged"])
                self.last_error = None
                return True
            self.last_error = f"core answered {answer.status}: {text[:200].decode('utf-8', 'replace')}"
            if answer.status == 503:
                await asyncio.sleep(min(float(answer.headers.get("retry-after", "2")), 60))
            return False

    async def _listen_forever(self, session: aiohttp.ClientSession) -> None:
        pause = 0.2
        while True:
            try:
                await self._listen(session)
                pause, self.last_error = 0.2, None
            except UNREACHABLE as error:
                self.last_error = f"no configuration from core ({type(error).__name__})"
                pause = min(pause * 2, 5)
                await asyncio.sleep(pause)

    async def _listen(self, session: aiohttp.ClientSession) -> None:
        query = {"wait": str(WAIT_S)}
        if self._control.version:
            query["version"] = self._control.version
        config = await self._get(session, "/v1/gateway/config", query)
        if config is not None:
            for jti, status, detail in self._control.apply_config(msgspec.json.decode(config), int(time.time())):
                self._report(jti, status, detail)
        changed = False
        for site, register in list(self._control.registers.items()):
            while register.rev < self._control.wanted_revs.get(site, 0):
                rows = await self._get(session, "/v1/gateway/register", {"site": site, "since": str(register.rev)})
                lines = [msgspec.json.decode(line) for line in (rows or b"").splitlines()]
                if not lines:
                    break
                self._control.apply_register(site, lines)
                changed = True
        if changed:
            await asyncio.to_thread(self._control.save_registers)

    async def _get(self, session: aiohttp.ClientSession, path: str, query: dict[str, str]) -> bytes | None:
        encoded = urlencode(query)
        headers = self._signed("GET", path, encoded, {}, signature.GET)
        async with session.get(URL(f"{self._core}{path}?{encoded}", encoded=True), headers=headers) as answer:
            self._heard()
            if answer.status == 304:
                return None
            answer.raise_for_status()
            return await bounded(answer, MAX_ANSWER)

    def _signed(
        self, method: str, path: str, query: str, headers: dict[str, str], components: tuple[str, ...]
    ) -> dict[str, str]:
        return signature.sign(
            signature.Message(method=method, path=self._path + path, query=query, headers=headers),
            components,
            key=self._credentials.key,
            keyid=self._credentials.keyid,
            created=int(time.time()),
            nonce=secrets.token_urlsafe(16),
        )

    def _heard(self) -> None:
        self.last_contact_ms = time.time_ns() // 1_000_000


async def bounded(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body, or ClientPayloadError when it is longer than `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > limit:
            raise aiohttp.ClientPayloadError("the answer is too long")
        parts.append(part)
    return b"".join(parts)
