"""checkvalve up | core | gateway. What core needs is imported by it alone: the gateway is to be small and quick to start."""

import argparse
import asyncio
from dataclasses import replace
from typing import Any

from checkvalve import __version__
from checkvalve.cli import supervisor
from checkvalve.cli.output import BAD, OK, complain
from checkvalve.engine.settings import DEFAULT_GATEWAY, DEFAULT_LISTEN, Settings, data_dir, load_settings, save_settings
from checkvalve.gateway import app as gateway_app
from checkvalve.gateway.pairing import pair
from checkvalve.gateway.settings import GatewaySettings, save_credentials, server_address


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    up = commands.add_parser("up", parents=[common], help="core and gateway on this machine")
    up.add_argument("--listen", default=DEFAULT_LISTEN, metavar="ADDR", help="console and sensors (default: %(default)s)")
    up.add_argument("--gateway-listen", default=DEFAULT_GATEWAY, metavar="ADDR", help="model gateway (default: %(default)s)")
    up.add_argument("--upstream", required=True, metavar="URL", help="the model server, e.g. http://127.0.0.1:8080")
    up.add_argument("--public-url", metavar="URL", help="how shops and people reach core (default: http://<listen>)")
    up.add_argument("--gateway-url", metavar="URL", help="how shops reach the gateway (default: http://<gateway-listen>)")
    up.add_argument("--sync-seconds", type=float, default=5.0, metavar="S", help="how often shops are asked (default: 5)")
    up.set_defaults(run=_up)

    core = commands.add_parser("core", parents=[common], help="core alone (as `up` starts it)")
    core.add_argument("--listen", default=DEFAULT_LISTEN, metavar="ADDR")
    core.set_defaults(run=_core)

    gateway = commands.add_parser("gateway", parents=[common], help="the gateway alone, on the model's host")
    gateway.add_argument("--core", metavar="URL", help="core's address (taken from --pair the first time)")
    gateway.add_argument("--upstream", required=True, metavar="URL", help="the model server")
    gateway.add_argument("--listen", default=DEFAULT_GATEWAY, metavar="ADDR")
    gateway.add_argument("--pair", metavar="CODE", help="pairing code from `checkvalve pair`")
    gateway.add_argument("--name", default="gateway", help="this gateway's name (default: %(default)s)")
    gateway.set_defaults(run=_gateway)


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) < 65536:
        raise SystemExit(_bad(f"{text!r} is not an address like 127.0.0.1:8470"))
    return host.strip("[]"), int(port)


def _bad(text: str) -> int:
    complain(text)
    return BAD


def _up(arguments: argparse.Namespace) -> int:
    listen, gateway = arguments.listen, arguments.gateway_listen
    address(listen), address(gateway), server_address(arguments.upstream)
    settings = Settings(
        data=data_dir(arguments.data),
        listen=listen,
        public_url=(arguments.public_url or f"http://{listen}").rstrip("/"),
        gateway_url=(arguments.gateway_url or f"http://{gateway}").rstrip("/"),
        sync_seconds=arguments.sync_seconds,
    )
    return supervisor.up(settings, gateway, arguments.upstream.rstrip("/"))


def _core(arguments: argparse.Namespace) -> int:
    from checkvalve.engine.core import open_core
    from checkvalve.web.app import serve

    settings = load_settings(data_dir(arguments.data))
    if settings.listen != arguments.listen:  # started by hand at another address: that is where sensors reach it
        settings = replace(settings, listen=arguments.listen, public_url=f"http://{arguments.listen}")
        save_settings(settings)
    supervisor.end_with_parent()
    serve(open_core(settings), *address(arguments.listen))
    return OK


def _gateway(arguments: argparse.Namespace) -> int:
    directory = data_dir(arguments.data) / "gateway"
    core_file = directory / "core-url"
    supervisor.end_with_parent()
    if arguments.pair:
        core, credentials = asyncio.run(pair(arguments.pair, arguments.name, __version__))
        save_credentials(directory, credentials)
        core_file.write_text(core)
    core = arguments.core or (core_file.read_text() if core_file.exists() else "")
    if not core:
        return _bad("give --core URL, or --pair CODE the first time")
    host, port = address(arguments.listen)
    gateway_app.serve(
        GatewaySettings(
            core=core.rstrip("/"), upstream=arguments.upstream.rstrip("/"), host=host, port=port, directory=directory
        )
    )
    return OK
