"""What the WordPress plugin costs a page: server CPU of one request, in milliseconds. `python -m benchmarks.plugin --json`.

Three copies of one shop, without the plugin, with it, and with an order in force, are asked in turn, so that noise on the
machine meets all three. PHP itself says how much CPU a request took, from wp-config.php to the end of its last shutdown
function; the client and the network are not in it. Figures: the product page (records nothing) and the Store API's cart
(records one event). Peers: the same requests without the plugin. CHECKVALVE_TEST_WOOCOMMERCE and CHECKVALVE_TEST_WORDPRESS
as in the tests.
"""

import argparse
import json
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

from benchmarks.report import machine
from tests.conftest import make_shop
from tests.integration.plugin.conftest import LEAKY, PLUGIN, pair
from tests.integration.plugin.fake_core import FakeCore
from tests.simulators.wordpress import Site

SECONDS: Final = 30  # of asking; making the shops comes before it
MOST_ROUNDS: Final = 400
WARM_UP: Final = 4
TARGET_MS: Final = 1.0
# Goes in front of wp-config.php; the inner function is the last of all shutdown functions.
METER: Final = """<?php
$checkvalve_meter = static function () {
    $used = getrusage();
    $of   = static fn($kind) => $used["ru_$kind.tv_sec"] * 1e3 + $used["ru_$kind.tv_usec"] / 1e3;
    return $of('utime') + $of('stime');
};
$checkvalve_start = $checkvalve_meter();
register_shutdown_function(static function () use ($checkvalve_meter, $checkvalve_start) {
    register_shutdown_function(static function () use ($checkvalve_meter, $checkvalve_start) {
        file_put_contents('{file}', $checkvalve_meter() - $checkvalve_start);
    });
});
?>"""


class Metered:
    """A running shop that tells the CPU milliseconds of each request."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.used = site.dir / "used"
        config = site.root / "wp-config.php"
        config.write_text(METER.replace("{file}", str(self.used)) + config.read_text())
        site.start()
        self.product = site.php("echo get_permalink(wc_get_product_id_by_sku('beans'));")

    def cost(self, url: str) -> float:
        self.used.unlink(missing_ok=True)
        with urllib.request.urlopen(url, timeout=30) as answer:
            answer.read()
        end = time.monotonic() + 5
        while not self.used.exists() or not self.used.stat().st_size:
            if time.monotonic() > end:
                raise SystemExit(f"{url} left no figure")
            time.sleep(0.001)
        return float(self.used.read_text())

    def costs(self) -> dict[str, float]:
        return {"page": self.cost(self.product), "cart": self.cost(self.site.rest_url + "wc/store/v1/cart")}


def shops(directory: Path, core: FakeCore) -> dict[str, Metered]:
    made = {
        "without": Metered(make_shop(directory / "without", LEAKY)),
        "present": Metered(make_shop(directory / "present", PLUGIN, LEAKY)),
        "in_force": Metered(make_shop(directory / "in_force", PLUGIN, LEAKY)),
    }
    for name in ("present", "in_force"):
        site = made[name].site
        if pair(site, core.code) != core.site:
            raise SystemExit("the plugin did not pair")
        orders = [core.order("isolate_plugin", {"plugin": "leaky"}, ttl=3600)] if name == "in_force" else []
        status, answer = core.sync(site.rest_url + "checkvalve/v1/sync", orders)
        if status != 200 or [told["status"] for told in answer["applied"]] != ["done"] * len(orders):
            raise SystemExit(f"the order was not taken: {answer}")
    return made


def measure(directory: Path) -> dict[str, Any]:
    core = FakeCore()
    running: dict[str, Metered] = {}
    try:
        running = shops(directory, core)
        taken = ask_in_turn(running)
    finally:
        for shop in running.values():
            shop.site.stop()
        core.stop()
    p50 = {name: {kind: statistics.median(values) for kind, values in kinds.items()} for name, kinds in taken.items()}
    extra = {
        f"{kind}_{name}_extra_ms_p50": round(statistics.median(_differences(taken, name, kind)), 2)
        for kind in ("page", "cart")
        for name in ("present", "in_force")
    }
    extra |= {
        f"{kind}_{name}_extra_ms_p10": round(_low(taken[name][kind]) - _low(taken["without"][kind]), 2)
        for kind in ("page", "cart")
        for name in ("present", "in_force")
    }
    return {
        "machine": machine(woocommerce=running["without"].site.woocommerce, rounds=len(taken["without"]["page"])),
        "figures": extra
        | {f"{kind}_{n}_ms_p50": round(p50[n][kind], 2) for kind in ("page", "cart") for n in ("present", "in_force")},
        "peers": {f"{kind}_without_ms_p50": round(p50["without"][kind], 2) for kind in ("page", "cart")},
    }


def ask_in_turn(running: dict[str, Metered]) -> dict[str, dict[str, list[float]]]:
    taken: dict[str, dict[str, list[float]]] = {name: {"page": [], "cart": []} for name in running}
    end = time.monotonic() + SECONDS
    names = list(running)
    for number in range(MOST_ROUNDS):
        if time.monotonic() > end:
            break
        for name in names[number % 3 :] + names[: number % 3]:  # each is first, second and last equally often
            for kind, cost in running[name].costs().items():
                if number >= WARM_UP:
                    taken[name][kind].append(cost)
    return taken


def _low(values: list[float]) -> float:
    """The tenth percentile: what a request costs when nobody disturbs it; other load only ever adds."""
    return statistics.quantiles(values, n=10)[0]


def _differences(taken: dict[str, dict[str, list[float]]], name: str, kind: str) -> list[float]:
    """What a request cost more than its neighbour of the same round without the plugin."""
    return [mine - bare for mine, bare in zip(taken[name][kind], taken["without"][kind], strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        result = measure(Path(directory))
    if as_json:
        print(json.dumps(result))
        return
    for name, value in (result["figures"] | result["peers"]).items():
        over = "  over the target" if name.endswith("extra_ms_p50") and value > TARGET_MS else ""
        print(f"{name:32} {value:>8}{over}")


if __name__ == "__main__":
    main()
