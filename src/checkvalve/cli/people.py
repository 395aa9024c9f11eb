"""checkvalve user | pair | subjects."""

import argparse
import getpass
import secrets
import sys
from typing import Any

from checkvalve.cli.output import OK, console, print_json
from checkvalve.engine import offline, totp
from checkvalve.engine.accounts import ROLES
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import data_dir, load_settings


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    user = commands.add_parser("user", help="people who may log in").add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    add = user.add_parser("add", parents=[common], help="add a person; the password is asked for, or read from stdin")
    add.add_argument("name")
    add.add_argument("--role", action="append", choices=ROLES, help="may be given several times (default: incident_lead)")
    add.set_defaults(run=_user_add)
    add.add_argument("--site", action="append", metavar="SITE", help="sees this shop alone; may be repeated (default: all)")
    second = user.add_parser("second-factor", parents=[common], help="a new secret for somebody's authenticator app")
    second.add_argument("name")
    second.add_argument("--remove", action="store_true", help="log-in needs no code any more, as for a lost telephone")
    second.set_defaults(run=_second_factor)
    listed = user.add_parser("list", parents=[common], help="who may log in")
    listed.set_defaults(run=_user_list)

    pair = commands.add_parser("pair", parents=[common], help="a pairing code for a shop or gateway, good for 15 minutes")
    pair.set_defaults(run=_pair)

    subjects = commands.add_parser("subjects", help="the register of the shop's people")
    actions = subjects.add_subparsers(dest="action", metavar="ACTION", required=True)
    put = actions.add_parser("import", parents=[common], help="JSONL of people into the register, as keyed pseudonyms")
    put.add_argument("file")
    put.add_argument("--site", help="which shop (default: the only one)")
    put.set_defaults(run=_import)


def _user_add(arguments: argparse.Namespace) -> int:
    roles = tuple(arguments.role or ["incident_lead"])
    shops = tuple(arguments.site) if arguments.site else None
    offline.add_user(load_settings(data_dir(arguments.data)), arguments.name, _password(), roles, shops)
    if arguments.json:
        print_json({"name": arguments.name, "roles": roles, "sites": shops})
    else:
        console.print(f"{arguments.name} may log in as {', '.join(roles)}")
    return OK


def credentials(name: str) -> tuple[str, str]:
    """Password and one-time code: asked for, or the first two lines of stdin; the code is empty when there is none."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n"), sys.stdin.readline().strip()
    return getpass.getpass(f"Password of {name}: "), input("Code of the authenticator app (empty if there is none): ").strip()


def _second_factor(arguments: argparse.Namespace) -> int:
    secret = None if arguments.remove else totp.encoded(secrets.token_bytes(totp.SECRET_BYTES))
    offline.second_factor(load_settings(data_dir(arguments.data)), arguments.name, secret)
    uri = None if secret is None else totp.uri(secret, arguments.name)
    if arguments.json:
        print_json({"name": arguments.name, "uri": uri})
    elif uri:
        console.print(f"{uri}\nPut this into the app now; it is not shown again.", soft_wrap=True)
    else:
        console.print(f"{arguments.name} logs in without a code")
    return OK


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password (12 characters or more): ")
    if getpass.getpass("Once more: ") != first:
        raise EngineError("mismatch", "the two passwords differ")
    return first


def _user_list(arguments: argparse.Namespace) -> int:
    names = offline.user_names(load_settings(data_dir(arguments.data)))
    if arguments.json:
        print_json({"users": names})
    else:
        console.print("\n".join(names) or "nobody yet; add someone with `checkvalve user add NAME`")
    return OK


def _pair(arguments: argparse.Namespace) -> int:
    code = offline.pairing_code(load_settings(data_dir(arguments.data)), "user:cli")
    if arguments.json:
        print_json({"code": code})
    else:
        console.print(f"[bold]{code}[/bold]")
        console.print(
            "Shop: WordPress, Tools, Checkvalve (or: wp checkvalve pair CODE). Gateway: --pair CODE. 15 minutes, once."
        )
    return OK


def _import(arguments: argparse.Namespace) -> int:
    people = offline.read_people(offline.read_file(arguments.file).splitlines())
    done = offline.import_subjects(load_settings(data_dir(arguments.data)), people, arguments.site)
    if arguments.json:
        print_json(done)
    else:
        console.print(f"{done.people} people with {done.identifiers} identifiers are in the register of {done.site}")
    return OK
