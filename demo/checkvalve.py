"""Checkvalve as an operator starts and uses it: the command line, and the console over HTTP."""

import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.simulators.processes import Server

from demo.home import DemoError

USER = "owner"
ORGANISATION = {
    "controller": "Example Teas GmbH",
    "address": "Musterweg 1, 10115 Berlin",
    "country": "DE",
    "contact_name": "Robin Vogel, data protection officer",
    "contact_email": "dpo@example.com",
    "contact_phone": "+49 30 23125009",
}


@dataclass(slots=True)
class Installation:
    """One `checkvalve up` on a data directory."""

    data: Path
    console: str
    gateway: str
    password: str
    _server: Server

    @classmethod
    def up(cls, data: Path, log: Path, *, console_port: int, gateway_port: int, upstream: str) -> "Installation":
        password = secrets.token_urlsafe(12)
        must(data, "user", "add", USER, "--role", "controller", "--role", "incident_lead", stdin=password + "\n")
        addresses = ["--listen", f"127.0.0.1:{console_port}", "--gateway-listen", f"127.0.0.1:{gateway_port}"]
        arguments = ["up", "--data", str(data), *addresses, "--upstream", upstream, "--sync-seconds", "2"]
        url = f"http://127.0.0.1:{console_port}"
        server = Server([sys.executable, "-m", "checkvalve.cli", *arguments], url, log=log)
        server.wait_for("/health")
        gateway = f"http://127.0.0.1:{gateway_port}"
        return cls(data=data, console=url, gateway=gateway, password=password, _server=server)

    def stop(self) -> None:
        self._server.stop()

    def json(self, *arguments: str) -> Any:
        return json.loads(must(self.data, *arguments, "--json"))

    def gateway_health(self) -> Any:
        return httpx2.get(f"{self.gateway}/.checkvalve/health", timeout=10).json()

    def register_size(self) -> int:
        """How many people the gateway knows."""
        return sum(register["people"] for register in self.gateway_health()["registers"])

    def scope(self, case: str) -> Any:
        """What core counts once nothing of the gateway's is on its way to it any more: None until then."""
        return None if self.gateway_health()["spool"]["depth"] else self.json("case", "show", case)["scope"]

    def enter_organisation(self) -> None:
        """Log in to the console and say who the controller is, as a person does once."""
        origin = {"Origin": self.console}
        with httpx2.Client(base_url=self.console, timeout=30, headers=origin, follow_redirects=True) as browser:
            browser.post("/login", data={"name": USER, "password": self.password}).raise_for_status()
            browser.post("/settings/organisation", data=ORGANISATION).raise_for_status()


def must(data: Path, *arguments: str, stdin: str = "") -> str:
    """What a command prints that has to succeed."""
    done = command(data, *arguments, stdin=stdin)
    if done.returncode:
        raise DemoError(f"checkvalve {' '.join(arguments)} failed: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


def command(data: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run `checkvalve …` on the data directory."""
    environment = {**os.environ, "CHECKVALVE_DATA": str(data)}
    return subprocess.run(
        [sys.executable, "-m", "checkvalve.cli", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
