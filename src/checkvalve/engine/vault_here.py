"""Vault and shop on one machine: each component is read and indexed while restic backs it up, so it is read from the disk once.

What was read is what was backed up where no file changed from before both began until both had ended, by inode, size and the
kernel's time of change. Where one did, or the clock is too coarse to tell, the vault reads the repository as it does for any
host. By the same signs a file that was read for an earlier state is not read again.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Final

from checkvalve.actuators.restic import BackedUp
from checkvalve.engine import vault_read, vault_scan
from checkvalve.engine.errors import EngineError
from checkvalve.engine.vault import Vault
from checkvalve.engine.vault_read import Member, Seen, Told
from checkvalve.engine.vault_scan import Ours, Part, Scanned, list_part
from checkvalve.engine.vault_snapshot import AT_ONCE, Progress, Taken, local, take
from checkvalve.modelstates.errors import ModelStateError

TICK_S: Final = 0.05  # the kernel stamps files by a clock that may stand still for so long


def snapshot(
    vault: Vault, now_ms: int, progress: Progress | None = None, told: Told | None = None
) -> tuple[Taken, list[Scanned]]:
    """Back up, read, index and sign. The states that were taken in, among them others that had arrived."""
    seen: dict[str, Seen | None] = {}
    listed: dict[str, Future[Part]] = {}

    def reading(name: str, directory: Path, stamps: dict[str, str]) -> Seen | None:
        try:
            with vault.index() as index:
                return vault_read.read(index, name, _members(directory, stamps), vault.scratch, told)
        except (EngineError, ModelStateError, OSError):  # reading the repository will say what it is
            return None

    def around(name: str, directory: Path, backup: Callable[[], BackedUp]) -> BackedUp:
        before = _settled(directory)
        found = readers.submit(reading, name, directory, before)
        part = backup()
        listed[name] = listers.submit(list_part, vault, name, part.snapshot)
        seen[name] = found.result()
        if not before or _stamps(directory) != before:
            seen[name] = None
        return part

    with vault.alone(), ThreadPoolExecutor(1) as readers, ThreadPoolExecutor(AT_ONCE) as listers:  # the index has one writer
        taken = take(vault.description(), local(vault), vault.scratch, now_ms, progress, around)
        ours = Ours(commit=taken.commit, parts={n: replace(p.result(), seen=seen[n]) for n, p in listed.items()})
        return taken, vault_scan.take_in(vault, time.time_ns() // 1_000_000, told, ours)


def evidence(vault: Vault, now_ms: int, progress: Progress | None = None) -> Scanned | None:
    """The running state as it is now, backed up and put on hold before another takes its place; None where it is not here."""
    if not all(Path(c.path).is_dir() for c in vault.description().components.values()):
        return None
    taken, done = snapshot(vault, now_ms, progress)
    found = next(s for s in done if s.id == taken.commit.id)
    if found.signed:
        vault.hold(found.id, "ran when another state was brought back")
    return found


def _settled(directory: Path) -> dict[str, str]:
    """The stamps of all files, once a later change will be seen in them; empty when it will not."""
    for _ in range(2):
        stamps = _stamps(directory)
        newest = max((int(s.rpartition(" ")[2]) for s in stamps.values()), default=0)
        if time.time_ns() - newest > TICK_S * 1e9:
            return stamps
        time.sleep(TICK_S)
    return {}


def _stamps(directory: Path) -> dict[str, str]:
    """Path -> inode, size, mtime and ctime, in ns."""
    found = {}
    for root, _, files in os.walk(directory):
        for name in files:
            path = Path(root) / name
            if path.is_file() and not path.is_symlink():
                s = path.stat()
                found[path.relative_to(directory).as_posix()] = f"{s.st_ino} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}"
    return found


def _members(directory: Path, stamps: dict[str, str]) -> Iterator[Member]:
    def opened(path: str) -> IO[bytes]:
        return (directory / path).open("rb")

    for path, stamp in sorted(stamps.items()):
        yield Member(path=path, size=int(stamp.split()[1]), open=partial(opened, path), stamp=stamp)
