"""Two gateways on one port, for more than one processor: each with its own numbers, both with the orders."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.gateway.test_proxy import PATH, QUESTION, message, plain
from tests.integration.gateway.upstream import Upstream, ask, payload
from tests.simulators.gateway import GatewayProcess, SigningCore, gateway_process
from tests.simulators.processes import free_port

SHARED = "shared_port = true\n"


def seen(core: SigningCore, kind: str) -> list[Any]:
    return [e for e in list(core.events) if kind in e["unmapped"]["checkvalve"]]


def wait(done: Any, what: str) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def statuses(gateway: GatewayProcess, count: int) -> list[int]:
    """Of requests on a connection each."""
    return [payload(ask(gateway.url, PATH, QUESTION)[0])[0] for _ in range(count)]


def test_both_answer_both_obey_and_one_alone_is_enough(tmp_path: Path) -> None:
    upstream, port = Upstream(), free_port()
    upstream.script = plain(message("fine"))
    with gateway_process(tmp_path / "one" / "data", upstream.url, SHARED, port) as one:
        with gateway_process(tmp_path / "two" / "data", upstream.url, SHARED, port) as two:
            cores = [one.core, two.core]
            wait(lambda: all(seen(core, "health") for core in cores), "both run")
            assert set(statuses(one, 60)) == {200}
            wait(lambda: sum(len(seen(core, "inference")) for core in cores) == 60, "every answer is told once")
            assert min(len(seen(core, "inference")) for core in cores) > 5, "one has nearly nothing to do"
            for core in cores:
                numbers = [e["metadata"]["sequence"] for e in core.events]
                assert numbers == list(range(1, len(numbers) + 1))

            for core in cores:
                core.order("refuse", model="smol")
            wait(lambda: all(seen(core, "outcome") for core in cores), "both have the order")
            assert set(statuses(one, 40)) == {503}
            for core in cores:
                core.order("release", jti="ord-1")
            wait(lambda: all(len(seen(core, "outcome")) == 2 for core in cores), "both have the release")
        wait(lambda: set(statuses(one, 5)) == {200}, "the other one answers alone")
    upstream.close()


@pytest.mark.parametrize(("other", "why"), [(False, "another gateway runs on"), (True, "address already in use")])
def test_a_second_one_on_the_same_directory_or_unasked_on_the_same_port_does_not_start(
    tmp_path: Path, other: bool, why: str
) -> None:
    with gateway_process(tmp_path / "data", "http://127.0.0.1:9", SHARED) as running:
        data = tmp_path / "other" if other else running.data
        if other:
            shutil.copytree(running.directory, data / "gateway", ignore=lambda *_: ["settings.toml", "operator.sock"])
        command = [sys.executable, "-m", "checkvalve.cli", "gateway", "--data", str(data), "--core", running.core.url]
        command += ["--upstream", "http://127.0.0.1:9", "--listen", f"127.0.0.1:{running.port}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert why in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
        assert httpx2.get(running.url + "/.checkvalve/health").json()["status"] == "ok"
