"""Debian's Chromium, looked at with Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Browser, sync_playwright

ARGS: Final = (
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """While it stands, no test of this thread may be asynchronous: a fixture of it is a module's at most."""
    path = shutil.which("chromium")
    assert path, "chromium is missing; on Debian: apt-get install chromium"
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses its sandbox to root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGS, *sandbox])
        yield browser
        browser.close()
