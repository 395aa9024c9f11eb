"""Requests and answers of a model in OpenAI's shapes, one pair a line.

Understood: `{"request": {…}, "response": {…}}` (also `body`, `input`, `output`; the batch API's nested `body`), one flat
object with `messages` and `choices`, streamed chunks as a list, completions with `prompt`, and the line of
`checkvalve detect`. Other members are ignored.
"""

from typing import Any, Final

import msgspec

from checkvalve.events import event as ocsf
from checkvalve.events.event import MAX_DEPTH, Malformed, depth_exceeds
from checkvalve.events.imports import cutting, times
from checkvalve.events.imports.types import Context, Format, Moment, Piece, Said

_REQUEST: Final = ("request", "body", "input", "request_body")
_RESPONSE: Final = ("response", "output", "response_body")
_TIMES: Final = ("started_ms", "timestamp", "time", "ts", "created_at", "start_time", "startTime", "created")


def read(piece: Piece, context: Context) -> Said | Malformed:
    if piece.raw.count(b"{") + piece.raw.count(b"[") > MAX_DEPTH and depth_exceeds(piece.raw, MAX_DEPTH):
        return Malformed(reason=f"nested deeper than {MAX_DEPTH}")
    try:
        line = msgspec.json.decode(piece.raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(reason=f"not JSON: {str(error)[:120]}")
    if not isinstance(line, dict):
        return Malformed(reason="not a JSON object")
    request, answer = _part(line, _REQUEST) or line, _part(line, _RESPONSE) or line
    if not any(k in request for k in ("messages", "prompt", "contents")) and "choices" not in answer:
        return Malformed(reason="neither a request to a model (messages, prompt) nor an answer of one (choices)")
    return _said(line, request, answer, context)


def _said(line: dict[str, Any], request: dict[str, Any], answer: dict[str, Any], context: Context) -> Said:
    moment = _moment(line, answer, context)
    named = answer.get("id") or line.get("id") or line.get("request_id")
    model = request.get("model") or answer.get("model") or line.get("model")
    usage = _dict(answer.get("usage"))
    status = line.get("status_code") or _dict(line.get("response")).get("status_code")
    caller = _caller(line, context)
    inference = {
        "id": str(named)[:64] if named else "",
        "request": msgspec.json.encode({k: request[k] for k in ("messages", "prompt") if k in request}).decode(),
        "completion": _completion(answer),
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "started_ms": moment.ms if moment else None,
        "ended_ms": moment.ms if moment else None,
        "http_status": status if isinstance(status, int) else None,
        "outcome": "complete" if "choices" in answer or "completion" in answer else "unknown",
        "caller": caller,
    }
    trace = line.get("trace_id") or line.get("trace")
    return Said(
        class_uid=ocsf.API_ACTIVITY,
        activity_id=1,
        moment=moment,
        unique=bool(named or moment),
        trace=trace if isinstance(trace, str) and len(trace) == 32 else None,
        own={**caller, "inference": inference},
        body={"ai_model": {"name": str(model)[:200] if model else "unknown"}},
    )


def _part(line: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any] | None:
    for name in names:
        value = line.get(name)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                value = msgspec.json.decode(value)
            except (msgspec.DecodeError, RecursionError):
                continue
        if isinstance(value, list):
            value = _joined([c for c in value if isinstance(c, dict)])
        if isinstance(value, dict):
            inner = value.get("body")
            return inner if isinstance(inner, dict) else value
    return None


def _joined(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The chunks of a streamed answer as one answer."""
    pieces: list[str] = []
    for chunk in chunks:
        for choice in _list(chunk.get("choices")):
            pieces += _texts(_dict(_dict(choice).get("delta")))
    return {**(chunks[-1] if chunks else {}), "choices": [{"message": {"content": "".join(pieces)}}]}


def _completion(answer: dict[str, Any]) -> str:
    """All that was said, arguments of tool calls included: they leave the model as well."""
    found = [answer["completion"]] if isinstance(answer.get("completion"), str) else []
    for choice in _list(answer.get("choices")):
        found += _texts(_dict(_dict(choice).get("message")) or _dict(choice))
    return "\n".join(found)


def _texts(message: dict[str, Any]) -> list[str]:
    content = message.get("content") or message.get("text")
    parts: list[Any] = [content] if isinstance(content, str) else [_dict(p).get("text") for p in _list(content)]
    parts += [_dict(_dict(call).get("function")).get("arguments") for call in _list(message.get("tool_calls"))]
    return [p for p in parts if isinstance(p, str) and p]


def _caller(line: dict[str, Any], context: Context) -> dict[str, Any]:
    """Who asked, as far as the line says so. A session's id opens that session, so only its pseudonym is kept."""
    caller: dict[str, Any] = {k: line[k] for k in ("plugin", "route") if isinstance(line.get(k), str)}
    requester = line.get("requester")
    if isinstance(requester, dict) and isinstance(requester.get("ref"), str):
        caller["requester"] = {"ref": requester["ref"]}
    if isinstance(line.get("session"), str) and line["session"]:
        caller["session"] = context.hide("session", line["session"])
    return caller


def _moment(line: dict[str, Any], answer: dict[str, Any], context: Context) -> Moment | None:
    for source in (line, answer):
        for name in _TIMES:
            value = source.get(name)
            moment = times.epoch(value) or (times.rfc3339(value, context.zone) if isinstance(value, str) else None)
            if moment is not None:
                return moment
    return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


FORMAT = Format(name="openai", title="requests and answers of a model", cut=cutting.json_records, read=read, followed=True)
