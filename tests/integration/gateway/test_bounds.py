"""The gateway as a process, met by floods, crowds and slowness: its memory and its time stay bounded, and nobody else waits."""

import asyncio
import gzip
import hashlib
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx2
import pytest
from tests.integration.gateway.test_proxy import PATH, QUESTION, message, plain, stream
from tests.integration.gateway.upstream import Upstream, ask, payload
from tests.simulators.gateway import GatewayProcess, gateway_process

MB = 1_000_000
POST = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(QUESTION)}\r\n\r\n".encode() + QUESTION
SLOW_TO_READ = "\u0430 "  # look-alike letters, each a word: the scanner's worst case


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, Upstream]]:
    made = Upstream()
    with gateway_process(tmp_path_factory.mktemp("gateway") / "data", made.url) as process:
        payload(ask(process.url, PATH, QUESTION)[0])
        yield process, made
    made.close()


class Script(list[bytes]):
    """The parts of an answer, made anew as they are sent."""

    def __init__(self, kind: str, parts: Callable[[], Iterable[bytes]], more: str = "") -> None:
        self._head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}Transfer-Encoding: chunked\r\n\r\n".encode()
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        for part in self._parts():
            yield b"%x\r\n%b\r\n" % (len(part), part)
        yield b"0\r\n\r\n"


def in_chunks(data: bytes, size: int) -> bytes:
    """Chunks of that size, ready to be sent in one piece."""
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (data[i : i + size] for i in range(0, len(data), size)))


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) / 1024


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def taken(process: GatewayProcess) -> tuple[int, str]:
    """Bytes of an answer as they came, chunks and all, and their digest; no more than a piece of it is kept."""
    digest, count, last = hashlib.sha256(), 0, b""
    with socket.create_connection(("127.0.0.1", process.port), timeout=60) as connection:
        connection.sendall(POST)
        while data := connection.recv(1 << 20):
            count += len(data)
            digest.update(data)
            last = (last + data)[-7:]
    assert last == b"\r\n0\r\n\r\n", "the answer was cut"
    return count, digest.hexdigest()


def test_it_takes_little_memory_before_it_has_a_register(running: tuple[GatewayProcess, Upstream]) -> None:
    assert memory_mb(running[0].pid) < 96, "what core needs is not imported"


PAD = "x" * 60_000
EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "word "}}], "pad": "%s"}\n\n' % PAD.encode()
LINE = b'{"message": {"content": "word "}, "pad": "%s"}\n' % PAD.encode()
FLOODS: dict[str, Script] = {
    "one body": Script(
        "application/json", lambda: itertools.chain([b'{"x": "'], itertools.repeat(PAD.encode(), 1700), [b'"}'])
    ),
    "events": Script("text/event-stream", lambda: itertools.repeat(EVENT, 1700)),
    "one event without an end": Script("text/event-stream", lambda: itertools.repeat(b"data: " + PAD.encode(), 1700)),
    "lines": Script("application/x-ndjson", lambda: itertools.repeat(LINE, 1700)),
    "bytes": Script("application/octet-stream", lambda: itertools.repeat(b"\0" * 60_000, 1700)),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_an_answer_of_100_megabytes_passes_whole_and_is_not_kept(running: tuple[GatewayProcess, Upstream], flood: str) -> None:
    process, upstream = running
    upstream.script = FLOODS[flood]
    before = memory_mb(process.pid)
    forget_peak(process.pid)
    assert taken(process)[0] > 100 * MB
    assert memory_mb(process.pid, "VmHWM") - before < 64


def test_a_bomb_is_passed_as_it_is_and_not_unpacked_whole(running: tuple[GatewayProcess, Upstream]) -> None:
    process, upstream = running
    bomb = gzip.compress(b'{"x": "' + b"a" * 200 * MB + b'"}')
    assert len(bomb) < MB
    upstream.script = Script("application/json", lambda: [bomb], "Content-Encoding: gzip\r\n")
    before = memory_mb(process.pid)
    forget_peak(process.pid)
    status, body, whole = payload(ask(process.url, PATH, QUESTION, {"Accept-Encoding": "gzip"})[0])
    assert (status, body, whole) == (200, bomb, True)
    assert memory_mb(process.pid, "VmHWM") - before < 64


def test_a_million_tiny_chunks_take_linear_time_and_no_memory(running: tuple[GatewayProcess, Upstream]) -> None:
    process, upstream = running
    piece = b": a comment\n\n" * 3 + b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'
    costs = {}
    for count in (100_000, 1_000_000):
        chunks = in_chunks(piece * 10, 2)
        upstream.script = [FLOODS["events"]._head, *itertools.repeat(chunks, count // (len(piece) * 5)), b"0\r\n\r\n"]
        before, used = memory_mb(process.pid), processor_s(process.pid)
        forget_peak(process.pid)
        count_of_bytes, _ = taken(process)
        assert count_of_bytes > count
        costs[count] = processor_s(process.pid) - used
        assert memory_mb(process.pid, "VmHWM") - before < 64
    assert costs[1_000_000] < 20 * max(costs[100_000], 0.1)


def test_any_number_of_choices_takes_no_more_memory_than_a_few(running: tuple[GatewayProcess, Upstream]) -> None:
    process, upstream = running

    def events() -> Iterator[bytes]:
        for first in range(0, 30_000, 100):
            yield b"".join(
                b'data: {"choices": [{"index": %d, "delta": {"content": "a"}}]}\n\n' % i for i in range(first, first + 100)
            )

    upstream.script = Script("text/event-stream", events)
    before = memory_mb(process.pid)
    taken(process)
    assert memory_mb(process.pid) - before < 32


def test_a_thousand_callers_with_running_streams(running: tuple[GatewayProcess, Upstream]) -> None:
    process, upstream = running
    go_on = threading.Event()
    body = stream("one two three")
    first, rest = in_chunks(body[:120], 60), in_chunks(body[120:], 60)
    upstream.script = [FLOODS["events"]._head + first, go_on, rest + b"0\r\n\r\n"]

    async def caller(begun: asyncio.Semaphore) -> tuple[int, bytes, bool]:
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        writer.write(POST)
        data = await reader.readuntil(b"data: ")
        begun.release()
        data += await reader.read()
        writer.close()
        return payload(data)

    async def crowd() -> list[tuple[int, bytes, bool]]:
        begun = asyncio.Semaphore(0)
        callers = [asyncio.create_task(caller(begun)) for _ in range(1000)]
        for _ in callers:
            await begun.acquire()
        health = await asyncio.to_thread(httpx2.get, process.url + "/.checkvalve/health", timeout=20)
        assert health.json()["running"] == 1000
        go_on.set()
        return await asyncio.gather(*callers)

    before = memory_mb(process.pid)
    try:
        answers = asyncio.run(asyncio.wait_for(crowd(), 60))
    finally:
        go_on.set()
    assert set(answers) == {(200, body, True)}
    assert memory_mb(process.pid) - before < 128


def test_callers_that_take_too_long_are_told_or_hung_up_on(tmp_path: Path, upstream: Upstream) -> None:
    settings = "[limits]\nhead_s = 1\nbody_s = 1\nidle_s = 1\nreading_s = 1\nconnections = 100\n"
    upstream.script = Script("text/event-stream", lambda: itertools.repeat(EVENT, 1000))
    head = POST.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    big = head.replace(str(len(QUESTION)).encode(), b"5000000")
    slow = {  # what is sent at first, and then again and again
        "head": (b"POST / HTTP/1.1\r\n", b"X-More: 1\r\n", b"408"),
        "body": (head, b"{", b"408"),
        "body that has reached the model": (big + b" " * 2 * MB, b"{", b"408"),
        "nothing": (b"", b"", None),
        "an answer that is not taken": (POST, b"", None),
    }
    with gateway_process(tmp_path / "data", upstream.url, settings) as process:
        connections = {}
        for what, (first, _, _) in slow.items():
            connections[what] = socket.create_connection(("127.0.0.1", process.port), timeout=20)
            connections[what].sendall(first)
        deadline, ended = time.monotonic() + 40, set[str]()
        while len(ended) < len(slow):
            assert time.monotonic() < deadline, f"still served: {slow.keys() - ended}"
            open_ = httpx2.get(process.url + "/.checkvalve/health", headers={"Connection": "close"}).json()["connections"]
            for what, (_, again, _) in slow.items():
                if what not in ended and again:
                    try:
                        connections[what].sendall(again)
                    except OSError:
                        ended.add(what)
            if open_ == 1:  # the one that asks
                ended |= slow.keys()
            time.sleep(0.2)
        for what, (_, _, status) in slow.items():
            with connections[what] as connection:
                if status is not None:
                    assert connection.recv(100).split(b" ")[1] == status, what
        assert upstream.client_gone.wait(10), "the model goes on for nobody"

        crowd = [socket.create_connection(("127.0.0.1", process.port), timeout=20) for _ in range(130)]
        told = 0
        for connection in crowd:
            connection.settimeout(10)
            with connection:
                told += connection.recv(100).startswith(b"HTTP/1.1 503 ")
        assert told >= 30


def test_text_made_to_be_slow_delays_nobody_else_and_is_not_let_through_unread(tmp_path: Path, upstream: Upstream) -> None:
    said = SLOW_TO_READ * 30_000
    with gateway_process(tmp_path / "data", upstream.url) as process:
        core = process.core
        deadline = time.monotonic() + 20
        while not httpx2.get(process.url + "/.checkvalve/health").json()["registers"]:
            assert time.monotonic() < deadline, "it has no register"
            time.sleep(0.05)
        upstream.script = plain(message(said))
        assert payload(ask(process.url, PATH, QUESTION, timeout=30)[0])[:2] == (200, message(said))
        waited = []
        for _ in range(5):
            started = time.monotonic()
            state = httpx2.get(process.url + "/.checkvalve/health", timeout=30).json()
            waited.append(time.monotonic() - started)
        assert state["unscanned"] > 0, "it is read meanwhile"
        assert max(waited) < 3
        core.outcome(core.order("redact", plugin="chat"))
        started = time.monotonic()
        status, body, _ = payload(ask(process.url, PATH, QUESTION, core.context(), timeout=30)[0])
        assert (status, json.loads(body)["error"]["code"]) == (503, "checkvalve_refused")
        assert time.monotonic() - started < 15


def test_core_away_for_long_costs_disk_and_not_memory_and_all_arrives_in_order(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script = plain(message("fine"))
    question = json.dumps({"model": "smol", "messages": [{"role": "user", "content": "x" * 500_000}]}).encode()
    with gateway_process(tmp_path / "data", upstream.url) as process:
        process.core.away = True
        payload(ask(process.url, PATH, question)[0])
        before = memory_mb(process.pid)
        for _ in range(100):
            assert payload(ask(process.url, PATH, question)[0])[0] == 200
        assert sum(f.stat().st_size for f in (process.directory / "spool").iterdir()) > 50 * MB
        assert memory_mb(process.pid) - before < 24
        process.core.away = False
        numbers = arrived(process, 101)
        assert numbers == list(range(1, len(numbers) + 1))
        deadline = time.monotonic() + 20
        while sum(f.stat().st_size for f in (process.directory / "spool").iterdir()) > MB:
            assert time.monotonic() < deadline, "what core has stays on disk"
            time.sleep(0.1)


def test_a_full_spool_costs_callers_nothing_and_says_what_is_missing(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script = plain(message("fine"))
    question = json.dumps({"model": "smol", "messages": [{"role": "user", "content": "x" * 50_000}]}).encode()
    with gateway_process(tmp_path / "data", upstream.url, "[limits]\nspool_mb = 1\n") as process:
        process.core.away = True
        for _ in range(40):
            assert payload(ask(process.url, PATH, question)[0])[:2] == (200, message("fine"))
        spool = httpx2.get(process.url + "/.checkvalve/health").json()["spool"]
        assert spool["dropped"] > 10
        process.core.away = False
        before = arrived(process, spool["depth"])
        assert before == sorted(set(before)), "in order"
        for _ in range(3):
            ask(process.url, PATH, QUESTION)
        after = arrived(process, len(before) + 3)
        assert max(after) - len(after) == spool["dropped"], "what is missing is seen by its numbers"
        assert after[-3:] == list(range(max(after) - 2, max(after) + 1)), "there is room again"


def arrived(process: GatewayProcess, count: int) -> list[int]:
    """The numbers of the events that core has, once there are so many."""
    deadline = time.monotonic() + 40
    while len(process.core.events) < count:
        assert time.monotonic() < deadline, f"{len(process.core.events)} of {count} events arrived"
        time.sleep(0.05)
    return [event["metadata"]["sequence"] for event in list(process.core.events)]
