from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.console.seed import House, house


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An installation in which a leak was seen and answered."""
    with house(tmp_path_factory.mktemp("home") / "data") as built:
        built.respond(built.leak(6))
        yield built


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "data") as built:
        yield built
