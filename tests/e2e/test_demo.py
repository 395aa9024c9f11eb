"""`make demo` as a newcomer runs it: what it finds is true, and it leaves nothing running, however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from demo.checkvalve import ORGANISATION
from pypdf import PdfReader
from tests.simulators.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 600  # the machine may be busy with other tests


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One run, in a home and on ports of its own."""

    home: Path
    out: Path
    ports: tuple[int, int]
    process: subprocess.Popen[bytes]

    def said(self) -> str:
        return self.out.read_text("utf-8")

    def wait_until_said(self, text: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while text not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.05)

    def left(self) -> list[str]:
        """Processes that this run started and that still run: they carry its home in their environment."""
        mark, found = f"DEMO_HOME={self.home}".encode(), []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (place / "environ").read_bytes().split(b"\0"):
                    found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
            except OSError:  # ended meanwhile, or somebody else's
                continue
        return found


Begin = Callable[..., Demo]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Start the demo with these settings; what a failed test leaves is ended."""
    begun: list[Demo] = []

    def start(**environment: str) -> Demo:
        begun.append(_begin(tmp_path, environment))
        return begun[-1]

    yield start
    for demo in begun:
        if demo.process.poll() is None:
            demo.process.send_signal(signal.SIGINT)
            demo.process.wait(60)


def _begin(tmp_path: Path, environment: dict[str, str]) -> Demo:
    home, ports = tmp_path / "home", (free_port(), free_port())
    usual = {name: value for name, value in os.environ.items() if not name.startswith("DEMO_")}
    usual |= {"DEMO_HOME": str(home), "DEMO_CONSOLE_PORT": str(ports[0]), "DEMO_GATEWAY_PORT": str(ports[1])}
    out = tmp_path / "out.txt"
    # Tests that run in the background ignore SIGINT, and a child inherits what is ignored; what has a handler it does not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with out.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo"],
            cwd=ROOT,
            env=usual | environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    return Demo(home=home, out=out, ports=ports, process=process)


def assert_nothing_is_left(demo: Demo) -> None:
    end = time.monotonic() + 10  # what was told to end may need a moment
    while (left := demo.left()) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == []
    for port in demo.ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))


@pytest.mark.parametrize(("shop", "woocommerce"), [("wordpress", "double"), ("simulated", "simulated")])
def test_the_whole_response(begin: Begin, shop: str, woocommerce: str) -> None:
    demo = begin(DEMO_EXIT="1", DEMO_SHOP=shop)
    assert demo.process.wait(PATIENCE_S) == 0, demo.said()
    found = json.loads((demo.home / "summary.json").read_text())
    assert found["subjects_counted"] == found["subjects_true"] > 0  # how many depends on how soon the way was closed
    assert found["same_people"] is True
    assert 0 <= found["detect_ms"] <= found["contain_ms"] <= found["draft_ms"] < 60_000
    assert found["checkouts"]["attempted"] > found["checkouts"]["probes"] > 0
    assert found["checkouts"]["failed"] == 0
    assert (found["evidence_ok"], found["tamper_caught"]) == (True, True)
    assert (found["shop"], found["woocommerce"], found["model"]) == (shop, woocommerce, "smollm2-135m-instruct")
    with zipfile.ZipFile(found["bundle"]) as bundle:
        assert {"checkpoint", "log.pub", "manifest.json"} <= set(bundle.namelist())
    assert ORGANISATION["controller"] in " ".join(page.extract_text() for page in PdfReader(found["draft"]).pages)
    assert ("SIMULATED, not WordPress: DEMO_SHOP asks for it" in demo.said()) is (shop == "simulated")
    assert "Traceback" not in demo.said()
    assert_nothing_is_left(demo)


@pytest.mark.parametrize(
    ("shop", "moment", "by"),
    [
        ("simulated", "✓ model", signal.SIGINT),
        ("wordpress", "A stranger opens", signal.SIGINT),
        ("simulated", "A stranger opens", signal.SIGTERM),
    ],
)
def test_stopped_in_the_middle_it_leaves_nothing_running(begin: Begin, shop: str, moment: str, by: signal.Signals) -> None:
    demo = begin(DEMO_SHOP=shop)
    demo.wait_until_said(moment)
    assert demo.left() != []
    demo.process.send_signal(by)
    assert demo.process.wait(60) == 130
    assert "Stopped, and everything that was started with it." in demo.said()
    assert "Traceback" not in demo.said()
    assert_nothing_is_left(demo)


def test_a_port_that_is_taken_is_named_with_the_way_out(begin: Begin) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        demo = begin(DEMO_EXIT="1", DEMO_CONSOLE_PORT=port)
        assert demo.process.wait(60) == 2
    assert f"Port {port} is not free" in demo.said()
    assert "DEMO_CONSOLE_PORT=8570 make demo" in demo.said()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DEMO_SHOP": "shopify"}, "DEMO_SHOP must be wordpress or simulated, not 'shopify'."),
        ({"DEMO_CONSOLE_PORT": "http"}, "DEMO_CONSOLE_PORT must be a port between 1 and 65535, not 'http'."),
    ],
)
def test_bad_settings_get_one_clear_line(begin: Begin, environment: dict[str, str], said: str) -> None:
    demo = begin(DEMO_EXIT="1", **environment)
    assert demo.process.wait(60) == 2
    assert demo.said().strip() == f"demo: {said}"


def test_a_home_with_other_files_is_left_alone(begin: Begin, tmp_path: Path) -> None:
    mine = tmp_path / "home" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    demo = begin(DEMO_EXIT="1")
    assert demo.process.wait(60) == 2
    assert "holds files that are not the demo's" in demo.said()
    assert mine.read_text() == "years of work"
