"""The fixture `installation`: a data directory in which a leak was seen and answered, core at rest, a model state kept."""

import json
import shutil
from pathlib import Path

import pytest
from tests.integration.engine.scene import scene
from tests.wire.core_process import CoreProcess

from checkvalve.cli.main import run

PLAYBOOK = Path(__file__).resolve().parents[3] / "src/checkvalve/content/playbooks/plugin-exposes-customer-data.json"


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("installation") / "data"
    with scene(CoreProcess(data=data)) as staged:
        staged.leak(0, 1)
        staged.respond()
    state, training = data.with_name("state.yaml"), data.with_name("training")
    training.mkdir()
    shutil.copy(PLAYBOOK, training)
    state.write_text(json.dumps({"components": {"playbooks": {"kind": "training", "path": str(training)}}}))
    assert run(["modelstate", "snapshot", str(state), "--data", str(data)]) == 0
    assert run(["canary", "plant", "dataset:orders", "--data", str(data)]) == 0
    return data
