"""A shop floods core with events while another leaks: the leak is seen within seconds, and the flood is kept whole."""

import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.engine.scene import Scene, scene, wait
from tests.wire.core_process import CoreProcess
from tests.wire.sensor import Sensor

EVENTS = 100_000
BATCH = 500
SECONDS = 5.0  # from the gateway's word to an open case, in the worst moment


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Scene]:
    with scene(CoreProcess(data=tmp_path / "data")) as made:
        yield made


class Flood(threading.Thread):
    """A sensor that sends as fast as it is let, and again what was not taken."""

    def __init__(self, sensor: Sensor) -> None:
        super().__init__(name="flood", daemon=True)
        self.sensor, self.acknowledged, self.asked_to_wait = sensor, 0, 0

    def run(self) -> None:
        like = self.sensor.event(1, route="/wc/v3/orders")
        uid = like.split(b'"uid":"')[1][:16]
        for first in range(1, EVENTS + 1, BATCH):
            lines = [like.replace(uid, secrets.token_hex(8).encode()) for _ in range(BATCH)]
            while (answer := self.sensor.post(lines, first)).status_code != 202:
                assert (answer.status_code, answer.json()["error"]) == (503, "busy")
                self.asked_to_wait += 1
                time.sleep(min(float(answer.headers["retry-after"]), 1))
            self.acknowledged = answer.json()["acknowledged"]
        self.sensor.client.close()


def test_a_flood_of_events_does_not_hide_a_leak(staged: Scene) -> None:
    core = staged.core
    assert isinstance(core, CoreProcess)
    flood = Flood(core.pair(shop="https://flood.example"))
    began = time.monotonic()
    flood.start()
    seen = []
    for person, share in enumerate((0.3, 0.6, 0.9)):
        wait(lambda share=share: flood.acknowledged >= share * EVENTS, "the flood runs", 120)  # type: ignore[misc]
        told = time.monotonic()
        staged.leak(person)
        known = f"customer:{2 + person}"
        wait(lambda known=known: staged.rows("SELECT 1 FROM exposures WHERE subject = ?", known), "the leak is seen", 60)  # type: ignore[misc]
        seen.append(time.monotonic() - told)
    wait(lambda: staged.case(), "a case is open")
    flood.join(120)
    assert flood.acknowledged == EVENTS
    print(
        f"{EVENTS} events in {time.monotonic() - began:.0f} s, waits: {flood.asked_to_wait}, seen after",
        *(f"{s:.2f} s" for s in seen),
    )
    assert max(seen) < SECONDS
    stored = "SELECT count(*), min(seq), max(seq) FROM events WHERE sensor = ?"
    wait(lambda: staged.rows(stored, flood.sensor.keyid) == [(EVENTS, 1, EVENTS)], "all of it is digested", 120)
    assert staged.rows("SELECT detector FROM findings WHERE detector <> 'undigested_entry'") == []


def test_a_flood_of_leaks_does_not_hold_up_their_containment(staged: Scene) -> None:
    """The case grows all the time; its steps are carried out all the same."""
    end = threading.Event()

    def leak_on() -> None:
        for number in range(5000):
            if end.is_set():
                return
            staged.leak(number % 6, reader=f"session:{number:032x}")

    leaking = threading.Thread(target=leak_on, name="leaking", daemon=True)
    leaking.start()
    try:
        wait(lambda: "contained" in staged.kinds(), "the way out is closed while it leaks", 60)
        assert leaking.is_alive()
    finally:
        end.set()
        leaking.join(30)
