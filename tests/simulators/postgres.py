"""A real PostgreSQL on loopback, made for one test session and gone with it."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.simulators.processes import free_port

PACKAGES = ("postgresql",)
USER = "postgres"


def programs() -> Path | None:
    """Where the newest server's programs lie."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def room() -> Iterator[Path]:
    """A directory for a cluster that its owner can reach."""
    with tempfile.TemporaryDirectory(prefix="checkvalve-postgres-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory) / "server"


@contextmanager
def running(directory: Path) -> Iterator[str]:
    """The URL of a fresh cluster's database; the server refuses to run as root."""
    where = programs()
    if where is None:
        raise RuntimeError("PostgreSQL is not installed; apt-get install postgresql")
    data, port = directory / "cluster", free_port()
    directory.mkdir(parents=True, exist_ok=True)
    if (owner := _owner()) is not None:
        os.chown(directory, owner, -1)
    _as_owner(
        [str(where / "initdb"), "-D", str(data), "-U", USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"], directory
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    _as_owner([str(where / "pg_ctl"), "-D", str(data), "-w", "-l", str(directory / "log"), "-o", options, "start"], directory)
    try:
        yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    finally:
        _as_owner([str(where / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop"], directory)


def _owner() -> int | None:
    """Whose the server is: this user's, or, for root, that of another who can do little."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return known.get(USER, known["nobody"])


def _as_owner(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, user=_owner(), capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr[-600:]}")
