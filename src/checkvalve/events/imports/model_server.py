"""Logs of llama.cpp, Ollama and vLLM: which generations a model server did, whoever asked.

A line may stand behind a time of docker, journald or syslog. llama.cpp by itself counts from its start
(`minutes.seconds.ms.us`); without `started_ms` such a time is unknown. A generation is reported when it ended.
"""

import re
from dataclasses import replace
from typing import Any, Final

from checkvalve.events import event as ocsf
from checkvalve.events.event import Malformed
from checkvalve.events.imports import cutting, times
from checkvalve.events.imports.types import Context, Format, Moment, Piece, Said

_ISO = re.compile(r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?)[ |:]")
_SYSLOG = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}:\d{2}:\d{2}) ")
_SINCE_START = re.compile(r"(\d+)\.(\d{2})\.(\d{3})\.(\d{3}) [A-Z] ")
_SLOG = re.compile(r"\btime=(\S+) level=")
_GIN = re.compile(
    r"\[GIN\] (\d{4})/(\d{2})/(\d{2}) - (\d{2}:\d{2}:\d{2}) \|\s*(\d{3}) \|\s*([\d.]+[a-zµ]+(?:[\d.]+[a-z]+)*) \|\s*(\S+) \|"
    r"\s*([A-Z]+)\s+\"([^\"]*)\""
)
_VLLM = re.compile(r"(?:DEBUG|INFO|WARNING|ERROR) (\d{2})-(\d{2}) (\d{2}:\d{2}:\d{2}) \[")
_UVICORN = re.compile(r'INFO:\s+(\S+):\d+ - "([A-Z]+) (\S+) HTTP/[\d.]+" (\d{3})')
_RECEIVED = re.compile(r"Received request ([\w-]{1,80}): prompt: (.*), params: SamplingParams\(", re.DOTALL)
_TOTAL = re.compile(r"total time =\s+([\d.]+) ms /\s+(\d+) tokens")
_UNITS: Final = {"h": 3_600_000.0, "m": 60_000.0, "s": 1000.0, "ms": 1.0, "µs": 0.001, "us": 0.001, "ns": 0.000_001}
# Paths on which a model is asked; others (health, metrics, tags) tell it nothing.
ASKING: Final = re.compile(
    r"/(?:api/(?:chat|generate|embed|embeddings)|(?:v1/)?(?:chat/completions|completions|completion|infill|embeddings|embedding"
    r"|responses|messages|rerank))"
)


def read(piece: Piece, context: Context) -> Said | Malformed:
    try:
        line = piece.raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return Malformed(reason=f"invalid UTF-8 at byte {error.start}")
    moment = _moment(line, context)
    if gin := _GIN.search(line):
        return _ollama(gin, moment, context)
    if access := _UVICORN.search(line):
        return _request("vLLM", access[2], access[3], int(access[4]), access[1], moment, None, context)
    if received := _RECEIVED.search(line):
        return _prompt(received, moment)
    if total := _TOTAL.search(line):
        duration = float(total[1])
        return _call(moment, {"server": "llama.cpp", "duration_ms": round(duration), "tokens": int(total[2])})
    return Said(class_uid=0, activity_id=99, moment=moment, unique=moment is not None, body={"message": "model server log"})


def _ollama(gin: re.Match[str], moment: Moment | None, context: Context) -> Said:
    if moment is None:
        moment = times.rfc3339(f"{gin[1]}-{gin[2]}-{gin[3]}T{gin[4]}", context.zone)
    return _request("Ollama", gin[8], gin[9], int(gin[5]), gin[7], moment, _duration(gin[6]), context)


def _request(
    server: str,
    method: str,
    path: str,
    status: int,
    address: str,
    moment: Moment | None,
    duration: int | None,
    context: Context,
) -> Said:
    bare = path.partition("?")[0]
    who = {"ref": f"ip:{context.hide('ip', address)}"}
    if method == "POST" and ASKING.fullmatch(bare):
        call = {"server": server, "path": bare, "status": status, "duration_ms": duration}
        return replace(_call(moment, call), own={"requester": who, "model_call": call})
    message = f"{server}: {method} {bare if ASKING.fullmatch(bare) else 'other path'} -> {status}"
    return Said(
        class_uid=0, activity_id=99, moment=moment, unique=moment is not None, own={"requester": who}, body={"message": message}
    )


def _call(moment: Moment | None, call: dict[str, Any]) -> Said:
    """A generation that ended at `moment`."""
    done = f"{call['server']} answered {call.get('path', 'a request')}"
    return Said(
        class_uid=ocsf.API_ACTIVITY,
        activity_id=1,
        moment=moment,
        unique=moment is not None,
        own={"model_call": call},
        body={"message": done, "api": {"operation": done}, "http_response": {"code": call.get("status", 200)}},
    )


def _prompt(received: re.Match[str], moment: Moment | None) -> Said:
    """vLLM with request logging on: the prompt stands in the log, the answer does not."""
    inference: dict[str, Any] = {
        "id": received[1],
        "request": received[2],
        "completion": "",
        "started_ms": moment.ms if moment else None,
        "ended_ms": moment.ms if moment else None,
        "outcome": "unknown",
        "caller": {},
    }
    return Said(class_uid=ocsf.API_ACTIVITY, activity_id=1, moment=moment, unique=True, own={"inference": inference})


def _moment(line: str, context: Context) -> Moment | None:
    """The time in front of a line, the most exact there is."""
    if found := _ISO.match(line) or _SLOG.search(line):
        return times.rfc3339(found[1].replace(" ", "T", 1).replace(",", "."), context.zone)
    if since := _SINCE_START.match(line):
        if context.started_ms is None:
            return None
        minutes, seconds, ms = int(since[1]), int(since[2]), int(since[3])
        return Moment(ms=context.started_ms + minutes * 60_000 + seconds * 1000 + ms, within_ms=times.SECOND)
    if found := _VLLM.search(line):
        return times.without_year(int(found[1]), int(found[2]), found[3], context)
    if (found := _SYSLOG.match(line)) and found[1].lower() in times.MONTHS:
        return times.without_year(times.MONTHS.index(found[1].lower()) + 1, int(found[2]), found[3], context)
    return None


def _duration(text: str) -> int:
    """Go's duration, e.g. 1m3.5s or 181.3159ms, in ms."""
    parts = re.findall(r"([\d.]+)(h|ms|µs|us|ns|m|s)", text)
    try:
        return round(sum(float(number) * _UNITS[unit] for number, unit in parts))
    except ValueError:
        return 0


FORMAT = Format(
    name="model-server", title="model server log", cut=cutting.lines, read=read, followed=True, by_line=True, in_order=True
)
