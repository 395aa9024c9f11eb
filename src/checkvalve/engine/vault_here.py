"""Vault and shop on one machine: each component is read and indexed while restic backs it up, so it is read from the disk once.

What was read is what was backed up where nothing changed from before both began until both had ended, by inode, size and the
kernel's time of change of every file and directory, and where restic counts the same files and bytes. Else, and where the clock
is too coarse to tell, the vault reads the repository as it does for any host. By the same signs a file that was read for an
earlier state is not read again.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Final

from checkvalve.actuators.restic import BackedUp, Snapshot
from checkvalve.engine import vault_read, vault_scan
from checkvalve.engine.errors import EngineError
from checkvalve.engine.vault import Vault
from checkvalve.engine.vault_read import Member, Seen, Told
from checkvalve.engine.vault_scan import Ours, Part, Scanned, list_part
from checkvalve.engine.vault_snapshot import Progress, Taken, local, take
from checkvalve.modelstates.errors import ModelStateError

TICK_S: Final = 0.05  # the kernel stamps files by a clock that may stand still for so long


def snapshot(
    vault: Vault, now_ms: int, progress: Progress | None = None, told: Told | None = None
) -> tuple[Taken, list[Scanned]]:
    """Back up, read, index and sign. The states that were taken in, among them others that had arrived."""
    parts: dict[str, Part] = {}

    def reading(name: str, directory: Path, stamps: dict[str, str]) -> Seen | None:
        try:
            with vault.index() as index:
                return vault_read.read(index, name, _members(directory, stamps), vault.scratch, told)
        except (EngineError, ModelStateError, OSError):  # reading the repository will say what it is
            return None

    def around(name: str, directory: Path, backup: Callable[[], BackedUp]) -> BackedUp:
        before = _settled(directory)
        found = readers.submit(reading, name, directory, before)
        backed = backup()
        seen = found.result()
        same = bool(before) and _stamps(directory) == before
        parts[name] = (same and _part(vault, name, backed, seen)) or list_part(vault, name, backed.snapshot)
        return backed

    with vault.alone(), ThreadPoolExecutor(1) as readers:  # the index has one writer
        taken = take(vault.description(), local(vault), vault.scratch, now_ms, progress, around)
        ours = Ours(commit=taken.commit, parts=parts)
        return taken, vault_scan.take_in(vault, time.time_ns() // 1_000_000, told, ours)


def _part(vault: Vault, name: str, backed: BackedUp, seen: Seen | None) -> Part | None:
    """What restic says it took, without asking the repository: None unless that is what was read."""
    if seen is None or (backed.files, backed.bytes) != (len(seen.said), sum(f.size for f in seen.files)):
        return None
    ids = [f.name for f in (vault.repositories / name / "snapshots").iterdir() if f.name.startswith(backed.snapshot)]
    if len(ids) != 1:
        return None
    snapshot = Snapshot(id=ids[0], tree="", time="", tags=())
    return Part(snapshot=snapshot, paths=frozenset(f.path for f in seen.files), names=vault.names(name), seen=seen)


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
    """The stamps of all files and directories, once a later change will be seen in them; empty when it will not."""
    for _ in range(2):
        stamps = _stamps(directory)
        newest = max(int(s.rpartition(" ")[2]) for s in stamps.values())
        if time.time_ns() - newest > TICK_S * 1e9:
            return stamps
        time.sleep(TICK_S)
    return {}


def _stamps(directory: Path) -> dict[str, str]:
    """Path -> inode, size, mtime and ctime, in ns. Those of directories end in /: they show what came and went."""
    found = {}
    for root, _, files in os.walk(directory):
        for path in (Path(root), *(Path(root) / name for name in files)):
            name = path.relative_to(directory).as_posix() + ("/" if path == Path(root) else "")
            s = path.stat(follow_symlinks=False)
            found[name] = f"{s.st_ino} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}"
    return found


def _members(directory: Path, stamps: dict[str, str]) -> Iterator[Member]:
    def opened(path: str) -> IO[bytes]:
        return (directory / path).open("rb")

    for path, stamp in sorted((p, s) for p, s in stamps.items() if not p.endswith("/")):
        yield Member(path=path, size=int(stamp.split()[1]), open=partial(opened, path), stamp=stamp)
