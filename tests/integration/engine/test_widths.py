"""How narrowly a plugin is isolated follows from what the log says of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from checkvalve.engine import roles, widths
from checkvalve.engine.core import open_core
from checkvalve.engine.settings import Settings, save_settings
from checkvalve.incidents.case import Incident
from checkvalve.store.schema import incidents, orders, transitions
from checkvalve.store.state import State, open_state

SITE = "s-aaaaaaaaaaaa"
NOW = 1_790_000_000_000
TRIED = [
    {"plugin": "pay/pay.php", "depends": True, "breaks": "methods gone", "steps": ["except_checkout"]},
    {"plugin": "talk/talk.php", "depends": False, "breaks": None, "steps": ["surface", "everywhere"]},
    {"plugin": "ship/ship.php", "depends": True, "breaks": "no shipping", "steps": []},
]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    settings = Settings(data=tmp_path / "data")
    open_core(settings).close()
    save_settings(settings)
    assert roles.keep(settings, {"site": SITE, "plugins": TRIED}, "user:test") >= 0
    found = open_state(settings.state)
    yield found
    found.close()


def case(plugin: str | None) -> Incident:
    return Incident(
        id="INC-2026-0001",
        site=SITE,
        title="",
        status="containment",
        severity="high",
        opened_ms=NOW,
        first_seen_ms=NOW,
        detected_ms=NOW,
        last_seen_ms=NOW,
        plugin=plugin,
        route=None,
        model=None,
    )


def ordered(db: Connection, jti: str, args: dict[str, Any], **more: Any) -> None:
    row = {"jti": jti, "site": SITE, "hand": "wordpress", "action": "isolate_plugin", "args": args, "jws": "", "issued_ms": NOW}
    row |= {"expires_ms": NOW + 3_600_000, "incident": "INC-2026-0001", "reported": "done"}
    db.execute(insert(orders).values(**row | more))


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        ("pay", ["except_checkout"]),
        ("pay/pay.php", ["except_checkout"]),
        ("talk", ["surface", "everywhere"]),
        ("ship", []),  # no width leaves the checkout open: a person's
        ("never-tried", ["surface", "except_checkout", "everywhere"]),
        (None, []),
    ],
)
def test_only_widths_with_which_the_checkout_was_seen_to_work_are_tried(
    state: State, plugin: str | None, expected: list[str]
) -> None:
    with state.read() as db:
        assert widths.to_try(db, case(plugin), NOW) == expected


def test_a_width_in_force_while_data_is_shown_is_not_enough_and_one_that_ended_is_tried_again(state: State) -> None:
    with state.begin() as db:
        ordered(db, "a", {"plugin": "talk", "mode": "surface"})
        assert widths.to_try(db, case("talk"), NOW) == ["everywhere"]
        assert widths.to_try(db, case("talk"), NOW + 3_600_001) == ["surface", "everywhere"]


def test_an_order_that_was_taken_back_or_refused_says_nothing(state: State) -> None:
    with state.begin() as db:
        ordered(db, "a", {"plugin": "talk", "mode": "surface"}, released_by="r")
        ordered(db, "b", {"plugin": "talk"}, reported="refused")
        assert widths.to_try(db, case("talk"), NOW) == ["surface", "everywhere"]


def test_a_width_under_which_sales_fell_is_not_tried_again(state: State) -> None:
    said = {
        "order": "a",
        "action": "isolate_plugin",
        "args": {"plugin": "talk", "mode": "surface"},
        "why": "",
        "taken_back": True,
    }
    with state.begin() as db:
        db.execute(insert(incidents).values(id="INC-2026-0001", site=SITE, open=True, opened_ms=NOW, state={}))
        row = {"id": "t", "position": 0, "incident": "INC-2026-0001", "kind": "trade_suffered", "at_ms": NOW, "by": "core"}
        db.execute(insert(transitions).values(**row, entries=[], data=said))
        assert widths.to_try(db, case("talk"), NOW) == ["everywhere"]


def test_variables_name_each_width_and_leave_out_what_is_not_there() -> None:
    assert widths.variables(["surface"]) == {"narrowest": "surface", "wider": None, "widest": None}
    assert widths.variables([*widths.WIDTHS, "more"]) == dict(zip(widths.VARIABLES, widths.WIDTHS, strict=True))
