"""python -m demo: a leak through the shop's chatbot is seen, stopped with the checkout open, scoped and drafted.

DEMO_EXIT=1 stops after the summary and exits 0 only if every line of it holds.
"""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tests.simulators import model as local_model
from tests.simulators.model import Model

from demo.actors import Attacker, Customers, Reply, exposed
from demo.checkvalve import USER, Installation, command
from demo.shop import ROOT, Shop, open_shop
from demo.summary import Summary

HOME = ROOT / ".demo"
CONSOLE_PORT = int(os.environ.get("DEMO_CONSOLE_PORT", "8470"))
GATEWAY_PORT = int(os.environ.get("DEMO_GATEWAY_PORT", "8471"))
PATIENCE_S = 90

console = Console(highlight=False)


def main() -> int:
    started = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(mode=0o700)
    running: list[Any] = []
    try:
        return run(started, running)
    except KeyboardInterrupt:
        console.print("\nstopped")
        return 130
    finally:
        for thing in reversed(running):
            thing.stop()


def run(started: float, running: list[Any]) -> int:
    with console.status("A real local model: SmolLM2 on llama.cpp (the first time: 130 MB to fetch) …"):
        model = Model.start(log=HOME / "model.log")
    running.append(model)
    console.print(f"[green]✓[/green] model    {local_model.NAME} at {model.url}")

    with console.status("A shop (the first time: PHP and 160 MB of WordPress to fetch) …"):
        shop, why_simulated = open_shop(HOME / "shop")
    running.append(shop)
    if why_simulated:
        console.print(f"[yellow]![/yellow] shop     SIMULATED, over the same wire: {why_simulated}")
    else:
        console.print(f"[green]✓[/green] shop     {shop.kind}, WooCommerce: {shop.woocommerce}, at {shop.url}")

    with console.status("Checkvalve: core and gateway …"):
        checkvalve = Installation.up(
            HOME / "data", HOME / "checkvalve.log", console_port=CONSOLE_PORT, gateway_port=GATEWAY_PORT, upstream=model.url
        )
        running.append(checkvalve)
        people = shop.load(customers=8, guests=4, orders=20)
        shop.use_model(checkvalve.gateway, local_model.NAME)
        shop.pair(checkvalve.json("pair")["code"])
        checkvalve.enter_organisation()
    console.print(f"[green]✓[/green] core     paired with the shop; console at {checkvalve.console}")
    with console.status("The shop tells its people, as keyed pseudonyms …"):
        _wait(lambda: checkvalve.register_size() >= len(people), "the register did not fill")
    console.print(f"[green]✓[/green] register {len(people)} people, none of them in clear\n")

    replies, customers, case = respond(checkvalve, shop)
    summary = measure(checkvalve, shop, replies, customers, people, case, time.monotonic() - started)
    console.print()
    console.print(_story(case))
    summary.show(console)
    summary.write(HOME / "summary.json")
    console.print(f"draft    {summary.draft}\nbundle   {summary.bundle}\nsummary  {HOME / 'summary.json'}", soft_wrap=True)
    if os.environ.get("DEMO_EXIT"):
        return 0 if summary.good else 1
    console.print(f"\nThe incident is open at [bold]{checkvalve.console}/incidents/{case['case']['id']}[/bold]")
    console.print(f"log in as [bold]{USER}[/bold] with [bold]{escape(checkvalve.password)}[/bold]. Ctrl-C stops everything.")
    while True:
        time.sleep(1)


def respond(checkvalve: Installation, shop: Shop) -> tuple[list[Reply], Customers, dict[str, Any]]:
    """The attack and the response, side by side with customers who go on buying."""
    customers = Customers(shop.buy)
    customers.start()
    attacker = Attacker(shop.ask_url)
    console.print("[bold]A stranger talks to the shop's assistant.[/bold]")
    attacker.attack(_tell)
    with console.status("Checkvalve finishes its playbook …"):
        _wait(lambda: _finished(checkvalve), "the playbook did not finish")
    customers.stop()
    case = checkvalve.json("case", "show", checkvalve.json("case", "list")["cases"][0]["id"])
    return attacker.replies, customers, case


def _tell(reply: Reply) -> None:
    if reply.status == 200 and reply.answer:
        text = " ".join(reply.answer.split())[:110]
        console.print(f"  [red]assistant:[/red] {escape(text)}…", soft_wrap=True)
    else:
        console.print(f"  [green]refused[/green] (HTTP {reply.status})")


def _finished(checkvalve: Installation) -> bool:
    cases = checkvalve.json("case", "list")["cases"]
    if not cases:
        return False
    shown = checkvalve.json("case", "show", cases[0]["id"])
    kinds = [t["kind"] for t in shown["transitions"]]
    return "run_finished" in kinds and kinds.index("run_finished") < len(kinds) - 1 - kinds[::-1].index("draft_ready")


def _wait(done: Any, complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"demo: {complaint} within {PATIENCE_S} s; see {HOME}/*.log")
        time.sleep(0.2)


def measure(
    checkvalve: Installation,
    shop: Shop,
    replies: list[Reply],
    customers: Customers,
    people: list[Any],
    case: dict[str, Any],
    seconds: float,
) -> Summary:
    """Figures from the evidence, held against what the script itself saw."""
    incident = case["case"]
    first = incident["first_seen_ms"]
    draft_ms = next((t["at_ms"] for t in case["transitions"] if t["kind"] == "draft_ready"), None)
    bundle, draft = HOME / f"{incident['id']}.zip", HOME / f"{incident['id']}-art33.pdf"
    command(checkvalve.data, "case", "export", incident["id"], "--output", str(bundle))
    command(checkvalve.data, "notice", "draft", incident["id"], "--format", "pdf", "--output", str(draft))
    caught, where = _tamper(checkvalve.data, bundle)
    probes = [s for s in case["steps"] if s["kind"] == "probe"]
    return Summary(
        detect_ms=incident["detected_ms"] - first,
        contain_ms=incident["contained_ms"] - first if incident["contained_ms"] else None,
        draft_ms=draft_ms - first if draft_ms else None,
        subjects_counted=case["scope"]["confirmed"]["subjects"],
        subjects_true=len(exposed(people, replies)),
        checkouts_attempted=customers.attempted + len(probes),
        checkouts_failed=len(customers.failures) + sum(s["status"] != "done" for s in probes),
        probes=len(probes),
        evidence_ok=command(checkvalve.data, "evidence", "verify", str(bundle)).returncode == 0,
        tamper_caught=caught,
        tamper_where=where,
        shop=shop.kind,
        woocommerce=shop.woocommerce,
        model=local_model.NAME,
        bundle=bundle,
        draft=draft,
        seconds=seconds,
    )


def _tamper(data: Path, bundle: Path) -> tuple[bool, str]:
    """Change one byte in the middle of a copy; verification must fail and say where."""
    changed = bytearray(bundle.read_bytes())
    changed[len(changed) // 2] ^= 1
    copy = bundle.with_suffix(".tampered.zip")
    copy.write_bytes(changed)
    done = command(data, "evidence", "verify", str(copy))
    places = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
    return done.returncode == 1 and bool(places), places[0] if places else ""


def _story(case: dict[str, Any]) -> Table:
    """What happened, in order, with times from the first leaked token."""
    first = case["case"]["first_seen_ms"]
    table = Table(
        "after", "what happened", "result", title="What happened", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    happened = [(first, "first token with a customer's data", "seen in the stream")]
    happened += [(t["at_ms"], t["kind"].replace("_", " "), "") for t in case["transitions"]]
    ended = [s for s in case["steps"] if s["ended_ms"]]
    happened += [(s["ended_ms"], f"{s['kind']}: {s['data']['name']}", s["outcome"]["detail"]) for s in ended]
    for at, what, result in sorted(happened, key=lambda h: h[0]):
        table.add_row(f"{(at - first) / 1000:.2f} s", what, result)
    return table


if __name__ == "__main__":
    sys.exit(main())
