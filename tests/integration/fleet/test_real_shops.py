"""Two real WordPress shops with the plugin: they say what they run, are contained by one order, and are as before."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.integration.fleet.conftest import PASSWORD, Agency
from tests.integration.plugin.conftest import LEAKY, PLUGIN, make, pair
from tests.simulators.fleet import VirtualFleet, wait_until
from tests.simulators.wordpress import Site
from tests.wire.core_process import CoreProcess

from checkvalve.engine import offline
from checkvalve.engine.settings import load_settings
from checkvalve.store.state import open_state

BELOW = ("shops", "not_affected", "unknown")


@pytest.fixture
def real(tmp_path: Path) -> Iterator[tuple[Agency, list[Site]]]:
    core, none = CoreProcess(data=tmp_path / "data").start(), VirtualFleet(0)
    settings = load_settings(core.data)
    shops = [make(tmp_path / name, PLUGIN, LEAKY).start() for name in ("one", "two")]
    state = open_state(settings.state)
    try:
        for shop in shops:
            assert pair(shop, offline.pairing_code(settings, "user:test")).startswith("s-")
        for name in ("anna", "bert"):
            offline.add_user(settings, name, PASSWORD, ("controller",))
        yield Agency(core=core, shops=none, state=state), shops
    finally:
        state.close()
        for shop in shops:
            shop.stop()
        none.stop()
        core.stop()


def leaks(shop: Site) -> bool:
    return httpx2.get(shop.rest_url + "leaky/v1/asking", timeout=60).status_code == 200


def test_two_real_shops_tell_their_versions_and_are_contained_and_freed(real: tuple[Agency, list[Site]]) -> None:
    agency, shops = real

    def counted(below: str, exit_code: int) -> list[int]:
        plan = agency.say("plan", "leaky", "--below", below, exit_code=exit_code)
        return [len(plan[n]) for n in BELOW]

    told = "SELECT count(*) FROM shop_plugins WHERE plugin = 'leaky/leaky.php' AND version = '1.2.3' AND active"

    def both() -> bool:
        with agency.state.read() as db:
            return bool(db.exec_driver_sql(told).scalar_one() == 2)

    wait_until(both, "both shops have said which plugins they have")
    assert counted("1.2.3", 1) == [0, 2, 0]
    assert counted("1.2.3.1", 0) == [2, 0, 0]
    assert [leaks(shop) for shop in shops] == [True, True]
    words = ("run", "leaky", "--below", "1.2.4", "--reason", "a hole", "--by", "anna")
    name = agency.say(*words)["fleet"]
    agency.say("approve", name, "--reason", "agreed", "--by", "bert")
    shown = agency.until(name, "done", "stopped")
    assert (shown["status"], shown["counts"]) == ("done", {"contained": 2})
    assert [leaks(shop) for shop in shops] == [False, False]
    agency.undo(name)
    assert [leaks(shop) for shop in shops] == [True, True]
