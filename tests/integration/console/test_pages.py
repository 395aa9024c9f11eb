"""The pages over a leak that really went through the engine."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy import insert, select
from tests.integration.console.seed import House, browser, house

from checkvalve.engine import queries
from checkvalve.store.schema import exposures

CASE = "/incidents/CASE"


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def page(home: House, path: str, name: str = "owner") -> str:
    with browser(home, name) as person:
        answer = person.get(path.replace("CASE", home.cases()[0]))
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_overview_shows_the_open_case_with_its_clock(home: House) -> None:
    text = text_of(page(home, "/"))
    assert re.search(r"71:5\d h:min left", text) and "awareness not confirmed" in text
    assert "6 people concerned" in text and "way out: Closed" in text and "checkout: works" in text
    assert "Example Tea House" in text and "LLM gateway gpu-1" in text
    assert "No open incident" not in text


def test_the_incident_page_answers_what_a_tired_person_asks(home: House) -> None:
    text = text_of(page(home, CASE))
    for said in (
        "Awareness is not confirmed",
        "6 people Their e-mail address, name, order number , shown to 3 readers",
        "Is the way out closed? Closed",
        "after detection, ",
        "The orders end by themselves ",
        "went through",
        "What to do next Say when you became aware of the breach.",
        "Enter who the controller and the contact are",
        "Refuse the model to plugin shop-assistant in force, confirmed by the LLM gateway",
        "Block the route /shop-assistant/v1/ask in force, confirmed by the shop",
        "2 fields are missing",
        "Who is the controller (name, address, country)?",
    ):
        assert said in text, said
    questions = (
        "Notify the authority",
        "What leaked, and to whom",
        "Is the way out closed?",
        "Does the checkout work?",
        "What to do next",
    )
    assert sorted(questions, key=text.index) == list(questions)


def test_a_way_out_that_could_not_be_closed_is_said_first_and_what_to_do(fresh: House) -> None:
    fresh.shop.leaky = True
    incident = fresh.leak()
    fresh.respond(incident)
    with browser(fresh, "reader") as person:
        text, now = text_of(person.get(f"/incidents/{incident}").text), text_of(person.get("/").text)
    assert "Is the way out closed? NOT closed No automatic step closed the way out." in text
    assert "What to do next Switch the plugin shop-assistant off yourself: in WordPress, Plugins, Deactivate." in text
    for said in (
        "had broken it and was taken back.",
        "FAILED 0.50 EUR",
        "wrong total: 0.50 instead of 1.00 EUR taken back: worked 1.00 EUR",
        "Isolate the plugin shop-assistant taken back",
        "taken back, because the checkout failed after this step",
    ):
        assert said in text, said
    assert "way out: NOT closed" in now and "Containment failed" in now and "Containment under way" not in now


def test_data_shown_after_the_way_was_closed_is_an_alarm(fresh: House) -> None:
    incident = fresh.leak()
    fresh.respond(incident)
    fresh.shop.away = True  # else it may be closed again before anybody looks
    fresh.leak()
    with browser(fresh, "reader") as person:
        text, now = text_of(person.get(f"/incidents/{incident}").text), text_of(person.get("/").text)
    assert fresh.cases() == [incident]
    assert "Is the way out closed? Shown AGAIN Data was shown" in text
    assert "Switch the plugin shop-assistant off yourself" in text
    assert "way out: Shown AGAIN" in now


def test_the_counts_are_those_of_the_log(home: House) -> None:
    with home.core.state.read() as db:
        rows = db.execute(select(exposures.c.subject, exposures.c.category).where(exposures.c.shown)).all()
    html = page(home, CASE)
    assert f'id="confirmed-subjects">{len({r.subject for r in rows})}<' in html
    assert f'id="confirmed-records">{len({(r.subject, r.category) for r in rows})}<' in html


def test_what_stood_in_the_prompt_only_is_worst_case(fresh: House) -> None:
    incident = fresh.leak(3)
    fresh.respond(incident)
    with fresh.core.state.begin() as db:
        row: dict[str, Any] = dict(db.execute(exposures.select().where(exposures.c.incident == incident)).first()._mapping)  # type: ignore[union-attr]
        hidden = row | {"subject": "customer:99", "category": "phone", "shown": False, "incident": None}
        db.execute(insert(exposures).values(**hidden))
    file = queries.case_file(fresh.core.state, incident)
    assert file is not None
    assert file.scope.worst_case.subjects == file.scope.confirmed.subjects + 1
    assert "phone" not in file.scope.confirmed.categories
    with browser(fresh, "reader") as person:
        assert "prompt only" in person.get(f"/incidents/{incident}/exposures").text


def test_the_timeline_can_be_read_by_source_and_from_the_start(home: House) -> None:
    every = text_of(page(home, CASE + "/timeline?order=oldest"))
    assert (
        every.index("log-in failed: customer:3") < every.index("Case opened") < every.index("Contained: the way out is closed")
    )
    newest = text_of(page(home, CASE + "/timeline"))
    assert newest.index("Contained: the way out is closed") < newest.index("Case opened")
    shop = text_of(page(home, CASE + "/timeline?source=shop"))
    assert "log-in failed" in shop and "Case opened" not in shop
    assert "exposure(s) seen in an answer" in text_of(page(home, CASE + "/timeline?source=gateway"))
    assert "Checkout worked after" in text_of(page(home, CASE + "/timeline?source=containment"))


NOWHERE = """
/nowhere /incidents/INC-1999-0001 /incidents/%00 /incidents/..%2f..%2fetc%2fpasswd /static/../templates/base.html
CASE/timeline?source=x CASE/timeline?role=x CASE/timeline?page=0
CASE/timeline?page=1e9 CASE/exposures?after=x CASE/exposures?after=1.1.1
CASE/drafts/nis2 CASE/drafts/nis2/edit CASE/drafts/gdpr_art33/changes?from=99 CASE/drafts/host_request/decision
CASE/notices/gdpr_art33.exe CASE/notices/nis2.html CASE/notices/gdpr_art33.json?version=99
"""


@pytest.mark.parametrize("path", NOWHERE.split())
def test_what_does_not_exist_is_one_clear_page(home: House, path: str) -> None:
    with browser(home, "owner") as person:
        answer = person.get(path.replace("CASE", f"/incidents/{home.cases()[0]}"))
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


def test_a_hundred_thousand_exposures_page_smoothly(fresh: House) -> None:
    incident = fresh.leak(1)
    fresh.respond(incident)
    with fresh.core.state.begin() as db:
        row = dict(db.execute(exposures.select()).first()._mapping)  # type: ignore[union-attr]
        mine = {"category": "phone", "entry": 10**6}
        many = [row | mine | {"subject": f"customer:{i}", "inference": f"i{i % 50}"} for i in range(100_000)]
        for i, one in enumerate(many):
            one["entry"] += i // 250  # some entries hold more of them than a page does
        db.execute(insert(exposures), many)
    last = f"/exposures?after={10**6 + 399}.150"
    with browser(fresh, "reader") as person:
        for path, seconds in (("", 10), ("", 2), ("/law", 2), ("/timeline", 2), ("/exposures", 2), (last, 2)):
            before = time.process_time()  # what the page costs, however busy the machine is
            answer = person.get(f"/incidents/{incident}{path}", timeout=120)
            assert answer.status_code == 200
            assert time.process_time() - before < seconds, path
            assert len(answer.content) < 300_000
            assert path or 'id="confirmed-subjects">100000<' in answer.text
        assert answer.text.count("<tr>") == 101 and 'rel="next"' not in answer.text


def test_paging_shows_each_exposure_once_in_the_order_of_the_log(home: House) -> None:
    with home.core.state.begin() as db:
        row: dict[str, Any] = dict(db.execute(exposures.select().where(exposures.c.shown)).first()._mapping)  # type: ignore[union-attr]
        mine = {"incident": "INC-PAGED", "entry": row["entry"]}
        shown = [row | mine | {"inference": f"paged-{i}", "entry": row["entry"] + i // 9} for i in range(40)]
        hidden = [s | {"incident": None, "shown": False, "category": "phone"} for s in shown[::3]]
        db.execute(insert(exposures), [*shown, *hidden])
    seen: list[Any] = []
    place, calls = None, 0
    while calls < 100:
        rows, total, place = queries.exposure_page(home.core.state, "INC-PAGED", after=place, limit=7)
        seen, calls = seen + rows, calls + 1
        if place is None:
            break
    assert total == len(seen) == 54 and calls == 8
    assert sum(not r.shown for r in seen) == 14
    assert [r.entry for r in seen] == sorted(r.entry for r in seen)


def test_drafts_come_as_html_pdf_and_json(home: House, tmp_path: Path) -> None:
    base = f"/incidents/{home.cases()[0]}/notices/gdpr_art33"
    with browser(home, "reader") as person:
        html, pdf, data = (person.get(f"{base}.{form}") for form in ("html", "pdf", "json"))
    assert "DRAFT. Not submitted." in html.text
    assert "style-src 'sha256-" in html.headers["content-security-policy"]
    assert pdf.headers["content-type"] == "application/pdf" and "attachment" in pdf.headers["content-disposition"]
    (tmp_path / "draft.pdf").write_bytes(pdf.content)
    assert "personal data breach" in PdfReader(tmp_path / "draft.pdf").pages[0].extract_text().lower()
    assert data.json()["regime"] == "gdpr_art33"


def test_stating_awareness_is_a_logged_decision_and_does_the_task(fresh: House) -> None:
    incident = fresh.leak()
    fresh.respond(incident)
    before = fresh.core.journal.size
    with browser(fresh, "lead") as person:
        form = {"aware_at": "2026-11-20T08:00:00", "zone": "utc", "why": "A customer called."}
        answer = person.post(f"/incidents/{incident}/awareness", data=form)
        assert answer.status_code == 303
        text = text_of(person.get(f"/incidents/{incident}").text)
    assert "We became aware Fri 20 Nov 2026, 08:00:00 UTC, stated by lead: A customer called." in text
    assert "Due Mon 23 Nov 2026, 08:00:00 UTC" in text
    assert "became aware of the breach" not in text.split("What leaked People")[0]
    logged = [fresh.core.journal.read(n).clear or b"" for n in range(before, fresh.core.journal.size)]
    assert any(b'"aware_set"' in c and b'"user:lead"' in c for c in logged)


@pytest.mark.parametrize(("typed", "said"), [("2199-01-01T00:00", "in the future"), ("soon", "Type date and time like")])
def test_awareness_that_cannot_be_is_refused_on_the_form(home: House, typed: str, said: str) -> None:
    before = home.core.journal.size
    with browser(home, "owner") as person:
        answer = person.post(f"/incidents/{home.cases()[0]}/awareness", data={"aware_at": typed})
    assert answer.status_code == 400 and said in answer.text
    assert home.core.journal.size == before


def test_the_organisation_fills_the_draft(fresh: House) -> None:
    incident = fresh.leak()
    fresh.respond(incident)
    values = {"controller": "Example Tea House GmbH", "address": "Musterweg 1, 10115 Berlin", "country": "de"}
    values |= {"contact_name": "D. Example", "contact_email": "dpo@example.com", "contact_phone": "+49 30 23125000"}
    with browser(fresh, "owner") as person:
        wrong = person.post("/settings/organisation", data=values | {"country": "Germany", "contact_email": "dpo"})
        assert wrong.status_code == 400 and "two letters" in wrong.text and "exactly one @" in wrong.text
        answer = person.post("/settings/organisation", data=values)
        assert answer.status_code == 303, answer.text
        assert "Saved." in person.get(answer.headers["location"]).text
        text = text_of(person.get(f"/incidents/{incident}").text)
    assert "complete 8 filled" in text
    assert "(Europe/Berlin)" in text


def test_a_pairing_code_is_shown_once_and_works(home: House) -> None:
    with browser(home, "admin") as person:
        assert 'id="code"' not in person.get("/pair").text
        shown = re.search(r'id="code">([^<]+)<', person.post("/pair").text)
        assert shown and re.fullmatch(r"[2-9A-Z]{4}(-[2-9A-Z]{4}){2}@127\.0\.0\.1:\d+", shown[1])
        assert 'id="code"' not in person.get("/pair").text


def test_a_task_is_done_by_a_person_and_leaves_the_page(fresh: House) -> None:
    incident = fresh.leak()
    fresh.respond(incident)
    with browser(fresh, "lead") as person:
        link = re.findall(rf"/incidents/{incident}/tasks/[\w.-]+", person.get(f"/incidents/{incident}").text)[-1]
        assert person.post(link, data={"note": "Filed by telephone."}).status_code == 303
        assert link not in person.get(f"/incidents/{incident}").text
        assert person.get(link).status_code == 404


def test_a_shop_that_does_not_answer_is_said_to_be_tried_again(fresh: House) -> None:
    fresh.shop.away = True
    incident = fresh.leak()

    def said(path: str = f"/incidents/{incident}") -> str:
        with browser(fresh, "reader") as person:
            return person.get(path).text

    text = fresh.wait(lambda: t if "The shop answered 503." in (t := text_of(said())) else "")
    assert re.search(
        r"not confirmed by the shop yet after \d+ tr(y|ies): the shop answered 503; tried again until it expires", text
    )
    assert "The response is under way." in text
    assert "the way out is not known to be closed" in text
    assert "What to do next See that the shop runs, or switch the plugin off on its server." in text
    assert 'data-renew="10"' in said()
    assert "data-renew" not in said(f"/incidents/{incident}?pause=1")
    fresh.wait(lambda: "orders do not get through: the shop answered 503" in said("/"))


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}\u202egnp.exe'


def test_what_a_hostile_shop_says_is_text_and_nothing_else(tmp_path: Path) -> None:
    with house(tmp_path / "data", name=HOSTILE) as built:
        incident = built.leak(plugin=HOSTILE)
        built.respond(incident)
        with browser(built, "owner") as person:
            paths = ["", "/timeline", "/exposures", "/awareness", "/late-reason", "/notices/gdpr_art33.html"]
            pages = [person.get(f"/incidents/{incident}{p}").text for p in paths]
            pages += [person.get(p).text for p in ("/", "/settings/organisation", "/login")]
    assert sum("&lt;script&gt;alert(1)" in p for p in pages) >= 5
    for text in pages:
        own = text.replace('<script src="/static/live.js" defer></script>', "")
        assert "<script" not in own and "<img src=x" not in text and "49" not in re.findall(r"onerror.{0,60}", text)
        assert "{{ 7 * 7 }}" in text or "alert(1)" not in text
    assert all("\u202e" not in text for text in pages[:5] + pages[6:])


def test_the_drafts_policy_allows_its_own_style_only(home: House) -> None:
    with browser(home, "reader") as person:
        answer = person.get(f"/incidents/{home.cases()[0]}/notices/gdpr_art33.html")
    assert answer.text.count("<style") == 1
    assert answer.headers["content-security-policy"].count("sha256-") == 1


def test_quiet_is_said_clearly(tmp_path: Path) -> None:
    with house(tmp_path / "data", paired=False) as empty, browser(empty, "reader") as person:
        text = text_of(person.get("/").text)
        assert "No open incident" in text and "No sensor is paired: nothing is being watched." in text


def test_titles_and_addresses_hold_no_personal_data(home: House) -> None:
    for path in ("/", CASE, CASE + "/timeline", CASE + "/exposures", CASE + "/awareness"):
        found = re.search(r"<title>(.*?)</title>", page(home, path))
        assert found and "customer" not in found[1].lower() and "@" not in found[1]


PERSONAL = re.compile(r"customer[:%]|%3a|@|%40|session:|Muster", re.IGNORECASE)


def test_addresses_titles_and_the_servers_log_name_nobody(home: House, caplog: pytest.LogCaptureFixture) -> None:
    """Every page a person can reach by links: what stands in an address is kept by browsers and proxies."""
    case, seen, caught = f"/incidents/{home.cases()[0]}", set[str](), []
    left = ["/", case, f"{case}/timeline?source=gateway", "/people", "/holds", "/account"]
    with caplog.at_level("DEBUG"), browser(home, "owner") as person:
        while left and len(seen) < 80:
            path = left.pop()
            if path in seen:
                continue
            seen.add(path)
            answer = person.get(path)
            if "html" not in answer.headers.get("content-type", ""):
                continue
            html = answer.text
            found = re.findall(r'(?:href|action|src)="(/[^"#]*)', html)
            caught += [(path, a) for a in [path, *found] if PERSONAL.search(a)]
            caught += [(path, t) for t in re.findall(r"<title>(.*?)</title>", html, re.DOTALL) if PERSONAL.search(t)]
            left += [a.replace("&amp;", "&") for a in found if not a.startswith("/static")]
    assert len(seen) > 25 and f"{case}/exposures" in seen and f"{case}/drafts/gdpr_art33/edit" in seen
    assert caught == []
    assert [
        r.getMessage()
        for r in caplog.records
        if r.name.startswith(("checkvalve", "uvicorn")) and PERSONAL.search(r.getMessage())
    ] == []
