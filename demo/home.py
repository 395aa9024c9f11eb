"""Where one run of the demo keeps its files, and what stops it before anything was started."""

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MARK: Final = ".checkvalve-demo"


class DemoError(Exception):
    """The demo cannot go on. The message says what to do."""


@contextmanager
def opened(home: Path) -> Iterator[None]:
    """An empty `home` for this run alone. What an earlier run left is removed; anybody else's files are not."""
    if home.exists() and not (home / MARK).exists() and any(home.iterdir()):
        raise DemoError(f"{home} holds files that are not the demo's. Set DEMO_HOME to an empty directory.")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / MARK).open("w") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DemoError(f"Another demo is running in {home}. Stop it, or set DEMO_HOME.") from error
        for path in home.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != MARK:
                path.unlink()
        yield


def port(name: str, usual: int) -> int:
    """The port that the environment variable `name` gives, else the usual one; free to listen on."""
    given = os.environ.get(name) or str(usual)
    if not given.isascii() or not given.isdigit() or not 0 < int(given) < 65536:
        raise DemoError(f"{name} must be a port between 1 and 65535, not {given!r}.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(given)))
        except OSError as error:
            reason = f"Port {given} is not free ({error.strerror})"
            raise DemoError(f"{reason}. End what listens there, or choose another: {name}=8570 make demo") from error
    return int(given)
