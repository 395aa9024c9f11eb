"""A log of its own for each test, and a time stamping authority."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.custody.outsiders import Authority, authority
from tests.integration.imports.conftest import Installation

LINE = '203.0.113.7 - - [24/Nov/2026:10:00:00 +0100] "GET /item/{n} HTTP/1.1" 200 512 "-" "curl/8"\n'


@pytest.fixture
def shop(tmp_path: Path) -> Installation:
    found = Installation(data=tmp_path / "data")
    grow(found, tmp_path, 5)
    return found


@pytest.fixture
def tsa(tmp_path: Path) -> Iterator[Authority]:
    with authority(tmp_path / "tsa") as made:
        yield made


def grow(shop: Installation, directory: Path, count: int) -> None:
    file = directory / "access.log"
    first = len(file.read_text().splitlines()) if file.exists() else 0
    with file.open("a") as log:
        log.writelines(LINE.format(n=n) for n in range(first, first + count))
    assert shop.ingest(file, "combined")["entries"] == count
