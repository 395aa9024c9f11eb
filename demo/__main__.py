"""python -m demo: a leak through the shop's chatbot is seen, stopped with the checkout open, scoped and drafted.

Environment (all optional):

    DEMO_EXIT=1           stop after the summary and exit 0 only if every line of it holds, 1 if not, 2 if it could not run
    DEMO_SHOP             wordpress | simulated; otherwise WordPress, and the simulation where there is no PHP
    DEMO_HOME             directory for this run's files instead of .demo
    DEMO_CONSOLE_PORT     instead of 8470        DEMO_GATEWAY_PORT  instead of 8471
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.markup import escape
from rich.text import Text
from tests.simulators import model as local_model
from tests.simulators.downloads import DownloadError
from tests.simulators.model import Model
from tests.simulators.processes import ServerError
from tests.simulators.shop_data import Person
from tests.simulators.wordpress import SiteError

from demo import home as demo_home
from demo.actors import Attacker, Customers, Reply
from demo.checkvalve import USER, Installation
from demo.home import DemoError
from demo.shop import ROOT, Shop, open_shop, wanted_shop
from demo.story import story
from demo.summary import Run, measure

PATIENCE_S = 120
STEADY_S = 2  # the count has not changed for so long

console = Console(highlight=False)


def main() -> int:
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    home = Path(os.environ.get("DEMO_HOME") or ROOT / ".demo").absolute()
    try:
        with demo_home.opened(home), ExitStack() as running:
            running.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)  # what was started is ended, however often asked
            return run(home, running)
    except KeyboardInterrupt:
        console.print("\nStopped, and everything that was started with it.")
        return 130
    except (DemoError, DownloadError, ServerError, SiteError) as error:
        return _cannot(str(error))
    except httpx2.HTTPError as error:
        return _cannot(f"{error.request.url.copy_with(query=None)}: {error}; see {home}/*.log")


def _cannot(why: str) -> int:
    Console(stderr=True, highlight=False).print(f"[red]demo:[/red] {escape(why)}", soft_wrap=True)
    return 2


def run(home: Path, running: ExitStack) -> int:
    started = time.monotonic()
    ports = {
        "console_port": demo_home.port("DEMO_CONSOLE_PORT", 8470),
        "gateway_port": demo_home.port("DEMO_GATEWAY_PORT", 8471),
    }
    checkvalve, shop, people = start(home, ports, wanted_shop(), running)
    attacker, customers, case = respond(checkvalve, shop)
    seconds = time.monotonic() - started
    result = Run(home=home, attacker=attacker, customers=customers, people=people, case=case, seconds=seconds)
    summary = measure(checkvalve, shop, result)
    console.print()
    console.print(story(case))
    console.print()
    summary.show(console)
    summary.write(home / "summary.json")
    files = {"draft": summary.draft, "bundle": summary.bundle, "summary": home / "summary.json"}
    console.print("\n" + "\n".join(f"{name:8} {path}" for name, path in files.items()), soft_wrap=True)
    if os.environ.get("DEMO_EXIT"):
        return 0 if summary.good else 1
    console.print(f"\nThe incident is open at [bold]{checkvalve.console}/incidents/{case['case']['id']}[/bold]", soft_wrap=True)
    console.print(f"Log in as [bold]{USER}[/bold] with [bold]{escape(checkvalve.password)}[/bold]. Ctrl-C stops everything.")
    while True:
        time.sleep(1)


def start(home: Path, ports: dict[str, int], wanted: str, running: ExitStack) -> tuple[Installation, Shop, list[Person]]:
    """Model, shop and Checkvalve, paired; and who the shop's people are."""
    with console.status("A real local model: SmolLM2 on llama.cpp (the first time: 130 MB to fetch) …"):
        model = Model.start(log=home / "model.log")
        running.callback(model.stop)
    _done("model", f"{local_model.NAME} at {model.url}")
    with console.status("A shop (the first time: PHP and 160 MB of WordPress to fetch) …"):
        shop, why_simulated = open_shop(home / "shop", wanted)
        running.callback(shop.stop)
    if why_simulated:
        console.print(f"[yellow]! shop     SIMULATED, not WordPress: {escape(why_simulated)}[/yellow]", soft_wrap=True)
        console.print(f"           on the same wire, at {shop.url}", soft_wrap=True)
    else:
        _done("shop", f"{shop.kind}, WooCommerce: {shop.woocommerce}, at {shop.url}")
    with console.status("Checkvalve: core and gateway …"):
        checkvalve = Installation.up(home / "data", home / "checkvalve.log", **ports, upstream=model.url)
        running.callback(checkvalve.stop)
        people = shop.load(customers=8, guests=4, orders=20)
        shop.use_model(checkvalve.gateway, local_model.NAME)
        shop.pair(checkvalve.json("pair")["code"])
        checkvalve.enter_organisation()
    _done("core", f"paired with the shop; console at {checkvalve.console}")
    with console.status("The shop tells its people, as keyed pseudonyms …"):
        _wait(lambda: checkvalve.register_size() >= len(people), f"the register did not fill; see {home}/checkvalve.log")
    _done("register", f"{len(people)} people, none of them in clear")
    return checkvalve, shop, people


def respond(checkvalve: Installation, shop: Shop) -> tuple[Attacker, Customers, dict[str, Any]]:
    """The attack and the response, side by side with customers who go on buying."""
    customers, attacker = Customers(shop.buy), Attacker(shop.ask_url, _tell)
    console.print("\n[bold]A stranger opens three chats with the shop's assistant. Customers go on buying.[/bold]")
    customers.start()
    attacker.attack()
    with console.status("Checkvalve finishes its playbook …"):
        _wait(lambda: _finished(checkvalve), "the playbook did not finish")
        customers.stop()
        case: str = checkvalve.json("case", "list")["cases"][0]["id"]
        _settle(lambda: checkvalve.scope(case))
    return attacker, customers, checkvalve.json("case", "show", case)


def _done(what: str, text: str) -> None:
    console.print(f"[green]✓[/green] {what:8} {text}", soft_wrap=True)


def _tell(reply: Reply) -> None:
    """One line of the screen for each answer."""
    line = Text(f"  {reply.chat:8}")
    if reply.answer:
        line.append("assistant: ", "red").append(" ".join(reply.answer.split()))
    elif reply.status in (403, 404):
        line.append(f"closed (HTTP {reply.status})", "green")
    else:
        line.append(f"no answer (HTTP {reply.status})" if reply.status else "no answer", "yellow")
    console.print(line, no_wrap=True, overflow="ellipsis")


def _finished(checkvalve: Installation) -> bool:
    """Whether the playbook has ended and a draft was made after it."""
    cases = checkvalve.json("case", "list")["cases"]
    shown = checkvalve.json("case", "show", cases[0]["id"]) if cases else {"transitions": []}
    kinds = [t["kind"] for t in shown["transitions"]]
    return "run_finished" in kinds and "draft_ready" in kinds[kinds.index("run_finished") :]


def _settle(count: Callable[[], Any]) -> None:
    """Return when everything seen has been counted: nothing is on its way and the count stays the same."""
    last, since = count(), time.monotonic()

    def steady() -> bool:
        nonlocal last, since
        if (now := count()) is None or now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > STEADY_S

    _wait(steady, "the count does not come to rest")


def _wait(done: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            raise DemoError(f"after {PATIENCE_S} s: {complaint}")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
