from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.evidence.installation import Installation, installation


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "data") as opened:
        yield opened
