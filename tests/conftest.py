"""What tests share: the shop (real WordPress with the contract double, or with a real WooCommerce) and the real model.

CHECKVALVE_TEST_WOOCOMMERCE and CHECKVALVE_TEST_WORDPRESS name the directories of a built WooCommerce and of a WordPress
that fits it; then every test that wants a shop gets those. Without PHP these tests fail and say what to install.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.simulators import processes, wordpress
from tests.simulators.model import Model
from tests.simulators.wordpress import Site

HERE = Path(__file__).resolve().parent
ASSISTANT = HERE / "simulators" / "shop-assistant"


def real_woocommerce() -> tuple[Path | None, Path | None]:
    """Directories of the real WooCommerce and its WordPress, as the environment names them."""
    found = [os.environ.get(f"CHECKVALVE_TEST_{name}") for name in ("WOOCOMMERCE", "WORDPRESS")]
    woocommerce, fitting = (Path(value) if value else None for value in found)
    return woocommerce, fitting


def make_shop(directory: Path, *plugins: Path) -> Site:
    """A shop on the WooCommerce that the environment names, else on the contract double."""
    woocommerce, fitting = real_woocommerce()
    return wordpress.build(directory, plugins=plugins, woocommerce=woocommerce or "double", wordpress=fitting)


def pytest_report_header() -> str:
    woocommerce, fitting = real_woocommerce()
    if woocommerce is None:
        return f"shop: contract double of WooCommerce on WordPress {wordpress.WORDPRESS_VERSION}, SQLite"
    head = (woocommerce / "woocommerce.php").read_text("utf-8", "replace")
    version = re.search(r"^\s*\*\s*Version:\s*(\S+)", head, re.MULTILINE)
    where = fitting or f"WordPress {wordpress.WORDPRESS_VERSION}"
    return f"shop: REAL WooCommerce {version[1] if version else '?'} on {where}, SQLite"


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    return processes.free_port()


@pytest.fixture(scope="session")
def shop_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running shop with the vulnerable assistant, shared by the whole session: leave it as it was found."""
    site = make_shop(tmp_path_factory.mktemp("site") / "shop", ASSISTANT)
    recorder = HERE / "integration" / "shop" / "recorder.php"
    shutil.copyfile(recorder, site.root / "wp-content" / "mu-plugins" / recorder.name)
    site.start()
    yield site
    site.stop()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """The real local model."""
    with Model.start(log=tmp_path_factory.mktemp("model") / "model.log") as running:
        yield running
