"""WordPress itself is taken over: core's playbook has the web server let nobody write, by commands on the shop's own host."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.engine.scene import CoreHere, Scene, scene, wait
from tests.simulators.processes import Server
from tests.simulators.webservers import WebServer

from checkvalve.engine import offline
from checkvalve.engine.settings import load_settings


class Host:
    """`checkvalve host` in a directory of its own, as on the shop's host."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "checkvalve.cli", "host", *words, "--data", str(self.data)]

    def say(self, *words: str, exit_code: int = 0) -> Any:
        done = subprocess.run(self.command(*words, "--json"), capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == exit_code, done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Scene]:
    with scene(CoreHere(tmp_path / "data")) as made:
        yield made


def test_the_web_server_lets_only_customers_write_and_is_as_before_when_it_is_over(staged: Scene, tmp_path: Path) -> None:
    directory = tmp_path / "nginx"
    directory.mkdir()
    server = WebServer(kind="nginx", dir=directory, shop=staged.shop.url).start()
    host, settings = Host(tmp_path / "host"), load_settings(staged.core.data)
    words = ["--site-url", staged.shop.url, "--server", "nginx", "--include", str(server.include)]
    words += ["--test", " ".join(server.test), "--reload", " ".join(server.reload)]
    try:
        assert "not paired" in host.say("run", "--once", exit_code=2)
        wrong = offline.pairing_code(settings, "user:test")
        assert "no shop with this site_url" in host.say(
            "pair", wrong, *words[2:], "--site-url", "https://x.example", exit_code=2
        )
        paired = host.say("pair", offline.pairing_code(settings, "user:test"), *words)
        assert paired["keyid"] == f"ws.{staged.shop.sensor.site}"
        running = Server(host.command("run"), server.url, log=tmp_path / "host.log")
        try:
            respond(staged, server, host)
        finally:
            running.stop()
    finally:
        server.stop()


def respond(staged: Scene, server: WebServer, host: Host) -> None:
    staged.leak(0)
    case = staged.respond()["case"]["id"]
    login = f"{server.url}/wp-login.php"
    assert httpx2.post(login, data={"log": "x"}).status_code != 403
    words = [sys.executable, "-m", "checkvalve.cli", "case", "run", case, "core-compromise", "--data", str(staged.core.data)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    steps = wait(lambda: closing(staged), "the web server has confirmed", 60)
    assert [(s["status"], s["outcome"]["detail"]) for s in steps] == [("done", "the web server reported: done")]
    assert httpx2.post(login, data={"log": "x"}).status_code == 403
    assert host.say("status")["in_force"] != []
    assert not any("At the web server" in s["data"].get("text", "") for s in manual(staged))  # nobody needs to do it by hand
    assert len(host.say("lift")["lifted"]) == 1
    assert httpx2.post(login, data={"log": "x"}).status_code != 403
    assert list(server.include.iterdir()) == []


def closing(staged: Scene) -> list[Any]:
    shown = staged.case()
    assert shown is not None
    return [s for s in shown["steps"] if s["data"].get("hand") == "webserver" and s["outcome"] and "entry" in s["outcome"]]


def manual(staged: Scene) -> list[Any]:
    shown = staged.case()
    assert shown is not None
    return [s for s in shown["steps"] if s["kind"] == "manual"]


def test_without_a_hand_there_a_person_is_asked_to_do_it(staged: Scene) -> None:
    staged.leak(0)
    case = staged.respond()["case"]["id"]
    words = [sys.executable, "-m", "checkvalve.cli", "case", "run", case, "core-compromise", "--data", str(staged.core.data)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    (step,) = wait(lambda: closing(staged), "the step has failed", 60)
    assert (step["status"], step["outcome"]["detail"][:23]) == ("failed", "no hand at the web serv")
    wait(lambda: any("At the web server" in s["data"]["text"] for s in manual(staged)), "a person is asked")
