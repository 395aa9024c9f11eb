"""From an order to its effect: on new requests, and in answers that already run. `python -m benchmarks.orders --json`.

The real gateway process, a core that signs and answers the gateway's long poll, a model that says a word every 5 ms for as
long as somebody listens. `new_*`: from the moment core signs to the first answer that is refused, asked for without a pause on
one connection. `running_*`: from then to the end of each of 16 answers that run, politely ended. `words_after_*`: words that
such an answer still got after the first of the 16 had ended: none means before the next word. `redact_*` and `route_*` as
`new_*`, to the first answer that is changed.
"""

import argparse
import asyncio
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.report import machine
from tests.simulators.gateway import GatewayProcess, SigningCore, gateway_process
from tests.simulators.processes import Server, free_port

PATH: Final = "/v1/chat/completions"
ROUNDS: Final = 120
STREAMS: Final = 16
WORD_S: Final = 0.005
SECRET: Final = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"  # in the shape of Stripe's keys, in nobody's use
QUESTION: Final = json.dumps({"model": "smol", "messages": [{"role": "user", "content": "hello"}]}).encode()
STREAMED: Final = QUESTION.replace(b'"model"', b'"stream": true, "model"')
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


# --- the model, in a process of its own ------------------------------------------------------------------------------


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) if b"ontent-" in head else 0
            body = await reader.readexactly(length)
            if b'"stream"' not in body:
                said = json.dumps({"model": name, "choices": [{"index": 0, "message": {"content": f"{name} {SECRET} ."}}]})
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(said)}\r\n\r\n{said}".encode()
                )
                continue
            writer.write(HEAD)
            word = b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "word "}}]}\n\n'
            while not writer.is_closing():
                writer.write(b"%x\r\n%b\r\n" % (len(word), word))
                await writer.drain()
                await asyncio.sleep(WORD_S)
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def serve(port: int, name: str) -> None:
    server = await asyncio.start_server(lambda r, w: answer(r, w, name), "127.0.0.1", port)
    await server.serve_forever()


@contextmanager
def model(directory: Path, name: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.orders", "--stub", str(port), "--name", name]
    server = Server(command, f"http://127.0.0.1:{port}", log=directory / f"{name}.log")
    try:
        server.wait_for("/")
        yield server.url
    finally:
        server.stop()


# --- callers ---------------------------------------------------------------------------------------------------------


def request(body: bytes, headers: dict[str, str], *, keep: bool) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join((*lines, f"Connection: {'keep-alive' if keep else 'close'}", "", "")).encode() + body


class Asking(threading.Thread):
    """Asks again and again on one connection until an answer is as wanted; `when` it came."""

    def __init__(self, gateway: GatewayProcess, wanted: Callable[[int, bytes], bool]) -> None:
        super().__init__(daemon=True)
        self._gateway, self._wanted = gateway, wanted
        self.when = 0.0
        self.asking = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._gateway.port, timeout=20)
        headers = self._gateway.core.context()
        end = time.monotonic() + 30
        while time.monotonic() < end:
            connection.request("POST", PATH, QUESTION, headers)
            got = connection.getresponse()
            if self._wanted(got.status, got.read()):
                self.when = time.perf_counter()
                break
            self.asking.set()
        connection.close()


async def listen(gateway: GatewayProcess, started: asyncio.Queue[None], arrivals: list[float]) -> float:
    """When the polite end of a stream came; `arrivals` are its words'."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request(STREAMED, gateway.core.context(plugin="stream"), keep=False))
    data = b""
    while b"[DONE]" not in data:
        part = await reader.read(65536)
        if not part:
            raise SystemExit("a stream was cut instead of ended")
        arrivals += [time.perf_counter()] * part.count(b'"word "')
        data = data[-200:] + part
        if len(arrivals) == 1:
            started.put_nowait(None)
    ended = time.perf_counter()
    writer.close()
    return ended


def until_changed(gateway: GatewayProcess, wanted: Callable[[int, bytes], bool], action: str, **args: str) -> float:
    """Seconds from the order to the first changed answer; it is released again."""
    core = gateway.core
    asking = Asking(gateway, wanted)
    asking.start()
    if not asking.asking.wait(20):
        raise SystemExit("the gateway does not answer")
    start = time.perf_counter()
    jti = core.order(action, 600, **args)
    asking.join(30)
    release(core, jti)
    if not asking.when:
        raise SystemExit(f"{action} had no effect")
    return asking.when - start


def release(core: SigningCore, jti: str) -> None:
    core.outcome(core.order("release", jti=jti))
    core.events.clear()


async def until_ended(gateway: GatewayProcess) -> tuple[list[float], list[int]]:
    """Of each running stream: seconds from the order to its end, and the words after the first stream had ended."""
    started: asyncio.Queue[None] = asyncio.Queue()
    arrivals: list[list[float]] = [[] for _ in range(STREAMS)]
    listening = [asyncio.create_task(listen(gateway, started, each)) for each in arrivals]
    for _ in listening:
        await started.get()
    start = time.perf_counter()
    jti = await asyncio.to_thread(gateway.core.order, "refuse", plugin="stream")
    ended = await asyncio.wait_for(asyncio.gather(*listening), 30)
    await asyncio.to_thread(release, gateway.core, jti)
    return [e - start for e in ended], [sum(a > min(ended) for a in each) for each in arrivals]


def share(values: list[float], part: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(len(values) * part))] * 1000, 2)


def run(directory: Path, rounds: int = ROUNDS) -> dict[str, Any]:
    with model(directory, "smol") as url, model(directory, "safe") as safe:
        settings = f'[[upstream]]\nname = "safe"\nurl = "{safe}"\nmodels = []\n'
        with gateway_process(directory / "data", url, settings) as gateway:
            changes: dict[str, tuple[Callable[[int, bytes], bool], dict[str, str]]] = {
                "refuse": (lambda status, _: status == 503, {}),
                "redact": (lambda _, body: SECRET.encode() not in body, {}),
                "route": (lambda _, body: b'"safe ' in body, {"to": "safe"}),
            }
            new = {
                action: [until_changed(gateway, wanted, action, plugin="chat", **more) for _ in range(rounds)]
                for action, (wanted, more) in changes.items()
            }
            ended: list[float] = []
            words: list[int] = []
            for _ in range(max(3, rounds // STREAMS * 2)):
                seconds, after = asyncio.run(until_ended(gateway))
                ended += seconds
                words += after
    figures: dict[str, Any] = {"orders": rounds, "streams_ended": len(ended), "words_after_max": max(words)}
    for name, values in (("new", new["refuse"]), ("redact", new["redact"]), ("route", new["route"]), ("running", ended)):
        figures |= {f"{name}_p50_ms": share(values, 0.5), f"{name}_p99_ms": share(values, 0.99)}
    figures["words_after_mean"] = round(statistics.mean(words), 3)
    return {"machine": machine(), "figures": figures, "peers": {}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--stub", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stub:
        asyncio.run(serve(arguments.stub, arguments.name))
        return
    with tempfile.TemporaryDirectory() as directory:
        result = run(Path(directory))
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in result["figures"].items():
        print(f"{name:24} {value:>10}")


if __name__ == "__main__":
    main()
