"""The `checkvalve` command. Exit 0: done or yes; 1: the answer is no; 2: bad usage or bad input, with one line on stderr."""

import argparse
import os
import sys
from importlib import import_module

from checkvalve import __version__
from checkvalve.actuators.restic import ResticError
from checkvalve.actuators.webserver import WebServerError
from checkvalve.cli.output import BAD, complain
from checkvalve.engine.errors import EngineError, JournalError
from checkvalve.exercises.scenario import ScenarioError
from checkvalve.gateway.settings import GatewayError
from checkvalve.incidents.case import IncidentError
from checkvalve.modelstates.errors import ModelStateError
from checkvalve.playbooks.types import PlaybookError
from checkvalve.regimes.law import RegimeError
from checkvalve.regimes.severity import SeverityError

# Command -> module of this package. Only the one that is asked for is imported: a responder should not wait.
COMMANDS = {
    **dict.fromkeys(("up", "core", "gateway"), "serve"),
    "doctor": "doctor",
    **dict.fromkeys(("user", "pair", "subjects"), "people"),
    "evidence": "evidence",
    **dict.fromkeys(("case", "notice"), "cases"),
    **dict.fromkeys(("deadline", "applicability", "severity"), "law"),
    "page": "page",
    "posture": "posture",
    **dict.fromkeys(("readiness", "review", "contract", "residency"), "readiness"),
    "plugin": "plugin",
    "fleet": "fleet",
    "host": "host",
    "playbook": "playbook",
    "detect": "detect",
    "exercise": "exercise",
    "canary": "canary",
    "modelstate": "modelstate",
    "upstream": "upstream",
}

EXPECTED = (
    *(EngineError, GatewayError, IncidentError, PlaybookError, RegimeError, SeverityError, ScenarioError, JournalError),
    *(ModelStateError, ResticError, WebServerError),
)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override] # argparse never returns from it, nor do we
        complain(f"{message}; try: {self.prog} --help")
        raise SystemExit(BAD)


def build_parser(argv: list[str]) -> argparse.ArgumentParser:
    parser = Parser(prog="checkvalve", description="Emergency response for data leaks on shops that run their own LLM.")
    parser.add_argument("--version", action="version", version=f"checkvalve {__version__}")
    parser.set_defaults(data=None, json=False)
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--data", metavar="DIR", help="data directory (default: $CHECKVALVE_DATA or ~/.local/share/checkvalve)")
    common.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--data", metavar="DIR", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    named = next((a for a in argv if a in COMMANDS), None)
    wanted = [COMMANDS[named]] if named else list(dict.fromkeys(COMMANDS.values()))
    for module in wanted:
        import_module(f"checkvalve.cli.{module}").add_parsers(commands, common)
    return parser


def run(argv: list[str] | None = None) -> int:
    given = sys.argv[1:] if argv is None else argv
    if any("\ud800" <= c <= "\udfff" for word in given for c in word):
        complain("an argument is not UTF-8; give names and files in UTF-8")
        return BAD
    arguments = build_parser(given).parse_args(given)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
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
