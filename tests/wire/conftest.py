"""The fixture `core`: a real core process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.wire.core_process import CoreProcess, running_core


@pytest.fixture
def core(tmp_path: Path) -> Iterator[CoreProcess]:
    with running_core(tmp_path / "data") as process:
        yield process
