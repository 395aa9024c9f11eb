"""The fixture `installation`: a data directory in which a leak was seen and answered, core at rest, a model state kept."""

import json
from pathlib import Path

import pytest
from tests.integration.engine.scene import scene
from tests.wire.core_process import CoreProcess

from checkvalve.cli.main import run

PLAYBOOKS = Path(__file__).resolve().parents[3] / "src/checkvalve/content/playbooks"


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("installation") / "data"
    with scene(CoreProcess(data=data)) as staged:
        staged.leak(0, 1)
        staged.respond()
    state = data.with_name("state.yaml")
    state.write_text(json.dumps({"components": {"playbooks": {"kind": "training", "path": str(PLAYBOOKS)}}}))
    assert run(["modelstate", "snapshot", str(state), "--data", str(data)]) == 0
    assert run(["canary", "plant", "dataset:orders", "--data", str(data)]) == 0
    return data
