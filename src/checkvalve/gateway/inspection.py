"""One answer looked at as it passes: what it says, whom it exposes, and, when an order says so, what of it is held back.

Passing on, messages go out as they came and are scanned after. Holding, a message goes out once none of its text can be part of
another person's data any more; what is such data is taken out, or the answer ends before it.
"""

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from checkvalve.detection import given
from checkvalve.detection.register import Register
from checkvalve.detection.scanner import MAX_FINDINGS, Context, ExposureScanner, Reader
from checkvalve.detection.types import Exposure, Finding
from checkvalve.gateway.control import OPEN, Caller, Mode, Policy
from checkvalve.gateway.framing import Framer, Framing, Message
from checkvalve.gateway.later import AT_ONCE
from checkvalve.gateway.recorder import Recorder, now_ms
from checkvalve.gateway.requests import Anew
from checkvalve.gateway.shapes import ANSWER, Api, Facts, Place, Slot, slots

KEPT: Final = 1024 * 1024  # bytes of a request and code points of an answer that go into the log
MARK: Final = "[removed]"
ENDING_TEXT: Final = "The assistant is not available at the moment. Orders and customer service are not affected."
HELD_PIECES: Final = 5  # the longest name or address line
HELD_NUMBERS: Final = 17  # the longest telephone number, in groups; a postcode's reach to the surname is shorter
HELD_LONGEST: Final = 1024  # code points
REPETITIONS: Final = frozenset(
    ("logprobs", "prompt_logprobs", "tokens", "token_ids", "prompt_token_ids", "completion_probabilities", "probs", "context")
)
MAX_PLACES: Final = 256  # of an answer that are told apart; a model server may name any number of choices and calls
MAX_QUEUE: Final = 4096  # messages held back at once
HOLD_S: Final = 1.0  # of processor time for what came at once; a hundred times what ordinary text needs
HARMLESS: Final = 1000  # strings of a message that are remembered as nobody's data
_PIECE: Final = re.compile(r"\S+")
_DIGIT: Final = re.compile(r"\d")


def held_from(recent: str) -> int:
    """Where text that may still turn out to be a person's data begins: the last few words, more when they hold numbers.

    Single letters do not count as words, for words may be spelled.
    """
    start, count = len(recent), 0
    for back, piece in enumerate(reversed(list(_PIECE.finditer(recent)))):
        if count < HELD_PIECES:
            start = piece.start()
            count += len(piece.group()) > 2
        elif back >= HELD_NUMBERS:
            break
        elif _DIGIT.search(piece.group()):
            start = piece.start()
    return start


@dataclass(slots=True)
class Text:
    """The text of one place of an answer. Offsets are code points; what is before `clear` may be sent."""

    scanners: list[tuple[str, ExposureScanner]]
    fed: int = 0
    clear: int = 0
    sent: int = 0
    recent: str = ""
    spans: list[tuple[int, int]] = field(default_factory=list)
    cuts: set[tuple[int, int]] = field(default_factory=set)  # of the spans, those before which the answer ends
    marked: set[int] = field(default_factory=set)

    def hold(self) -> None:
        clear = self.fed - len(self.recent) + held_from(self.recent)
        undecided = [at for _, scanner in self.scanners if (at := scanner.undecided) is not None]
        self.clear = max(self.clear, min((clear, *undecided)))

    def without_spans(self, text: str, start: int, mark: str) -> str:
        """The text that begins at `start`, with each span in it taken out and marked once."""
        out, at, end = [], start, start + len(text)
        for low, high in sorted(self.spans):
            if high <= at or low >= end:
                continue
            out.append(text[at - start : max(low, at) - start])
            if low not in self.marked:
                self.marked.add(low)
                out.append(mark)
            at = min(high, end)
        return "".join((*out, text[at - start :]))


@dataclass(slots=True)
class Held:
    message: Message
    parts: list[tuple[Slot, Text, int, int]]


class Inspection:
    def __init__(
        self,
        *,
        api: Api,
        framer: Framer,
        registers: dict[str, Register],
        caller: Caller,
        inference: str,
        model: str | None,
        recorder: Recorder,
        asked: Any = None,
    ) -> None:
        """`asked` is the decoded request body: what must not be recited, and which hosts are the shop's own."""
        self.policy: Policy = OPEN
        self.first_token_ms: int | None = None
        self.facts = Facts()
        self._asked = model
        self.ended = False  # before its end: nothing more may follow
        self.withheld = 0
        self._api, self._framer, self._registers = api, framer, registers
        self._caller, self._inference, self._recorder = caller, inference, recorder
        self._asked_for = asked
        self._context: Context | None = None
        self._places: set[Place] = set()
        self._texts: dict[Place, Text] = {}
        self._said: dict[Place, list[str]] = {}
        self._kinds: dict[Place, str] = {}
        self._kept = 0
        self._reported: set[tuple[Any, ...]] = set()
        self._queue: deque[Held] = deque()
        self._harmless: set[str] = set()
        self._last: dict[str, Any] = {}

    @property
    def mode(self) -> Mode:
        return self.policy.mode

    # --- passing on --------------------------------------------------------------------------------------------------

    def read(self, messages: Iterable[Message], at_ms: int) -> dict[Place, str]:
        """Note what messages say that pass as they came, at `at_ms`; returns what `scan` is to be given."""
        fresh: dict[Place, list[str]] = {}
        for message in messages:
            for slot in self._slots(message, at_ms):
                self._keep(slot, slot.text)
                if slot.kind in ("text", "tool"):
                    fresh.setdefault(slot.place, []).append(slot.text)
        return {place: "".join(parts) for place, parts in fresh.items()}

    def scan(self, fresh: dict[Place, str], at_ms: int, *, last: bool = False) -> Iterator[int]:
        """Look for people's data in what was read; `last` when the answer is over. Gives way, yielding code points scanned."""
        for place, more in fresh.items():
            text = self._text(place)
            for start in range(0, len(more), AT_ONCE):
                part = more[start : start + AT_ONCE]
                self._scan(text, part, at_ms)
                text.sent = text.clear = text.fed
                yield len(part)
        if last:
            self.finish()

    # --- holding -----------------------------------------------------------------------------------------------------

    def hold(self, messages: Iterable[Message]) -> bytes:
        """What may be sent now. `ended` when the answer ends with it."""
        end = time.thread_time() + HOLD_S
        for message in messages:
            said = self._slots(message, now_ms(), others=True)
            if message.opaque or len(self._queue) >= MAX_QUEUE:
                return self._end_here()
            held = Held(message, [])
            for slot in said:
                if slot.kind == "copy" and slot.text in self._harmless:
                    continue
                text = self._new_text() if slot.kind == "copy" else self._text(slot.place)
                start, said_here = text.fed, slot.text
                for at in range(0, len(said_here), AT_ONCE):
                    if time.thread_time() > end:
                        return self._end_here()  # made to stall us
                    self._scan(text, said_here[at : at + AT_ONCE], now_ms())
                if slot.kind == "copy" or self._framer.framing == "body":
                    self._finish(text)
                else:
                    text.hold()
                if any(len(scanner.findings) >= MAX_FINDINGS for _, scanner in text.scanners):
                    return self._end_here()  # what comes now would not be found
                if slot.kind == "copy" and not text.spans and len(self._harmless) < HARMLESS:
                    self._harmless.add(slot.text)
                held.parts.append((slot, text, start, text.fed))
            self._queue.append(held)
        return self._release()

    def finish(self) -> bytes:
        """The answer is over: what was held back, as far as it may be sent."""
        for text in self._texts.values():
            self._finish(text)
        return self._release()

    def ending(self, text: str = ENDING_TEXT) -> bytes:
        """Messages that end a stream politely; empty where there is no way to say it."""
        framing = self._framer.framing
        if framing not in ("sse", "lines"):
            return b""
        return b"".join(_framed(m, framing) for m in self._api.ending(text, self._last))

    def _release(self) -> bytes:
        out = []
        while self._queue and not self.ended:
            held = self._queue[0]
            if any(end > text.clear for _, text, _, end in held.parts):
                break
            self._queue.popleft()
            out.append(self._rendered(held))
        return b"".join(out)

    def _rendered(self, held: Held) -> bytes:
        message, framing = held.message, self._framer.framing or "body"
        changed = ended = False
        for slot, text, start, end in held.parts:
            before = kept = slot.text
            inside = [s for s in text.spans if s[1] > start and s[0] < end]
            cut_at = min((s[0] for s in inside if s in text.cuts), default=None)
            if cut_at is not None:
                ended = True
                kept = before[: max(0, cut_at - start)]
            if inside:
                kept = text.without_spans(kept, start, MARK)
            if cut_at is not None and framing == "body":
                kept += ENDING_TEXT
            text.sent = end
            if kept != before:
                slot.holder[slot.key], changed = kept, True
            self._keep(slot, kept)
        if self.withheld:
            changed |= _drop_repetitions(message.body)
        out = message.rendered(framing) if changed else message.raw
        return out + self._end() if ended and framing != "body" else out

    def _end_here(self) -> bytes:
        """What came before this may be sent, wherever the network has cut the answer."""
        out = self._release()
        return out if self.ended else out + self._end()

    def _end(self) -> bytes:
        self.ended = True
        self._queue.clear()
        return self.ending()

    # --- both --------------------------------------------------------------------------------------------------------

    def _slots(self, message: Message, at_ms: int, *, others: bool = False) -> list[Slot]:
        if not isinstance(message.body, dict | list):
            message.opaque |= others and isinstance(message.body, str)
            return []
        try:
            found = slots(message.body, ANSWER, others=others)
        except RecursionError:
            message.opaque = True
            return []
        for slot in found:
            if slot.kind != "copy" and slot.place not in self._places:
                if len(self._places) < MAX_PLACES:
                    self._places.add(slot.place)
                else:
                    slot.place = (slot.kind,)
        if any(slot.kind != "copy" for slot in found):
            if isinstance(message.body, dict):
                self._last = message.body
            if self.first_token_ms is None:
                self.first_token_ms = at_ms
        self.facts.note(message.body)
        return found

    def _text(self, place: Place) -> Text:
        if place not in self._texts:
            self._texts[place] = self._new_text()
        return self._texts[place]

    def _new_text(self) -> Text:
        reader = Reader(ref=self._caller.ref, recipient=self._caller.recipient)
        if self._context is None:  # only once there is an answer
            self._context, self._asked_for = given.context(self._asked_for), None
        new = partial(ExposureScanner, reader=reader, inference=self._inference, seen=Anew(), context=self._context)
        scanners = [(site, new(register)) for site, register in self._registers.items()]
        return Text(scanners)

    def _scan(self, text: Text, more: str, at_ms: int) -> None:
        text.fed += len(more)
        text.recent = (text.recent + more)[-HELD_LONGEST:]
        for site, scanner in text.scanners:
            known = len(scanner.findings)
            self._found(text, site, scanner.feed(more, at_ms), scanner.findings[known:])

    def _finish(self, text: Text) -> None:
        for site, scanner in text.scanners:
            known = len(scanner.findings)
            self._found(text, site, scanner.finish(now_ms()), scanner.findings[known:])
        text.clear = text.fed

    def _found(self, text: Text, site: str, exposures: list[Exposure], findings: list[Finding]) -> None:
        if not exposures and not findings:
            return
        model = self.facts.model or self._asked
        for withheld in (False, True):
            those = [
                e
                for e in exposures
                if self._new((site, e.subject, e.category), text, e.span, withheld, self.policy.over(e.subject, e.category))
            ]
            self._recorder.exposures(self._caller, those, model, site=site, withheld=withheld)
            told = [
                f
                for f in findings
                if self._new(
                    (site, f.detector, f.summary),
                    text,
                    f.data["span"],
                    withheld,
                    self.policy.over(None, f.detector) if f.leak else "pass",
                )
            ]
            self._recorder.findings(self._caller, told, model, site=site, inference=self._inference, withheld=withheld)

    def _new(self, what: tuple[str, ...], text: Text, span: tuple[int, int], withheld: bool, mode: Mode) -> bool:
        """Whether it is to be reported, once as shown and once as withheld; what is held back is marked for it."""
        holding = mode != "pass" and span[1] > text.sent
        if holding and span not in text.spans:
            text.spans.append(span)
        if holding and mode == "cut":
            text.cuts.add(span)
        if withheld != holding or (*what, holding) in self._reported:
            return False
        self._reported.add((*what, holding))
        self.withheld += holding
        return True

    def _keep(self, slot: Slot, text: str) -> None:
        if slot.kind == "copy" or self._kept >= KEPT:
            return
        self._kinds[slot.place] = slot.kind
        self._said.setdefault(slot.place, []).append(text[: KEPT - self._kept])
        self._kept += len(text)

    @property
    def completion(self) -> str:
        """What was said, as it was sent; one place a paragraph."""
        return "\n".join("".join(parts) for place, parts in self._said.items() if self._kinds[place] == "text")

    @property
    def tool_calls(self) -> list[dict[str, str]]:
        calls: dict[Place, dict[str, str]] = {}
        for place, parts in self._said.items():
            if self._kinds[place] != "text":
                end = next((i for i, step in enumerate(place) if step in ("name", "arguments", "input")), len(place))
                call = calls.setdefault(place[:end], {})
                part = "name" if self._kinds[place] == "name" else "arguments"
                call[part] = "\n".join(p for p in (call.get(part), "".join(parts)) if p)
        return list(calls.values())


def _framed(message: dict[str, Any] | str, framing: Framing) -> bytes:
    if isinstance(message, str):
        return f"data: {message}\n\n".encode() if framing == "sse" else b""
    return Message(b"", message).rendered(framing)


def _drop_repetitions(body: Any) -> bool:
    """Token numbers and probabilities say again what the text said. Whether there were any."""
    dropped = False
    for key, value in body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ():
        if key in REPETITIONS and value:
            body[key] = [] if isinstance(value, list) else None
            dropped = True
        else:
            dropped |= _drop_repetitions(value)
    return dropped
