"""docs/commands.md names every command and every option: what others' scripts rely on is written down."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from checkvalve.cli.main import build_parser

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")
EVERYWHERE = {"--help", "--data", "--json"}


def commands(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """(command, its own long options)."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for group in groups:
        for name, below in group.choices.items():
            yield from commands(below, (*path, name))
    if not groups:
        named = {o for a in parser._actions if a.help != argparse.SUPPRESS for o in a.option_strings if o.startswith("--")}
        yield " ".join(path), sorted(named - EVERYWHERE)


def sections() -> dict[str, str]:
    """The rows of the page's tables by command."""
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", PAGE, re.M)
    return dict(rows)


def test_every_command_and_option_is_documented() -> None:
    rows = sections()
    for command, options in commands(build_parser([])):
        assert command in rows, f"docs/commands.md lacks `{command}`"
        for option in options:
            assert f"`{option}`" in rows[command], f"docs/commands.md lacks {option} of `{command}`"


def test_nothing_is_documented_that_is_not_there() -> None:
    known = dict(commands(build_parser([])))
    for command, text in sections().items():
        assert command in known, command
        assert set(re.findall(r"`(--[\w-]+)`", text)) <= set(known[command]) | EVERYWHERE, command
