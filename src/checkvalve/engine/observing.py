"""What runs on this host right now: containers, by the engine that is installed; listening sockets and mounts, by the kernel.

Only reads. What may not be read (another user's processes, an engine that does not answer) is a problem, never silence.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from checkvalve.posture.inspect import Listener, containers, listeners, listening
from checkvalve.posture.mounts import remote
from checkvalve.posture.types import Deployment, Problem, RemoteMount, Service

ENGINES: Final = ("docker", "podman")
SECONDS: Final = 20
PROC: Final = Path("/proc")
MAX_COMMAND: Final = 4096


def observe(proc: Path = PROC) -> Deployment:
    """The running deployment. Linux; elsewhere the sockets are a problem."""
    services, problems = _containers()
    sockets, unseen = _sockets(proc)
    mounts, unread = _mounts(proc)
    return Deployment(services=(*services, *sockets), mounts=mounts, problems=(*problems, *unseen, *unread))


def _mounts(proc: Path) -> tuple[tuple[RemoteMount, ...], list[Problem]]:
    try:
        return tuple(remote((proc / "self" / "mountinfo").read_text(errors="replace"))), []
    except OSError as error:
        return (), [Problem(file="/proc/self/mountinfo", why=error.strerror or "unreadable")]


def _containers() -> tuple[list[Service], list[Problem]]:
    services: list[Service] = []
    problems: list[Problem] = []
    there = [name for name in ENGINES if shutil.which(name)]
    for engine in there:
        try:
            ids = _asked(engine, "ps", "--quiet").split()
            found, unread = containers(engine, _asked(engine, "inspect", "--type", "container", *ids)) if ids else ([], [])
        except (OSError, subprocess.SubprocessError) as error:
            found, unread = [], [Problem(file=engine, why=f"does not answer ({type(error).__name__})")]
        services += found
        problems += unread
    if not there:
        problems.append(Problem(file="containers", why=f"none of {', '.join(ENGINES)} is installed here"))
    return services, problems


def _asked(engine: str, *words: str) -> str:
    done = subprocess.run(  # noqa: S603 - a name of ENGINES, found on the path
        [str(shutil.which(engine)), *words], capture_output=True, check=True, timeout=SECONDS, text=True, errors="replace"
    )
    return done.stdout


def _sockets(proc: Path) -> tuple[list[Service], list[Problem]]:
    found: list[Listener] = []
    problems = []
    for name in ("tcp", "tcp6"):
        try:
            found += listeners((proc / "net" / name).read_text())
        except OSError as error:
            problems.append(Problem(file=f"/proc/net/{name}", why=error.strerror or "unreadable"))
    owners = dict(_owners(proc, {f"socket:[{s.inode}]" for s in found}))
    services = [listening(s, *owners.get(f"socket:[{s.inode}]", ("unknown", ""))) for s in found]
    if unknown := sum(f"socket:[{s.inode}]" not in owners for s in found):
        why = f"{unknown} listening sockets belong to processes that this user may not look into; run it as root"
        problems.append(Problem(file="/proc", why=why))
    return services, problems


def _owners(proc: Path, wanted: set[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """(socket, (program, command line))."""
    for process in proc.iterdir():
        if process.name.isdigit() and (held := wanted.intersection(_open_files(process))):
            try:
                command = (process / "cmdline").read_bytes()[:MAX_COMMAND].replace(b"\0", b" ").decode(errors="replace")
                program = (process / "comm").read_text(errors="replace").strip()
            except OSError:
                continue  # gone meanwhile
            yield from ((file, (program, command.strip())) for file in held)


def _open_files(process: Path) -> Iterator[str]:
    """What a process holds open; nothing of one that is gone or not ours to see: the caller counts what is left unknown."""
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        return
    for link in links:
        with suppress(OSError):  # closed meanwhile
            yield str(link.readlink())
