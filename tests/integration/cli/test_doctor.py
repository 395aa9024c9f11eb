"""The doctor tells what is wrong with an installation, each fault by itself, and what to do about it."""

import json
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.simulators.processes import Server, free_port
from tests.wire.core_process import CoreProcess

Checks = dict[str, dict[str, Any]]


def ask(data: Path, *words: str) -> tuple[int, Checks]:
    done = CoreProcess(data=data).run("doctor", "--json", *words)
    assert done.stderr == "", done.stderr
    checks = json.loads(done.stdout)["checks"]
    assert all(c.keys() >= {"name", "ok", "found", "hint"} for c in checks)
    assert all(bool(c["hint"]) != c["ok"] for c in checks), "a fault has a hint, and only a fault"
    assert done.returncode == (0 if all(c["ok"] for c in checks) else 1)
    return done.returncode, {c["name"]: c for c in checks}


@pytest.fixture
def model() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"data": []}')

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_healthy_installation_is_all_well(tmp_path: Path, model: str) -> None:
    data, core, gateway = tmp_path / "data", free_port(), free_port()
    here = CoreProcess(data=data, port=core)
    words = ["--listen", f"127.0.0.1:{core}", "--gateway-listen", f"127.0.0.1:{gateway}", "--upstream", model]
    server = Server(
        [sys.executable, "-m", "checkvalve.cli", "up", "--data", str(data), *words], here.url, log=tmp_path / "up.log"
    )
    try:
        server.wait_for("/health")
        added = here.run("user", "add", "owner")  # the password comes from an empty stdin
        assert added.returncode == 2
        with sqlite3.connect(data / "state.db") as db:
            db.execute("INSERT INTO users (name, password, roles, created_ms) VALUES ('owner', 'x', '[]', 0)")
        sensor = here.pair()
        sensor.send()
        sensor.client.close()
        wait_for_gateway(gateway)
        code, checks = ask(data, "--upstream", model)
        assert code == 0, [c for c in checks.values() if not c["ok"]]
        assert {
            "data directory",
            "free disk",
            "gateway paired",
            "core",
            "gateway",
            "model server",
            "log",
            "clock",
        } <= checks.keys()
        assert "shop Shop" in checks
    finally:
        server.stop()


def wait_for_gateway(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the gateway did not come up")


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    code, checks = ask(tmp_path / "data")
    assert code == 1
    assert "checkvalve up" in checks["data directory"]["hint"]
    assert not (tmp_path / "data").exists()


@pytest.fixture
def data(installation: Path, tmp_path: Path) -> Path:
    shutil.copytree(installation, tmp_path / "data")
    with sqlite3.connect(tmp_path / "data" / "state.db") as db:  # the installation is as old as the tests before this one
        db.execute("UPDATE sensors SET last_seen_ms = ?", (time.time_ns() // 1_000_000,))
    return tmp_path / "data"


def listen_at(data: Path, core: int, gateway: int) -> None:
    settings = json.loads((data / "settings.json").read_text())
    settings |= {"listen": f"127.0.0.1:{core}", "gateway_url": f"http://127.0.0.1:{gateway}"}
    (data / "settings.json").write_text(json.dumps(settings))


def test_an_installation_at_rest(data: Path) -> None:
    listen_at(data, free_port(), free_port())
    _, checks = ask(data, "--upstream", f"http://127.0.0.1:{free_port()}")
    for name in ("core", "gateway", "model server"):
        assert not checks[name]["ok"], name
    assert "nobody listens" in checks["core"]["found"]
    assert "checkvalve user add" in checks["people who may log in"]["hint"]
    assert checks["log"]["ok"] and "entries signed" in checks["log"]["found"]
    assert checks["clock"]["ok"] and checks["shop Example Tea House"]["ok"]


def test_another_program_at_our_port_is_not_taken_for_us(data: Path, model: str) -> None:
    taken = int(model.rpartition(":")[2])
    listen_at(data, taken, taken)
    _, checks = ask(data)
    for name in ("core", "gateway"):
        assert not checks[name]["ok"]
        assert "not Checkvalve" in checks[name]["found"]


def test_a_silent_shop_and_a_wrong_clock(data: Path) -> None:
    with sqlite3.connect(data / "state.db") as db:
        db.execute("UPDATE sensors SET last_seen_ms = last_seen_ms - 3600000, skew_ms = -7200000 WHERE kind = 'wordpress'")
    _, checks = ask(data)
    assert not checks["shop Example Tea House"]["ok"] and "60 min ago" in checks["shop Example Tea House"]["found"]
    assert not checks["clock"]["ok"] and "7200 s" in checks["clock"]["found"]


def test_a_changed_head_and_a_short_log(data: Path) -> None:
    leaves = data / "log" / "leaves"
    leaves.write_bytes(leaves.read_bytes()[:-32])
    assert not ask(data)[1]["log"]["ok"]
    head = data / "log" / "checkpoint"
    head.write_bytes(head.read_bytes().replace(b"\n", b"\n1", 1))
    assert not ask(data)[1]["log"]["ok"]


def test_data_that_others_can_read(data: Path) -> None:
    data.chmod(0o755)
    code, checks = ask(data)
    assert code == 1
    assert "chmod" in checks["data"]["hint"]


def test_a_state_that_is_no_database(data: Path) -> None:
    (data / "state.db").write_bytes(b"not a database " * 1000)
    code, checks = ask(data)
    assert code == 1
    assert "from a backup" in checks["data"]["hint"]
