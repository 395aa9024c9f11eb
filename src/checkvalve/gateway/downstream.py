"""Connections from callers: HTTP/1.1 requests one after the other, each given to an exchange as it comes in."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httptools
import msgspec

from checkvalve.gateway.settings import Limits

log = logging.getLogger("checkvalve.gateway")

MAX_HEAD: Final = 64 * 1024
BODY_RATE: Final = 500  # bytes of a body a second, the least that is waited for


@dataclass(slots=True)
class RequestHead:
    """As sent: `target` is the raw path and query. `fields` are the headers by lower-case name, the first of equal names."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    fields: dict[bytes, bytes]
    http11: bool

    @property
    def path(self) -> str:
        # Servers cut off a fragment that should not be there: it must not hide a path from us.
        return self.target.partition(b"?")[0].partition(b"#")[0].decode("latin-1")

    def get(self, name: bytes) -> bytes | None:
        return self.fields.get(name)


class Handler(Protocol):
    """One request. `body` and `end` come after `start`; `gone` when the caller left before the answer was whole, `late` when
    it takes too long to send its request or to take its answer.
    """

    def start(self) -> None: ...
    def body(self, data: bytes) -> None: ...
    def end(self) -> None: ...
    def gone(self) -> None: ...
    def late(self) -> None: ...
    def downstream_full(self, full: bool) -> None: ...


class Downstream(asyncio.Protocol):
    def __init__(
        self, handler: Callable[["Downstream", RequestHead], Handler], open_: set["Downstream"], limits: Limits
    ) -> None:
        self.transport: Any = None
        self.closing = False  # after the running answer
        self._new_handler, self._open, self._limits = handler, open_, limits
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._events: deque[bytes | bool | RequestHead] = deque()  # of requests that wait for the running one
        self._handler: Handler | None = None
        self._resumed = False  # a head is read again for its framing alone
        self._reading = False  # the running request's end has not come
        self._draining = False
        self._out: list[bytes] = []
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._fields: dict[bytes, bytes] = {}
        self._head_bytes = self._body_bytes = 0
        self._full = False  # the caller does not take what was sent
        self._paused = False  # its body is not read on
        self.since = self._loop.time()  # what it is now waited for

    # --- for the handler ---------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Kept until `flush`, `answered` or `cut`: one call to the system for all of it."""
        self._out.append(data)

    def flush(self) -> None:
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self.transport.write(data)

    def answered(self) -> None:
        """The running request has its whole answer."""
        self.flush()
        self._handler = None
        self.since = self._loop.time()
        if self.closing:
            self.transport.close()
        elif not self._reading:
            self._next()

    def cut(self) -> None:
        """End the connection without the end of the answer, after what was written."""
        self.flush()
        self._handler = None
        self.transport.close()

    def pause(self, full: bool) -> None:
        """Stop or go on reading the request's body."""
        if self.transport.is_closing():
            return
        if full:
            self._paused = True
            self.transport.pause_reading()
        elif not self._events:
            if self._paused:
                self._paused = False
                self._body_begins()
            self.transport.resume_reading()

    def _body_begins(self) -> None:
        self.since, self._body_bytes = self._loop.time(), 0

    @property
    def idle(self) -> bool:
        return self._handler is None and not self._events

    def overdue(self, now: float) -> bool:
        """Whether the caller takes too long; `now` is the loop's time."""
        waited, limits = now - self.since, self._limits
        if self._full or self.transport.is_closing():
            return waited > limits.reading_s
        if self.idle:
            return waited > (limits.head_s if self._head_bytes else limits.idle_s)
        if not self._reading or self._paused or waited <= limits.body_s:
            return False
        slow = self._body_bytes < BODY_RATE * waited
        self._body_begins()
        return slow

    def hang_up(self) -> None:
        """On a caller that is overdue."""
        if self._full or self.transport.is_closing() or (self._handler is None and (self._reading or not self._head_bytes)):
            self.transport.abort()  # what was written would be waited for
        elif self._handler is None:
            self._bad(408, "request_timeout")
        else:
            self._handler.late()

    # --- asyncio -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._open.add(self)
        if len(self._open) > self._limits.connections:
            self._bad(503, "too_many_connections")

    def data_received(self, data: bytes) -> None:
        if self._head_bytes == 0 and self.idle:
            self.since = self._loop.time()
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._without_upgrade(data[offer.args[0] :])
            return
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, ValueError):
                self._bad(400, "bad_request")
                return
            # a fault of ours
            log.error("a request could not be handled: %s", type(error.__context__).__name__)
            self.cut_now()
            return
        except httptools.HttpParserError:
            self._bad(400, "bad_request")
            return
        if self._head_bytes > MAX_HEAD and not self._reading:
            self._bad(431, "headers_too_large")

    def _without_upgrade(self, rest: bytes) -> None:
        """No other protocol is spoken here: the request is read on as it would be without the offer, and is the last one."""
        framing = [b"%b: %b\r\n" % (n, v) for n, v in self._headers if n.lower() in (b"content-length", b"transfer-encoding")]
        self.closing = self._resumed = True
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"".join((b"POST / HTTP/1.1\r\n", *framing, b"\r\n")))
        self._resumed = False
        if rest:
            self.data_received(rest)

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self._open.discard(self)
        self._events.clear()
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.gone()

    def pause_writing(self) -> None:
        self._full, self.since = True, self._loop.time()
        if self._handler is not None:
            self._handler.downstream_full(True)

    def resume_writing(self) -> None:
        self._full, self.since = False, self._loop.time()
        if self._handler is not None:
            self._handler.downstream_full(False)

    def _bad(self, status: int, code: str) -> None:
        if self._handler is None and not self._events:
            self.write(
                json_answer(status, {"error": {"message": code, "type": "invalid_request_error", "code": code}}, close=True)
            )
        self.cut_now()

    def cut_now(self) -> None:
        self.flush()
        handler, self._handler = self._handler, None
        self.transport.close()
        if handler is not None:
            handler.gone()

    # --- httptools ---------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._resumed:
            return
        self._target, self._headers, self._fields = b"", [], {}

    def on_url(self, target: bytes) -> None:
        if self._resumed:
            return
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._resumed:
            return
        self._headers.append((name, value))
        self._fields.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        if self._resumed:
            return
        self._head_bytes = 0
        version, coding = self._parser.get_http_version(), self._fields.get(b"transfer-encoding")
        target = _origin_form(self._parser.get_method(), self._target)
        # Whatever two servers could read differently is nobody's request (RFC 9112, sections 6.1 and 11.2).
        if version not in ("1.0", "1.1") or target is None or (coding is not None and coding.strip().lower() != b"chunked"):
            raise ValueError("not a request for a model server")
        self._take(RequestHead(self._parser.get_method(), target, self._headers, self._fields, version == "1.1"))

    def on_body(self, data: bytes) -> None:
        self._take(data)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return  # its body is still to come
        self._head_bytes = 0
        self._take(self._parser.should_keep_alive())

    # --- one request after the other ---------------------------------------------------------------------------------

    def _take(self, event: bytes | bool | RequestHead) -> None:
        if self._events or (isinstance(event, RequestHead) and (self._handler is not None or self._reading)):
            self._events.append(event)  # pipelined
            self.transport.pause_reading()
        else:
            self._do(event)

    def _do(self, event: bytes | bool | RequestHead) -> None:
        if isinstance(event, RequestHead):
            self._reading = True
            self._body_begins()
            self.closing |= not event.http11
            self._handler = self._new_handler(self, event)
            if (event.get(b"expect") or b"").lower() == b"100-continue":
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.flush()
            self._handler.start()
        elif isinstance(event, bytes):
            self._body_bytes += len(event)
            if self._handler is not None:
                self._handler.body(event)
        else:
            self._reading = False
            self.closing |= not event
            if self._handler is not None:
                self._handler.end()
            elif self.closing:
                self.transport.close()
            else:
                self._next()

    def _next(self) -> None:
        if self._draining:
            return  # an answer given at once, further up the stack
        self._draining = True
        while self._events and not (isinstance(self._events[0], RequestHead) and self._handler is not None):
            self._do(self._events.popleft())
        self._draining = False
        self.pause(False)


def _origin_form(method: bytes, target: bytes) -> bytes | None:
    """A target as a path (RFC 9112, section 3.2); None when it is not one."""
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target
    scheme, separator, rest = target.partition(b"://")
    if method == b"CONNECT" or not separator or scheme.lower() not in (b"http", b"https"):
        return None
    _, slash, path = rest.partition(b"/")
    return slash + path if slash else b"/"


def json_answer(status: int, body: dict[str, Any], *, close: bool = False) -> bytes:
    data = msgspec.json.encode(body)
    head = f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n"
    return head.encode() + (b"connection: close\r\n\r\n" if close else b"\r\n") + data


REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
