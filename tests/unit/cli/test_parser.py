"""Usage: each command explains itself, and a mistake is one line and exit 2."""

import pytest
from tests.unit.cli.parser import Path, leaves, values

from checkvalve.cli.main import COMMANDS, build_parser, run

ALL = dict(leaves())


def call(*words: str) -> int:
    try:
        return run(list(words))
    except SystemExit as end:
        return int(end.code or 0)


def test_every_command_is_found_by_its_first_word() -> None:
    assert {path[0] for path in ALL} == set(COMMANDS)
    for path in ALL:  # loaded alone, a command has the same words as among all
        assert path in dict(leaves(build_parser(list(path))))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_names_every_argument(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*path, "--help") == 0
    said = capsys.readouterr()
    assert said.err == ""
    for action in values(ALL[path]):
        positional = action.metavar or (action.dest if action.choices is None else next(iter(action.choices)))
        name = action.option_strings[0] if action.option_strings else str(positional)
        assert name in said.out
    assert "--data DIR" in said.out and "--json" in said.out


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_an_unknown_option_is_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*path, "--no-such-option") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("checkvalve: ") and "--help" in said.err


@pytest.mark.parametrize("words", [(), ("nothing",), ("case",), ("case", "nothing"), ("evidence",), ("--json",)])
def test_a_command_that_is_none_is_one_line(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*words) == 2
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out.startswith("checkvalve ")
