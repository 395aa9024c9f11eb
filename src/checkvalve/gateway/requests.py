"""Requests changed as orders say: without tools, without what was retrieved for them, for another model.

Names are compared as Ollama does, without regard to case, so that `Tools` is no way around.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from checkvalve.detection.register import Register
from checkvalve.detection.scanner import MAX_FINDINGS, ExposureScanner, Reader
from checkvalve.gateway.control import Caller
from checkvalve.gateway.later import AT_ONCE
from checkvalve.gateway.shapes import PROMPT, slots

Body = dict[str, Any]

TOOLS: Final = frozenset(("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "mcp_servers"))
# What a server adds to the prompt by itself: documents (vLLM), what it keeps of a conversation, files of an index, extra input.
RETRIEVED: Final = frozenset(
    (
        *("documents", "data_sources", "web_search_options", "previous_response_id", "conversation", "context"),
        *("input_extra", "chunks", "file_ids", "attachments"),
    )
)
FOUND_BY_TOOLS: Final = frozenset(("tool", "function"))  # roles
FOUND: Final = frozenset(  # types of parts and items
    (
        *("tool_result", "document", "search_result", "web_search_tool_result", "file", "input_file"),
        *("function_call_output", "file_search_call", "web_search_call", "mcp_call", "custom_tool_call_output"),
    )
)
FOUND_TEXT: Final = ("content", "output", "results", "source", "file", "file_data", "text")
GONE: Final = "[removed]"
CLEAN_S: Final = 1.0  # of processor time for one request: made of what is slow to read, a prompt could stall everybody
MAX_READ: Final = 128 * 1024  # code points of a prompt that are looked into at once: a tenth of a second

Cleaned = Callable[[str], str]


class Anew(set[Any]):
    """Has seen nothing: data shown twice is found, and held back, twice."""

    def __contains__(self, _: object) -> bool:
        return False


def cleaner(registers: Mapping[str, Register], caller: Caller, inference: str) -> Cleaned:
    """Takes other people's data, secrets and canaries out of texts; all of a text if there are too many, or no time is left."""
    reader = Reader(ref=caller.ref, recipient=caller.recipient)
    end = time.thread_time() + CLEAN_S

    def cleaned(text: str) -> str:
        spans: list[tuple[int, int]] = []
        for register in registers.values():
            scanner = ExposureScanner(register, reader, inference, Anew())
            for at in range(0, len(text), AT_ONCE):
                spans += [e.span for e in scanner.feed(text[at : at + AT_ONCE], 0)]
                if len(scanner.findings) >= MAX_FINDINGS or time.thread_time() > end:
                    return GONE
            spans += [e.span for e in scanner.finish(0)]
            spans += [f.data["span"] for f in scanner.findings if f.leak]
            if len(scanner.findings) >= MAX_FINDINGS:
                return GONE
        return _taken_out(text, spans)

    return cleaned


def _taken_out(text: str, spans: Iterable[tuple[int, int]]) -> str:
    out, at = [], 0
    for start, end in sorted(spans):
        if end > at:
            out += [text[at:start], GONE] if start >= at else []
            at = end
    return "".join((*out, text[at:]))


def without(body: Body, names: frozenset[str]) -> Body:
    return {k: v for k, v in body.items() if k.casefold() not in names}


def for_model(body: Body, model: str) -> Body:
    return {**without(body, frozenset(("model",))), "model": model}


def without_context(body: Body, cleaned: Cleaned) -> Body | None:
    """Nothing that was retrieved, and other people's data taken out of the rest by `cleaned`; None when it is too long to read.

    Answers of tools stay as empty ones: a call without an answer is refused by most servers.
    """
    body = without(body, RETRIEVED)
    for name, listed in body.items():
        if name.casefold() in ("messages", "input") and isinstance(listed, list):
            body[name] = [_own_words(item) for item in listed]
    said = [s for s in slots(body, PROMPT, others=True) if "images" not in s.place and not s.text.startswith("data:image/")]
    if sum(len(s.text) for s in said) > MAX_READ:
        return None
    for slot in said:
        if (kept := cleaned(slot.text)) != slot.text:
            slot.holder[slot.key] = kept
    return body


def _own_words(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    if item.get("role") in FOUND_BY_TOOLS or item.get("type") in FOUND:
        return {k: (GONE if k in FOUND_TEXT and v else v) for k, v in item.items()}
    content = item.get("content")
    return {**item, "content": _kept(content)} if isinstance(content, list) else item


def _kept(parts: Iterable[Any]) -> list[Any]:
    """Text and images; a result that a call waits for is emptied, a document goes."""
    kept: list[Any] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "tool_result":
            kept.append(_own_words(part))
        elif kind not in FOUND:
            kept.append(part)
    return kept
