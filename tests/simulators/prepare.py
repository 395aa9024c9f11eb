"""Install the system packages that tests and demo need, or say exactly what is missing.

python -m tests.simulators.prepare php chromium poppler
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.simulators import postgres, webservers, wordpress


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    packages: tuple[str, ...]
    missing: Callable[[], str | None]  # what is missing, in words


def _php() -> str | None:
    try:
        wordpress.require_php()
    except wordpress.MissingPHP as error:
        return str(error).split(". ", 1)[0]
    return None


def _command(*names: str) -> Callable[[], str | None]:
    return lambda: None if any(shutil.which(name) for name in names) else f"{names[0]} is not installed"


MODEL_STATES = ("restic", "rclone", "age", "zstd", "sqlite3")
NEEDS: Final = {
    "php": Need(packages=wordpress.PACKAGES, missing=_php),
    "npm": Need(packages=("npm",), missing=_command("npm")),
    "chromium": Need(packages=("chromium",), missing=_command("chromium", "chromium-browser", "google-chrome")),
    "java": Need(packages=("openjdk-17-jre-headless",), missing=_command("java")),  # the Spark cluster of the tests
    "openssl": Need(packages=("openssl",), missing=_command("openssl")),  # the time stamping authority of the tests
    "postgres": Need(
        packages=postgres.PACKAGES, missing=lambda: None if postgres.programs() else "PostgreSQL is not installed"
    ),
    "restic": Need(  # and what opens a sealed state and a live store, so that nothing of ours has to
        packages=MODEL_STATES,
        missing=lambda: next((why for name in MODEL_STATES if (why := _command(name)())), None),
    ),
    "webservers": Need(packages=webservers.PACKAGES, missing=webservers.missing),  # a shop behind nginx, and behind Apache
    "poppler": Need(packages=("poppler-utils",), missing=_command("pdftoppm")),
}


def missing(names: list[str]) -> dict[str, str]:
    """What is missing of the named needs: need -> reason."""
    found = ((name, NEEDS[name].missing()) for name in names)
    return {name: reason for name, reason in found if reason}


def install(names: list[str]) -> bool:
    """Install what is missing with apt-get when that is possible; True when nothing is missing afterwards."""
    lacking = missing(names)
    if not lacking:
        return True
    packages = [package for name in lacking for package in NEEDS[name].packages]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing {' '.join(packages)} …", file=sys.stderr, flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{' '.join(command)} failed: {done.stderr.strip()[-600:]}", file=sys.stderr)
                break
        lacking = missing(names)
    for name, reason in lacking.items():
        print(f"{reason}. As root: apt-get update && apt-get install -y {' '.join(NEEDS[name].packages)}", file=sys.stderr)
    return not lacking


def main(arguments: list[str]) -> int:
    if unknown := [name for name in arguments if name not in NEEDS]:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(NEEDS)}", file=sys.stderr)
        return 2
    names = list(dict.fromkeys(arguments))
    if "php" in names:
        names.append("npm")  # the site itself comes out of npm packages
    return 0 if install(names) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
