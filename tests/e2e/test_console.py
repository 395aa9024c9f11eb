"""The console in a real browser: log-in, the incident, awareness, the draft. Scripts are switched off: it must work without."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader
from tests.integration.console.seed import PASSWORD, House


@pytest.fixture(params=[1280, 360], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A page that fails the test when the browser complains, as it does when the policy blocks something of ours."""
    context = chromium.new_context(java_script_enabled=False, viewport={"width": request.param, "height": 800})
    opened, complaints = context.new_page(), list[str]()
    opened.on("console", lambda message: complaints.append(message.text))
    yield opened
    context.close()
    assert [c for c in complaints if "Content Security Policy" in c] == []


def log_in(page: Page, home: House, name: str, password: str = PASSWORD, at: str = "/") -> None:
    """Returns when the answer to the log-in is shown."""
    page.goto(home.url + at)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out").or_(page.get_by_role("alert"))).to_be_visible()


def test_a_wrong_password_is_said_to_be_wrong(home: House, page: Page) -> None:
    log_in(page, home, "reader", "not the password")
    expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong")
    assert page.url == home.url + "/login"


def test_log_in_leads_to_the_open_case(home: House, page: Page) -> None:
    log_in(page, home, "reader")
    expect(page.get_by_role("heading", name="What is going on now")).to_be_visible()
    page.get_by_role("link", name=re.compile("Customer data shown to others")).click()
    expect(page).to_have_title(f"{home.cases()[0]} · Checkvalve")
    expect(page.locator(".clock .huge").first).to_have_text(re.compile(r"71:\d\dh:min left"))
    expect(page.locator("#confirmed-subjects")).to_have_text("7")
    expect(page.get_by_text(re.compile("A test order over 1.00 EUR went through")).first).to_be_visible()


def test_the_pages_fit_their_screen(home: House, page: Page) -> None:
    log_in(page, home, "owner")
    case = f"/incidents/{home.cases()[0]}"
    for path in (
        "/",
        case,
        f"{case}/timeline",
        f"{case}/exposures",
        f"{case}/awareness",
        "/settings/organisation",
        "/settings/costs",
        "/people",
        "/holds",
        "/model-states",
        f"{case}/drafts/gdpr_art33/edit",
        "/nowhere",
    ):
        page.goto(home.url + path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert page.viewport_size and wide <= page.viewport_size["width"], path


@pytest.mark.parametrize("lang", ["de", "fr"])
def test_longer_languages_fit_a_telephone(home: House, chromium: Browser, lang: str) -> None:
    case = f"/incidents/{home.cases()[0]}"
    home.core.accounts.set_language("speaker", lang)
    with chromium.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740}) as context:
        page = context.new_page()
        page.goto(home.url + "/login")
        page.locator("#name").fill("speaker")
        page.locator("#password").fill(PASSWORD)
        page.locator("main button").click()
        for path in (case, f"{case}/timeline", f"{case}/law", f"{case}/drafts/gdpr_art33/edit", "/people", "/account"):
            page.goto(home.url + path)
            assert page.locator("html").get_attribute("lang") == lang
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


def test_the_first_screen_of_a_desk_answers_the_four_questions(home: House, chromium: Browser) -> None:
    with chromium.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        log_in(page, home, "owner", at=f"/incidents/{home.cases()[0]}")
        for question in (
            "Notify the authority",
            "What leaked, and to whom",
            "Is the way out closed?",
            "Does the checkout work?",
        ):
            expect(page.get_by_role("heading", name=question)).to_be_in_viewport(ratio=1)
        expect(page.get_by_role("heading", name="What to do next")).to_be_in_viewport()


def test_the_keyboard_reaches_the_content_first(home: House, page: Page) -> None:
    log_in(page, home, "reader")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()


def test_the_draft_can_be_downloaded_as_pdf(home: House, page: Page, tmp_path: Path) -> None:
    log_in(page, home, "reader", at=f"/incidents/{home.cases()[0]}")
    with page.expect_download() as download:
        page.locator("#drafts ~ p").get_by_role("link", name="PDF").first.click()
    download.value.save_as(tmp_path / "draft.pdf")
    text = "".join(p.extract_text() for p in PdfReader(tmp_path / "draft.pdf").pages)
    assert home.cases()[0] in text
    assert "7 confirmed" in text


def test_the_controller_states_awareness(home: House, page: Page) -> None:
    log_in(page, home, "owner", at=f"/incidents/{home.cases()[0]}")
    page.get_by_role("link", name=re.compile("We became aware at|Correct it")).first.click()
    page.get_by_label("Date and time").fill("2026-11-20T08:00:00")
    page.get_by_label("How do you know?").fill("A customer called.")
    page.get_by_role("button", name="Confirm awareness").click()
    clock = page.locator(".clock").first
    expect(clock).to_contain_text("stated by owner: A customer called.")
    expect(clock).to_contain_text("Mon 23 Nov 2026, 08:00:00 UTC")
    expect(page.get_by_text("Awareness is not confirmed")).to_have_count(0)


def test_who_has_logged_out_sees_nothing(home: House, page: Page) -> None:
    log_in(page, home, "reader")
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{home.url}/incidents/{home.cases()[0]}")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_the_case_renews_itself_in_place(home: House, chromium: Browser) -> None:
    """With scripts: the text is new, the page is the same one, what has the focus keeps it, and the policy lets it."""
    with chromium.new_context(viewport={"width": 1280, "height": 800}) as context:
        page, complaints = context.new_page(), list[str]()
        page.on("console", lambda message: complaints.append(message.text))
        log_in(page, home, "owner", at=f"/incidents/{home.cases()[0]}")
        expect(page.get_by_text(re.compile(r"This page renews itself every \d+ seconds"))).to_be_visible()
        link = page.get_by_role("link", name="All clocks, severity, which law applies, cost")
        link.focus()
        page.evaluate("window.sameDocument = true; document.querySelector('h1').textContent = 'old'")
        page.evaluate("renew()")
        expect(page.locator("h1")).to_contain_text("Customer data shown to others")
        expect(link).to_be_focused()
        expect(page.get_by_text(re.compile(r"This page renews itself every \d+ seconds"))).to_be_visible()
        assert page.evaluate("window.sameDocument")
        assert [c for c in complaints if "Content Security Policy" in c] == []
        context.clear_cookies()
        page.evaluate("renew()")
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
