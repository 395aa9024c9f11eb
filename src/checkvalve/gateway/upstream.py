"""Connections to model servers: HTTP/1.1 with keep-alive, bytes handed on as they come. No limit but on connecting."""

import asyncio
import logging
import ssl
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httptools

log = logging.getLogger("checkvalve.gateway")

CONNECT_S: Final = 10
IDLE: Final = 256  # connections kept for one server


class Receiver(Protocol):
    """Who waits for an answer. `answer_lost` may come before or after `answer_head`; nothing follows it or `answer_end`.

    `last`: these are the body's last bytes, `answer_end` follows at once. `flush`: nothing more has come yet.
    """

    def answer_head(self, head: "AnswerHead") -> None: ...
    def answer_body(self, data: bytes, *, last: bool) -> None: ...
    def answer_end(self) -> None: ...
    def answer_lost(self) -> None: ...
    def flush(self) -> None: ...
    def upstream_full(self, full: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """`length` is None when the body is chunked or ends with the connection."""

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    length: bytes | None

    def get(self, name: bytes) -> str:
        return b",".join(v for n, v in self.headers if n.lower() == name).decode("latin-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One model server. `prefix` goes before every path; `api_key` replaces the caller's."""

    host: str
    port: int
    authority: bytes
    prefix: bytes = b""
    tls: ssl.SSLContext | None = None
    api_key: str | None = None


class UpstreamConnection(asyncio.Protocol):
    def __init__(self, idle: list["UpstreamConnection"]) -> None:
        self.transport: Any = None
        self.used = False  # it has answered before, so the server may have closed it meanwhile
        self._idle = idle
        self._keep = self._whole = False
        self._parser: Any = None
        self._receiver: Receiver | None = None
        self._heard = False
        self._clear(head_only=False)

    def _clear(self, *, head_only: bool) -> None:
        self._reason = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._done = self._until_closed = self._heard = self._keep = False
        self._head_only = head_only
        self._whole = False

    def request(self, receiver: Receiver, data: bytes, *, whole: bool, head_only: bool) -> None:
        """Send a request, or its beginning; `head_only` for HEAD, whose answer has no body."""
        self._clear(head_only=head_only)
        self._receiver = receiver
        self._parser = httptools.HttpResponseParser(self)
        self.more(data, last=whole)

    def more(self, data: bytes, *, last: bool) -> None:
        self._whole = last
        self.transport.write(data)

    def stale(self) -> bool:
        """Whether a lost answer may be asked for again: the server closed an idle connection while we wrote."""
        return self.used and not self._heard

    def pause(self, full: bool) -> None:
        """Stop or go on reading the answer."""
        if self.transport.is_closing():
            return
        if full:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def drop(self) -> None:
        """Nobody waits any more."""
        self._receiver = None
        self.transport.abort()

    # --- asyncio -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            self.transport.abort()  # nothing was asked
            return
        self._heard = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if isinstance(error, httptools.HttpParserCallbackError):  # a fault of ours
                log.error("an answer could not be handled: %s", type(error.__context__).__name__)
            if not self._done:
                self._deliver(receiver)
                self._lose()
                return
            self._keep = False
        self._deliver(receiver)
        if self._done and self._receiver is receiver:
            self._finish(receiver)
        else:
            receiver.flush()

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._idle:
            self._idle.remove(self)
        if self._receiver is not None:
            if self._until_closed and error is None:
                receiver, self._receiver = self._receiver, None
                receiver.answer_end()
            else:
                self._lose()

    def pause_writing(self) -> None:
        if self._receiver is not None:
            self._receiver.upstream_full(True)

    def resume_writing(self) -> None:
        if self._receiver is not None:
            self._receiver.upstream_full(False)

    def _deliver(self, receiver: Receiver) -> None:
        if self._parts and self._receiver is receiver:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts = []
            receiver.answer_body(data, last=self._done)

    def _finish(self, receiver: Receiver) -> None:
        self._receiver = None
        self.used = True
        if self._keep and self._whole and not self.transport.is_closing() and len(self._idle) < IDLE:
            self.pause(False)  # else neither its end nor the next answer would be seen
            self._idle.append(self)
        else:
            self.transport.abort()
        receiver.answer_end()

    def _lose(self) -> None:
        receiver, self._receiver = self._receiver, None
        self.transport.abort()
        if receiver is not None:
            receiver.answer_lost()

    # --- httptools ---------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._done:
            self._keep = False  # more than was asked for: it must not answer the next caller

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._reason, self._headers = b"", []  # 1xx: the answer is still to come
            return
        lower = {n.lower(): v for n, v in self._headers}
        length, chunked = lower.get(b"content-length"), b"transfer-encoding" in lower
        empty = self._head_only or status in (204, 304)
        self._until_closed = not (empty or chunked or length is not None)
        self._keep = self._parser.should_keep_alive() and not self._head_only
        if self._receiver is not None:
            self._receiver.answer_head(AnswerHead(status, self._reason, self._headers, None if chunked else length))
        if empty:
            self._done = True

    def on_body(self, data: bytes) -> None:
        if not self._done:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self._done = True


class Pool:
    """Idle connections to each server, newest first."""

    def __init__(self) -> None:
        self._idle: dict[Upstream, list[UpstreamConnection]] = {}

    def idle(self, upstream: Upstream) -> UpstreamConnection | None:
        waiting = self._idle.get(upstream)
        while waiting:
            connection = waiting.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    async def connect(self, upstream: Upstream) -> UpstreamConnection:
        """Raises OSError (TimeoutError, ssl.SSLError among them)."""
        idle = self._idle.setdefault(upstream, [])
        async with asyncio.timeout(CONNECT_S):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: UpstreamConnection(idle), upstream.host, upstream.port, ssl=upstream.tls
            )
        return connection

    def drop_idle(self) -> None:
        """No request meets a connection, or a server, that an earlier one was on."""
        for idle in self._idle.values():
            for connection in idle:
                connection.transport.abort()
            idle.clear()

    def close(self) -> None:
        self.drop_idle()
