"""Every command of the command line, read off its own parser."""

import argparse
from collections.abc import Iterator

from checkvalve.cli.main import build_parser

Path = tuple[str, ...]
SHARED = ("help", "version", "data", "json")


def leaves(parser: argparse.ArgumentParser | None = None, path: Path = ()) -> Iterator[tuple[Path, argparse.ArgumentParser]]:
    """(words, parser) of each command that can be run."""
    parser = parser or build_parser([])
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield path, parser
    for group in groups:
        for name, inner in group.choices.items():
            yield from leaves(inner, (*path, name))


def values(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Its arguments that take a value of their own choosing."""
    return [a for a in parser._actions if a.dest not in SHARED and a.nargs != 0]
