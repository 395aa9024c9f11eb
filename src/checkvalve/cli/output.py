"""How commands speak: tables for people, one JSON document with --json, one line on stderr for an error."""

import sys
from dataclasses import asdict, is_dataclass
from typing import Any

import msgspec
from rich.console import Console

console = Console(highlight=False)

OK, NO, BAD = 0, 1, 2  # exit codes: yes, the answer is no, bad usage or input


def print_json(value: Any) -> None:
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n")


def complain(text: str) -> None:
    sys.stderr.write("checkvalve: " + " ".join(text.split()) + "\n")
