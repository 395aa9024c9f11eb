"""checkvalve case run: a person starts a playbook on a case."""

import argparse
from typing import Any

from checkvalve.cli.output import OK, console, print_json
from checkvalve.engine.settings import data_dir, load_settings
from checkvalve.playbooks.loader import names


def add_parser(actions: Any, common: argparse.ArgumentParser) -> None:
    run = actions.add_parser("run", parents=[common], help="start another playbook on a case")
    run.add_argument("case")
    run.add_argument("playbook", help=f"one of: {', '.join(names())}")
    run.add_argument("--by", default="cli", metavar="NAME", help="who asks for it, as the log is to say (default: cli)")
    run.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import responding  # slow to import, and every command on cases passes here
    from checkvalve.engine.looking import in_core

    wanted = responding.Starting(case=arguments.case, playbook=arguments.playbook, by=f"user:{arguments.by[:60]}")
    settings = load_settings(data_dir(arguments.data))
    answer = in_core(settings, responding.PATH, wanted, lambda core: responding.start(core, wanted))
    if arguments.json:
        print_json(answer)
    else:
        console.print(f"{answer['run']} was started: log entry {answer['entry']}")
    return OK
