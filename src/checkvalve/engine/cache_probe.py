"""Does a model server, or what stands before it, tell one session what another one said? Asked from the outside, with canaries.

Two sessions that differ only in what names a session (cookie, bearer token, `user`) talk to the server. The first one states a
random reference; a cache that leaves the session out of its key tells it to the second one, or answers it measurably sooner.
What is stated is random hex digits and nobody's data. A server that keys by session gives no finding.
"""

import http.client
import json
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from checkvalve.engine.diagnosis import Check

ROUNDS: Final = 3  # a real model may leave the reference out once
CANCELLED: Final = 20
READS: Final = 5
PAIRS: Final = 12
PREFIX_WORDS: Final = 300
TIMEOUT_S: Final = 30.0
LONGEST_S: Final = 180.0  # the whole probe
MAX_BODY: Final = 1024 * 1024
SURE: Final = 0.95  # share of pairs in which the primed answer came sooner (Mann-Whitney AUC)
LEAST_GAP_S: Final = 0.005
LEAST_SHARE: Final = 0.2  # of the unprimed time

QUESTION: Final = "What is my reference number for ticket {ticket}?"
REWORDED: Final = (
    "For ticket {ticket}, what is my reference number?",
    "what is my reference number for the ticket {ticket} please",
)
HINT_KEY: Final = "put the session or user into the cache's key, or turn the cache off; then empty it"


@dataclass(frozen=True, slots=True)
class Session:
    """What makes a request one session's: headers, and the `user` field of the body."""

    user: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    first_s: float  # until its first byte
    cached: str  # what a header says of a cache; empty when none does


class ProbeError(Exception):
    """The server cannot be asked."""


@dataclass(slots=True)
class Server:
    """A chat endpoint (OpenAI's). `url` is its base, or the whole address of the endpoint."""

    url: str
    model: str
    until: float = field(default_factory=lambda: time.monotonic() + LONGEST_S)

    def ask(self, session: Session, *said: str, stream: bool = False) -> Answer:
        """One request with these turns, the caller's first. ProbeError when there is no answer."""
        connection = self.send(session, *said, stream=stream)
        try:
            began = time.monotonic()
            response = connection.getresponse()
            first = response.read(1)
            took = time.monotonic() - began
            text = (first + response.read(MAX_BODY)).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise ProbeError(f"no answer ({type(error).__name__})") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise ProbeError(f"it answers {response.status}")
        return Answer(text, took, _cached(response.headers))

    def send(self, session: Session, *said: str, stream: bool = False) -> http.client.HTTPConnection:
        """A request that waits for its answer."""
        if time.monotonic() > self.until:
            raise ProbeError(f"it took longer than {LONGEST_S:g} s")
        turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(said)]
        body: dict[str, Any] = {"model": self.model, "messages": turns, "max_tokens": 1 if stream else 64, "temperature": 0}
        body |= {"stream": stream, "user": session.user}
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        path = parts.path if parts.path.endswith("/completions") else parts.path.rstrip("/") + "/v1/chat/completions"
        try:
            connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
            headers = {"Content-Type": "application/json", **session.headers}
            connection.request("POST", path, json.dumps(body).encode(), headers)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ProbeError(f"cannot be reached ({type(error).__name__})") from error
        return connection


def _cached(headers: Any) -> str:
    for name in ("X-Cache", "CF-Cache-Status", "X-Cache-Status", "X-LiteSpeed-Cache"):
        if "hit" in str(headers.get(name, "")).lower():
            return f"{name}: {headers[name]}"
    age = str(headers.get("Age", ""))
    return f"Age: {age}" if age.isdigit() and int(age) else ""


def two_sessions(headers_a: dict[str, str], headers_b: dict[str, str]) -> tuple[Session, Session]:
    """Sessions with these headers; without any, each gets a random cookie."""

    def session(headers: dict[str, str]) -> Session:
        drawn = secrets.token_hex(16)
        return Session(drawn, headers or {"Cookie": f"session={drawn}"})

    return session(headers_a), session(headers_b)


def probe(server: Server, a: Session, b: Session) -> list[Check]:
    """Four checks. One that cannot be made is not ok, and says why."""
    parts: tuple[tuple[str, Callable[[Server, Session, Session], Iterator[Check]]], ...] = (
        ("cache: same question", _questions),
        ("cache: cancelled requests", _cancelled),
        ("cache: timing", _timing),
    )
    found: list[Check] = []
    for name, part in parts:
        try:
            found += part(server, a, b)
        except ProbeError as error:
            hint = "give the address of a chat endpoint that answers, with --probe-model if it wants one"
            found.append(Check(name=name, ok=False, found=f"{server.url}: {error}", hint=hint))
    return found


def _questions(server: Server, a: Session, b: Session) -> Iterator[Check]:
    exact = reworded = 0
    said = ""
    for _ in range(ROUNDS):
        canary, ticket = secrets.token_hex(16), secrets.token_hex(8)
        server.ask(a, f"My reference number for ticket {ticket} is {canary}.", "Noted.", QUESTION.format(ticket=ticket))
        answer = server.ask(b, QUESTION.format(ticket=ticket))
        exact += canary in answer.text
        said = said or answer.cached
        reworded += any(canary in server.ask(b, other.format(ticket=ticket)).text for other in REWORDED)
    yield _leak("cache: same question", exact, "the same question", f"; a header says {said}" if said else "")
    yield _leak("cache: re-worded question", reworded, "the question in other words", "")


def _leak(name: str, times: int, what: str, more: str) -> Check:
    if not times:
        return Check(name=name, ok=True, found=f"nothing of another session in {ROUNDS} tries{more}")
    found = f"{what} brought another session's answer, {times} of {ROUNDS} times{more}"
    return Check(name=name, ok=False, found=found, hint=HINT_KEY)


def _cancelled(server: Server, a: Session, b: Session) -> Iterator[Check]:
    """A reply that nobody waits for must not go to who asks next (redis-py 2665, CVE-2023-28858)."""
    canaries = [secrets.token_hex(16) for _ in range(CANCELLED)]
    for canary in canaries:
        server.send(a, f"My reference number is {canary}.", "Noted.", "What is my reference number?").close()
    answers = [server.ask(b, f"What is my reference number for ticket {secrets.token_hex(8)}?").text for _ in range(READS)]
    times = sum(any(c in text for c in canaries) for text in answers)
    name = "cache: cancelled requests"
    if not times:
        yield Check(name=name, ok=True, found=f"{CANCELLED} requests were cancelled, and no answer went astray")
        return
    found = f"{times} of {READS} answers after {CANCELLED} cancelled requests were another session's"
    yield Check(
        name=name, ok=False, found=found, hint="update the client of the cache or model; close a connection that was cut off"
    )


def _timing(server: Server, a: Session, b: Session) -> Iterator[Check]:
    """A prefix that another session has sent before is answered sooner: so it can be guessed (CVE-2025-46570)."""
    cold: list[float] = []
    primed: list[float] = []
    for number in range(PAIRS):
        both = [(cold, False), (primed, True)]
        for times, first in both if number % 2 else both[::-1]:
            prefix = " ".join(secrets.token_hex(3) for _ in range(PREFIX_WORDS))
            if first:
                server.ask(a, f"{prefix} {secrets.token_hex(4)}", stream=True)
            times.append(server.ask(b, f"{prefix} {secrets.token_hex(4)}", stream=True).first_s)
    sooner = sum((p < c) + (p == c) / 2 for p in primed for c in cold) / len(primed) / len(cold)
    slow, fast = statistics.median(cold), statistics.median(primed)
    found = f"{slow * 1000:.0f} ms unprimed, {fast * 1000:.0f} ms primed by another session, AUC {sooner:.2f} in {PAIRS} pairs"
    leaks = sooner > SURE and slow - fast > max(LEAST_GAP_S, LEAST_SHARE * slow)
    hint = "vLLM: a cache_salt for each tenant, or --no-enable-prefix-caching; llama.cpp: a slot for each conversation"
    yield Check(name="cache: timing", ok=not leaks, found=found, hint=hint if leaks else "")
