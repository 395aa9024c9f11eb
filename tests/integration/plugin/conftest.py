"""One real WordPress with the plugin, paired with the tests' own core; state is put back between tests."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.plugin.fake_core import FakeCore
from tests.simulators.wordpress import Site, build

HERE = Path(__file__).resolve().parent
PLUGIN = HERE.parents[2] / "wordpress" / "checkvalve"
LEAKY = HERE / "fixtures" / "leaky"
MANYSIDED = HERE / "fixtures" / "manysided"

# Everything but what activation made.
RESET = r"""
global $wpdb;
foreach (Checkvalve\Tables::NAMES as $table) {
    $wpdb->query('DELETE FROM ' . Checkvalve\Tables::name($table));
}
Checkvalve\Orders\StateFile::write(array(), '');
$kept = array('checkvalve_version', 'checkvalve_state', 'checkvalve_probe_product', 'checkvalve_probe_physical');
foreach (array_diff(Checkvalve\Installer::OPTIONS, $kept) as $option) {
    delete_option($option);
}
wp_clear_scheduled_hook('leaky_job');
delete_option('leaky_ran');
"""

PAIR = r"""
$outbox  = new Checkvalve\Outbox\Outbox();
$pairing = new Checkvalve\Pairing(new Checkvalve\Outbox\Core(), $outbox, new Checkvalve\Recorder($outbox));
try {
    echo $pairing->pair($code);
} catch (Checkvalve\Refused $refused) {
    echo $refused->reason(), ': ', $refused->getMessage();
}
"""


@dataclass
class Shop:
    """A paired shop and the core it is paired with."""

    site: Site
    core: FakeCore

    @property
    def sync_url(self) -> str:
        return self.site.rest_url + "checkvalve/v1/sync"

    def pair(self, code: str | None = None) -> str:
        return pair(self.site, code or self.core.code)

    def drain(self) -> None:
        """Everything out, so that a test sees only what it does itself."""
        for _ in range(20):
            status, answer = self.core.sync(self.sync_url)
            assert status == 200, answer
            if answer["outbox"]["pending"] == 0:
                return
        raise AssertionError(f"the outbox does not get empty: {answer}")


def make(directory: Path, *plugins: Path) -> Site:
    """A shop with the contract double, or with the real WooCommerce that the environment names."""
    real, fitting = os.environ.get("CHECKVALVE_TEST_WOOCOMMERCE"), os.environ.get("CHECKVALVE_TEST_WORDPRESS")
    return build(
        directory,
        plugins=plugins,
        woocommerce=Path(real) if real else "double",
        wordpress=Path(fitting) if fitting else None,
    )


def pair(site: Site, code: str) -> str:
    """The site's id, or why not."""
    return site.php(f"$code = '{code}';" + PAIR)


@pytest.fixture(scope="package")
def wordpress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = make(tmp_path_factory.mktemp("plugin") / "shop", PLUGIN, LEAKY)
    site.start()
    yield site
    site.stop()


@pytest.fixture
def core() -> Iterator[FakeCore]:
    made = FakeCore()
    yield made
    made.stop()


@pytest.fixture
def shop(wordpress: Site, core: FakeCore) -> Shop:
    wordpress.php(RESET)
    made = Shop(site=wordpress, core=core)
    assert made.pair() == core.site
    made.drain()
    return made


@pytest.fixture(scope="session")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A paired shop with the gate for direct files, and a plugin that leaks on every surface and takes payments. Shared: a
    test takes its orders back."""
    core = FakeCore()
    site = make(tmp_path_factory.mktemp("fortress") / "shop", PLUGIN, MANYSIDED)
    gate = site.dir / "gate.php"
    gate.write_text(f"<?php @include '{site.plugins / 'checkvalve' / 'gate.php'}';")
    site.start(prepend=gate)
    try:
        made = Shop(site=site, core=core)
        assert made.pair() == core.site
        site.php("flush_rewrite_rules(false);")
        for slug, content in {"many": "[manysided]", "sided": "<!-- wp:manysided/block /-->"}.items():
            page = {
                "post_type": "page",
                "post_status": "publish",
                "post_name": slug,
                "post_title": slug,
                "post_content": content,
            }
            site.php(f"wp_insert_post(json_decode('{json.dumps(page)}', true));")
        made.drain()
        yield made
    finally:
        site.stop()
        core.stop()
