"""Seals, merges and trims an installation's rows until there is nothing left to do: `python -m … DIR`."""

import sys
from pathlib import Path

from tests.integration.evidence.installation import installation

with installation(Path(sys.argv[1])) as here:
    here.now_ms = 1_790_000_000_000
    print("ready", flush=True)
    here.seal_all(10)
    print("done", flush=True)
