"""An exercise that people play: joined by links on phones, led by a facilitator, in a real browser without scripts."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.simulators import browser

from checkvalve.engine import exercise_report
from checkvalve.engine.settings import Settings

PATIENCE_S = 30
PHONE = {"width": 360, "height": 780}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.chromium() as running:
        yield running


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    data: Path
    process: subprocess.Popen[bytes]
    out: Path
    link: str  # the facilitator's

    @property
    def url(self) -> str:
        return self.link.partition("/x/")[0]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """`checkvalve exercise run --live`, as a facilitator starts it."""
    out, data = tmp_path / "out.txt", tmp_path / "data"
    words = ["exercise", "run", "cache-mixup", "--live", "--speed", "20", "--listen", "127.0.0.1:0", "--data", str(data)]
    with out.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "checkvalve.cli", *words], stdout=file, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + PATIENCE_S
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/x/\S+", out.read_text())):
            assert process.poll() is None and time.monotonic() < end, out.read_text()
            time.sleep(0.05)
        yield Live(data=data, process=process, out=out, link=found[0])
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def opened(browser: Browser, address: str) -> Page:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)  # type: ignore[arg-type] # a size
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(address)
    assert [c for c in complaints if "Content Security Policy" in c] == []
    return page


def shown(page: Page, text: str | re.Pattern[str]) -> None:
    """Appears: the page renews itself, and here somebody is impatient."""
    end = time.monotonic() + PATIENCE_S
    while not page.get_by_text(text).first.is_visible():
        assert time.monotonic() < end, page.locator("main").inner_text()
        page.wait_for_timeout(200)
        page.reload()


def pressed(page: Page, text: str) -> None:
    shown(page, text)
    page.get_by_role("button", name=re.compile(text)).first.click()


def fits(page: Page) -> None:
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], page.url


def links(facilitator: Page) -> dict[str, str]:
    facilitator.get_by_role("link", name="Links for players").click()
    fits(facilitator)
    cards = facilitator.locator("section.card")
    found = {cards.nth(n).locator("h2").inner_text(): cards.nth(n).locator(".code").inner_text() for n in range(cards.count())}
    assert cards.locator("svg").count() == cards.count(), "a phone reads the link from a code"
    facilitator.get_by_role("link", name="Back to the exercise").click()
    return found


def record_of(live: Live) -> dict[str, Any]:
    return exercise_report.read(Settings(data=live.data), "EX-0001")


def test_a_team_plays_on_phones_and_a_facilitator_leads(live: Live, chromium: Browser) -> None:
    leader = opened(chromium, live.link)
    shown(leader, "has not begun")
    given = links(leader)
    assert {"incident lead", "controller", "DPO", "observer"} <= set(given) and "facilitator" not in given
    lead, owner, observer = (opened(chromium, given[seat]) for seat in ("incident lead", "controller", "observer"))
    shown(lead, "Until you take the role, rules play it")
    for person in (lead, owner):
        person.get_by_role("button", name="Play this role").click()
        shown(person, "has not begun")
    leader.get_by_role("button", name="Begin").click()
    for page in (leader, lead, owner, observer):
        shown(page, "EXERCISE EX-0001")
        fits(page)

    pressed(lead, "I am on it")
    shown(lead, "Customer data shown to others")
    leader.get_by_role("link", name="Extra inject").click()
    leader.get_by_label("What comes in").fill("Somebody from real-shop.de calls.")
    leader.get_by_role("button", name="Give it now").click()
    shown(leader, "nobody real may be named")
    leader.get_by_label("From").fill("a neighbour")
    leader.get_by_label("What comes in").fill("The assistant told me somebody's address.")
    leader.get_by_label("controller").check()
    leader.get_by_role("button", name="Give it now").click()
    shown(owner, "The assistant told me somebody's address.")

    leader.get_by_role("button", name="Go on to awareness now").click()
    state = "with reasonable certainty"
    pressed(owner, state)
    shown(owner, "awareness stated")
    expect(lead.get_by_role("button", name=re.compile(state))).to_have_count(0)
    shown(observer, re.compile("Expected: "))
    expect(observer.get_by_role("button")).to_have_count(0)
    leader.get_by_role("button", name="Stop the clock").click()
    shown(owner, "stands still")
    leader.get_by_role("button", name="Leave out file").click()
    shown(leader, "left out")
    leader.get_by_role("button", name="End the exercise").click()
    shown(lead, "Hot wash")
    shown(leader, "% of the points")

    record = record_of(live)
    assert record["players"] == "people: controller, incident_lead"
    assert record["decisions"]["aware"] == "now"
    told = [line["what"] for line in record["view"]["timeline"]]
    assert any("a neighbour" in what for what in told)
    for said in ("stops the clock", "goes on to a later inject", "leaves an inject out", "ends the exercise"):
        assert any(said in what for what in told), said
    assert "filed" not in record["expectations"], "what was not given is not scored"
