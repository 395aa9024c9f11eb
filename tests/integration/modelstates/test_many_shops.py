"""Three shops, three vaults on one machine: at the same time, each with its own keys, none with a way into another one's."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.integration.modelstates.conftest import ANNA, Shop, make_shop

from checkvalve.actuators.restic import Repository, ResticError
from checkvalve.engine import vault_restore

NAMES = ("lamps", "shoes", "seeds")


@pytest.fixture
def shops(tmp_path: Path) -> list[Shop]:
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda n: make_shop(tmp_path / n, {"docs": {"kind": "training"}}), NAMES))
    for name, shop in zip(NAMES, made, strict=True):
        shop.write("docs/faq.txt", f"We sell {name}.\n")
    made[0].write("docs/faq.txt", f"Write to {ANNA['email']}.\n")
    return made


def test_three_shops_back_up_at_once_and_none_opens_anothers_repository(shops: list[Shop]) -> None:
    with ExitStack() as servers, ThreadPoolExecutor() as pool:
        targets = [servers.enter_context(shop.server()) for shop in shops]
        list(pool.map(lambda pair: pair[0].take(pair[1]), zip(shops, targets, strict=True)))
        done = list(pool.map(Shop.scan, shops))
        mine, other = targets[0].repository("docs"), targets[1].repository("docs")
        login, _, _ = mine.location.rpartition("@")
        other_server = Repository(
            location=f"{login}@{other.location.rpartition('@')[2]}",
            password_file=mine.password_file,
        )
        with pytest.raises(ResticError) as refused:
            other_server.snapshots()
        stolen = Repository(location=other.location, password_file=mine.password_file)
        with pytest.raises(ResticError) as shut:
            stolen.snapshots()
    assert (refused.value.code, shut.value.code) == ("refused", "wrong_password")
    signed = [state for [one] in done if (state := one.signed)]
    assert len({s.id for s in signed}) == 3
    assert [shop.verdicts() for shop in shops] == [["contaminated"], ["clean"], ["clean"]]
    for shop, state in zip(shops, signed, strict=True):
        assert shop.vault.states() == [state]
        assert vault_restore.verify_states(shop.vault, [state]) == []
    assert len({shop.vault.index_key for shop in shops}) == len({shop.vault.public_key for shop in shops}) == 3
