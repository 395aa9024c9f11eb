"""A real core process and sensors paired with it."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.simulators.processes import Server, free_port
from tests.wire.sensor import Sensor


@dataclass(slots=True)
class CoreProcess:
    """`checkvalve core` on a data directory; may be killed and started again."""

    data: Path
    port: int = field(default_factory=free_port)
    server: Server | None = None
    sensors: list[Sensor] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "CoreProcess":
        arguments = ["core", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"]
        self.server = Server([sys.executable, "-m", "checkvalve.cli", *arguments], self.url, log=self.data.parent / "core.log")
        self.server.wait_for("/health")
        return self

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "checkvalve.cli", *arguments, "--data", str(self.data)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def pair(self, kind: str = "wordpress", name: str = "gpu-1", shop: str = "https://shop.example") -> Sensor:
        code = json.loads(self.run("pair", "--json").stdout)["code"].split("@")[0]
        key = Ed25519PrivateKey.generate()
        body = {"code": code, "kind": kind, "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode()}
        body |= {"name": "Shop", "site_url": shop, "rest_url": f"{shop}/wp-json/"} if kind == "wordpress" else {"name": name}
        answer = httpx2.post(f"{self.url}/v1/pair", json=body)
        answer.raise_for_status()
        said = answer.json()
        self.sensors.append(Sensor(url=self.url, keyid=said["keyid"], key=key, next=said["next_sequence"]))
        return self.sensors[-1]


@contextmanager
def running_core(data: Path) -> Iterator[CoreProcess]:
    process = CoreProcess(data=data).start()
    try:
        yield process
    finally:
        for sensor in process.sensors:
            sensor.client.close()
        process.stop()
