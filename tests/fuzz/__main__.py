"""Fuzz one target with coverage: `python -m tests.fuzz framing -max_total_time=60`; needs `uv sync --group fuzz`.

What it finds is left in the working directory as crash-…; `python -m tests.fuzz framing FILE` runs that again.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["checkvalve"]):
    from tests.fuzz.targets import PIECES, TARGETS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"name a target: {', '.join(TARGETS)}")
    name, given = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as directory:
        for number, piece in enumerate(PIECES):
            (Path(directory) / str(number)).write_bytes(bytes(3) + piece)
        seeds = [] if any(Path(a).is_file() for a in given) else [directory]
        atheris.Setup([sys.argv[0], *given, *seeds], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
