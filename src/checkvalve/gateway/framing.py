"""An answer's bytes cut into messages as they pass: server-sent events, lines of JSON, or one body. Nothing is lost:
the messages' bytes, and `rest` at the end, are the bytes that were fed.
"""

import re
import zlib
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

MAX_EVENT: Final = 1024 * 1024
MAX_BODY: Final = 8 * 1024 * 1024
MAX_INFLATED: Final = 16 * 1024 * 1024
EITHER: Final = 47  # wbits of zlib: gzip or zlib, as the data says

Framing = Literal["sse", "lines", "body"]
_decode = msgspec.json.Decoder().decode
READ_CODINGS: Final = frozenset((b"gzip", b"x-gzip", b"deflate", b"identity"))
_ENDS: Final = {"sse": re.compile(rb"\n\r?\n|\r\r"), "lines": re.compile(rb"\n")}
_BOM: Final = b"\xef\xbb\xbf"
_FIELD: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:data|event|id|retry)?:")
_HALF: Final = re.compile(r"(\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})|\\ud[89a-f][0-9a-f]{2}", re.IGNORECASE)
_DATA: Final = re.compile(rb"^data:[^\n]*\n?", re.MULTILINE)


@dataclass(slots=True)
class Message:
    """`raw` as it came; `body` is its JSON, None when it has none. `opaque`: it holds something that cannot be read."""

    raw: bytes
    body: Any
    opaque: bool = False

    def rendered(self, framing: Framing) -> bytes:
        """The same message with the body as it is now."""
        data = msgspec.json.encode(self.body)
        if framing == "lines":
            return data + (b"\r\n" if self.raw.endswith(b"\r\n") else b"\n")
        if framing == "body":
            return data
        others = _DATA.sub(b"", self.raw).strip(b"\r\n")
        return (others + b"\n" if others else b"") + b"data: " + data + b"\n\n"


class Framer:
    """feed() chunks cut anywhere; the messages that come out are the same.

    `readable` is false when the coding is not known, the bytes break it, or a body is longer than its limit: then no
    more messages come. An event longer than its limit is an opaque message, and reading goes on.
    """

    def __init__(self, content_type: str, content_encoding: str) -> None:
        kind = content_type.partition(";")[0].strip().lower()
        self.framing: Framing | None = None
        if kind == "text/event-stream":
            self.framing = "sse"
        elif kind in ("application/x-ndjson", "application/jsonl", "application/ndjson"):
            self.framing = "lines"
        elif kind == "application/json":
            self.framing = "body"
        coding = content_encoding.strip().lower()
        self.plain = coding in ("", "identity")
        self.readable = self.plain or coding in ("gzip", "x-gzip", "deflate")
        self._inflate = None if self.plain or not self.readable else zlib.decompressobj(EITHER)
        self._buffer = bytearray()
        self._searched = 0
        self._inflated = 0

    @property
    def streamed(self) -> bool:
        return self.framing in ("sse", "lines")

    @property
    def rest(self) -> bytes:
        """What no message has held yet."""
        return bytes(self._buffer)

    def feed(self, chunk: bytes) -> list[Message]:
        if not self.readable:
            return []
        if self._inflate is not None:
            chunk = self._inflated_part(chunk)
        self._buffer += chunk
        if self.framing is None and len(self._buffer) >= len(_BOM + b"event:"):
            self.framing = "sse" if _FIELD.match(self._buffer) else "body"
        if self.framing not in _ENDS:
            if len(self._buffer) > MAX_BODY:
                self.readable = False
                if self.plain:
                    self._buffer.clear()
            return []
        messages = self._messages(_ENDS[self.framing])
        if len(self._buffer) > MAX_EVENT:
            messages.append(Message(self.rest, None, opaque=True))
            self._buffer.clear()
            self._searched = 0
        return messages

    def finish(self) -> list[Message]:
        """The last message: a body, or an event whose end did not come; of a coding that broke, what came before."""
        if not self._buffer or (self.plain and not self.readable):
            return []
        raw = self.rest
        self._buffer.clear()
        if self.framing == "sse":
            return [_event(raw)]
        whole = _line(raw)
        if whole.opaque and self.framing != "lines":  # lines of JSON under another name
            lines = [_line(line) for line in raw.splitlines(keepends=True)]
            if not any(m.opaque for m in lines):
                self.framing = "lines"
                return lines
        return [whole]

    def _messages(self, end: re.Pattern[bytes]) -> list[Message]:
        read = _event if self.framing == "sse" else _line
        found, start = [], 0
        for at in end.finditer(self._buffer, self._searched):
            found.append(read(bytes(self._buffer[start : at.end()])))
            start = at.end()
        del self._buffer[:start]
        self._searched = max(0, len(self._buffer) - 2)
        return found

    def _inflated_part(self, chunk: bytes) -> bytes:
        """What a chunk says. A gzip may have several members (RFC 1952, section 2.2): all are read."""
        assert self._inflate is not None
        out = []
        while chunk and self.readable:
            if self._inflate.eof:
                self._inflate = zlib.decompressobj(EITHER)
            try:
                out.append(self._inflate.decompress(chunk, MAX_INFLATED))
            except zlib.error:
                self.readable = False
                break
            self._inflated += len(out[-1])
            self.readable = not self._inflate.unconsumed_tail and self._inflated <= MAX_INFLATED
            chunk = self._inflate.unused_data
        return b"".join(out)


def readable_codings(accepted: bytes) -> bytes:
    """Of an Accept-Encoding what can be read here, so that no answer is hidden by its coding."""
    kept = [c.strip() for c in accepted.split(b",") if c.partition(b";")[0].strip().lower() in READ_CODINGS]
    return b", ".join(kept) or b"identity"


def _event(raw: bytes) -> Message:
    if raw.startswith(b"data:") and raw.find(b"\n", 0, -3) < 0 and raw.find(b"\r", 0, -4) < 0:
        data = raw[5:].strip()
    else:
        lines = raw.removeprefix(_BOM).splitlines()
        data = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
    return Message(raw, None) if data in (b"", b"[DONE]") else _read(raw, data)


def _line(raw: bytes) -> Message:
    return _read(raw, raw) if raw.strip() else Message(raw, None)


def _read(raw: bytes, data: bytes) -> Message:
    for attempt in (bytes, _mended):
        try:
            return Message(raw, _decode(attempt(data)))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
    return Message(raw, None, opaque=True)


def _mended(data: bytes) -> bytes:
    """Half characters, which lenient clients show all the same, replaced by U+FFFD."""
    text = data.decode("utf-8", "replace")
    return _HALF.sub(lambda found: found[1] or "\\ufffd", text).encode()
