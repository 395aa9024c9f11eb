"""Servers that tests start: on 127.0.0.1, in a process group of their own, ended by its id alone."""

import atexit
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path


class ServerError(Exception):
    """A server did not start."""


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One running server process with its children; what it prints goes to `log`."""

    def __init__(self, command: Sequence[str], url: str, *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True
            )
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, path: str, *, seconds: float = 30) -> None:
        """Return once `path` answers with any status below 500."""
        end = time.monotonic() + seconds
        last = "no answer"
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(self.url + path, timeout=seconds):
                    return
            except urllib.error.HTTPError as error:
                error.close()
                if error.code < 500:
                    return
                last = f"HTTP {error.code}"
            except OSError as error:
                last = str(error)
            time.sleep(0.05)
        self.stop()
        raise ServerError(f"{self.url}{path} did not come up ({last}); last lines of {self.log}:\n{self._tail()}")

    def stop(self) -> None:
        atexit.unregister(self.stop)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def _tail(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-15:])
