"""How commands speak: tables for people, one JSON document with --json, one line on stderr for an error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

MAX_COMPLAINT = 600  # characters: what somebody typed may be quoted, not repeated at length


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Called while the error is being handled: `run` answers it as it does for JSON."""
        raise


console = _Console(highlight=False)

OK, NO, BAD = 0, 1, 2  # exit codes: yes, the answer is no, bad usage or input


def print_json(value: Any) -> None:
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n")


@contextmanager
def counted(name: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar that tells how many of all are done, and the time that remains: call it with (done, total)."""
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def complain(text: str) -> None:
    line = " ".join(text.split())
    if len(line) > MAX_COMPLAINT:
        line = f"{line[: MAX_COMPLAINT // 2]} … {line[-MAX_COMPLAINT // 2 :]}"
    sys.stderr.write(f"checkvalve: {line}\n")
