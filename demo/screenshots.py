"""python -m demo.screenshots: docs/images/*.png, taken of the running product.

A core with a shop and a gateway that speak the wire (tests/integration/console/seed.py) sees a leak and answers it; a real
browser logs in as the owner and takes the pictures. Synthetic people only.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect, sync_playwright
from tests.integration.console.seed import PASSWORD, House, house

from demo.checkvalve import ORGANISATION
from demo.shop import ROOT

IMAGES: Final = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1280, 800  # CSS pixels of a desk; the incident is cut below what to do next
SCALE: Final = 1.25
MAX_BYTES: Final = 300_000


def main() -> int:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("chromium is missing: .venv/bin/python -m tests.simulators.prepare chromium", file=sys.stderr)
        return 2
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses its sandbox to root
    with tempfile.TemporaryDirectory() as data, house(Path(data) / "data") as home, sync_playwright() as playwright:
        home.shop.breaks = False
        incident = home.leak(7)
        home.respond(incident)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--disable-gpu", *sandbox])
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT},
            device_scale_factor=SCALE,
            color_scheme="light",
            java_script_enabled=False,
        )
        log_in(page, home)
        enter_organisation(page, home)
        take(page, f"{home.url}/incidents/{incident}", "What to do next", IMAGES / "incident.png")
        take(page, home.url, "Shops and sensors", IMAGES / "overview.png")
        browser.close()
    return 0


def log_in(page: Page, home: House) -> None:
    page.goto(home.url)
    page.get_by_label("Name").fill("owner")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def enter_organisation(page: Page, home: House) -> None:
    page.goto(f"{home.url}/settings/organisation")
    for field, value in ORGANISATION.items():
        page.locator(f"#{field}").fill(value)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")


def take(page: Page, url: str, last: str, path: Path) -> None:
    """From the top to the end of the section under the heading `last`."""
    page.goto(url)
    section = page.get_by_role("region", name=last, exact=True)
    expect(section).to_be_visible()
    box = section.bounding_box()
    assert box is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": box["y"] + box["height"] + 10}
    page.screenshot(path=path, full_page=True, clip=clip)  # type: ignore[arg-type]
    size = path.stat().st_size
    if size >= MAX_BYTES:
        raise SystemExit(f"{path} has {size} bytes; a page loads it: at most {MAX_BYTES}")
    print(f"{path.relative_to(ROOT)}  {size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
