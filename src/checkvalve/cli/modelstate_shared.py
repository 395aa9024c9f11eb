"""What the commands of model states share: bars, times, files, and the entry that says what was done."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from checkvalve.cli.output import console
from checkvalve.engine import vault_snapshot
from checkvalve.engine.errors import EngineError
from checkvalve.engine.given import read_file
from checkvalve.engine.settings import data_dir
from checkvalve.engine.vault import Vault
from checkvalve.engine.vault_drill import Drill
from checkvalve.modelstates.manifest import State
from checkvalve.regimes.deadline import rfc3339


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def time_of(ms: int) -> str:
    return rfc3339(datetime.fromtimestamp(ms / 1000, UTC))


def drill_json(drill: Drill) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(drill)
    return {"done": time_of(told.pop("done_ms")), **told}


def text_of(file: str) -> str:
    try:
        return read_file(file).decode()
    except UnicodeDecodeError as error:
        raise EngineError("bad_description", f"{file} is not UTF-8") from error


def signed_state(vault: Vault, name: str) -> State:
    found = next((s for s in vault.states() if s.id == name), None)
    if found is None:
        raise EngineError("not_found", f"there is no signed state {name[:60]!r}; see `checkvalve modelstate list`")
    return found


@contextmanager
def bars(arguments: argparse.Namespace) -> Iterator[vault_snapshot.Progress]:
    """A bar with rate and remaining time for each component, on stderr's side of a terminal; silent with --json."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=arguments.json or not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def told(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done, total=max(done, total))

        yield told


def told(arguments: argparse.Namespace, what: Any, states: dict[str, str] | list[str], sha256: str | None = None) -> int | None:
    from checkvalve.engine.vault_told import Told, tell  # slow to import, and most commands here tell nothing

    case = getattr(arguments, "case", None)
    return tell(data_dir(arguments.data), Told(what=what, by="user:cli", states=states, case=case, sha256=sha256))
