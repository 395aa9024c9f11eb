"""`checkvalve up`: core and gateway as two processes, started again when one dies, ended together."""

import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict

from checkvalve.cli.output import BAD, OK, complain, console
from checkvalve.engine.settings import Settings, make_private, save_settings
from checkvalve.gateway.settings import Credentials, credentials_file, save_credentials

START_SECONDS = 20.0
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Ask Linux to end this process when the supervisor dies, also by kill -9."""
    if os.environ.get("CHECKVALVE_SUPERVISED") and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            raise SystemExit(OK)


class Child:
    def __init__(self, name: str, arguments: list[str]) -> None:
        self.name = name
        self._arguments = [sys.executable, "-m", "checkvalve.cli", *arguments]
        self._started = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._started = time.monotonic()
        environment = {**os.environ, "CHECKVALVE_SUPERVISED": "1"}
        self.process = subprocess.Popen(self._arguments, env=environment, start_new_session=True)  # noqa: S603 - our own

    def died_at_once(self) -> bool:
        return time.monotonic() - self._started < 2

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(8)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def up(settings: Settings, gateway_listen: str, upstream: str) -> int:
    from checkvalve.engine.local_gateway import pair_local  # most of core, which the other commands of this file do not need

    make_private(settings.data)
    save_settings(settings)
    if not credentials_file(settings.gateway_dir).exists():
        save_credentials(settings.gateway_dir, Credentials(**asdict(pair_local(settings))))
    data = ["--data", str(settings.data)]
    core = Child("core", ["core", *data, "--listen", settings.listen])
    core_url = f"http://{settings.listen}"
    gateway = Child("gateway", ["gateway", *data, "--core", core_url, "--upstream", upstream, "--listen", gateway_listen])
    children = [core, gateway]
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, _interrupt)
    try:
        for child in children:
            child.start()
        if not (_answers(f"{core_url}/health", core) and _answers(f"http://{gateway_listen}/.checkvalve/health", gateway)):
            return BAD
        console.print(
            f"console  {settings.public_url}\ngateway  {settings.gateway_url}  ->  {upstream}\ndata     {settings.data}"
        )
        console.print("Checkvalve is up. Ctrl-C stops it.")
        _watch(children)
    except KeyboardInterrupt:
        pass
    finally:
        for child in reversed(children):
            child.stop()
    return OK


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _answers(url: str, child: Child) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.process is not None and child.process.poll() is not None:
            complain(f"{child.name} did not start; its message is above")
            return False
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own address
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    complain(f"{child.name} does not answer at {url}; is the port taken?")
    return False


def _watch(children: list[Child]) -> None:
    while True:
        time.sleep(0.3)
        for child in children:
            if child.process is not None and child.process.poll() is not None:
                complain(f"{child.name} ended ({child.process.returncode}); starting it again")
                if child.died_at_once():
                    time.sleep(2)
                child.start()
