"""checkvalve host: the hand at the web server, on the shop's own host. It needs neither core nor its data there."""

import argparse
import asyncio
import base64
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from checkvalve import __version__
from checkvalve.actuators import gate
from checkvalve.actuators.host import Host, HostSettings, HostState, holding, pair
from checkvalve.actuators.webserver import Checkout, WebServerError, fragment
from checkvalve.actuators.webserver_files import current
from checkvalve.cli.output import NO, OK, complain, console, print_json
from checkvalve.engine.settings import data_dir, load_settings, make_private, write_private

EVERY_S: Final = 2.0
TEST: Final = {"nginx": "sudo -n /usr/sbin/nginx -t", "apache": "sudo -n /usr/sbin/apachectl configtest"}
RELOAD: Final = {"nginx": "sudo -n /usr/bin/systemctl reload nginx", "apache": "sudo -n /usr/bin/systemctl reload apache2"}


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    host = commands.add_parser("host", help="the hand at the shop's web server, for when its PHP is not to be trusted")
    actions = host.add_subparsers(dest="action", metavar="ACTION", required=True)
    made = actions.add_parser("pair", parents=[common], help="pair this host with core, for one shop")
    made.add_argument("code", help="what `checkvalve pair` printed on core's machine")
    made.add_argument("--site-url", required=True, metavar="URL", help="the shop's address as its plugin was paired with")
    made.add_argument("--server", required=True, choices=("nginx", "apache", "prepend"))
    made.add_argument(
        "--include", required=True, metavar="DIR", help="the directory given to it; the server includes *.conf there"
    )
    made.add_argument(
        "--test", metavar="COMMAND", help="tests the configuration (default: nginx -t or apachectl configtest, by sudo)"
    )
    made.add_argument("--reload", metavar="COMMAND", help="has the server read it (default: systemctl reload, by sudo)")
    made.add_argument("--look", action="append", default=[], metavar="URL", help="must go on answering; may be repeated")
    made.add_argument("--page", action="append", metavar="PATH", help="a page of the checkout (default: /checkout/ and /cart/)")
    made.add_argument("--webhook", action="append", metavar="PATH", help="where payment services call (default: /wc-api/)")
    made.set_defaults(run=_pair)
    run = actions.add_parser("run", parents=[common], help="fetch orders and make them so, until stopped")
    run.add_argument("--once", action="store_true", help="one turn; says whether core answered")
    run.set_defaults(run=_run)
    gate = actions.add_parser("gate", parents=[common], help="print the PHP file for auto_prepend_file (--server prepend)")
    gate.add_argument(
        "--chain", metavar="FILE", help="what auto_prepend_file names today, a firewall's as a rule; runs afterwards"
    )
    gate.set_defaults(run=_gate)
    book = actions.add_parser(
        "runbook", parents=[common], help="print what to do by hand at a shop's web server; on core's machine"
    )
    book.add_argument("--site", metavar="SITE", help="which shop (default: the only one)")
    book.add_argument("--server", required=True, choices=("nginx", "apache"))
    book.add_argument("--root", default="/var/www/html", metavar="DIR", help="where WordPress is (default: /var/www/html)")
    book.add_argument(
        "--include", metavar="DIR", help="the directory for rules (default: checkvalve.d beside the server's own)"
    )
    book.add_argument("--call", action="append", default=[], metavar="LINE", help="who to call, with a number; may be repeated")
    book.add_argument("--page", action="append", metavar="PATH", help="a page of the checkout (default: /checkout/ and /cart/)")
    book.add_argument("--webhook", action="append", metavar="PATH", help="where payment services call (default: /wc-api/)")
    book.set_defaults(run=_runbook)
    actions.add_parser("status", parents=[common], help="what holds here now").set_defaults(run=_status)
    actions.add_parser("lift", parents=[common], help="end every order here, without core").set_defaults(run=_lift)


def _directory(arguments: argparse.Namespace) -> Path:
    return data_dir(arguments.data) / "host"


def _pair(arguments: argparse.Namespace) -> int:
    include = Path(arguments.include).resolve()
    if not include.is_dir():
        raise WebServerError(f"{include} is no directory", "Make it, and let the server include *.conf there")
    secret, _, core = arguments.code.strip().partition("@")
    host = core.partition("//")[2] or core
    if "://" not in core:
        core = f"{'http' if host.split(':')[0] in ('127.0.0.1', 'localhost') else 'https'}://{core}"
    if not secret or not host:
        raise WebServerError("that is not a pairing code", "It looks like K7QM-2XPD-9FHR@https://core.example.com:8470")
    checkout = _checkout(arguments)

    async def ask() -> tuple[dict[str, Any], Any]:
        async with aiohttp.ClientSession() as session:
            return await pair(session, core.rstrip("/"), secret, arguments.site_url, __version__)

    said, key = asyncio.run(ask())
    settings = HostSettings(
        core=core.rstrip("/"),
        site=said["site"],
        keyid=said["keyid"],
        private_key=base64.b64encode(key.private_bytes_raw()).decode(),
        core_public_key=said["core_public_key"],
        next_sequence=said["next_sequence"],
        server=arguments.server,
        include=str(include),
        test=tuple(shlex.split(arguments.test or TEST.get(arguments.server, ""))),
        reload=tuple(shlex.split(arguments.reload or RELOAD.get(arguments.server, ""))),
        looks=tuple(arguments.look),
        pages=checkout.pages,
        webhooks=checkout.webhooks,
    )
    directory = _directory(arguments)
    make_private(directory.parent)
    make_private(directory)
    write_private(directory / "host.json", msgspec.json.encode(settings))
    if arguments.json:
        print_json({"site": settings.site, "keyid": settings.keyid, "include": settings.include})
    else:
        console.print(f"paired as {settings.keyid}; now: checkvalve host run", soft_wrap=True)
    return OK


def _settings(directory: Path) -> HostSettings:
    try:
        return msgspec.json.decode((directory / "host.json").read_bytes(), type=HostSettings)
    except (FileNotFoundError, msgspec.DecodeError) as error:
        raise WebServerError("this host is not paired", "Run `checkvalve host pair CODE …`") from error


def _state(directory: Path) -> HostState:
    try:
        return msgspec.json.decode((directory / "state.json").read_bytes(), type=HostState)
    except FileNotFoundError:
        return HostState()
    except msgspec.DecodeError as error:
        raise WebServerError("host/state.json cannot be read", "Move it away; core tells the orders again") from error


def _run(arguments: argparse.Namespace) -> int:
    directory = _directory(arguments)
    settings, state = _settings(directory), _state(directory)

    async def work() -> int:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)  # type: ignore[union-attr]
        async with aiohttp.ClientSession() as session:
            host = Host(settings, state, lambda s: write_private(directory / "state.json", msgspec.json.encode(s)), session)
            told: str | None = None
            while True:
                reached = await host.turn()
                if host.problem != told and host.problem:
                    complain(host.problem)
                told = host.problem
                if arguments.once:
                    return OK if reached and not told else NO
                await asyncio.sleep(EVERY_S)

    try:
        return asyncio.run(work())
    except asyncio.CancelledError:
        return OK


def _gate(arguments: argparse.Namespace) -> int:
    settings = _settings(_directory(arguments))
    chain = Path(arguments.chain).resolve() if arguments.chain else None
    if chain is not None and not chain.is_file():
        raise WebServerError(f"{chain} is no file", "Look for auto_prepend_file in php.ini, .user.ini and .htaccess")
    text = gate.source(
        site=settings.site,
        core_public_key=base64.b64decode(settings.core_public_key),
        file=settings.place.file,
        checkout=settings.checkout,
        chain=chain,
    )
    print_json({"file": text}) if arguments.json else sys.stdout.write(text)
    return OK


def _checkout(arguments: argparse.Namespace) -> Checkout:
    """What is meant by the checkout, checked."""
    made = Checkout(pages=tuple(arguments.page or Checkout().pages), webhooks=tuple(arguments.webhook or Checkout().webhooks))
    fragment([{"jti": "x", "action": "maintenance", "args": {}}], made)
    return made


def _runbook(arguments: argparse.Namespace) -> int:
    from checkvalve.engine import runbook  # slow to import, and not needed on the shop's host

    wanted = runbook.Wanted(
        site=arguments.site,
        server=arguments.server,
        root=arguments.root,
        include=arguments.include,
        checkout=_checkout(arguments),
        calls=tuple(arguments.call),
    )
    text = runbook.text(load_settings(data_dir(arguments.data)), wanted, time.time_ns() // 1_000_000)
    print_json({"text": text}) if arguments.json else sys.stdout.write(text)
    return OK


def _status(arguments: argparse.Namespace) -> int:
    directory = _directory(arguments)
    settings, state = _settings(directory), _state(directory)
    live, _, _ = holding(settings, state, int(time.time()))
    orders = [f"{jti} {live[jti]['action']}" for jti in sorted(live)] if current(settings.place) is not None else []
    found = {"site": settings.site, "server": settings.server, "in_force": orders, "untold": len(state.waiting)}
    if arguments.json:
        print_json(found)
    else:
        console.print("\n".join(orders) if orders else "no order holds here", soft_wrap=True)
    return OK


def _lift(arguments: argparse.Namespace) -> int:
    """Each order is kept as lifted, so that core's next word of it does not put it back."""
    directory = _directory(arguments)
    settings, state = _settings(directory), _state(directory)

    async def work() -> list[str]:
        async with aiohttp.ClientSession() as session:
            host = Host(settings, state, lambda s: write_private(directory / "state.json", msgspec.json.encode(s)), session)
            return await host.lift()

    lifted = asyncio.run(work())
    if arguments.json:
        print_json({"lifted": lifted})
    else:
        console.print(f"{len(lifted)} orders are lifted here", soft_wrap=True)
    return OK
