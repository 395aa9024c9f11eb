"""What the gateway costs: latency and throughput against no gateway and against nginx as a plain proxy, in the same run.
`python -m benchmarks.gateway --json`; with `--peers DIR` also against other gateways and guards (benchmarks/peers.py).

A model server that answers at once, in a process of its own; 66 tokens an answer, whole or streamed as an event each. The
gateway is the real command with 100,000 people registered; it verifies a signed context on every request, reads every token and
logs every request durably; the events go to a core that only acknowledges them. nginx passes bytes on and logs nothing.

`whole_*`, `streamed_*`: every connection asks again as soon as it is answered, so that the gateway is saturated.
`*_cpu_ms` is processor time a request, which other work on the machine does not change (for `direct` the model server's own).
`unread_*`: a gateway without a register, which passes on and logs. `paced_*`: 16 connections that ask every 200 ms, as callers
notice it. `first_token_*`: one connection, 5 ms a token.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import uvloop
from benchmarks.detection_text import people
from benchmarks.peers import KEY, MODEL, PEERS
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checkvalve.events import jws
from checkvalve.events.pseudonym import identifiers
from checkvalve.gateway.settings import Credentials, save_credentials, write_private

PEOPLE: Final = 100_000
CONNECTIONS: Final = (1, 16, 64)
ROUNDS: Final = 3
SECONDS: Final = 0.5  # a round of one target
OWN: Final = ("direct", "nginx", "gateway", "unread")
MOST_OF_PEERS: Final = 16  # connections
PACE_S: Final = 0.005  # between tokens where the first one is timed
PATH: Final = "/v1/chat/completions"
SITE: Final = "s-aaaaaaaaaaaa"
TEXT: Final = """
Thank you for your question about our return policy. You can send back anything within thirty days of delivery, unused and in
its original box. Print the label from your account page, hand the parcel to any post office, and keep the receipt. Your money
is refunded within a week after the parcel has reached our warehouse. Is there anything else that I can do for you?"""
TOKENS: Final = [word + " " for word in TEXT.split()]
USAGE: Final = {"prompt_tokens": 120, "completion_tokens": 66}
SLOWLY: Final = "Take your time."  # asks for an answer token by token; some gateways drop what they do not know
QUESTION: Final = {
    "model": MODEL,
    "messages": [
        {"role": "system", "content": "You are the assistant of a shop. Answer briefly and kindly. " * 6},
        {"role": "user", "content": "How do I send back a pair of shoes that I have bought last week?"},
    ],
}


def event(delta: dict[str, str], **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice], **more}
    data = b"data: " + json.dumps(body).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


EVENTS: Final = [event({"content": t}) for t in TOKENS]
STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM_END: Final = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
WHOLE_BODY: Final = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "usage": USAGE,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "".join(TOKENS)}, "finish_reason": "stop"}],
    }
).encode()
WHOLE: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(WHOLE_BODY),
    WHOLE_BODY,
)
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


# --- the model server and core, in a process of their own ------------------------------------------------------------


class Stub(asyncio.Protocol):
    """Answers a chat completion as its body asks; takes events as core does."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.data = b""
        self.pending: object = None

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            at = head.find(b"content-length: ")
            size = int(head[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.data) < end + 4 + size:
                return
            body, self.data = self.data[end + 4 : end + 4 + size], self.data[end + 4 + size :]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"post /v1/events"):
            first, _, count = head.split(b"checkvalve-sequence: ")[1].split(b"\r\n")[0].partition(b";count=")
            said = b'{"acknowledged": %d}' % (int(first) + int(count) - 1)
            self.transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
        elif head.startswith(b"get"):
            self.pending = asyncio.get_running_loop().call_later(15, self.transport.write, b"HTTP/1.1 304 Not Modified\r\n\r\n")
        elif SLOWLY.encode() in body:
            self.pending = asyncio.get_running_loop().create_task(self.paced())
        elif b'"stream"' in body:
            self.transport.writelines([STREAM_HEAD, *EVENTS, STREAM_END])
        else:
            self.transport.write(WHOLE)

    async def paced(self) -> None:
        self.transport.write(STREAM_HEAD)
        for part in EVENTS[:8]:
            await asyncio.sleep(PACE_S)
            self.transport.write(part)
        self.transport.write(STREAM_END)


async def serve_stub(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", port)
    await server.serve_forever()


# --- callers ---------------------------------------------------------------------------------------------------------


class Caller(asyncio.Protocol):
    """Asks again as soon as it is answered; notes seconds to the first token and to the end."""

    def __init__(self, request: bytes, until: float, pause: float) -> None:
        self.request, self.until, self.pause = request, until, pause
        self.first: list[float] = []
        self.whole: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.pause:  # not all at the same moment
            asyncio.get_running_loop().call_later(random.uniform(0, self.pause), self.ask)
        else:
            self.ask()

    def ask(self) -> None:
        self.waiting = True
        self.got = b""  # the answer, once its length is known to be chunked only its end
        self.left: int | None = None  # bytes of it to come, below 0 when it is chunked; None before its head is whole
        self.start = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.waiting and b"data:" in data:
            self.waiting = False
            self.first.append(time.perf_counter() - self.start)
        if self.left is None:
            self.got += data
            end = self.got.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self.got.startswith(b"HTTP/1.1 200"):
                self.done.set_exception(ConnectionError(f"answered {self.got[:60]!r}"))
                self.transport.abort()
                return
            length = LENGTH.search(self.got, 0, end + 2)
            self.left = int(length[1]) - len(self.got) + end + 4 if length else -1
        elif self.left > 0:
            self.left -= len(data)
        else:
            self.got = self.got[-8:] + data
        if self.left == 0 or (self.left < 0 and self.got.endswith(b"0\r\n\r\n")):
            now = time.perf_counter()
            self.whole.append(now - self.start)
            if now > self.until:
                self.transport.close()
                self.done.set_result(None)
            elif self.pause:
                asyncio.get_running_loop().call_later(self.pause, self.ask)
            else:
                self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"the connection was lost: {error}"))


async def load(
    port: int, request: bytes, *, connections: int, seconds: float, pause: float = 0
) -> tuple[list[float], list[float], float]:
    """(seconds to the first token, seconds to the end, elapsed)."""
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    made = [Caller(request, start + seconds, pause) for _ in range(connections)]
    for caller in made:
        await loop.create_connection(lambda c=caller: c, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.wait_for(asyncio.gather(*(c.done for c in made)), seconds + 30)
    elapsed = time.perf_counter() - start
    return [t for c in made for t in c.first], [t for c in made for t in c.whole], elapsed


# --- what is measured ------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit("a server of the benchmark did not start")


@contextlib.contextmanager
def process(command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[int]:
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=env)
    try:
        wait_for(port)
        yield started.pid
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)


def nginx(directory: Path, upstream: int, port: int) -> list[str]:
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    (directory / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/nginx.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
  uwsgi_temp_path {directory}; scgi_temp_path {directory}; keepalive_requests 10000000;
  upstream model {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 10000000; }}
  server {{ listen 127.0.0.1:{port} backlog=1024;
    location / {{ proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }} }}
}}""")
    return [binary, "-c", str(directory / "nginx.conf")]


def prepare(directory: Path, shop: Ed25519PrivateKey, registered: int) -> None:
    """A paired gateway that has its shop and its register; without anybody no shop either, so that it reads nothing."""
    key, core = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

    def b64(data: bytes) -> str:
        return base64.b64encode(data).decode()

    save_credentials(
        directory,
        Credentials(
            keyid="gw.bench",
            private_key=b64(key.private_bytes_raw()),
            core_public_key=b64(core.public_key().public_bytes_raw()),
        ),
    )
    secret = bytes(32)
    rows = [[f"customer:{n}", identifiers(secret, **person)] for n, person in enumerate(crowd(registered), start=1)]
    sites = {SITE: {"pseudonym_key": b64(secret), "contexts": {f"wp.{SITE}": b64(shop.public_key().public_bytes_raw())}}}
    state = {"sites": sites if registered else {}, "orders": [], "released": []}
    write_private(directory / "control.json", json.dumps(state).encode())
    registers = {SITE: {"key": b64(secret), "rev": registered, "rows": rows}}
    write_private(directory / "registers.json", json.dumps(registers).encode())


def crowd(count: int) -> Iterator[dict[str, Any]]:
    """People whose names and streets are made of real ones, so that ordinary words are in some of them."""
    some = people(1, 2000) if count else []
    rng = random.Random(1)
    for n in range(1, count + 1):
        first, last = rng.choice(some).first, rng.choice(some).last
        yield {
            "email": f"customer{n}@example.org",
            "name": f"{first} {last}",
            "phone": f"+49 30 {n:09d}",
            "address": f"{rng.choice(some).street.rstrip('0123456789 ')} {n % 200}",
            "order_numbers": (str(100_000 + n),),
        }


def request(shop: Ed25519PrivateKey, *, slowly: bool = False, **more: Any) -> bytes:
    now = int(time.time())
    claims = {
        "site": SITE,
        "trace": "a" * 32,
        "plugin": "chat",
        "route": "/ask",
        "session": "5" * 32,
        "iat": now,
        "exp": now + 300,
    }
    token = jws.sign(claims, typ="checkvalve-context+jws", kid=f"wp.{SITE}", key=shop)
    body = json.dumps(QUESTION | more).encode()
    body = body.replace(b"Answer briefly", SLOWLY.encode(), 1) if slowly else body
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer {KEY}\r\n"
    return f"{head}Checkvalve-Context: {token}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(status.split("VmRSS:")[1].split()[0]) / 1024, 1)


async def settled(port: int) -> None:
    """Wait until a gateway has read what it passed on."""
    for _ in range(200):
        with contextlib.suppress(OSError, KeyError):
            if (await asyncio.to_thread(health, port))["unscanned"] == 0:
                return
        await asyncio.sleep(0.05)


def cpu_s(group: int) -> float:
    """Processor time that a process group has used."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def measure(targets: dict[str, int], groups: dict[str, int], shop: Ed25519PrivateKey) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, list[float]]] = {t: {} for t in targets}
    for _ in range(ROUNDS):  # taken in turn, so that noise on the machine meets all
        for streamed in (False, True):
            sent = request(shop, **({"stream": True} if streamed else {}))
            for count in CONNECTIONS:
                for target, port in targets.items():
                    if target not in OWN and count > MOST_OF_PEERS:
                        continue
                    used = cpu_s(groups[target])
                    try:
                        _, whole, elapsed = await load(port, sent, connections=count, seconds=SECONDS)
                    except (ConnectionError, TimeoutError) as error:
                        raise SystemExit(f"{target}, {count} connections, streamed {streamed}: {error}") from error
                    if target == "gateway":
                        await settled(port)
                    name = f"{'streamed' if streamed else 'whole'}_{count}"
                    for figure, value in (
                        ("cpu_ms", (cpu_s(groups[target]) - used) / len(whole) * 1000),
                        ("requests_per_second", len(whole) / elapsed),
                        ("p50_ms", percentile(whole, 0.5)),
                        ("p99_ms", percentile(whole, 0.99)),
                    ):
                        found[target].setdefault(f"{name}_{figure}", []).append(value)
        for target, port in targets.items():
            for streamed in (False, True) if target in OWN else ():
                sent = request(shop, **({"stream": True} if streamed else {}))
                _, whole, _ = await load(port, sent, connections=16, seconds=SECONDS, pause=0.2)
                for share in (0.5, 0.99):
                    name = f"paced_{'streamed' if streamed else 'whole'}_p{share * 100:.0f}_ms"
                    found[target].setdefault(name, []).append(percentile(whole, share))
            first, _, _ = await load(port, request(shop, stream=True, slowly=True), connections=1, seconds=0.8)
            found[target].setdefault("first_token_p50_ms", []).append(percentile(first, 0.5) - PACE_S * 1000)
    return {t: {n: round(statistics.median(v), 3) for n, v in figures.items()} for t, figures in found.items()}


def gateway(directory: Path, upstream: int, port: int) -> list[str]:
    command = [sys.executable, "-m", "checkvalve.cli", "gateway", "--data", str(directory), "--listen", f"127.0.0.1:{port}"]
    return [*command, "--core", f"http://127.0.0.1:{upstream}", "--upstream", f"http://127.0.0.1:{upstream}"]


def health(port: int) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/.checkvalve/health") as answer:
        return json.load(answer)


def run(directory: Path, peers_home: Path | None) -> dict[str, Any]:
    shop = Ed25519PrivateKey.generate()
    others = PEERS if peers_home else ()
    ports = {name: free_port() for name in (*OWN, *(peer.name for peer in others))}
    stub = ports["direct"]
    for name, registered in (("gateway", PEOPLE), ("unread", 0)):
        prepare(directory / name / "gateway", shop, registered)
    commands = {
        "direct": [sys.executable, "-m", "benchmarks.gateway", "--stub", str(stub)],
        "nginx": nginx(directory, stub, ports["nginx"]),
        **{name: gateway(directory / name, stub, ports[name]) for name in ("gateway", "unread")},
    }
    with contextlib.ExitStack() as stack:
        groups = {name: stack.enter_context(process(command, ports[name])) for name, command in commands.items()}
        for other in others:
            command, env = other.start(peers_home or directory, stub, ports[other.name])
            groups[other.name] = stack.enter_context(process(command, ports[other.name], env))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(measure(ports, groups, shop))
        state = health(ports["gateway"])
        memories = {name: memory_mb(group) for name, group in groups.items()}
    if state["registers"][0]["people"] != PEOPLE:
        raise SystemExit("the gateway of the benchmark does not have its register")
    own, direct, peer = found["gateway"], found["direct"], found["nginx"]
    figures: dict[str, Any] = dict(own)
    for name in (n for n in own if n.endswith("_ms")):
        figures[f"added_{name}"] = round(own[name] - direct[name], 3)
    for name in (n for n in own if n.endswith("_per_second")):
        figures[name.replace("requests_per_second", "share_of_nginx")] = round(own[name] / peer[name], 3)
    figures |= {f"unread_{n}": v for n, v in found["unread"].items()}
    figures |= {"people": state["registers"][0]["people"], "identifiers": state["registers"][0]["identifiers"]}
    figures |= {"memory_mb": memories["gateway"], "events_dropped": state["spool"]["dropped"]}
    machine = {
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    peers = {f"{t}_{n}": v for t in found if t not in ("gateway", "unread") for n, v in found[t].items()}
    peers |= {f"{other.name}_memory_mb": memories[other.name] for other in others}
    return {"machine": machine, "figures": figures, "peers": peers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="also other gateways and guards, installed under DIR once")
    parser.add_argument("--stub", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stub:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_stub(arguments.stub))
        return
    if not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()):
        raise SystemExit("nginx is missing: apt-get install nginx-light")
    if arguments.peers is not None:
        for peer in PEERS:
            peer.install(arguments.peers)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:  # not /tmp, which may be memory
        result = run(Path(directory), arguments.peers)
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in (result["figures"] | result["peers"]).items():
        print(f"{name:44} {value:>12}")


if __name__ == "__main__":
    main()
