"""checkvalve case approve | reject: a person's word on a step that waits for it."""

import argparse
import time
from typing import Any, Final

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.cli.people import credentials
from checkvalve.engine import offline
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import Settings, data_dir, load_settings

MAX_WAIT: Final = 600


def add_parsers(actions: Any, common: argparse.ArgumentParser) -> None:
    for word, text in (("approve", "let a step be done that waits for a person"), ("reject", "have a step left out")):
        parser = actions.add_parser(word, parents=[common], help=text)
        parser.add_argument("case")
        parser.add_argument("--step", metavar="ID", help="which one (default: the only one that waits)")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="it stays in the log; no names of customers")
        parser.add_argument("--by", required=True, metavar="NAME", help="who says so; the password is asked for")
        parser.add_argument(
            "--wait", type=int, default=30, metavar="S", help="how long to wait for what comes of it (default: 30)"
        )
        parser.set_defaults(run=_answer, approved=word == "approve")


def _answer(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import responding  # slow to import, and every command on cases passes here
    from checkvalve.engine.looking import in_core

    settings = load_settings(data_dir(arguments.data))
    step = _step(settings, arguments.case, arguments.step)
    password, code = credentials(arguments.by)
    by = offline.person(settings, arguments.by, password, step.roles, code, step.site)
    given = responding.Answering(command=step.command, approved=arguments.approved, reason=arguments.reason, by=by)
    answer = in_core(settings, responding.ANSWER_PATH, given, lambda core: responding.answered(core, given))
    came = (
        _came_of(settings, step.command, min(max(arguments.wait, 0), MAX_WAIT))
        if answer["taken"] and arguments.approved
        else None
    )
    done = None if came is None else {"name": came[0], "status": came[1]}
    if arguments.json:
        print_json({"step": step.command, "taken": answer["taken"], "said": answer["outcome"]["detail"], "done": done})
    elif not answer["taken"]:
        console.print(f"too late: {answer['outcome']['detail']}", soft_wrap=True)
    else:
        console.print(f"{step.name}: {answer['outcome']['detail']}", soft_wrap=True)
        if arguments.approved:
            console.print(
                f"{done['name']}: {done['status']}" if done else "under way; see `checkvalve case show`", soft_wrap=True
            )
    return OK if answer["taken"] else NO


def _step(settings: Settings, case: str, wanted: str | None) -> Any:
    from checkvalve.engine.responding import waiting

    with offline.opened(settings) as state, state.read() as db:
        found = waiting(db, case)
    named = [w for w in found if wanted in (None, w.command)]
    if len(named) != 1:
        known = "; ".join(f"{w.command} ({w.name})" for w in found) or "none"
        raise EngineError("not_found", f"give one step that waits, with --step; waiting now: {known}")
    return named[0]


def _came_of(settings: Settings, command: str, seconds: int) -> tuple[str, str] | None:
    from checkvalve.engine.responding import came_of

    end = time.monotonic() + seconds
    with offline.opened(settings) as state:
        while True:
            with state.read() as db:
                found = came_of(db, command)
            if found or time.monotonic() >= end:
                return found
            time.sleep(0.5)
