"""Who watches the watch: core beats to a place outside that pages when it stops, and tries its own rota once a month."""

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.engine.scene import CoreHere, scene, wait
from tests.integration.paging.conftest import Webhook
from tests.integration.paging.test_paging import MINUTE, clock, rota

from checkvalve.cli.main import run
from checkvalve.engine import paging_rota
from checkvalve.engine.settings import load_settings

__all__ = ["clock"]


class Watch:
    """A watch outside: counts the calls, and can be broken."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.status = 200
        watch = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                watch.calls.append(self.path)
                self.send_response(watch.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, name="watch", daemon=True).start()


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    yield made
    made.server.shutdown()
    made.server.server_close()


def with_heartbeat(webhook: Webhook, watch: Watch) -> bytes:
    url = f"http://127.0.0.1:{watch.server.server_port}/beat/checkvalve"
    return json.dumps(json.loads(rota(("owner", [webhook.url]))) | {"heartbeat": {"url": url, "minutes": 5}}).encode()


def test_a_watch_outside_hears_of_core_every_few_minutes_and_nothing_else(
    tmp_path: Path, webhook: Webhook, watch: Watch, clock: Iterator[list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    moved = next(clock)
    here = CoreHere(tmp_path / "data", moved)
    with scene(here):
        paging_rota.install(load_settings(here.data), with_heartbeat(webhook, watch))
        wait(lambda: watch.calls == ["/beat/checkvalve"], "the first beat, which tells nothing")
        moved[0] = 4 * MINUTE
        looked = here.core.pager.looked_ms
        wait(lambda: here.core.pager.looked_ms > looked + 3 * MINUTE, "it looks again", 120)
        assert len(watch.calls) == 1
        watch.status = 302  # a watch that was moved is not followed, and said
        moved[0] = 6 * MINUTE
        wait(lambda: len(watch.calls) == 2, "the second beat")
        wait(lambda: "did not take the heartbeat" in caplog.text, "a beat that nobody took is in core's own log")
    assert "/elsewhere" not in watch.calls


def test_a_month_after_the_last_test_page_another_goes_out_by_itself_once(
    tmp_path: Path, webhook: Webhook, clock: Iterator[list[int]]
) -> None:
    moved = next(clock)
    data = tmp_path / "data"
    here = CoreHere(data, moved)
    with scene(here) as staged:
        paging_rota.install(load_settings(data), rota(("owner", [webhook.url])))
        moved[0] = 40 * 24 * 60 * MINUTE
        staged.leak(0)
        wait(lambda: webhook.posts, "the owner is paged for the leak")
        assert not tried(webhook), "the first test is a person's: the rota may just have been typed in"
        moved[0] = 0
        assert run(["page", "test", "--data", str(data)]) == 0
        assert tried(webhook) == 1
        noon = (datetime.now(UTC) + timedelta(days=35)).replace(hour=10, minute=30)
        noon += timedelta(days=(7 - noon.weekday()) % 7)  # a Monday
        moved[0] = int((noon - datetime.now(UTC)).total_seconds() * 1000)
        wait(lambda: tried(webhook) == 2, "the rota is tried", 120)
        moved[0] += 60 * MINUTE
        looked = here.core.pager.looked_ms
        wait(lambda: here.core.pager.looked_ms > looked, "it looks again", 120)
        assert tried(webhook) == 2


def tried(webhook: Webhook) -> int:
    return sum("test" in p["title"].lower() for p in webhook.posts)
