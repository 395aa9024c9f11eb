"""How commands speak: tables for people, one JSON document with --json, one line on stderr for an error."""

import sys
from dataclasses import asdict, is_dataclass
from typing import Any

import msgspec
from rich.console import Console

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


def complain(text: str) -> None:
    line = " ".join(text.split())
    if len(line) > MAX_COMPLAINT:
        line = f"{line[: MAX_COMPLAINT // 2]} … {line[-MAX_COMPLAINT // 2 :]}"
    sys.stderr.write(f"checkvalve: {line}\n")
