"""Durable events a second over HTTP: signed batches into a real core on this machine. `python -m benchmarks.ingest --json`.

The requests are made and signed beforehand; four sensors send batches of a hundred, then sixteen send single events, each one
after the other and waiting for its answer, from one more process on the same cores. What was acknowledged is then digested,
counted in the state and verified. At half the rate that was reached they are sent in step: how long an acknowledgement takes
then, and how long after it an event is in the state. The same is done with the state on SQLite (the figures) and on PostgreSQL.
"""

import argparse
import asyncio
import base64
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.report import machine, tell
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from tests.simulators import postgres
from tests.simulators.processes import Server, free_port

from checkvalve.events import event as ocsf
from checkvalve.events import signature
from checkvalve.store.schema import cursor
from checkvalve.store.state import open_state

SENSORS = 4
SINGLE_SENSORS = 16
BATCH = 100
EVENTS = 100_000  # in batches, over all sensors
SINGLES = 10_000  # requests of one event each
PATIENCE = 100
DIGEST_SECONDS = 120.0  # patience
HALF_SECONDS = 5  # of sending at half the rate
NEXT_ENTRY: Final = select(cursor.c.value).where(cursor.c.name == "next_entry")


class Core:
    """`checkvalve core` in a process of its own, and the one in which it digests."""

    def __init__(self, data: Path, state: str | None = None) -> None:
        """`state`: the URL of a PostgreSQL database; without one SQLite has the state."""
        self.data, self.port = data, free_port()
        self.environment = {**os.environ, **({"CHECKVALVE_STATE": state} if state else {})}
        self.url = f"http://127.0.0.1:{self.port}"
        arguments = ["core", "--data", str(data), "--listen", f"127.0.0.1:{self.port}"]
        command = [sys.executable, "-m", "checkvalve.cli", *arguments]
        self.server = Server(command, self.url, log=data.parent / f"{data.name}.log", env=self.environment)
        self.server.wait_for("/health", seconds=90)
        self.state = open_state(state or data / "state.db")

    def stop(self) -> None:
        self.state.close()
        self.server.stop()

    def command(self, *arguments: str) -> Any:
        command = [sys.executable, "-m", "checkvalve.cli", *arguments, "--data", str(self.data), "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def pair(self, number: int) -> tuple[str, Ed25519PrivateKey]:
        key = Ed25519PrivateKey.generate()
        shop = f"https://shop-{number}.example"
        body = {
            "code": self.command("pair")["code"].split("@")[0],
            "kind": "wordpress",
            "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
            "name": f"Shop {number}",
            "site_url": shop,
            "rest_url": f"{shop}/wp-json/",
        }
        request = urllib.request.Request(f"{self.url}/v1/pair", data=json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())["keyid"], key

    def cpu_seconds(self) -> float:
        """What core's processes have used of all processors: unlike rates, hardly moved by what else runs."""
        tasks = Path(f"/proc/{self.server.pid}/task").glob("*/children")
        pids = [str(self.server.pid), *(pid for task in tasks for pid in task.read_text().split())]
        used = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids]
        return sum(int(fields[11]) + int(fields[12]) for fields in used) / os.sysconf("SC_CLK_TCK")

    def digested(self) -> int:
        with self.state.read() as db:
            return db.scalar(NEXT_ENTRY) or 0


def line(sequence: int) -> bytes:
    """A REST request served by a shop."""
    return ocsf.encode(
        class_uid=ocsf.API_ACTIVITY,
        activity_id=2,
        time=time.time_ns() // 1_000_000,
        uid=secrets.token_hex(8),
        sequence=sequence,
        product="benchmark",
        version="0",
        own={
            "plugin": "woocommerce",
            "route": "/wc/v3/orders",
            "session": secrets.token_hex(16),
            "requester": {"ref": "customer:42"},
        },
        trace=secrets.token_hex(16),
        api={"operation": "GET /wc/v3/orders"},
        http_response={"code": 200},
    )


def requests(keyid: str, key: Ed25519PrivateKey, first: int, batches: int, size: int) -> list[bytes]:
    """Signed HTTP requests, ready to send."""
    made = []
    for start in range(first, first + batches * size, size):
        body = b"\n".join(line(n) for n in range(start, start + size)) + b"\n"
        headers = {"content-digest": signature.content_digest(body), "checkvalve-sequence": f"{start};count={size}"}
        message = signature.Message(method="POST", path="/v1/events", headers=headers)
        created, nonce = int(time.time()), secrets.token_urlsafe(16)
        headers |= signature.sign(message, signature.POST_EVENTS, key=key, keyid=keyid, created=created, nonce=nonce)
        head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        made.append(
            f"POST /v1/events HTTP/1.1\r\nhost: core.example\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body
        )
    return made


@dataclass(slots=True)
class Sent:
    """What sensors saw. `waits` in seconds; `acknowledged`: (when, last entry) of each batch."""

    waits: list[float] = field(default_factory=list)
    acknowledged: list[tuple[float, int]] = field(default_factory=list)
    asked_to_wait: int = 0


async def send(port: int, ready: list[bytes], sent: Sent, every: float = 0.0) -> None:
    """One sensor: one connection, one request after the other; with `every`, one each so many seconds if possible."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.perf_counter()
    for number, request in enumerate(ready):
        await asyncio.sleep(max(0.0, began + number * every - time.perf_counter()) if every else 0)
        start = time.perf_counter()
        for _ in range(PATIENCE):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 503"):
                break
            sent.asked_to_wait += 1
            await asyncio.sleep(0.2)  # core is still digesting; a real sensor waits longer
        sent.waits.append(time.perf_counter() - start)
        if not head.startswith(b"HTTP/1.1 202"):
            raise SystemExit(f"core answered {head[:40]!r} {body!r}")
        sent.acknowledged.append((time.perf_counter(), json.loads(body)["entries"][1]))
    writer.close()


Sensors = list[tuple[str, Ed25519PrivateKey, int]]  # key id, key, number of its next event


def prepared(sensors: Sensors, batches: int, size: int) -> list[list[bytes]]:
    """Requests of each sensor; their numbers are used up."""
    ready = [requests(keyid, key, first, batches // len(sensors), size) for keyid, key, first in sensors]
    sensors[:] = [(keyid, key, first + len(mine) * size) for (keyid, key, first), mine in zip(sensors, ready, strict=True)]
    return ready


def wait_until_digested(core: Core, entry: int) -> None:
    end = time.perf_counter() + DIGEST_SECONDS
    while core.digested() < entry:
        if time.perf_counter() > end:
            raise SystemExit("core did not digest what it acknowledged")
        time.sleep(0.01)


def p99(times: list[float]) -> float:
    return round(statistics.quantiles(times, n=100)[98] * 1000, 2)


def flat_out(core: Core, sensors: Sensors, batches: int, size: int) -> dict[str, float]:
    """As fast as core lets them."""
    ready, sent = prepared(sensors, batches, size), Sent()

    async def all_sensors() -> None:
        await asyncio.gather(*(send(core.port, mine, sent) for mine in ready))

    spent, start = core.cpu_seconds(), time.perf_counter()
    asyncio.run(all_sensors())
    seconds = time.perf_counter() - start
    wait_until_digested(core, max(entry for _, entry in sent.acknowledged) + 1)
    events = len(sent.waits) * size
    return {
        "events_per_second": round(events / seconds),
        "requests_per_second": round(len(sent.waits) / seconds),
        "wait_ms_median": round(statistics.median(sent.waits) * 1000, 2),
        "wait_ms_p99": p99(sent.waits),
        "asked_to_wait": sent.asked_to_wait,
        "core_cpu_us_per_event": round((core.cpu_seconds() - spent) / events * 1e6, 1),  # digestion included
        "digest_lag_seconds": round(time.perf_counter() - start - seconds, 2),
        "digested_events_per_second": round(events / (time.perf_counter() - start)),
    }


def half_load(core: Core, sensors: Sensors, size: int, events_per_second: float) -> dict[str, float]:
    """At half that rate: the wait for an acknowledgement, and from there until the state shows the event."""
    requests_per_second = events_per_second / 2 / size
    batches = max(len(sensors) * 10, round(requests_per_second * HALF_SECONDS))
    ready, sent = prepared(sensors, batches, size), Sent()
    seen: list[tuple[int, float]] = []  # how far the state was, and when

    async def watch() -> None:
        while True:
            seen.append((await asyncio.to_thread(core.digested), time.perf_counter()))
            await asyncio.sleep(0.01)

    async def all_sensors() -> None:
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(send(core.port, mine, sent, len(sensors) / requests_per_second) for mine in ready))
        last = max(entry for _, entry in sent.acknowledged)
        await asyncio.to_thread(wait_until_digested, core, last + 1)
        await asyncio.sleep(0.5)  # the watcher sees it as well
        watching.cancel()

    asyncio.run(all_sensors())
    lags = [max(0.0, seen[bisect_right(seen, (entry, float("inf")))][1] - at) for at, entry in sent.acknowledged]
    return {
        "half_load_events_per_second": round(requests_per_second * size),
        "half_load_wait_ms_median": round(statistics.median(sent.waits) * 1000, 2),
        "half_load_wait_ms_p99": p99(sent.waits),
        "half_load_digested_after_ms_median": round(statistics.median(lags) * 1000, 1),
        "half_load_digested_after_ms_p99": p99(lags),
    }


def measure(data: Path, state: str | None = None) -> dict[str, dict[str, float]]:
    core = Core(data, state)
    figures: dict[str, dict[str, float]] = {}
    try:
        of_batches: Sensors = [(*core.pair(n), 1) for n in range(SENSORS)]
        of_singles: Sensors = [(*core.pair(n), 1) for n in range(SENSORS, SENSORS + SINGLE_SENSORS)]
        for name, sensors, size, count in (
            ("batches_of_100", of_batches, BATCH, EVENTS // BATCH),
            ("single_events", of_singles, 1, SINGLES),
        ):
            found = flat_out(core, sensors, count, size)
            figures[name] = found | half_load(core, sensors, size, found["events_per_second"])
        verified = core.command("evidence", "verify")
    finally:
        core.stop()
    sent = sum(first - 1 for _, _, first in (*of_batches, *of_singles))
    if not verified["ok"] or verified["entries"] != sent:
        raise SystemExit(f"{sent} events were sent, and the log of the benchmark says {verified}")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:  # not /tmp, which may be memory
        now = machine(line_bytes=len(line(1)))
        figures = measure(Path(directory) / "sqlite")
        with postgres.room() as room, postgres.running(room) as url:
            peers = measure(Path(directory) / "postgresql", url)
    tell({"machine": now, "figures": figures, "peers": {"state on PostgreSQL": peers}}, as_json=as_json)


if __name__ == "__main__":
    main()
