"""The proxy in front of the model: an ASGI application that passes bytes on and watches them go by.

Nothing is held back and nothing is changed unless an order says so. What a client sees when the model is slow, fails or
cuts the stream is what it would have seen without the gateway; only a refused connection becomes a 502.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import msgspec
from yarl import URL

from checkvalve.detection.register import Register
from checkvalve.detection.scanner import ExposureScanner
from checkvalve.detection.scanner import Reader as TextReader
from checkvalve.detection.types import Exposure
from checkvalve.gateway.completions import Delta, Reader, request_model
from checkvalve.gateway.control import Caller, Control
from checkvalve.gateway.recorder import Recorder, now_ms

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

INSPECTED: Final = "/v1/chat/completions"
KEPT: Final = 1024 * 1024  # bytes of request and code points of completion that go into the log
HOP_BY_HOP: Final = frozenset(  # RFC 9110 section 7.6.1
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    )
)
OURS: Final = frozenset((b"checkvalve-context", b"traceparent", b"host"))
REFUSAL_TEXT: Final = "The assistant is not available at the moment. Orders and customer service are not affected."


@dataclass(slots=True)
class Inference:
    """One chat completion while it passes."""

    id: str
    started_ms: int
    request: bytearray = field(default_factory=bytearray)
    request_bytes: int = 0
    completion: list[str] = field(default_factory=list)
    kept: int = 0
    first_token_ms: int | None = None
    status: int | None = None
    outcome: str = "complete"


class Proxy:
    def __init__(
        self,
        upstream: str,
        control: Control,
        recorder: Recorder,
        health: Callable[[], dict[str, Any]],
        new_id: Callable[[], str],
    ) -> None:
        self._upstream, self._control, self._recorder = upstream, control, recorder
        self._health, self._new_id = health, new_id
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["raw_path"].decode("latin-1")
        if path == "/.checkvalve/health":
            await _answer(send, 200, self._health())
            return
        headers = dict(scope["headers"])
        token = headers.get(b"checkvalve-context")
        caller = self._control.caller(token.decode("latin-1") if token else None, int(time.time()))
        inspected = scope["method"] == "POST" and path == INSPECTED
        handle = self._complete if inspected else self._pass
        await handle(scope, receive, send, caller)

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # The client decides how long it waits; only connecting has a limit of ours.
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=connector, auto_decompress=False)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _request(self, scope: Scope, body: Any) -> Any:
        query = scope["query_string"].decode("latin-1")
        url = self._upstream + scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        headers = [
            (k.decode("latin-1"), v.decode("latin-1"))
            for k, v in scope["headers"]
            if k not in HOP_BY_HOP and k not in OURS and k != b"content-length"
        ]
        length = dict(scope["headers"]).get(b"content-length")
        if length and body is not None:
            headers.append(("content-length", length.decode("latin-1")))
        skip = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
        return self.session.request(
            scope["method"],
            URL(url, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
            skip_auto_headers=skip,
        )

    async def _pass(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        status = None
        try:
            has_body = any(k in (b"content-length", b"transfer-encoding") for k, _ in scope["headers"])
            async with self._request(scope, _body(receive) if has_body else None) as upstream:
                status = upstream.status
                await _start(send, upstream)
                async for chunk in upstream.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except aiohttp.ClientError:
            if status is None:
                status = 502
                await _unreachable(send)
        finally:
            self._recorder.passed(caller, scope["method"], scope["raw_path"].decode("latin-1"), status)

    async def _complete(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        inference = Inference(id=self._new_id(), started_ms=now_ms())
        first = await _first_part(receive, inference)
        model, _ = request_model(bytes(inference.request))
        watch = Watch(self._control.registers.get(caller.site or ""), caller, inference, model, self._recorder)
        reader: Reader | None = None
        try:
            if self._control.policy(caller, model, int(time.time())).mode == "refuse":
                inference.outcome, inference.status = "refused", 503
                await _refuse(send)
                return
            reader = await self._stream(scope, receive, send, inference, first, watch)
        finally:
            self._record(caller, inference, reader, model, scope["raw_path"].decode("latin-1"))

    async def _stream(
        self, scope: Scope, receive: Receive, send: Send, inference: Inference, first: "FirstPart", watch: "Watch"
    ) -> Reader | None:
        reader: Reader | None = None
        gone: asyncio.Task[None] | None = None
        body = first.data if first.complete else _rest(first.data, receive, inference)
        try:
            async with self._request(scope, body) as upstream:
                inference.status = upstream.status
                reader = Reader(upstream.headers.get("content-type", ""), upstream.headers.get("content-encoding", "").lower())
                gone = asyncio.create_task(_close_when_gone(receive, upstream, inference))
                await _start(send, upstream)
                async for chunk in upstream.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    watch.saw(reader.feed(chunk))
                watch.saw(reader.finish())
                watch.finish()
                await send({"type": "http.response.body", "body": b""})
        except aiohttp.ClientError:
            # Returning without the end of the body makes the server cut the client's connection, as the model did.
            if inference.outcome != "client_gone":
                inference.outcome = "upstream_cut" if inference.status else "upstream_error"
            if inference.status is None:
                inference.status = 502
                await _unreachable(send)
            watch.finish()
        finally:
            if gone is not None:
                gone.cancel()
        if inference.status and inference.status >= 500 and inference.outcome == "complete":
            inference.outcome = "upstream_error"
        return reader

    def _record(self, caller: Caller, inference: Inference, reader: Reader | None, model: str | None, path: str) -> None:
        answer = reader.answer if reader else None
        usage = answer.usage if answer else {}
        data = {
            "id": inference.id,
            "path": path,
            "request": inference.request.decode("utf-8", "replace"),
            "request_bytes": inference.request_bytes,
            "completion": "".join(inference.completion),
            "prompt_tokens": usage.get("prompt_tokens"),
            "completion_tokens": usage.get("completion_tokens"),
            "started_ms": inference.started_ms,
            "first_token_ms": inference.first_token_ms,
            "ended_ms": now_ms(),
            "streamed": reader.streamed if reader else False,
            "http_status": inference.status,
            "outcome": inference.outcome,
            "finish_reason": answer.finish if answer else None,
            "tool_calls": answer.tools if answer else [],
            "inspected": reader.readable and not reader.truncated if reader else False,
        }
        self._recorder.inference(caller, data, (answer.model if answer else None) or model)


class Watch:
    """Looks at the deltas of one inference and reports exposures at once."""

    def __init__(
        self, register: Register | None, caller: Caller, inference: Inference, model: str | None, recorder: Recorder
    ) -> None:
        self._register, self._caller, self._inference = register, caller, inference
        self._model, self._recorder = model, recorder
        self._scanners: dict[tuple[int, bool], ExposureScanner] = {}
        self._seen: set[Any] = set()

    def saw(self, deltas: Any) -> None:
        inference = self._inference
        for delta in deltas:
            if inference.first_token_ms is None:
                inference.first_token_ms = now_ms()
            if not delta.tool and inference.kept < KEPT:
                inference.completion.append(delta.text[: KEPT - inference.kept])
                inference.kept += len(delta.text)
            if self._register is not None:
                self._report(self._scanner(delta, self._register).feed(delta.text, now_ms()))

    def finish(self) -> None:
        for scanner in self._scanners.values():
            self._report(scanner.finish(now_ms()))

    def _scanner(self, delta: Delta, register: Register) -> ExposureScanner:
        place = (delta.choice, delta.tool)
        if place not in self._scanners:
            reader = TextReader(ref=self._caller.ref, recipient=self._caller.recipient)
            self._scanners[place] = ExposureScanner(register, reader, self._inference.id, self._seen)
        return self._scanners[place]

    def _report(self, found: list[Exposure]) -> None:
        if found:
            self._recorder.exposures(self._caller, found, self._model)


@dataclass(frozen=True, slots=True)
class FirstPart:
    data: bytes
    complete: bool


async def _first_part(receive: Receive, inference: Inference) -> FirstPart:
    """The request's body up to what is kept; most requests end there."""
    while True:
        message = await receive()
        part = message.get("body", b"")
        inference.request += part
        inference.request_bytes += len(part)
        complete = not message.get("more_body", False)
        if complete or len(inference.request) >= KEPT:
            data = bytes(inference.request)
            del inference.request[KEPT:]
            return FirstPart(data, complete)


async def _rest(first: bytes, receive: Receive, inference: Inference) -> Any:
    yield first
    async for part in _body(receive):
        inference.request_bytes += len(part)
        yield part


async def _body(receive: Receive) -> Any:
    while True:
        message = await receive()
        if message.get("body"):
            yield message["body"]
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


async def _close_when_gone(receive: Receive, upstream: aiohttp.ClientResponse, inference: Inference) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    inference.outcome = "client_gone"
    upstream.close()


async def _start(send: Send, upstream: aiohttp.ClientResponse) -> None:
    headers = [(k.lower(), v) for k, v in upstream.raw_headers if k.lower() not in HOP_BY_HOP]
    await send({"type": "http.response.start", "status": upstream.status, "headers": headers})


async def _answer(send: Send, status: int, body: dict[str, Any]) -> None:
    data = msgspec.json.encode(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def _unreachable(send: Send) -> None:
    error = {"message": "The model server does not answer.", "type": "upstream_error", "code": "bad_gateway"}
    await _answer(send, 502, {"error": error})


async def _refuse(send: Send) -> None:
    error = {"message": REFUSAL_TEXT, "type": "service_unavailable", "code": "checkvalve_refused"}
    await _answer(send, 503, {"error": error})
