"""The `checkvalve` command. Exit 0: done or yes; 1: the answer is no; 2: bad usage or bad input, with one line on stderr."""

import argparse
import os
import sys

from checkvalve import __version__
from checkvalve.cli import cases, detect, evidence, law, people, playbook, serve
from checkvalve.cli.output import BAD, complain
from checkvalve.engine.errors import EngineError, JournalError
from checkvalve.gateway.settings import GatewayError
from checkvalve.incidents.case import IncidentError
from checkvalve.playbooks.types import PlaybookError
from checkvalve.regimes.deadline import RegimeError

EXPECTED = (EngineError, GatewayError, IncidentError, PlaybookError, RegimeError, JournalError)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override] # argparse never returns from it, nor do we
        complain(f"{message}; try: {self.prog} --help")
        raise SystemExit(BAD)


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="checkvalve", description="Emergency response for data leaks on shops that run their own LLM.")
    parser.add_argument("--version", action="version", version=f"checkvalve {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", metavar="DIR", help="data directory (default: $CHECKVALVE_DATA or ~/.local/share/checkvalve)")
    common.add_argument("--json", action="store_true", help="print one JSON document")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for module in (serve, people, evidence, cases, law, playbook, detect):
        module.add_parsers(commands, common)
    return parser


def run(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except EXPECTED as error:
        complain(str(error))
        return BAD
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BAD
    except OSError as error:
        complain(f"{error.filename or 'the system'}: {error.strerror or error}")
        return BAD
    return code
