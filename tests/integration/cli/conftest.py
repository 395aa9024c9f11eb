"""The fixture `installation`: a data directory in which a leak was seen and answered, core at rest."""

from pathlib import Path

import pytest
from tests.integration.engine.scene import scene
from tests.wire.core_process import CoreProcess


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("installation") / "data"
    with scene(CoreProcess(data=data)) as staged:
        staged.leak(0, 1)
        staged.respond()
    return data
