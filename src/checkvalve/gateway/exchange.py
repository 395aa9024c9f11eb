"""One request and its answer on their way through: who asks, what the orders say, what is passed on, what is logged.

Nothing is held back and nothing is changed unless an order says so. What a caller sees when the model is slow, fails or
cuts its answer is what it would have seen without the gateway; only a refused connection becomes a 502.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from checkvalve.gateway.control import OPEN, Caller, Policy
from checkvalve.gateway.downstream import REASONS, Downstream, RequestHead, json_answer
from checkvalve.gateway.framing import Framer, Message, readable_codings
from checkvalve.gateway.inspection import ENDING_TEXT, KEPT, Inspection
from checkvalve.gateway.later import Work
from checkvalve.gateway.recorder import now_ms
from checkvalve.gateway.requests import TOOLS, cleaner, for_model, without, without_context
from checkvalve.gateway.servers import Server
from checkvalve.gateway.shapes import Place, administrative, api_of, request_model, wordless
from checkvalve.gateway.upstream import AnswerHead, Upstream, UpstreamConnection

if TYPE_CHECKING:
    from checkvalve.gateway.proxy import Proxy

log = logging.getLogger("checkvalve.gateway")

HOP_BY_HOP: Final = frozenset(  # RFC 9110 section 7.6.1
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    )
)
OURS: Final = frozenset((b"checkvalve-context", b"traceparent", b"host", b"content-length", b"expect"))
UNREACHABLE: Final = {
    "error": {"message": "The model server does not answer.", "type": "upstream_error", "code": "bad_gateway"}
}
LATE: Final = {"error": {"message": "The request took too long.", "type": "invalid_request_error", "code": "request_timeout"}}
CLOSED_OFF: Final = {
    "error": {
        "message": "This path administers the model server and is closed here. Ask the model server itself, or send a key that "
        "has `operator = true` in the gateway's settings.toml.",
        "type": "permission_error",
        "code": "checkvalve_administration",
    }
}
REFUSED: Final = {"error": {"message": ENDING_TEXT, "type": "service_unavailable", "code": "checkvalve_refused"}}


class Exchange:
    """Handler of a downstream request and receiver of the upstream answer."""

    __slots__ = (
        *(
            "_administrative",
            "_api",
            "_asked",
            "_body",
            "_body_bytes",
            "_caller",
            "_caller_full",
            "_chunked",
            "_scanning_full",
            "_connecting",
            "_connection",
            "_downstream",
            "_ended",
        ),
        *("_framer", "_head", "_head_sent", "_inspection", "_logged", "_model", "_outgoing", "_policy", "_proxy"),
        *("_request_whole", "_retried", "_scanning", "_started_ms", "_status", "_waiting_head", "id", "server", "upstream"),
    )

    def __init__(self, proxy: "Proxy", downstream: Downstream, head: RequestHead) -> None:
        self._proxy, self._downstream, self._head = proxy, downstream, head
        self.id = ""
        self._api = api_of(head.path) if head.method == b"POST" else None
        self._administrative = administrative(head.method, head.path)
        self._caller_full = self._scanning_full = False
        self._body = bytearray()
        self._body_bytes = 0
        self._caller = Caller(site=None, context=None, error=None)
        self._model: str | None = None
        self._asked: Any = None  # the body, decoded
        self._policy: Policy = OPEN
        self.server: Server | None = None  # once it is decided where to
        self.upstream: Upstream | None = None  # where that server is at this moment
        self._outgoing: bytes | None = None  # the body, if it is not the caller's
        self._connection: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._request_whole = self._head_sent = self._ended = self._chunked = self._retried = self._logged = False
        self._waiting_head: AnswerHead | None = None  # held back until the body is whole
        self._framer: Framer | None = None
        self._inspection: Inspection | None = None
        self._status: int | None = None
        self._started_ms = now_ms()
        self._scanning = Work(proxy.later)

    # --- the request -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._caller = self._proxy.caller(self._head)

    def body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self.upstream is None:
            self._body += data
            if len(self._body) >= KEPT:
                self._decide()
        elif self._connection is not None:
            self._connection.more(self._framed_request(data), last=False)
        else:
            self._body += data  # until the connection is made
            self._downstream.pause(True)

    def end(self) -> None:
        self._request_whole = True
        if self.upstream is None:
            self._decide()
        elif self._connection is not None:
            self._connection.more(b"" if self._head.get(b"content-length") else b"0\r\n\r\n", last=True)

    def gone(self) -> None:
        if not self._ended:
            self._finish("client_gone")

    def late(self) -> None:
        if self._head_sent:
            self._finish("client_gone")
            self._downstream.cut()
        else:
            self._downstream.closing = True
            self._answer_json(408, LATE, outcome="client_gone")

    def downstream_full(self, full: bool) -> None:
        self._caller_full = full
        self._read_on()

    def scanning_full(self, full: bool) -> None:
        self._scanning_full = full
        self._read_on()

    def _read_on(self) -> None:
        """Read the answer, or have it wait: for the caller to take it, or for its own scanning."""
        if self._connection is not None:
            self._connection.pause(self._caller_full or self._scanning_full)

    def upstream_full(self, full: bool) -> None:
        self._downstream.pause(full)

    def _decide(self) -> None:
        """Enough is known to say where the request goes, and whether."""
        if self._ended:
            return
        if self._head.path == "/.checkvalve/health":
            self._ended = True
            self._answer_json(200, self._proxy.health())
            return
        self.id = self._proxy.new_id()
        body = self._decoded() if self._api is not None else None
        self._asked, self._model = body, request_model(body)
        self.server, self._policy = self._proxy.decide(self._caller, self._model)
        self.upstream = self.server.upstream
        self._proxy.running.add(self)
        if self._administrative and not self._caller.operator:
            self._status = 403
            self._answer_json(403, CLOSED_OFF, outcome="refused")
            return
        if self._refusing() or not self._prepare(body):
            self._refuse()
            return
        connection = self._proxy.pool.idle(self.upstream)
        if connection is not None:
            self._send(connection)
        else:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def _decoded(self) -> Any:
        try:
            return msgspec.json.decode(self._body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None

    def _refusing(self) -> bool:
        """What cannot be looked into is not let through while requests or answers are to be changed."""
        policy = self._policy
        changing = policy.mode != "pass" or policy.strip_tools or policy.strip_context
        unread = self._api is None and not wordless(self._head.method, self._head.path)
        return policy.mode == "refuse" or (changing and unread)

    def _prepare(self, body: Any) -> bool:
        """Change the request as the orders say; False when that cannot be done."""
        assert self.server is not None
        policy = self._policy
        model = self.server.model if policy.to is not None else None
        if self._api is None or not (policy.strip_tools or policy.strip_context or model):
            return True
        if not isinstance(body, dict) or not self._request_whole:
            return False
        changed: dict[str, Any] | None = without(body, TOOLS) if policy.strip_tools else body
        if policy.strip_context:
            changed = without_context(changed or {}, cleaner(self._proxy.registers(self._caller), self._caller, self.id))
        if changed is None:
            return False
        if model is not None:
            changed = for_model(changed, model)
        if changed != body:
            self._outgoing = msgspec.json.encode(changed)
        return True

    async def _connect(self) -> None:
        assert self.upstream is not None
        try:
            connection = await self._proxy.pool.connect(self.upstream)
        except OSError:
            self._connecting = None
            self.answer_lost()
            return
        self._connecting = None
        if self._ended:
            connection.drop()
        else:
            self._send(connection)

    def _send(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        data = self._request_head() + self._framed_request(self._outgoing or bytes(self._body))
        if self._request_whole and self._is_chunked():
            data += b"0\r\n\r\n"
        connection.request(self, data, whole=self._request_whole, head_only=self._head.method == b"HEAD")
        if not self._request_whole:
            del self._body[KEPT:]
            self._downstream.pause(False)

    def _is_chunked(self) -> bool:
        return self._head.get(b"content-length") is None and self._head.get(b"transfer-encoding") is not None

    def _framed_request(self, data: bytes) -> bytes:
        if not self._is_chunked():
            return data
        return b"%x\r\n%b\r\n" % (len(data), data) if data else b""

    def _request_head(self) -> bytes:
        assert self.upstream is not None
        upstream, head = self.upstream, self._head
        own = OURS | _named(head.get(b"connection"))
        if upstream.api_key is not None or self._caller.key is not None:
            own |= {b"authorization"}
        if self._api is not None or self._policy.mode != "pass":
            own |= {b"accept-encoding"}
        if self._policy.uncached:
            own |= {b"cache-control", b"pragma"}
        lines = [b"%b %b%b HTTP/1.1" % (head.method, upstream.prefix, head.target), b"Host: " + upstream.authority]
        lines += [b"%b: %b" % (n, v) for n, v in head.headers if (low := n.lower()) not in HOP_BY_HOP and low not in own]
        if upstream.api_key is not None:
            lines.append(b"Authorization: Bearer " + upstream.api_key.encode())
        if self._policy.mode != "pass":
            lines.append(b"Accept-Encoding: identity")
        elif self._api is not None and (accepted := head.get(b"accept-encoding")) is not None:
            lines.append(b"Accept-Encoding: " + readable_codings(accepted))
        if self._policy.uncached:
            lines.append(b"Cache-Control: no-cache, no-store")
        if self._is_chunked():
            lines.append(b"Transfer-Encoding: chunked")
        elif (length := head.get(b"content-length")) is not None:
            lines.append(b"Content-Length: " + (b"%d" % len(self._outgoing or self._body) if self._request_whole else length))
        return b"\r\n".join((*lines, b"", b""))

    # --- the answer --------------------------------------------------------------------------------------------------

    def answer_head(self, head: AnswerHead) -> None:
        self._status = head.status
        if self._api is not None:
            self._framer = Framer(head.get(b"content-type"), head.get(b"content-encoding"))
            self._inspection = Inspection(
                api=self._api,
                framer=self._framer,
                registers=self._proxy.registers(self._caller),
                caller=self._caller,
                inference=self.id,
                model=self._model,
                recorder=self._proxy.recorder,
                asked=self._asked,
            )
            self._inspection.policy = self._policy
            if self._policy.mode != "pass":
                self._waiting_head = head
                return
        self._send_head(head, head.length)

    def _send_head(self, head: AnswerHead, length: bytes | None) -> None:
        self._head_sent = True
        own = HOP_BY_HOP | _named(head.get(b"connection").encode("latin-1")) | {b"content-length"}
        lines = [b"HTTP/1.1 %d %b" % (head.status, head.reason)]
        lines += [b"%b: %b" % (n, v) for n, v in head.headers if n.lower() not in own]
        bodiless = self._head.method == b"HEAD" or head.status in (204, 304)
        if length is not None:
            lines.append(b"Content-Length: " + length)
        elif self._head.http11 and not bodiless:
            self._chunked = True
            lines.append(b"Transfer-Encoding: chunked")
        elif not bodiless:
            self._downstream.closing = True
        if self._downstream.closing:
            lines.append(b"Connection: close")
        self._downstream.write(b"\r\n".join((*lines, b"", b"")))

    def _pass(self, data: bytes) -> None:
        if data:
            self._downstream.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def answer_body(self, data: bytes, *, last: bool) -> None:
        framer, inspection = self._framer, self._inspection
        if framer is None or inspection is None:
            if last:
                self._log("complete")
            self._pass(data)
        elif inspection.mode == "pass":
            self._watch(framer, inspection, data, last=last)
        else:
            self._hold(framer, inspection, data)

    def _watch(self, framer: Framer, inspection: Inspection, data: bytes, *, last: bool) -> None:
        """Pass on as it came. Streams go message by message, to be ended between two if need be; the end waits for the log."""
        before = framer.rest if framer.streamed or framer.framing is None else b""
        messages = framer.feed(data)
        ending = framer.finish() if last else []
        if not framer.plain:
            out = data
        elif not framer.readable or framer.framing == "body" or last:
            out = before + data
        else:
            out = b"".join([m.raw for m in messages])
        if last:
            self._read(inspection, [*messages, *ending], last=True)
            self._log("complete")
            self._pass(out)
        else:
            self._pass(out)
            self.flush()
            self._read(inspection, messages)

    def flush(self) -> None:
        if not self._ended:
            self._downstream.flush()

    def _read(self, inspection: Inspection, messages: list[Message], *, last: bool = False) -> None:
        at_ms = now_ms()
        try:
            fresh = inspection.read(messages, at_ms)
        except Exception as error:  # a fault of ours
            self._fault(error)
            return
        if fresh or last:
            size = sum([len(t) for t in fresh.values()])
            self._scanning.add(self._scan(inspection, fresh, at_ms, last=last), size, self.scanning_full)

    def _scan(self, inspection: Inspection, fresh: dict[Place, str], at_ms: int, *, last: bool) -> Iterator[int]:
        """The caller has its answer whatever becomes of this."""
        try:
            yield from inspection.scan(fresh, at_ms, last=last)
        except Exception as error:  # a fault of ours
            self._fault(error)

    def _let_through(self, inspection: Inspection, messages: list[Message], *, last: bool = False) -> bytes | None:
        """What may be sent of a held answer; None when that cannot be known, and then nothing may."""
        try:
            out = inspection.hold(messages)
            return out + inspection.finish() if last and not inspection.ended else out
        except Exception as error:  # a fault of ours
            self._fault(error)
            return None

    def _fault(self, error: Exception) -> None:
        log.error("an answer could not be inspected: %s", type(error).__name__)
        self._proxy.recorder.fault(self._caller, self.id)

    def _hold(self, framer: Framer, inspection: Inspection, data: bytes) -> None:
        messages = framer.feed(data)
        readable = framer.plain and framer.readable
        out = self._let_through(inspection, messages) if readable else None
        if out is None:
            self._stop("cut")
            return
        if framer.streamed and self._waiting_head is not None and (out or not inspection.ended):
            self._send_waiting_head(None)
        self._pass(out)
        if inspection.ended:
            self._end_answer("cut")

    def _send_waiting_head(self, length: bytes | None) -> None:
        head, self._waiting_head = self._waiting_head, None
        if head is not None:
            self._send_head(head, length)

    def answer_end(self) -> None:
        framer, inspection = self._framer, self._inspection
        self._connection = None
        if framer is None or inspection is None:
            self._end_answer("complete")
        elif inspection.mode == "pass":
            if not self._logged:  # the end came by itself
                self._watch(framer, inspection, b"", last=True)
            self._end_answer("complete")
        else:
            self._end_held(framer, inspection)

    def _end_held(self, framer: Framer, inspection: Inspection) -> None:
        out = self._let_through(inspection, framer.finish(), last=True)
        if out is None or (inspection.ended and not out and self._waiting_head is not None):
            self._stop("cut")
            return
        outcome = "cut" if inspection.ended else "complete"
        self._log(outcome)
        self._send_waiting_head(None if framer.streamed else b"%d" % len(out))
        self._pass(out)
        self._end_answer(outcome)

    def _end_answer(self, outcome: str) -> None:
        self._finish(outcome)
        if self._chunked:
            self._downstream.write(b"0\r\n\r\n")
        self._downstream.answered()

    def answer_lost(self) -> None:
        """The model server is not there, or cut its answer."""
        connection, self._connection = self._connection, None
        if self._ended:
            return
        if connection is not None and connection.stale() and self._request_whole and not self._retried and self._status is None:
            self._retried = True
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
            return
        if self._status is None or (self._waiting_head is not None and not self._head_sent):
            self._status = 502
            self._answer_json(502, UNREACHABLE, outcome="upstream_error")
            return
        if self._framer is not None and self._inspection is not None and self._inspection.mode == "pass":
            if self._framer.plain and self._framer.framing != "body":
                self._pass(self._framer.rest)
            self._read(self._inspection, self._framer.finish(), last=True)
        self._finish("upstream_cut")
        self._downstream.cut()

    # --- orders ------------------------------------------------------------------------------------------------------

    def reconsider(self) -> None:
        """The orders in force have become others: a running answer follows them, but is never freed of one."""
        assert self.server is not None
        policy = self._policy.joined(self._proxy.policy(self._caller, self._model, self.server))
        if policy == self._policy:
            return
        begun, self._policy = self._policy.mode != "pass", policy
        inspection = self._inspection
        if self._refusing():
            self._stop("refused" if not self._head_sent else "cut")
        elif inspection is not None and self._framer is not None:
            self._scanning.catch_up()
            inspection.policy = policy
            unreadable = not self._chunked or self._framer.framing == "body" or not self._framer.plain
            if self._head_sent and not begun and policy.mode != "pass" and unreadable:
                self._stop("cut")

    def _stop(self, outcome: str) -> None:
        """End now: with the refusal when nothing was sent, politely in a stream, else by ending the connection."""
        if not self._head_sent:
            self._refuse(outcome)
            return
        inspection, framer = self._inspection, self._framer
        text = inspection.ending() if inspection is not None and framer is not None and framer.plain and self._chunked else b""
        if text:
            self._pass(text)
            self._end_answer(outcome)
        else:
            self._finish(outcome)
            self._downstream.cut()

    def _refuse(self, outcome: str = "refused") -> None:
        self._status = 503
        self._answer_json(503, REFUSED, outcome=outcome)

    def _answer_json(self, status: int, body: dict[str, Any], *, outcome: str = "complete") -> None:
        assert status in REASONS
        self._head_sent = True
        self._finish(outcome)
        answer = json_answer(status, body, close=self._downstream.closing)
        if self._head.method == b"HEAD":
            answer = answer[: answer.index(b"\r\n\r\n") + 4]
        self._downstream.write(answer)
        self._downstream.answered()

    # --- the end -----------------------------------------------------------------------------------------------------

    def _finish(self, outcome: str) -> None:
        """Once: log, and let go of the model server."""
        self._log(outcome)
        self._ended = True
        self._proxy.running.discard(self)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.drop()
            self._connection = None

    def _log(self, outcome: str) -> None:
        """Once, before the caller has the whole answer: what was shown is in the log whatever happens next."""
        if self._logged or self.upstream is None:
            return
        self._logged = True
        if outcome == "complete" and self._status is not None and self._status >= 500:
            outcome = "upstream_error"
        if self._api is None:
            what = "passed through, not inspected"
            if self._administrative:
                what = f"administration of a model server {'passed through' if self._caller.operator else 'refused'}"
            method = self._head.method.decode("latin-1")
            self._proxy.recorder.passed(self._caller, method, self._head.path, self._status, what=what)
        else:
            self._record(outcome)

    def _record(self, outcome: str) -> None:
        assert self._api is not None
        inspection, framer = self._inspection, self._framer
        facts = inspection.facts if inspection is not None else None
        data = {
            "id": self.id,
            "path": self._head.path[:200],
            "operation": self._api.operation,
            "request": self._body[:KEPT].decode("utf-8", "replace"),
            "request_bytes": self._body_bytes,
            "completion": inspection.completion if inspection is not None else "",
            "prompt_tokens": facts.prompt_tokens if facts is not None else None,
            "completion_tokens": facts.completion_tokens if facts is not None else None,
            "started_ms": self._started_ms,
            "first_token_ms": inspection.first_token_ms if inspection is not None else None,
            "ended_ms": now_ms(),
            "streamed": framer.streamed if framer is not None else False,
            "http_status": self._status,
            "outcome": outcome,
            "finish_reason": facts.finish if facts is not None else None,
            "tool_calls": inspection.tool_calls if inspection is not None else [],
            "inspected": framer is not None and framer.readable,
            "policy": self._policy.mode,
            "server": self.server.name if self.server is not None else None,
            "changed": self._outgoing is not None,
            "withheld": inspection.withheld if inspection is not None else 0,
        }
        self._proxy.recorder.inference(self._caller, data, (facts.model if facts is not None else None) or self._model)


def _named(connection: bytes | None) -> frozenset[bytes]:
    """Headers that a Connection header declares to be for this hop alone."""
    return frozenset(n.strip().lower() for n in connection.split(b",")) if connection else frozenset()
