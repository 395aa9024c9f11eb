"""The shop of the demo: a real WordPress where PHP is to be had, else a simulated one on the same wire."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2
from tests.simulators import prepare, shop_data, wordpress
from tests.simulators.downloads import DownloadError
from tests.simulators.shop_data import Person
from tests.simulators.shopper import Shopper
from tests.simulators.simulated import SimulatedShop
from tests.simulators.wordpress import Site

from demo.home import DemoError

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "wordpress" / "checkvalve"
ASSISTANT = ROOT / "tests" / "simulators" / "shop-assistant"
ASK = "shop-assistant/v1/ask"


class Shop(Protocol):
    """What the demo needs of a shop."""

    @property
    def kind(self) -> str: ...  # "wordpress" | "simulated"

    @property
    def woocommerce(self) -> str: ...  # "real" | "double" | "simulated"

    @property
    def url(self) -> str: ...

    @property
    def ask_url(self) -> str: ...

    def load(self, customers: int, guests: int, orders: int) -> list[Person]: ...

    def use_model(self, gateway: str, model: str) -> None: ...

    def pair(self, code: str) -> None:
        """As the shop owner does it."""
        ...

    def buy(self) -> str:
        """One customer's checkout; the order's number, or an exception."""
        ...

    def stop(self) -> None: ...


@dataclass(slots=True)
class RealShop:
    """WordPress with WooCommerce (or its contract double), the vulnerable assistant and the Checkvalve plugin."""

    site: Site
    product: int
    kind: str = "wordpress"

    @classmethod
    def open(cls, directory: Path) -> "RealShop":
        shutil.rmtree(directory, ignore_errors=True)
        site = wordpress.build(directory, plugins=[PLUGIN, ASSISTANT]).start()
        ids = site.php_json("echo json_encode(wc_get_products(array('return' => 'ids', 'status' => 'publish')));")
        return cls(site=site, product=int(ids[0]))

    @property
    def woocommerce(self) -> str:
        return self.site.woocommerce or "none"

    @property
    def url(self) -> str:
        return self.site.url

    @property
    def ask_url(self) -> str:
        return self.site.rest_url + ASK

    def load(self, customers: int, guests: int, orders: int) -> list[Person]:
        return shop_data.load(self.site, customers=customers, guests=guests, orders=orders)

    def use_model(self, gateway: str, model: str) -> None:
        self.site.php(
            f"update_option('shop_assistant_endpoint', '{gateway}/v1');update_option('shop_assistant_model', '{model}');"
        )

    def pair(self, code: str) -> None:
        """Log in to wp-admin and type the code into Tools, Checkvalve."""
        with httpx2.Client(base_url=self.site.url, timeout=60, follow_redirects=True) as browser:
            browser.get("/wp-login.php")
            login = {"log": self.site.admin.login, "pwd": self.site.admin.password, "testcookie": "1"}
            browser.post("/wp-login.php", data=login)
            page = browser.get("/wp-admin/tools.php?page=checkvalve").text
            nonce = re.search(r'name="_wpnonce" value="([^"]+)"', page)
            if nonce is None:
                raise RuntimeError("the plugin's page has no pairing form")
            form = {"action": "checkvalve_pair", "_wpnonce": nonce.group(1), "code": code}
            answer = browser.post("/wp-admin/admin-post.php", data=form).text
        if "Paired. Core knows this shop" not in answer:
            raise RuntimeError("the plugin did not pair")

    def buy(self) -> str:
        with Shopper(self.site.url) as shopper:
            shopper.add(self.product)
            return str(shopper.checkout().id)

    def stop(self) -> None:
        self.site.stop()


def wanted_shop() -> str:
    """What DEMO_SHOP asks for: wordpress, simulated, or any."""
    wanted = os.environ.get("DEMO_SHOP") or "any"
    if wanted not in ("any", "wordpress", "simulated"):
        raise DemoError(f"DEMO_SHOP must be wordpress or simulated, not {wanted!r}.")
    return wanted


def open_shop(directory: Path, wanted: str) -> tuple[Shop, str | None]:
    """The best shop this machine can run, and why it is not the real one, if so."""
    if wanted == "simulated":
        return SimulatedShop.open(directory), "DEMO_SHOP asks for it"
    if prepare.install(["php", "npm"]):
        try:
            return RealShop.open(directory), None
        except DownloadError as error:
            lacking = str(error)
    else:
        lacking = "; ".join(prepare.missing(["php", "npm"]).values())
    if wanted == "wordpress":
        raise DemoError(f"DEMO_SHOP=wordpress, but: {lacking}")
    return SimulatedShop.open(directory), lacking
