"""One whole inference judged: the result line of `checkvalve detect` (contract.md)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import msgspec

from checkvalve.detection import given, injection, prompt
from checkvalve.detection.fragments import Fragment
from checkvalve.detection.register import Register
from checkvalve.detection.scanner import ExposureScanner, Reader, Scanner
from checkvalve.detection.types import Exposure, Finding, Severity
from checkvalve.events.pseudonym import Category

OVERLAP: Final = 400  # code points of two answers that are read together
MAX_ANSWERS: Final = 6  # before, that are read again
MAX_READ: Final = 1000  # code points of each
MAX_SESSIONS: Final = 10_000
WORTH_A_LOOK: Final[tuple[Severity, ...]] = ("medium", "high", "critical")


class Requester(msgspec.Struct, frozen=True, kw_only=True):
    ref: str | None = None
    anonymous: bool = False


class Inference(msgspec.Struct, frozen=True, kw_only=True):
    """As given to `detect`; unknown fields are ignored."""

    id: str
    session: str | None = None
    requester: Requester | None = None
    model: str | None = None
    messages: list[Any] | None = None
    completion: str | None = None
    tool_calls: list[Any] | None = None


class Memory:
    """What the last answers of each session ended with: data may be shown piece by piece. The oldest session goes first."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Fragment, ...]] = {}

    def of(self, session: str | None) -> tuple[Fragment, ...]:
        return self._kept.get(session, ()) if session else ()

    def keep(self, session: str | None, fragments: tuple[Fragment, ...]) -> None:
        if session and fragments:
            self._kept.pop(session, None)
            self._kept[session] = fragments
            if len(self._kept) > MAX_SESSIONS:
                del self._kept[next(iter(self._kept))]


def judge(inference: Inference, register: Register, now_ms: int, memory: Memory | None = None) -> dict[str, Any]:
    """Exposures, findings and verdict. Tool-call arguments count as shown; their spans are within the arguments.

    What began in an answer before, of the conversation as sent or of the same session in `memory`, and ends in this one is
    placed from this one's first code point.

    "leak": a registered person's data, a canary or a live secret went to someone it does not belong to. "suspicious": a
    finding of medium severity or above. "clean": neither.
    """
    ref = inference.requester.ref if inference.requester else None
    recipient = ref or (f"session:{inference.session}" if inference.session else "anonymous")
    seen: set[tuple[str, Category]] = set()
    exposures: list[Exposure] = []
    findings: list[Finding] = []
    messages = inference.messages or []
    asked = prompt.read({"messages": messages})
    context = given.of_prompt(asked)
    before = _texts(messages, ("assistant",))[-MAX_ANSWERS:]
    earlier = _fragments(before, register) if before else memory.of(inference.session) if memory else ()
    for text in (inference.completion or "", *_arguments(inference.tool_calls or [])):
        scanner = ExposureScanner(register, Reader(ref=ref, recipient=recipient), inference.id, seen, context, earlier)
        exposures += [*scanner.feed(text, now_ms), *scanner.finish(now_ms)]
        findings += scanner.findings
        earlier = scanner.remembered
    if memory:
        memory.keep(inference.session, earlier)
    before = before[-1:]
    if before and inference.completion:
        scanner = ExposureScanner(register, Reader(ref=ref, recipient=recipient), inference.id, seen)
        exposures += _straddling(scanner, before[0], inference.completion, now_ms)
    findings += _steering((*asked.said, *(d.text for d in asked.documents)))
    return {
        "id": inference.id,
        "exposures": [
            {
                "subject": e.subject,
                "category": e.category,
                "span": e.span,
                "encoding": e.encoding,
                "recipient": e.recipient,
            }
            for e in exposures
        ],
        "findings": [{"detector": f.detector, "severity": f.severity, "summary": f.summary, **f.data} for f in findings],
        "verdict": verdict(exposures, findings),
    }


def verdict(exposures: Sequence[Exposure], findings: Sequence[Finding]) -> Literal["leak", "suspicious", "clean"]:
    if exposures or any(f.leak for f in findings):
        return "leak"
    return "suspicious" if any(f.severity in WORTH_A_LOOK for f in findings) else "clean"


def _fragments(answers: Sequence[str], register: Register) -> tuple[Fragment, ...]:
    """What the last of some answers is remembered for."""
    earlier: tuple[Fragment, ...] = ()
    for answer in answers:
        scanner = Scanner(register, depth=0, earlier=earlier)
        for _ in (*scanner.feed(answer[-MAX_READ:]), *scanner.finish()):
            pass
        earlier = scanner.remembered
    return earlier


def _straddling(scanner: ExposureScanner, before: str, completion: str, now_ms: int) -> list[Exposure]:
    """Exposures that began in the answer before and end in this one, placed in this one."""
    head = before[-OVERLAP:] + "\n"
    found = [*scanner.feed(head + completion[:OVERLAP], now_ms), *scanner.finish(now_ms)]
    return [replace(e, span=(0, e.span[1] - len(head)), encoding="split") for e in found if e.span[0] < len(head) < e.span[1]]


def _steering(texts: Sequence[str]) -> list[Finding]:
    """What tries to steer the model, of what people wrote and of documents; the strongest one."""
    best = injection.strongest(texts)
    if not injection.suspicious(best):
        return []
    data = {"score": best.value, "signs": best.signs}
    return [Finding(detector="prompt-injection", severity="medium", summary="a message tries to steer the model", data=data)]


def _texts(messages: list[Any], roles: tuple[str, ...]) -> list[str]:
    """The texts of the messages of some roles, in OpenAI's shape: a string or a list of parts."""
    found = []
    for message in messages:
        if isinstance(message, dict) and message.get("role") in roles:
            content = message.get("content")
            parts = content if isinstance(content, list) else [content]
            found += [t for p in parts if isinstance(t := p.get("text") if isinstance(p, dict) else p, str)]
    return found


def _arguments(calls: list[Any]) -> list[str]:
    """The arguments of tool calls in OpenAI's shape or bare, as text."""
    texts = []
    for call in calls:
        function = call.get("function", call) if isinstance(call, dict) else {}
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if arguments is not None:
            texts.append(arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode())
    return texts
