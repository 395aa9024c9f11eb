"""Containment under customers: does anybody fail to buy while a step is taken and taken back? `-m benchmarks.containment`.

A real WordPress with a plugin that leaks on every surface, four customers who buy without a pause (Store API and classic form,
goods that are shipped and goods that are not), and orders as core signs them: every width of isolation and a sample of the
other hands. Each is pushed, attacked at once, held while customers go on, released, and attacked again. Some arrive by the
shop's own fetching instead, as where core cannot reach it and PHP can let visitors go. A checkout that failed counts against
the steps; the first span, without any, says how many fail anyway. There is no peer: no other product takes a step between two
checkouts. CHECKVALVE_TEST_WOOCOMMERCE and CHECKVALVE_TEST_WORDPRESS as in the tests.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
from benchmarks.report import machine, tell
from tests.conftest import make_shop
from tests.integration.plugin.conftest import MANYSIDED, PLUGIN, pair
from tests.integration.plugin.fake_core import FakeCore
from tests.simulators.shopper import ShopError, Shopper
from tests.simulators.wordpress import Site

SHOPPERS: Final = 4
HELD_S: Final = 2.0
BEFORE_S: Final = 20.0  # of buying without any step
FETCHES: Final = 5
FETCH_PATIENCE_S: Final = 60.0
ROUNDS: Final = 2
LEAK: Final = "data of another person"
REST: Final = ("GET", "wp-json/manysided/v1/ask", None)
AJAX: Final = ("POST", "wp-admin/admin-ajax.php", {"action": "manysided"})
INIT: Final = ("POST", "", {"manysided": "init"})
SHORTCODE: Final = ("GET", "many/", None)
FILE: Final = ("GET", "wp-content/plugins/manysided/direct.php", None)
PATCH: Final = {"method": "POST", "path": "*", "parameter": "manysided", "pattern": "^init$"}

Attack = tuple[str, str, dict[str, str] | None]
# what is ordered, and an attack that it closes
STEPS: Final[tuple[tuple[str, dict[str, Any], Attack], ...]] = (
    *(("isolate_plugin", {"plugin": "manysided", "mode": m}, INIT) for m in ("surface", "except_checkout", "everywhere")),
    ("block_route", {"route": "/manysided/v1"}, REST),
    ("block_ajax", {"action": "manysided"}, AJAX),
    ("block_shortcode", {"shortcode": "manysided"}, SHORTCODE),
    ("block_path", {"path": "wp-content/plugins/manysided"}, FILE),
    ("patch_request", PATCH, INIT),
)
LETS_GO: Final = "<?php if (PHP_SAPI !== 'cli') { function litespeed_finish_request() { return true; } }"


@dataclass(slots=True)
class Customers:
    """Threads that buy until they are stopped; when each checkout began and ended, and why it failed."""

    url: str
    products: list[int]
    done: list[tuple[float, float, str]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._buy, args=(n,), daemon=True) for n in range(SHOPPERS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(120)

    def failed(self, since: float, until: float) -> list[str]:
        return [why for began, ended, why in self.done if why and began < until and ended > since]

    def _buy(self, number: int) -> None:
        turn = number
        while not self._over.is_set():
            began, why = time.monotonic(), ""
            try:
                self._once(self.products[turn % 2], classic=turn // 2 % 2 == 1)
            except (ShopError, httpx2.HTTPError, ValueError) as error:
                why = f"{type(error).__name__}: {error}"[:200]
            self.done.append((began, time.monotonic(), why))
            turn += 1

    def _once(self, product: int, *, classic: bool) -> None:
        with Shopper(self.url, by="cookie" if classic else "token") as shopper:
            if classic:
                shopper.classic(product)
            else:
                shopper.add(product)
                shopper.checkout()


def leaks(site: Site, attack: Attack) -> bool:
    method, path, body = attack
    return LEAK in httpx2.request(method, f"{site.url}/{path}", data=body, timeout=60, follow_redirects=True).text


def pushed(site: Site, core: FakeCore, action: str, args: dict[str, Any], attack: Attack) -> dict[str, float]:
    """One step and its roll-back under load; seconds until each had an effect. Ends the benchmark when it had none."""
    order = core.order(action, args)
    took = {"order": _push(site, core, order, lambda: not leaks(site, attack), f"{action} closed nothing")}
    time.sleep(HELD_S)
    release = core.order("release", {"jti": _jti(order)})
    took["release"] = _push(site, core, release, lambda: leaks(site, attack), f"{action} was not taken back")
    return took


def _push(site: Site, core: FakeCore, order: str, effect: Callable[[], bool], otherwise: str) -> float:
    """The attack begins when the shop has answered; it is the next request, and must see the effect."""
    began = time.monotonic()
    status, answer = core.sync(site.rest_url + "checkvalve/v1/sync", [order])
    took = time.monotonic() - began
    if status != 200 or answer["applied"][0]["status"] != "done" or not effect():
        raise SystemExit(f"{otherwise}: {answer}")
    return took


def fetched(site: Site, core: FakeCore) -> float:
    """Seconds until an order that nobody pushes has an effect, because visitors' requests bring it in."""
    order = core.order("block_route", {"route": "/manysided/v1"})
    core.orders = [order]
    began = time.monotonic()
    while leaks(site, REST):
        if time.monotonic() - began > FETCH_PATIENCE_S:
            raise SystemExit("an order was not fetched")
        time.sleep(0.1)
    took = time.monotonic() - began
    core.orders = []
    core.sync(site.rest_url + "checkvalve/v1/sync", [core.order("release", {"jti": _jti(order)})])
    return took


def alone(site: Site) -> None:
    """As if core had not come for longer than a minute."""
    site.php("Checkvalve\\Outbox\\Flusher::remember(array('synced' => time() - 120));")


def _jti(order: str) -> str:
    from tests.integration.engine.scene import payload_of

    return str(payload_of(order)["jti"])


def shop(directory: Path, core: FakeCore) -> Site:
    site = make_shop(directory / "shop", PLUGIN, MANYSIDED)
    gate = site.dir / "gate.php"
    gate.write_text(f"<?php @include '{site.plugins / 'checkvalve' / 'gate.php'}';")
    site.start(prepend=gate)
    if pair(site, core.code) != core.site:
        raise SystemExit("the plugin did not pair")
    site.php("flush_rewrite_rules(false);")
    site.php("$beans = wc_get_product(wc_get_product_id_by_sku('beans')); $beans->set_stock_quantity(100000); $beans->save();")
    page = "'post_type' => 'page', 'post_status' => 'publish', 'post_name' => 'many', 'post_content' => '[manysided]'"
    site.php(f"wp_insert_post(array({page}, 'post_title' => 'many'));")
    return site


def measure(directory: Path) -> dict[str, Any]:
    core = FakeCore()
    site = shop(directory, core)
    products = [int(site.php(f"echo wc_get_product_id_by_sku('{sku}');")) for sku in ("beans", "course")]
    customers = Customers(url=site.url, products=products)
    now = machine(woocommerce=site.woocommerce, shoppers=SHOPPERS)
    orders: list[float] = []
    releases: list[float] = []
    try:
        customers.start()
        began = time.monotonic()
        time.sleep(BEFORE_S)
        first = time.monotonic()
        for action, args, attack in STEPS * ROUNDS:
            took = pushed(site, core, action, args, attack)
            orders.append(took["order"])
            releases.append(took["release"])
        last = time.monotonic()
        (site.root / "wp-content" / "mu-plugins" / "lets-go.php").write_text(LETS_GO)
        polls = []
        for _ in range(FETCHES):
            alone(site)
            polls.append(fetched(site, core))
    finally:
        customers.stop()
        with suppress(Exception):
            site.stop()
        core.stop()
    failures = customers.failed(first, last)
    for why in failures:
        print(f"failed: {why}", file=sys.stderr)
    return {
        "machine": now,
        "figures": {
            "steps": len(orders),
            "checkouts": sum(1 for b, e, _ in customers.done if b < last and e > first),
            "checkouts_failed": len(failures),
            "checkouts_failed_before": len(customers.failed(began, first)),
            "checkouts_a_minute": round(60 * len(customers.done) / (customers.done[-1][1] - began), 1),
            "pushed_ms_p50": round(1000 * statistics.median(orders)),
            "pushed_ms_p95": round(1000 * _p95(orders)),
            "rolled_back_ms_p95": round(1000 * _p95(releases)),
            "fetched_s_p50": round(statistics.median(polls), 1),
            "fetched_s_most": round(max(polls), 1),
        },
        "peers": {},
    }


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[18]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".containment-") as directory:
        result = measure(Path(directory))
    tell(result, as_json=arguments.json)


if __name__ == "__main__":
    main()
