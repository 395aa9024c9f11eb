"""What people give to a command: a whole file, and people in it, a line each."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from checkvalve.engine.errors import EngineError

MAX_FILE: Final = 512 * 1024 * 1024


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `subjects import`; unknown fields are ignored."""

    ref: str
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    address: str | None = None
    postcode: str | None = None
    order_ids: list[str | int] = []


def read_people(lines: Iterable[bytes]) -> list[Person]:
    people = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                people.append(msgspec.json.decode(line, type=Person))
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                raise EngineError("bad_line", f"line {number}: {str(error)[:200]}") from error
    return people


def read_file(path: str) -> bytes:
    """A whole file; EngineError when there is none, or when it is longer than MAX_FILE."""
    try:
        with Path(path).open("rb") as file:
            long = os.fstat(file.fileno()).st_size > MAX_FILE
            data = b"" if long else file.read(MAX_FILE + 1)  # what is no regular file tells no length
    except OSError as error:
        raise EngineError("no_file", f"{path}: {error.strerror}") from error
    if long or len(data) > MAX_FILE:
        raise EngineError("too_large", f"{path} is longer than {MAX_FILE // 1024**2} MiB; split it")
    return data
