"""Reading OpenAI-shaped answers as they pass, streamed (SSE) or whole, without touching a byte of them."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

MAX_EVENT: Final = 1024 * 1024
MAX_BODY: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """Text of one choice. `tool` marks the arguments of a tool call."""

    choice: int
    text: str
    tool: bool = False


@dataclass(slots=True)
class Answer:
    """What is known of an answer so far. `usage` counts tokens."""

    model: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    finish: str | None = None
    tools: list[dict[str, Any]] = field(default_factory=list)


class Reader:
    """feed() the answer's bytes in any chunks; deltas come out as soon as they are whole."""

    def __init__(self, content_type: str, content_encoding: str) -> None:
        self.answer = Answer()
        self._stream = content_type.startswith("text/event-stream")
        self._inflate = zlib.decompressobj(47) if content_encoding in ("gzip", "deflate") else None
        self.readable = content_encoding in ("", "identity", "gzip", "deflate")
        self.truncated = False
        self._buffer = bytearray()

    @property
    def streamed(self) -> bool:
        return self._stream

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        if not self.readable:
            return
        if self._inflate is not None:
            try:
                chunk = self._inflate.decompress(chunk)
            except zlib.error:
                self.readable = False
                return
        if self._stream:
            yield from self._lines(chunk)
        elif len(self._buffer) + len(chunk) <= MAX_BODY:
            self._buffer += chunk
        else:
            self.truncated = True

    def finish(self) -> Iterator[Delta]:
        if self._stream:
            yield from self._lines(b"\n")
        elif self._buffer and not self.truncated:
            yield from self._message(bytes(self._buffer))

    def _lines(self, chunk: bytes) -> Iterator[Delta]:
        self._buffer += chunk
        start = 0
        while (end := self._buffer.find(b"\n", start)) >= 0:
            line = bytes(self._buffer[start:end]).rstrip(b"\r")
            start = end + 1
            if line.startswith(b"data:"):
                yield from self._message(line[5:].strip())
        del self._buffer[:start]
        if len(self._buffer) > MAX_EVENT:
            self.truncated = True
            self._buffer.clear()

    def _message(self, data: bytes) -> Iterator[Delta]:
        try:
            body = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return
        if not isinstance(body, dict):
            return
        if isinstance(body.get("model"), str):
            self.answer.model = body["model"]
        if isinstance(body.get("usage"), dict):
            self.answer.usage = body["usage"]
        for choice in _list(body.get("choices")):
            if isinstance(choice, dict):
                yield from self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> Iterator[Delta]:
        index = choice.get("index")
        number = index if isinstance(index, int) else 0
        if isinstance(choice.get("finish_reason"), str):
            self.answer.finish = choice["finish_reason"]
        part = choice.get("delta") or choice.get("message") or {}
        if not isinstance(part, dict):
            return
        for name in ("content", "reasoning_content"):
            if isinstance(part.get(name), str) and part[name]:
                yield Delta(choice=number, text=part[name])
        for call in _list(part.get("tool_calls")):
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                self.answer.tools.append({"name": function.get("name"), "arguments": function.get("arguments")})
                if isinstance(function.get("arguments"), str):
                    yield Delta(choice=number, text=function["arguments"], tool=True)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def request_model(body: bytes) -> tuple[str | None, bool]:
    """(model, stream) of a request body, as far as it can be read."""
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None, False
    if not isinstance(data, dict):
        return None, False
    model = data.get("model")
    return (model if isinstance(model, str) else None), data.get("stream") is True
