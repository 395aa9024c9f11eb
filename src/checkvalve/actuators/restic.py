"""restic repositories, by its program (0.14 and later), and rclone as the server that lets hosts add and never take away.

Passwords go by owner-only files, addresses by the environment: neither stands in a process list. Every run is bounded by
the caller's patience or ends with the program; a failure is a ResticError whose `code` is stable.
"""

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

BLOCK: Final = 1 << 20
ENOUGH_S: Final = 120.0  # for commands that read no data
PASSED_ON: Final = ("PATH", "TMPDIR", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")

Progress = Callable[[int, int], None]  # bytes done, bytes in all

_SAID: Final = (  # what the program prints -> code, what to do; the first that fits
    (
        "no space left on device",
        "disk_full",
        "the disk of the repository is full; free space and run it again, it goes on where it stopped",
    ),
    ("disk quota exceeded", "disk_full", "the repository's quota is used up; free space and run it again"),
    ("file too large", "disk_full", "the repository's disk takes no more; free space and run it again"),
    ("wrong password or no key found", "wrong_password", "the password file does not open this repository"),
    ("unable to create lock", "locked", "another program works on this repository; wait for it to end"),
    ("403 forbidden", "refused", "the server takes nothing away and overwrites nothing; the vault alone may do that"),
    ("401 unauthorized", "refused", "the server does not know this name and password"),
    ("connection refused", "away", "the vault does not answer; start `checkvalve modelstate serve` there"),
    (
        "is there a repository at the following location",
        "no_repository",
        "there is no repository; run `checkvalve modelstate enrol`",
    ),
)
_DAMAGE: Final = (
    "ciphertext verification failed",
    "does not match id",
    "invalid data returned",
    "pack file",
    "blob not found",
    "not found in index",
)


class ResticError(Exception):
    def __init__(self, code: str, hint: str) -> None:
        super().__init__(f"{code}: {hint}")
        self.code = code
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """As the host that made it claims: it may lie about time, host and tags."""

    id: str
    tree: str  # digest of the whole directory tree, names, times and content
    time: str  # RFC 3339
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    snapshot: str  # 8 hex digits before restic 0.17, 64 since
    files: int
    bytes: int
    added: int  # bytes new in the repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """`location` as restic takes it: a directory, or rest:http://name:password@host:port/path/."""

    location: str
    password_file: Path
    cache: Path | None = None  # None: no cache
    locking: bool = True

    def init(self) -> None:
        self._run("init", "--repository-version", "2")

    def exists(self) -> bool:
        try:
            self._run("cat", "config")
        except ResticError as error:
            if error.code == "no_repository":
                return False
            raise
        return True

    def backup(self, directory: Path, *, tags: Sequence[str], progress: Progress | None = None) -> BackedUp:
        """The content of a directory. An unreadable file fails the whole: half a component is none."""
        done = None
        with self._started("backup", "--json", *_tags(tags), ".", cwd=directory) as stdout:
            for line in stdout:
                message = _json(line)
                if message.get("message_type") == "status" and progress:
                    progress(message.get("bytes_done", 0), message.get("total_bytes", 0))
                elif message.get("message_type") == "summary":
                    done = message
        if done is None:
            raise ResticError("failed", "restic backup ended without a summary")
        total = int(done["total_bytes_processed"])
        if progress:
            progress(total, total)
        return BackedUp(
            snapshot=str(done["snapshot_id"]),
            files=int(done["total_files_processed"]),
            bytes=total,
            added=int(done["data_added"]),
        )

    def put(self, name: str, content: bytes, *, tags: Sequence[str]) -> None:
        """One small file as a snapshot of its own."""
        self._run("backup", "--stdin", "--stdin-filename", name, "--json", *_tags(tags), given=content)

    def get(self, snapshot: str, name: str, *, most: int = 1 << 20) -> bytes:
        content = self._run("dump", snapshot, f"/{name}")
        if len(content) > most:
            raise ResticError("damaged", f"{name} is longer than {most} bytes")
        return content

    def snapshots(self) -> list[Snapshot]:
        listed = json.loads(self._run("snapshots", "--json") or b"[]")
        return [Snapshot(id=s["id"], tree=s["tree"], time=s["time"], tags=tuple(s.get("tags") or ())) for s in listed or ()]

    def listed(self, snapshot: str) -> tuple[Snapshot, list[tuple[str, str]]]:
        """One snapshot, by its id or the first digits of it, and the (type, path) of all it holds; no data is read."""
        lines = [_json(line) for line in self._run("ls", "--json", snapshot).splitlines()]
        if not lines or "tree" not in lines[0]:  # restic 0.14 ends with 0
            raise ResticError("no_snapshot", f"there is no snapshot {snapshot[:64]}")
        first, *nodes = lines
        found = Snapshot(id=first["id"], tree=first["tree"], time=first["time"], tags=tuple(first.get("tags") or ()))
        return found, [(n["type"], n["path"]) for n in nodes]

    @contextmanager
    def contents(self, snapshot: str) -> Iterator[tarfile.TarFile]:
        """All files of a snapshot as they stream by; each must be read before the next. ResticError when it is damaged."""
        with self._started("dump", snapshot, "/") as stdout, tarfile.open(fileobj=stdout, mode="r|", bufsize=BLOCK) as archive:
            yield archive
            while stdout.read(BLOCK):  # the archive's padding
                pass

    def restore(self, snapshot: str, target: Path) -> None:
        self._run("restore", snapshot, "--target", str(target), patience=None)

    def check(self, *, data: bool) -> None:
        """Structure, or every byte. ResticError("damaged") when something is wrong."""
        self._run("check", *(["--read-data"] if data else []), patience=None)

    def unlock(self) -> None:
        """Remove locks of processes that no longer live."""
        self._run("unlock")

    def rebuild_index(self) -> None:
        """Take into the index what interrupted backups brought. For the vault: it removes old index files."""
        self._run("rebuild-index", patience=None)

    def forget(self, snapshot: str) -> None:
        self._run("forget", snapshot)

    def prune(self) -> None:
        """Remove what no snapshot holds any more: data files are deleted or rewritten."""
        self._run("prune", "--max-unused", "0", patience=None)

    def _run(self, *arguments: str, given: bytes = b"", patience: float | None = ENOUGH_S) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 # our own command line
                self._command(arguments),
                input=given,
                capture_output=True,
                env=self._environment(),
                timeout=patience,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ResticError("away", f"restic {arguments[0]} did not end within {patience:.0f} s") from error
        _check(arguments, done.returncode, done.stderr.decode("utf-8", "replace"))
        return done.stdout

    @contextmanager
    def _started(self, *arguments: str, cwd: Path | None = None) -> Iterator[IO[bytes]]:
        """What a running restic prints. ResticError at the end when it failed; it is ended if the block is left early."""
        with tempfile.TemporaryFile() as complaints:
            process = subprocess.Popen(  # noqa: S603 # our own command line
                self._command(arguments),
                cwd=cwd,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
            )
            assert process.stdout is not None
            cut = False
            try:
                yield process.stdout
                process.wait()
            except tarfile.TarError:
                cut = True
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
                process.stdout.close()
            complaints.seek(0)
            said = complaints.read(65_536).decode("utf-8", "replace")
            _check(arguments, (process.returncode or 1) if cut else process.returncode, said)

    def _command(self, arguments: Sequence[str]) -> list[str]:
        options = [*([] if self.locking else ["--no-lock"]), *([] if self.cache else ["--no-cache"])]
        return [program("restic"), *options, *arguments]

    def _environment(self) -> dict[str, str]:
        own = {"RESTIC_REPOSITORY": self.location, "RESTIC_PASSWORD_FILE": str(self.password_file), "RESTIC_PROGRESS_FPS": "4"}
        if self.cache:
            own["RESTIC_CACHE_DIR"] = str(self.cache)
        return _environment() | own


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ResticError("not_installed", f"{name} is not installed. On Debian: apt-get install restic rclone")
    return found


def serve_command(directory: Path, listen: str) -> list[str]:
    """The append-only server over all repositories below a directory; see `serve_environment` for who may use it."""
    return [
        *(program("rclone"), "serve", "restic", "--append-only", "--cache-objects=false", "--addr", listen),
        *("--config", os.devnull, str(directory)),
    ]


def serve_environment(user: str, password: str) -> dict[str, str]:
    return _environment() | {"RCLONE_USER": user, "RCLONE_PASS": password}


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
        "HOME": os.environ.get("HOME", "/nonexistent")
    }


def _tags(tags: Sequence[str]) -> list[str]:
    return [part for tag in tags for part in ("--tag", tag)]


def _json(line: bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _check(arguments: Sequence[str], code: int, said: str) -> None:
    if code == 0:
        return
    lower = said.lower()
    for phrase, name, hint in _SAID:
        if phrase in lower:
            raise ResticError(name, hint)
    if arguments[0] == "backup" and code == 3:
        raise ResticError("unreadable", f"some files could not be read, so the backup does not count: {_last(said)}")
    if any(phrase in lower for phrase in _DAMAGE):
        raise ResticError("damaged", f"the repository is damaged: {_last(said)}")
    raise ResticError("failed", f"restic {arguments[0]} ended with {code}: {_last(said)}")


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return (lines[-1] if lines else "it said nothing")[:300]
