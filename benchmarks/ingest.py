"""Durable events a second over HTTP: signed batches into a real core on this machine. `python -m benchmarks.ingest --json`.

The requests are made and signed beforehand; four sensors send batches of a hundred, then sixteen send single events, each one
after the other and waiting for its answer, from one more process on the same cores. What was acknowledged is then digested,
counted in the state and verified.
"""

import argparse
import asyncio
import base64
import json
import os
import platform
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.simulators.processes import Server, free_port

from checkvalve.events import event as ocsf
from checkvalve.events import signature

SENSORS = 4
SINGLE_SENSORS = 16
BATCH = 100
EVENTS = 100_000  # in batches, over all sensors
SINGLES = 10_000  # requests of one event each
PATIENCE = 100
DIGEST_SECONDS = 60.0  # patience


class Core:
    """`checkvalve core` in a process of its own."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        arguments = ["core", "--data", str(data), "--listen", f"127.0.0.1:{self.port}"]
        self.server = Server([sys.executable, "-m", "checkvalve.cli", *arguments], self.url, log=data.parent / "core.log")
        self.server.wait_for("/health")

    def command(self, *arguments: str) -> Any:
        command = [sys.executable, "-m", "checkvalve.cli", *arguments, "--data", str(self.data), "--json"]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

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
        """What the process has used of all processors: unlike rates, hardly moved by what else runs."""
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def digested(self) -> int:
        with closing(sqlite3.connect(self.data / "state.db", timeout=10)) as db:
            row = db.execute("SELECT value FROM cursor WHERE name = 'next_entry'").fetchone()
        return row[0] if row else 0


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


async def send(port: int, ready: list[bytes], waits: list[float]) -> None:
    """One sensor: one connection, one request after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in ready:
        start = time.perf_counter()
        for _ in range(PATIENCE):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 503"):
                break
            await asyncio.sleep(0.2)  # core is still digesting; a real sensor waits longer
        waits.append(time.perf_counter() - start)
        if not head.startswith(b"HTTP/1.1 202"):
            raise SystemExit(f"core answered {head[:40]!r} {body!r}")
    writer.close()


def run(core: Core, sensors: list[tuple[str, Ed25519PrivateKey]], first: int, batches: int, size: int) -> dict[str, float]:
    ready = [requests(keyid, key, first, batches // len(sensors), size) for keyid, key in sensors]
    waits: list[float] = []

    async def all_sensors() -> None:
        await asyncio.gather(*(send(core.port, mine, waits) for mine in ready))

    before, spent = core.digested(), core.cpu_seconds()
    start = time.perf_counter()
    asyncio.run(all_sensors())
    seconds = time.perf_counter() - start
    events = len(waits) * size
    while core.digested() < before + events:
        if time.perf_counter() - start > seconds + DIGEST_SECONDS:
            raise SystemExit("core did not digest what it acknowledged")
        time.sleep(0.01)
    return {
        "events_per_second": round(events / seconds),
        "requests_per_second": round(len(waits) / seconds),
        "wait_ms_median": round(statistics.median(waits) * 1000, 2),
        "wait_ms_p99": round(statistics.quantiles(waits, n=100)[98] * 1000, 2),
        "core_cpu_us_per_event": round((core.cpu_seconds() - spent) / events * 1e6, 1),  # digestion included
        "digest_lag_seconds": round(time.perf_counter() - start - seconds, 2),
        "digested_events_per_second": round(events / (time.perf_counter() - start)),
    }


def measure(data: Path) -> dict[str, Any]:
    core = Core(data)
    try:
        sensors = [core.pair(n) for n in range(SENSORS)]
        figures = {"batches_of_100": run(core, sensors, 1, EVENTS // BATCH, BATCH)}
        many = [core.pair(n) for n in range(SENSORS, SENSORS + SINGLE_SENSORS)]
        figures["single_events"] = run(core, many, 1, SINGLES, 1)
        verified = core.command("evidence", "verify")
    finally:
        core.server.stop()
    if not verified["ok"] or verified["entries"] < EVENTS + SINGLES:
        raise SystemExit(f"the log of the benchmark does not verify: {verified}")
    return {
        "machine": {
            "cpus": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "line_bytes": len(line(1)),
        },
        "figures": figures,
        "peers": {},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:  # not /tmp, which may be memory
        result = measure(Path(directory) / "data")
    if as_json:
        print(json.dumps(result))
        return
    for name, figures in result["figures"].items():
        for figure, value in figures.items():
            print(f"{name + ' ' + figure:44} {value:>10}")


if __name__ == "__main__":
    main()
