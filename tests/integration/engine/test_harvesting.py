"""Who asks about many people is named, also when an order kept every answer back."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.engine.scene import PLUGIN, Scene, scene, wait
from tests.simulators.simulated.shop import ASK
from tests.wire.core_process import CoreProcess

from checkvalve.engine.harvesting import PEOPLE, REFUSALS
from checkvalve.events import event as ocsf


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Scene]:
    with scene(CoreProcess(data=tmp_path / "data")) as made:
        yield made


def kept_back(staged: Scene, session: str | None, first: int, last: int) -> None:
    """An order kept these people's data from a visitor, each in an answer of its own."""
    own = {"site": staged.shop.sensor.site, "plugin": PLUGIN, "route": ASK, "model": "smollm2", "session": session}
    for number in range(first, last):
        one: dict[str, object] = {"subject": f"customer:{number}", "category": "email", "recipient": "anonymous"}
        one |= {"inference": f"inf-{session}-{number}", "seen_ms": time.time_ns() // 1_000_000}
        staged.gateway.tell(ocsf.DETECTION_FINDING, **own, inference_id=str(one["inference"]), withheld=[one])
    wait(lambda: staged.rows("SELECT 1 FROM attempts WHERE inference = ?", f"inf-{session}-{last - 1}"), "it is digested")


def refused(staged: Scene, session: str, times: int) -> None:
    """An order refused a visitor's requests."""
    caller = {"plugin": PLUGIN, "route": ASK, "session": session}
    for number in range(times):
        now = time.time_ns() // 1_000_000
        inference = {"id": f"no-{session}-{number}", "outcome": "refused", "caller": caller, "started_ms": now, "ended_ms": now}
        staged.gateway.tell(
            ocsf.API_ACTIVITY, site=staged.shop.sensor.site, plugin=PLUGIN, session=session, inference=inference
        )
    wait(lambda: staged.rows("SELECT 1 FROM inferences WHERE id = ?", f"no-{session}-{times - 1}"), "it is digested")


def test_a_session_that_asks_about_many_opens_a_case_once_and_names_itself(staged: Scene) -> None:
    kept_back(staged, "s-one", 0, PEOPLE - 1)
    kept_back(staged, "s-two", 0, PEOPLE - 1)
    kept_back(staged, "s-one", 0, 3)  # the same people again
    kept_back(staged, None, 0, PEOPLE * 2)  # of these nobody can say that they are one
    assert staged.case() is None
    kept_back(staged, "s-one", PEOPLE - 1, PEOPLE + 5)
    shown = staged.respond()
    assert [(s["kind"], s["what"]) for s in shown["case"]["signs"]] == [("harvesting", "s-one")]
    assert shown["case"]["subjects"] == 0, "nobody was shown anything"
    assert shown["scope"]["prevented"]["subjects"] >= 1
    playbooks = [t["data"]["playbook"] for t in shown["transitions"] if t["kind"] == "containment_started"]
    assert playbooks == ["caller-harvests-data"]
    assert len(staged.rows("SELECT 1 FROM sightings WHERE kind = 'harvesting'")) == 1

    # Who is refused again and again is named when it asked about half as many people; who is only refused is not.
    kept_back(staged, "s-three", 0, PEOPLE - 2)
    refused(staged, "s-four", 3 * REFUSALS)
    refused(staged, "s-three", 2 * REFUSALS - 1)
    assert len(staged.rows("SELECT 1 FROM sightings WHERE kind = 'harvesting'")) == 1
    staged.gateway.tell(
        ocsf.API_ACTIVITY,
        site=staged.shop.sensor.site,
        inference={
            "id": "last",
            "outcome": "refused",
            "caller": {"session": "s-three"},
            "started_ms": time.time_ns() // 1_000_000,
        },
    )
    wait(lambda: len(staged.rows("SELECT 1 FROM sightings WHERE kind = 'harvesting'")) == 2, "the second is named")
    assert staged.rows("SELECT what FROM sightings WHERE kind = 'harvesting' AND what = 's-three'")
