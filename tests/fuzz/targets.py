"""What no bytes of a model server may break. Each target takes any bytes and raises when they do.

The first bytes say how the rest is framed and where it is cut, so that a fuzzer finds both.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from checkvalve.detection.register import Register
from checkvalve.detection.types import Exposure, Finding
from checkvalve.events.pseudonym import identifiers
from checkvalve.gateway.control import Caller, Hold, Mode, Policy
from checkvalve.gateway.framing import MAX_INFLATED, Framer
from checkvalve.gateway.inspection import Inspection
from checkvalve.gateway.shapes import ANSWER, CHAT, PROMPT, slots
from checkvalve.gateway.upstream import AnswerHead, UpstreamConnection

KINDS: Final = ("text/event-stream", "application/x-ndjson", "application/json", "", "text/plain")
CODINGS: Final = ("", "gzip", "deflate", "br", "zstd", "gzip, br")
KEY: Final = bytes(32)
EMAIL: Final = "anna.schmidt@example.de"
CALLER: Final = Caller(site="s", context=None, error=None)


def cuts(data: bytes, size: int) -> Iterator[bytes]:
    """In pieces of 1 to `size` bytes, each another length than the one before."""
    at, number = 0, 1
    while at < len(data):
        yield data[at : at + number]
        at, number = at + number, number % max(size, 1) + 1


def framed(kind: str, coding: str, pieces: list[bytes]) -> tuple[list[tuple[bytes, Any]], bytes, bool]:
    """(messages, what none of them held, whether it could be read)."""
    framer = Framer(kind, coding)
    found = [(m.raw, m.body) for piece in pieces for m in framer.feed(piece)]
    rest = framer.rest
    found += [(m.raw, m.body) for m in framer.finish()]
    return found, rest, framer.readable


def framing(data: bytes) -> None:
    """The same messages wherever the bytes are cut; of a plain answer every byte is in one of them; a bomb stays small."""
    if len(data) < 3:
        return
    kind, coding, body = KINDS[data[0] % len(KINDS)], CODINGS[data[1] % len(CODINGS)], data[3:]
    whole, cut = framed(kind, coding, [body]), framed(kind, coding, list(cuts(body, data[2])))
    assert whole[0] == cut[0] or not whole[2]
    assert whole[2] == cut[2]
    said = b"".join(raw for raw, _ in whole[0])
    if coding == "":
        assert said == body
    elif not Framer(kind, coding).readable:
        assert said == b""
    assert len(said) <= 2 * MAX_INFLATED


def unpacking(data: bytes) -> None:
    """What was packed is read as it was, also in two members and cut anywhere; broken, no more than was there."""
    if len(data) < 2:
        return
    body = data[2:]
    half = len(body) // 2
    packed = [zlib.compressobj(9, zlib.DEFLATED, 31) for _ in range(2)]
    members = b"".join(p.compress(part) + p.flush() for p, part in zip(packed, (body[:half], body[half:]), strict=True))
    messages, _, readable = framed("application/x-ndjson", "gzip", list(cuts(members, data[0])))
    assert readable
    assert b"".join(raw for raw, _ in messages) == body
    broken = bytearray(members)
    broken[data[1] * len(broken) // 256] ^= 1 + data[0] % 255
    framed("application/x-ndjson", "gzip", list(cuts(bytes(broken), data[0])))


class Told:
    """Stands where the recorder would."""

    def __init__(self) -> None:
        self.said: set[tuple[Any, ...]] = set()

    def exposures(self, _: Caller, found: list[Exposure], model: str | None, *, site: str, withheld: bool = False) -> None:
        self.said |= {(e.subject, e.category, withheld) for e in found}

    def findings(
        self, _: Caller, found: list[Finding], model: str | None, *, site: str, inference: str, withheld: bool = False
    ) -> None:
        self.said |= {(f.detector, f.summary, withheld) for f in found}


def _register() -> Register:
    made = Register(KEY)
    made.put("customer:7", identifiers(KEY, email=EMAIL, name="Anna Schmidt", phone="+49 30 23125123"), 1)
    return made


REGISTER: Final = _register()


def held(kind: str, mode: Mode, pieces: list[bytes]) -> tuple[bytes, set[tuple[Any, ...]], bool]:
    """(what is sent of an answer while an order holds it, what was told, whether it ended early)."""
    framer, told = Framer(kind, ""), Told()
    inspection = Inspection(
        api=CHAT,
        framer=framer,
        registers={"s": REGISTER},
        caller=CALLER,
        inference="i",
        model=None,
        recorder=told,  # type: ignore[arg-type]
    )
    inspection.policy = Policy(mode=mode, holds=frozenset({Hold(mode=mode)}))
    sent = b""
    for piece in pieces:
        if not inspection.ended:
            sent += inspection.hold(framer.feed(piece))
    if not inspection.ended:
        sent += inspection.hold(framer.finish())
    if not inspection.ended:
        sent += inspection.finish()
    return sent, told.said, inspection.ended


def holding(data: bytes) -> None:
    """The same bytes are sent and the same is told wherever an answer is cut, and nothing that is held back is among them."""
    if len(data) < 3:
        return
    kind, body = KINDS[data[0] % 3], data[3:]
    mode: Mode = "cut" if data[1] % 2 else "redact"
    whole, cut = held(kind, mode, [body]), held(kind, mode, list(cuts(body, data[2])))
    assert whole == cut
    sent, told, _ = whole
    if body.count(EMAIL.encode()) == 1 and ("customer:7", "email", True) in told and ("customer:7", "email", False) not in told:
        shown, _, _ = framed(kind, "", [sent])
        assert not any(EMAIL.encode() in msgspec.json.encode(message) for _, message in shown)


def shapes(data: bytes) -> None:
    """Any JSON is taken apart: every slot is a string where it says, or a number in a tool call."""
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    for root in (ANSWER, PROMPT) if isinstance(body, dict | list) else ():
        for others in (False, True):
            for slot in slots(body, root, others=others):
                assert slot.text == str(slot.holder[slot.key])


class Transport:
    """Stands where the network would."""

    def __init__(self) -> None:
        self.closed = False

    def write(self, data: bytes) -> None:
        return

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        return

    def resume_reading(self) -> None:
        return


class Receiver:
    def __init__(self) -> None:
        self.heads = 0
        self.body = b""
        self.ends: list[str] = []

    def answer_head(self, head: AnswerHead) -> None:
        assert not self.ends
        self.heads += 1

    def answer_body(self, data: bytes, *, last: bool) -> None:
        assert self.heads == 1
        assert not self.ends
        self.body += data

    def answer_end(self) -> None:
        self.ends.append("end")

    def answer_lost(self) -> None:
        self.ends.append("lost")

    def flush(self) -> None:
        assert not self.ends

    def upstream_full(self, full: bool) -> None:
        return


def received(pieces: list[bytes]) -> tuple[int, bytes, list[str], int]:
    """(heads, body, how it ended, connections kept for another request) of an answer in pieces, then closed."""
    idle: list[UpstreamConnection] = []
    connection, receiver = UpstreamConnection(idle), Receiver()
    connection.connection_made(Transport())
    connection.request(receiver, b"GET / HTTP/1.1\r\n\r\n", whole=True, head_only=False)
    for piece in pieces:
        if not connection.transport.is_closing() and connection not in idle:
            connection.data_received(piece)
    kept = len(idle)
    connection.connection_lost(None)
    return receiver.heads, receiver.body, receiver.ends, kept


def answers(data: bytes) -> None:
    """HTTP of a model server: an answer ends once, and is the same wherever it is cut."""
    if not data:
        return
    whole, cut = received([data[1:]]), received(list(cuts(data[1:], data[0])))
    assert len(whole[2]) == len(cut[2]) == 1
    assert whole[0] <= 1
    assert whole[1].startswith(cut[1]) or cut[1].startswith(whole[1])
    if whole[2] == ["end"] == cut[2]:
        assert whole[1] == cut[1]


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {t.__name__: t for t in (framing, unpacking, holding, shapes, answers)}
_CALL: Final = b'{"message": {"tool_calls": [{"function": {"name": "f", "arguments": %s}}]}}\n'
PIECES: Final = (  # what a fuzzer starts from, and the bounded tests put together
    b'data: {"choices": [{"index": 0, "delta": {"content": "Anna Schmidt, anna.schmidt@example.de"}}]}\n\n',
    b'data: {"choices": [{"index": 0, "delta": {"content": "anna.schm"}}]}\n\n',
    b'data: {"choices": [{"delta": {"content": "idt@example.de "}}]}\r\n\r\n',
    b'{"message": {"content": "call +49 30 23125123"}, "done": false}\n',
    b'{"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{\\"a\\": 4930}"}}]}}]}',
    _CALL % b'{"to": "anna.schmidt@example.de", "n": 3023125123}',
    *(
        b"data: [DONE]\n\n",
        b": comment\n\n",
        b"event: x\nid: 1\n",
        b"\xef\xbb\xbf",
        b"\r\r",
        b"\n",
        b'"\\ud800"',
        b"\xff",
        b"[" * 99,
    ),
    *(
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Content-Length: 5\r\n\r\n",
    ),
    *(
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"5;x=y\r\nhello\r\n",
        b"0\r\nX: y\r\n\r\n",
        b"Content-Encoding: br\r\n",
    ),
)
