"""One installation with a case, and a browser, for all tests that look at pages with a person's eyes."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from tests.integration.console.seed import House, house
from tests.simulators import browser


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("home") / "data") as built:
        built.respond(built.leak(7))
        yield built


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.chromium() as running:
        yield running
