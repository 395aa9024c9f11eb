"""Puts a fragment in force: written into the one directory the server includes, tested, loaded, looked at, else taken back.

While no order holds there is no file, so that the tree is afterwards what it was before, byte for byte.
"""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import aiohttp
from yarl import URL

from checkvalve.actuators.http import ShopError, request
from checkvalve.actuators.webserver import WebServerError, marker

COMMAND_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 10.0
SETTLE_SECONDS: Final = 15.0  # a reload command is over before the old workers have stopped listening
IN_A_ROW: Final = 4  # answers of the new configuration
CLOSED: Final = (403, 503)
MAX_SAID: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the server reads and how it is told to. Commands are lists of arguments: no shell. `looks`: addresses that the
    checkout needs and that must go on answering; `host`: what to ask for there."""

    include: Path
    name: str
    test: tuple[str, ...]
    reload: tuple[str, ...]
    looks: tuple[str, ...] = ()
    host: str = ""

    @property
    def file(self) -> Path:
        return self.include / self.name


def current(place: Place) -> str | None:
    try:
        return place.file.read_text("utf-8")
    except FileNotFoundError:
        return None


async def put(place: Place, session: aiohttp.ClientSession, text: str | None) -> None:
    """Make this the fragment in force, None for none. WebServerError says why not; then everything is as it was."""
    before = current(place)
    if text == before:
        return
    seen = await _look(place, session)
    try:
        _write(place, text)
        _run(place.test, "the test of its configuration failed")
        _run(place.reload, "it could not be reloaded")
        if not await _settled(place, session, text, before):
            raise WebServerError(
                "the web server does not do what it was told within the time; it may not include the directory"
            )
        await _compare(place, session, seen)
    except (WebServerError, OSError) as error:
        with contextlib.suppress(OSError):
            _write(place, before)
        with contextlib.suppress(WebServerError):  # what the first failure said is what counts
            _run(place.test, "")
            _run(place.reload, "")
            await _settled(place, session, before, text)
        if isinstance(error, OSError):
            raise WebServerError(f"the fragment cannot be written ({error.strerror})") from error
        raise


def _write(place: Place, text: str | None) -> None:
    if text is None:
        place.file.unlink(missing_ok=True)
        return
    fresh = place.file.with_suffix(".new")  # the server includes *.conf
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(place.file)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _run(command: Sequence[str], failed: str) -> None:
    if not command:  # nothing to test or reload
        return
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=COMMAND_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WebServerError(f"the web server: {failed} ({type(error).__name__} of {command[0]})") from error
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())[-MAX_SAID:]
        raise WebServerError(f"the web server: {failed}: {said}")


async def _settled(place: Place, session: aiohttp.ClientSession, text: str | None, before: str | None) -> bool:
    """Wait until the server answers by this fragment and no more by the last one. Without an address to ask: a moment."""
    if not place.looks or not marker(text or before or ""):
        await asyncio.sleep(1)
        return True
    url = str(URL(place.looks[0]).with_path(marker(text or before or "")))
    end, row = monotonic() + SETTLE_SECONDS, 0
    while row < IN_A_ROW and monotonic() < end:
        seen = await _status(place, session, url)
        row = row + 1 if seen and (seen == 204) is (text is not None) else 0
        await asyncio.sleep(0.05)
    return row == IN_A_ROW


async def _look(place: Place, session: aiohttp.ClientSession) -> dict[str, int]:
    return {url: await _status(place, session, url) for url in place.looks}


async def _status(place: Place, session: aiohttp.ClientSession, url: str) -> int:
    """0 for no answer."""
    try:
        headers = {"Connection": "close", **({"Host": place.host} if place.host else {})}
        return (await request(session, "GET", url, headers=headers, seconds=LOOK_SECONDS)).status
    except ShopError:
        return 0


async def _compare(place: Place, session: aiohttp.ClientSession, before: dict[str, int]) -> None:
    for url, status in (await _look(place, session)).items():
        was = before[url]
        if 0 < was < 400 and (status == 0 or status >= 400):
            raise WebServerError(f"what the checkout needs answers {status} instead of {was}: {url[:120]}")
