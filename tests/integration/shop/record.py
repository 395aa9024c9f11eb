"""The hooks a request fired, in order, as the recorder in the site wrote them down."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.simulators.wordpress import Site


@dataclass(slots=True)
class Record:
    """Hooks fired while it was kept; `fired` holds (hook, arguments), objects by their class."""

    fired: list[tuple[str, list[Any]]] = field(default_factory=list)

    def only(self, *wanted: str) -> list[str]:
        """The named hooks in the order they fired; one that fires several times in a row counts once."""
        names = [hook for hook, _ in self.fired if hook in wanted]
        return names[:1] + [b for a, b in pairwise(names) if a != b]

    def arguments(self, wanted: str) -> list[list[Any]]:
        """Arguments of each time the hook fired."""
        return [arguments for hook, arguments in self.fired if hook == wanted]

    def has(self, wanted: str) -> bool:
        return any(hook == wanted for hook, _ in self.fired)


@contextmanager
def recording(site: Site) -> Iterator[Record]:
    """Record what fires in the site meanwhile."""
    path: Path = site.dir / "record"
    path.write_text("")
    record = Record()
    try:
        yield record
    finally:
        record.fired = [(hook, arguments) for hook, arguments in map(json.loads, path.read_text("utf-8").splitlines())]
        path.unlink()
