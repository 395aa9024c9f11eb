"""One order for many shops: staged, probed, rolled back, stopped, undone, and gone on with after a crash."""

from pathlib import Path

from tests.integration.engine import log
from tests.integration.fleet.conftest import Agency, agency
from tests.simulators.fleet import wait_until


def test_three_hundred_shops_are_contained_once_each_though_core_is_killed_twice(tmp_path: Path) -> None:
    with agency(tmp_path / "data", 300) as made:
        plan = made.say("plan", "shop-assistant", "--below", "1.9.299")
        assert (len(plan["shops"]), plan["stages"], len(plan["not_affected"])) == (299, [1, 30, 268], 1)
        assert made.isolated == 0
        name = made.order("--for", "1h")
        for part in (40, 150):
            wait_until(lambda part=part: made.isolated >= part, f"{part} shops are contained")
            made.kill()
        shown = made.until(name, "done", "stopped")
        assert (shown["status"], shown["counts"], shown["why"]) == ("done", {"contained": 300}, "")
        assert [sum(s["stage"] == n for s in shown["shops"]) for n in (1, 2, 3)] == [1, 30, 269]
        assert {len(shop.heard) for shop in made.shops.shops} == {1}
        probes = [o for shop in made.shops.shops for o in shop.store.orders.values()]
        assert {(o.probe, o.status) for o in probes} == {(True, "cancelled")}
        undone = made.undo(name)
        assert (undone["counts"], made.isolated) == ({"undone": 300}, 0)
        assert {len(shop.heard) for shop in made.shops.shops} == {2}  # the isolation and its release
        made.core.stop()
        made.state.close()
        assert log.replayed(made.core.data, tmp_path / "copy") == log.reduced(made.core.data)


def test_a_failing_checkout_is_taken_back_and_ends_the_order_before_it_reaches_the_others(whole: Agency) -> None:
    for shop in whole.shops.shops:
        shop.broken = True
    name = whole.order()
    shown = whole.until(name, "stopped")
    assert shown["counts"] == {"pending": 23, "rolled_back": 1}
    (failed,) = [s for s in shown["shops"] if s["status"] == "rolled_back"]
    assert (failed["stage"], failed["why"]) == (1, "checkout: the shop answered 500 (internal_server_error)")
    assert failed["site"] in shown["why"]
    assert shown["why"].startswith("stage 1: 1 of its shops failed")
    assert failed["rollback_ms"] < 5000
    assert whole.isolated == 0
    assert sum(bool(shop.heard) for shop in whole.shops.shops) == 1


def test_those_that_fail_are_rolled_back_alone_while_no_more_fail_than_agreed(whole: Agency) -> None:
    planned = [shop["site"] for shop in whole.say("plan", "shop-assistant", "--below", "2.0")["shops"]]
    broken = planned[10:12]
    for site in broken:
        whole.shops.by_site(site).broken = True
    stopped = whole.until(whole.order(), "done", "stopped")
    assert (stopped["status"], stopped["stage"]) == ("stopped", 3)
    whole.undo(stopped["fleet"])
    name = whole.order("--tolerate", "10")
    shown = whole.until(name, "done", "stopped")
    assert shown["counts"] == {"contained": 22, "rolled_back": 2}
    assert {s["site"] for s in shown["shops"] if s["status"] == "rolled_back"} == set(broken)
    assert whole.isolated == 22
    whole.undo(name)


def test_a_shop_that_does_not_answer_is_named_and_picked_up_when_it_comes_back(whole: Agency) -> None:
    lost = whole.shops.shops[3:6]
    for shop in lost:
        shop.away = True
    name = whole.order()
    wait_until(lambda: whole.isolated == 21, "the others are contained")
    wait_until(lambda: whole.seen(name)["counts"].get("away") == 3, "three are away")
    shown = whole.seen(name)
    assert {s["site"] for s in shown["shops"] if s["status"] == "away"} == {shop.sensor.site for shop in lost}
    assert all(s["why"].startswith("the shop cannot be reached") for s in shown["shops"] if s["status"] == "away")
    assert shown["status"] == "running"
    for shop in lost:
        shop.away = False
    assert whole.until(name, "done")["counts"] == {"contained": 24}
    assert all(len(shop.heard) == 1 and len(shop.store.orders) >= 2 for shop in lost)
    whole.undo(name)


def test_a_checkout_that_failed_before_does_not_keep_the_hole_open(whole: Agency) -> None:
    whole.shops.shops[4].store.products.clear()
    try:
        name = whole.order("--tolerate", "0")
        shown = whole.until(name, "done", "stopped")
        assert shown["counts"] == {"contained": 24}
        (noted,) = [s for s in shown["shops"] if s["why"]]
        assert (noted["site"], noted["why"][:34]) == (whole.shops.shops[4].sensor.site, "the checkout had failed before: pr")
        whole.undo(name)
    finally:
        whole.shops.shops[4].store.__post_init__()


def test_nobody_orders_for_many_shops_alone_nor_for_shops_they_do_not_see(whole: Agency) -> None:
    asked = whole.say("run", "shop-assistant", "--below", "2.0", "--reason", "a hole", "--by", "anna")
    assert asked["status"] == "asked"
    for who, why in (("anna", "second_person"), ("client", "does not see every shop"), ("watcher", "no role of")):
        refused = whole.say("approve", asked["fleet"], "--reason", "yes", "--by", who, exit_code=2)
        assert why in refused["error"]
    mine = [shop.sensor.site for shop in whole.shops.shops[1:3]]
    seen = whole.say("status", asked["fleet"], "--as", "client")
    assert sorted(s["site"] for s in seen["shops"]) == sorted(mine)
    assert not [s.sensor.site for s in whole.shops.shops if s.sensor.site not in mine and s.sensor.site in str(seen)]
    own = whole.order(by="client")
    assert sorted(s["site"] for s in whole.until(own, "done")["shops"]) == sorted(mine)
    assert whole.isolated == 2
    whole.undo(own)
    assert whole.say("stop", asked["fleet"], "--reason", "no need", "--by", "anna")["status"] == "stopped"
    assert "too_late" in whole.say("approve", asked["fleet"], "--reason", "yes", "--by", "bert", exit_code=2)["error"]
    assert all(not shop.heard or shop.sensor.site in mine for shop in whole.shops.shops)


def test_what_makes_no_sense_is_refused_in_one_line(whole: Agency) -> None:
    common = ("--reason", "a hole", "--by", "anna")
    for words, why in (
        (("run", "no-such-plugin", *common), "no shop runs no-such-plugin"),
        (("run", "shop-assistant", "--below", "0.1", *common), "no shop runs shop-assistant"),
        (("run", "shop-assistant", "--order", "erase_everything", *common), "action is none of"),
        (("run", "shop-assistant", "--arg", "mode", *common), "--arg is NAME=VALUE"),
        (("run", "shop-assistant", "--for", "ever", *common), "--for is a number"),
        (("run", "shop-assistant", "--for", "90d", *common), "seven days"),
        (("stop", "fleet-9999", *common), "there is no 'fleet-9999'"),
        (("run", "shop-assistant", "--reason", " ", "--by", "anna"), "say why"),
    ):
        error = whole.say(*words, exit_code=2)["error"]
        assert why in error
        assert len(error.splitlines()) == 1
