"""checkvalve case letters: write to people whose data was shown; the shop itself looks up who they are and sends."""

import argparse
from typing import Any, Final

from checkvalve.cli.output import NO, OK, console, print_json
from checkvalve.cli.people import credentials
from checkvalve.engine import offline
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir, load_settings

SAID: Final = {
    "people": "people with data shown",
    "waiting": "letters wait in the shop",
    "sent": "sent",
    "bounced": "came back",
    "failed": "could not be sent; `--send` tries again",
    "nobody": "have no address in the shop: write by post, or tell the public (Art. 34(3)(c))",
    "withdrawn": "withdrawn before they were sent",
}


def add_parser(actions: Any, common: argparse.ArgumentParser) -> None:
    parser = actions.add_parser("letters", parents=[common], help="letters to people: how many were sent; --send sends them")
    parser.add_argument("case")
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--send", action="store_true", help="have the shop send the letters as `notice draft --regime gdpr_art34` shows them"
    )
    way.add_argument("--withdraw", action="store_true", help="letters that were not sent yet are not sent")
    parser.add_argument("--lang", default="", metavar="de,en", help="in which languages; each person gets theirs, else English")
    parser.add_argument("--reason", metavar="TEXT", help="it stays in the log; no names of customers")
    parser.add_argument("--by", metavar="NAME", help="the controller who says so; the password is asked for")
    parser.set_defaults(run=_letters)


def _letters(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import writing_letters as letters  # slow to import, and every command on cases passes here
    from checkvalve.engine.looking import in_core

    settings = load_settings(data_dir(arguments.data))
    site, found = offline.letters_of(settings, arguments.case)
    if arguments.send or arguments.withdraw:
        if not arguments.by or not arguments.reason:
            raise EngineError("no_reason", "say who and why: --by NAME --reason TEXT")
        password, code = credentials(arguments.by)
        by = offline.person(settings, arguments.by, password, letters.MAY, code, site)
        given = letters.Writing(
            case=arguments.case,
            reason=arguments.reason,
            by=by,
            langs=tuple(arguments.lang.replace(" ", "").split(",")) if arguments.lang else (),
            withdraw=arguments.withdraw,
        )
        found = in_core(settings, letters.PATH, given, lambda core: letters.asked(core, given))
    if arguments.json:
        print_json(found)
    else:
        for name, text in SAID.items():
            if found[name] or name in ("people", "sent"):
                console.print(f"{found[name]:>7}  {text}", soft_wrap=True)
    return OK if found["people"] == found["sent"] else NO
