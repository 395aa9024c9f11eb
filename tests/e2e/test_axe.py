"""axe-core over every page, in light and dark, at a desk and on a telephone 360 px wide: no barrier."""

import tarfile
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from starlette.routing import Route
from tests.integration.console.rota import write_rota
from tests.integration.console.seed import PASSWORD, House
from tests.integration.console.test_access import MAY, OPEN
from tests.simulators import downloads

from checkvalve.engine import editing, looking, paging
from checkvalve.web.console.app import routes

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS: dict[str, dict[str, Any]] = {
    "desk in light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "telephone in the dark": {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}},
}
NO_PAGE = {"/health", "/favicon.ico", "/logout", "/incidents/{id}/tasks/{command}", "/incidents/{id}/approvals/{command}"}


@pytest.fixture(scope="module")
def axe() -> str:
    with tarfile.open(downloads.npm_package(downloads.AXE)) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


@pytest.fixture(scope="module")
def everything(home: House) -> list[str]:
    """Every address that shows a page, with something on each: absences, holds, versions, tasks that wait."""
    case, core = home.cases()[0], home.core
    write_rota(core.settings, away="lead")
    for document, given in (("gdpr_art33", {"contact": "Datenschutz, dpo@example.com"}), ("gdpr_art34", {})):
        home.do(editing.write(core, case, document, "en", given, "user:officer"))
    home.do(looking.held(core, looking.Holding(by="user:officer", reason="An authority asked for it.")))
    roles = ("controller", "incident_lead", "wordpress_admin", "dpo")
    core.accounts.add("everybody", PASSWORD, roles, core.now_ms())
    got = [r.path for r in routes() if isinstance(r, Route) and "GET" in (r.methods or ()) and r.path not in NO_PAGE]
    filled = [
        p.replace("{id}", case).replace("{regime}.{format}", "gdpr_art33.html").replace("{regime}", "gdpr_art33") for p in got
    ]
    assert {p for p in got if p in MAY} == set(got) - OPEN
    with core.state.read() as db:
        tasks = db.exec_driver_sql("select id from commands where kind = 'manual' and status = 'waiting'").scalars().all()
    token = paging.acknowledge_token(core, case, "leak", "lead")
    more = [
        f"/incidents/{case}/tasks/{tasks[0]}",
        f"/incidents/{case}/drafts/gdpr_art34/edit",
        f"/ack/{token}",
        "/ack/x",
        "/nowhere",
    ]
    return [*filled, *more, "/incidents/" + case + "/drafts/pci_dss"]


def session(home: House, chromium: Browser) -> Any:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(home.url + "/login")
        page.get_by_label("Name").fill("everybody")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("button", name="Log out").wait_for()
        return context.storage_state()


def barriers(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("rules => axe.run(document, {resultTypes: ['violations'], runOnly: rules})", RULES)
    assert found["testEngine"]["name"] == "axe-core"
    return [f"{v['id']}: {n['html'][:120]}" for v in found["violations"] for n in v["nodes"]]


def test_the_check_finds_a_barrier_where_there_is_one(chromium: Browser, axe: str) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.set_content(
            "<html lang=en><title>t</title><main><h1>x</h1><img src=x><p style='color:#ccc'>pale</p></main></html>"
        )
        assert {b.split(":")[0] for b in barriers(page, axe)} == {"image-alt", "color-contrast"}


def test_no_page_has_a_barrier(home: House, chromium: Browser, axe: str, everything: list[str]) -> None:
    kept, found = session(home, chromium), []
    for look, options in LOOKS.items():
        # our policy forbids scripts of others, the tester's as well: it is set aside here, and held to in test_console
        with chromium.new_context(storage_state=kept, bypass_csp=True, **options) as context:
            page = context.new_page()
            for path in everything:
                answer = page.goto(home.url + path)
                assert answer and answer.status in (200, 403, 404), (path, answer and answer.status)
                found += [f"{path}, {look}: {barrier}" for barrier in barriers(page, axe)]
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= options["viewport"]["width"], (path, look, wide)
    assert found == []
