"""A leak and everybody who takes part in the response, each speaking the real wire.

The shop is the simulated one, behind a line that can be cut; the gateway carries out its orders and says so; core is a
process of its own or runs in this one, where its clock can be moved.
"""

import asyncio
import base64
import contextlib
import json
import secrets
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx2
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.simulators.processes import free_port
from tests.simulators.simulated.shop import ASK, SimulatedShop
from tests.simulators.simulated.store import Refusal, Store
from tests.wire.sensor import Sensor

from checkvalve.engine import offline
from checkvalve.engine.core import Core, open_core
from checkvalve.engine.settings import Settings, load_settings, save_settings
from checkvalve.engine.surroundings import Surroundings
from checkvalve.events import event as ocsf
from checkvalve.store.state import open_state
from checkvalve.web.app import build_app

PLUGIN = "shop-assistant"
T = TypeVar("T")


def wait(condition: Callable[[], T], what: str, seconds: float = 40) -> T:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return found


class Line:
    """A network line to a local port that can be cut and mended."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.whole = True
        self._live: set[socket.socket] = set()
        threading.Thread(target=self._serve, name="line", daemon=True).start()

    def cut(self) -> None:
        self.whole = False
        for end in list(self._live):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.whole = True

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._pass, args=(near,), daemon=True).start()

    def _pass(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            if not self.whole:
                return
            with socket.create_connection(("127.0.0.1", self._to)) as far:
                ends = {near: far, far: near}
                self._live |= ends.keys()
                try:
                    while ready := select.select(list(ends), [], [])[0]:
                        for end in ready:
                            data = end.recv(65536)
                            if not data:
                                return
                            ends[end].sendall(data)
                finally:
                    self._live -= ends.keys()


@dataclass(slots=True)
class FragileStore(Store):
    """Its checkout fails as long as `breaks` says so."""

    breaks: Callable[[], bool] = field(default=lambda: False)

    def checkout(self, cart: dict[int, int], sent: dict[str, Any]) -> dict[str, Any]:
        if self.breaks():
            raise Refusal(500, "internal_server_error", "There has been a critical error on this website.")
        return super(FragileStore, self).checkout(cart, sent)


class Gateway:
    """Carries out what is in force and says so, and tells of leaks."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self.done: list[str] = []
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._obey, name="gateway", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(30)

    def tell(self, class_uid: int, **own: Any) -> None:
        """One event, sent again until it is acknowledged."""
        with self._lock:
            number = self.sensor.next
            line = event(class_uid, number, own)
            self.sensor.next += 1
            wait(lambda: self._post(line, number), "core acknowledges")

    def _post(self, line: bytes, number: int) -> bool:
        try:
            return self.sensor.post([line], number).status_code == 202
        except Exception:  # core is away; it is tried again
            return False

    def _obey(self) -> None:
        while not self._end.wait(0.05):
            try:
                orders = self.sensor.get("/v1/gateway/config").json()["orders"]
            except Exception:  # core is away
                continue
            for jti in [payload["jti"] for payload in map(payload_of, orders) if payload["jti"] not in self.done]:
                self.done.append(jti)
                self.tell(ocsf.REMEDIATION_ACTIVITY, outcome={"jti": jti, "status": "done", "detail": ""})


def event(class_uid: int, number: int, own: dict[str, Any], **more: Any) -> bytes:
    return ocsf.encode(
        class_uid=class_uid,
        activity_id=1,
        time=time.time_ns() // 1_000_000,
        uid=secrets.token_hex(8),
        sequence=number,
        product="test gateway",
        version="0",
        own=own,
        trace=secrets.token_hex(16),
        **more,
    )


def payload_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


class Running(Protocol):
    """Core, whichever way it runs."""

    data: Path

    @property
    def url(self) -> str: ...
    def start(self) -> Any: ...
    def stop(self) -> None: ...


class CoreHere:
    """Core in this process. `moved`: how far its clock is moved forward, in ms."""

    def __init__(self, data: Path, moved: list[int] | None = None) -> None:
        self.data, self.port, self._moved = data, free_port(), [0] if moved is None else moved

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "CoreHere":
        settings = Settings(data=self.data, listen=f"127.0.0.1:{self.port}", public_url=self.url, sync_seconds=0.5)
        save_settings(settings)
        moved = self._moved
        self.core: Core = open_core(settings, Surroundings(now_ms=lambda: time.time_ns() // 1_000_000 + moved[0]))
        config = uvicorn.Config(build_app(self.core), host="127.0.0.1", port=self.port, log_level="warning")
        config.timeout_graceful_shutdown = 2
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()), name="core")
        self._thread.start()
        wait(lambda: self._server.started or not self._thread.is_alive(), "core starts")
        return self

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


class Scene:
    """One shop with a leaking plugin, one gateway, one core."""

    def __init__(self, core: Running) -> None:
        self.core = core
        self.shop = SimulatedShop()
        self.shop.use_model("http://127.0.0.1:9", "none")  # nobody listens: the assistant answers 502 when it is asked
        self.store = FragileStore(created=self.shop._created, changed=self.shop._changed)
        self.shop.store = self.store
        self.line = Line(int(self.shop.url.rpartition(":")[2]))
        self.people = self.shop.load(customers=6, guests=2, orders=12)
        settings = load_settings(core.data)
        rest_url = f"http://127.0.0.1:{self.line.port}/wp-json/"
        code = offline.pairing_code(settings, "user:test")
        self.shop.sensor.pair(code, name="Example Tea House", site_url=self.shop.url, rest_url=rest_url)
        for person in self.people:
            self.shop._tell_person(person)
        self.shop.sensor.flush()
        self.gateway = Gateway(pair_gateway(core, offline.pairing_code(settings, "user:test")))

    def close(self) -> None:
        self.gateway.stop()
        self.line.close()
        self.shop.stop()
        self.gateway.sensor.client.close()

    def leak(self, *people: int, reader: str = "anonymous") -> None:
        """The gateway saw these customers' data in an answer to somebody else."""
        inference = f"inf-{secrets.token_hex(6)}"
        now = time.time_ns() // 1_000_000
        found = [
            {"subject": f"customer:{2 + p}", "category": c, "recipient": reader, "inference": inference, "seen_ms": now}
            for p in people
            for c in ("email", "name")
        ]
        own = {"site": self.shop.sensor.site, "plugin": PLUGIN, "route": ASK, "model": "smollm2", "exposures": found}
        self.gateway.tell(ocsf.DETECTION_FINDING, **own)

    def case(self) -> dict[str, Any] | None:
        """The only case, as `checkvalve case show --json` tells it; None before there is one."""
        settings = load_settings(self.core.data)
        known = offline.list_cases(settings)
        assert len(known) <= 1, "one way out is one case"
        return offline.show_case(settings, known[0]["id"]) if known else None

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        state = open_state(self.core.data / "state.db")
        try:
            with state.read() as db:
                return [tuple(row) for row in db.exec_driver_sql(query, values)]
        finally:
            state.close()

    def kinds(self) -> list[str]:
        shown = self.case()
        return [t["kind"] for t in shown["transitions"]] if shown else []

    def steps(self) -> list[tuple[str, str]]:
        """(kind, status) of each step so far, in order."""
        shown = self.case()
        return [(s["kind"], s["status"]) for s in shown["steps"]] if shown else []

    def finished(self) -> bool:
        """Every run has ended, and a draft tells it."""
        kinds = self.kinds()
        if not kinds or kinds.count("run_finished") < kinds.count("containment_started") + kinds.count("run_started"):
            return False
        return "draft_ready" in kinds[len(kinds) - kinds[::-1].index("run_finished") :]

    def respond(self, seconds: float = 60) -> dict[str, Any]:
        """Wait for the end of the run and its draft."""
        wait(self.finished, "the run ends and a draft tells it", seconds)
        shown = self.case()
        assert shown is not None
        return shown

    @property
    def probe_orders(self) -> list[Any]:
        return [o for o in self.store.orders.values() if o.probe]


def pair_gateway(core: Running, code: str) -> Sensor:
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    body = {"code": code.split("@")[0], "kind": "gateway", "name": "gpu-1", "public_key": public}
    answer = httpx2.post(f"{core.url}/v1/pair", json=body)
    answer.raise_for_status()
    return Sensor(url=core.url, keyid=answer.json()["keyid"], key=key, next=answer.json()["next_sequence"])


@contextlib.contextmanager
def scene(core: Running) -> Iterator[Scene]:
    core.start()
    try:
        staged = Scene(core)
        try:
            yield staged
        finally:
            staged.close()
    finally:
        core.stop()
