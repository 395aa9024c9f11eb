"""What people do in the console, done in a real browser without scripts: each act of a case, to its entry in the log."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import docx
import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.e2e.test_console import log_in
from tests.integration.console.rota import write_rota
from tests.integration.console.seed import PASSWORD, House, house

from checkvalve.engine import paging, responding, totp
from checkvalve.notifications.word import FIELD_TAG


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One of its own: what is decided here stays decided."""
    with house(tmp_path_factory.mktemp("acts") / "data") as built:
        built.shop.breaks = False
        built.respond(built.leak(3))
        yield built


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740}) as context:
        yield context.new_page()


def case(home: House) -> str:
    return f"/incidents/{home.cases()[0]}"


def entries(home: House, kind: str) -> list[dict[str, object]]:
    """The decisions of a kind, as the log has them."""
    clear = [home.core.journal.read(n).clear or b"" for n in range(home.core.journal.size)]
    return [msgspec.json.decode(c) for c in clear if c.startswith(b'{"type":"' + kind.encode())]


def test_a_second_factor_is_set_up_and_opens_the_door(home: House, page: Page) -> None:
    log_in(page, home, "engineer", at="/account/second-factor")
    page.get_by_role("button", name="Show the QR code").click()
    expect(page.locator(".qr svg")).to_be_visible()
    secret = page.locator("#secret").inner_text().strip()
    now = time.time_ns() // 1_000_000 // totp.STEP_MS
    page.get_by_label("Code of the app").fill("000000")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("alert")).to_contain_text("The code of the app is wrong")
    page.get_by_label("Code of the app").fill(totp.code(secret, now))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Turn it on").click()
    recovery = page.locator(".codes li").all_inner_texts()
    assert len(recovery) == totp.RECOVERY_CODES
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("on: log-in needs a code")).to_be_visible()
    page.get_by_role("button", name="Log out").click()

    def enter(code: str) -> None:
        page.goto(home.url + "/login")
        page.get_by_label("Name").fill("engineer")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Code of your authenticator app").fill(code)
        page.get_by_role("button", name="Log in").click()

    enter("")
    expect(page.get_by_role("alert")).to_be_visible()
    enter(totp.code(secret, time.time_ns() // 1_000_000 // totp.STEP_MS + 1))  # the one used above is used up
    expect(page.get_by_role("heading", name="What is going on now")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    enter(recovery[0].upper())
    expect(page.get_by_role("heading", name="What is going on now")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    enter(recovery[0])
    expect(page.get_by_role("alert")).to_be_visible()


def test_awareness_is_set_and_the_clock_follows(home: House, page: Page) -> None:
    log_in(page, home, "lead", at=case(home))
    page.get_by_role("link", name=re.compile("We became aware at")).click()
    page.get_by_label("Date and time").fill("2026-11-20T08:00:00")
    page.get_by_label("How do you know?").fill("A customer called.")
    page.get_by_role("button", name="Confirm awareness").click()
    expect(page.locator(".clock").first).to_contain_text("Mon 23 Nov 2026, 08:00:00 UTC")
    assert entries(home, "aware_set")[-1]["by"] == "user:lead"


def waiting_step(home: House) -> str | None:
    with home.core.state.read() as db:
        found: str | None = db.exec_driver_sql(
            "select id from commands where kind = 'approval' and status = 'waiting' order by position desc"
        ).scalar()
        return found


@pytest.mark.parametrize(("button", "said"), [("Reject", "rejected by admin"), ("Approve", "approved by admin")])
def test_a_step_that_waits_is_approved_or_rejected(home: House, page: Page, button: str, said: str) -> None:
    home.respond(home.cases()[0])
    wanted = responding.Starting(case=home.cases()[0], playbook="plugin-exposes-llm-endpoint", by="user:lead")
    home.do(responding.start(home.core, wanted))
    home.wait(lambda: waiting_step(home))
    log_in(page, home, "admin", at=case(home))
    page.get_by_role("link", name=re.compile("Decide ….*Approve or reject")).first.click()
    page.get_by_label("Why?").fill("Orders come in by telephone meanwhile.")
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text(said)).to_be_visible()
    assert entries(home, "approval_given")[-1]["approved"] is (button == "Approve")
    home.wait(lambda: waiting_step(home) is None and not home.core.worker.shops.get("x"))
    home.wait(lambda: finished(home))


def finished(home: House) -> bool:
    with home.core.state.read() as db:
        return not db.exec_driver_sql("select count(*) from runs where not done").scalar()


def test_a_page_is_acknowledged_by_its_link_without_log_in(home: House, page: Page) -> None:
    token = paging.acknowledge_token(home.core, home.cases()[0], "leak", "on-call")
    before = len(entries(home, "page_acknowledged"))
    page.goto(f"{home.url}/ack/{token}")
    expect(page.get_by_text("Are you on it, on-call?")).to_be_visible()
    assert len(entries(home, "page_acknowledged")) == before, "a mail scanner opens links as well"
    page.get_by_role("button", name="I am on it").click()
    expect(page.get_by_role("heading", name="Acknowledged")).to_be_visible()
    assert len(entries(home, "page_acknowledged")) == before + 1
    page.goto(f"{home.url}/ack/{token[:-4]}")
    expect(page.get_by_text("This link does not work")).to_be_visible()


def test_a_draft_is_edited_in_the_form_and_its_versions_compared(home: House, page: Page) -> None:
    log_in(page, home, "officer", at=f"{case(home)}/drafts/gdpr_art33")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label(re.compile("Who is the data protection officer")).fill("Datenschutz <b>Muster</b>, dpo@example.com")
    page.get_by_role("button", name="Save as a new version").click()
    newest = page.locator("#versions ~ table tbody tr").first
    expect(newest).to_contain_text("officer")
    newest.get_by_role("link", name="Changes").click()
    expect(page.locator("ins")).to_have_text("Datenschutz <b>Muster</b>, dpo@example.com")
    expect(page.get_by_text("Written by officer")).to_be_visible()
    page.get_by_role("link", name="GDPR Art. 33").click()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was changed.")
    edit = entries(home, "draft")[-1]["notification"]["edits"]["contact"]  # type: ignore[index]
    assert edit["by"] == "user:officer" and edit["value"].startswith("Datenschutz <b>")


def test_a_word_file_goes_out_edited_and_comes_back(home: House, page: Page, tmp_path: Path) -> None:
    log_in(page, home, "officer", at=f"{case(home)}/drafts/gdpr_art33")
    with page.expect_download() as download:
        page.get_by_role("link", name="Word", exact=True).click()
    file = tmp_path / "draft.docx"
    download.value.save_as(file)
    opened = docx.Document(str(file))
    tag = f"{FIELD_TAG}controller"
    control = next(
        s
        for s in opened.element.body.iter("{*}sdt")
        if any(t.get(t.tag.replace("tag", "val")) == tag for t in s.iter("{*}tag"))
    )
    texts = list(control.iter("{*}t"))
    texts[0].text = "Example Tea GmbH, Musterstraße 1, DE"
    for rest in texts[1:]:
        rest.text = ""
    opened.save(str(file))
    page.get_by_role("link", name="Bring an edited Word file back").click()
    page.get_by_label("Word file").set_input_files(file)
    page.get_by_role("button", name="Bring it back").click()
    expect(page.locator("#versions ~ table tbody tr").first).to_contain_text("officer")
    edit = entries(home, "draft")[-1]["notification"]["edits"]["controller"]  # type: ignore[index]
    assert edit["value"] == "Example Tea GmbH, Musterstraße 1, DE"
    page.get_by_role("link", name="Bring an edited Word file back").click()
    (tmp_path / "other.docx").write_bytes(b"no zip")
    page.get_by_label("Word file").set_input_files(tmp_path / "other.docx")
    page.get_by_role("button", name="Bring it back").click()
    expect(page.get_by_role("alert")).to_contain_text("this is no Word document")


def test_the_controller_alone_decides_and_the_filing_is_recorded(home: House, page: Page) -> None:
    log_in(page, home, "officer", at=f"{case(home)}/drafts/gdpr_art33")
    expect(page.get_by_role("link", name="Decide …")).to_have_count(0)
    page.get_by_role("button", name="Log out").click()
    log_in(page, home, "owner", at=f"{case(home)}/drafts/gdpr_art33/decision")
    page.get_by_label("Why?").fill("Three people, a stranger read their addresses.")
    page.get_by_role("button", name="Approve: it is given").click()
    expect(page.get_by_text("Three people, a stranger read their addresses.")).to_be_visible()
    decided = entries(home, "notice_decided")[-1]
    assert (decided["by"], decided["notify"]) == ("user:owner", True)
    page.get_by_role("link", name="Record that it was filed").click()
    page.get_by_label("Number of the receipt").fill("LDA-2026-0001")
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_text(re.compile("LDA-2026-0001, by owner"))).to_be_visible()
    assert entries(home, "notice_filed")[-1]["reference"] == "LDA-2026-0001"


def test_a_hold_falls_only_when_two_people_say_so(home: House, page: Page) -> None:
    log_in(page, home, "officer", at="/holds")
    page.get_by_label("Why", exact=True).fill("The police asked for it.")
    page.get_by_role("button", name="Set the hold").click()
    page.get_by_label("Why is it released?").fill("The file is closed.")
    page.get_by_role("button", name=re.compile("Ask for its release")).click()
    expect(page.get_by_text("officer wants it released")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("release it"))).to_have_count(0)
    page.get_by_role("button", name="Log out").click()
    log_in(page, home, "owner", at="/holds")
    page.get_by_label("Why is it released?").fill("I saw the letter.")
    page.get_by_role("button", name=re.compile("Agree: release it")).click()
    expect(page.get_by_text(re.compile("released by officer and owner"))).to_be_visible()
    assert [e["by"] for e in entries(home, "hold_lift")] == ["user:officer", "user:owner"]


def test_somebody_is_away_and_another_stands_in(home: House, page: Page) -> None:
    write_rota(home.core.settings)
    log_in(page, home, "lead", at="/people")
    expect(page.locator(".big-text").first).to_have_text("lead")
    page.get_by_label("Who", exact=True).select_option("lead")
    page.get_by_label("From (UTC)").fill("2026-01-01T00:00:00")
    page.get_by_label("Until (UTC)").fill("2026-01-02T00:00:00")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_contain_text("ends in the future")
    day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 86400))
    page.get_by_label("Who", exact=True).select_option("lead")
    page.get_by_label("From (UTC)").fill(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 60)))
    page.get_by_label("Until (UTC)").fill(day)
    page.get_by_label("Stands in").select_option("owner")
    page.get_by_role("button", name="Enter").click()
    expect(page.locator(".big-text").first).to_have_text("owner")
    expect(page.get_by_text("away, owner stands in")).to_be_visible()
    page.get_by_role("button", name=re.compile("Is back")).click()
    expect(page.locator(".big-text").first).to_have_text("lead")
    assert [e["by"] for e in entries(home, "rota_changed")] == ["user:lead", "user:lead"]


def test_figures_of_costs_are_changed_and_worked_out(home: House, page: Page) -> None:
    log_in(page, home, "owner", at="/settings/costs")
    page.get_by_label("A letter to one person, in EUR").fill("-1")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("A letter to one person, in EUR").fill("2,5")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    page.get_by_label("People to be written to").fill("1000")
    page.get_by_role("button", name="Work it out").click()
    expect(page.locator("tr", has_text="letters")).to_contain_text("2,500")
    page.goto(f"{home.url}{case(home)}/law")
    expect(page.locator("tr", has_text="letters")).to_contain_text("EUR 2.5")
