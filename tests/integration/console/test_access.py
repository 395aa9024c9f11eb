"""Who gets in, who may do what, and what a foreign page can make a browser do: nothing."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import update
from starlette.routing import Route
from tests.integration.console.seed import PASSWORD, PEOPLE, House, browser, house

from checkvalve.engine import queries
from checkvalve.engine.accounts import ROLES
from checkvalve.store.schema import incidents
from checkvalve.web.console import present
from checkvalve.web.console.app import routes

LIVE_PAGES = {"/", "/incidents/INC-2026-0001"}
OPEN = {"/health", "/login", "/favicon.ico"}
ALL = set(PEOPLE) - {"newcomer"}
DRAFTERS = {"owner", "lead", "officer", "speaker"}
# Who may do what: everybody with a role reads; whoever is not named here gets 403.
MAY = {
    "/": ALL,
    "/incidents/{id}": ALL,
    "/incidents/{id}/timeline": ALL,
    "/incidents/{id}/exposures": ALL,
    "/incidents/{id}/notices/{regime}.{format}": ALL,
    "/incidents/{id}/law": ALL,
    "/register": ALL,
    "/readiness": ALL,
    "/incidents/{id}/awareness": {"owner", "lead", "officer"},
    "/incidents/{id}/late-reason": {"owner", "lead", "officer"},
    "/incidents/{id}/tasks/{command}": ALL - {"reader"},
    "/incidents/{id}/approvals/{command}": ALL - {"reader"},
    "/incidents/{id}/playbook": {"owner", "lead"},
    "/incidents/{id}/drafts": DRAFTERS,
    "/incidents/{id}/drafts/{regime}": ALL,
    "/incidents/{id}/drafts/{regime}/changes": ALL,
    "/incidents/{id}/drafts/{regime}/edit": DRAFTERS,
    "/incidents/{id}/drafts/{regime}/word": DRAFTERS,
    "/incidents/{id}/drafts/{regime}/decision": {"owner"},
    "/incidents/{id}/drafts/{regime}/filed": {"owner", "lead", "officer"},
    "/people": ALL,
    "/people/absence": {"owner", "lead"},
    "/people/test": {"owner", "lead"},
    "/holds": {"owner", "officer"},
    "/holds/{hold}/lift": {"owner", "officer"},
    "/model-states": ALL,
    "/account": ALL,
    "/account/second-factor": ALL,
    "/settings/costs": {"owner", "lead", "officer"},
    "/settings/organisation": {"owner", "officer"},
    "/pair": {"lead", "admin"},
}
ROUTES = [(r.path, m) for r in routes() if isinstance(r, Route) for m in sorted(r.methods or ()) if m != "HEAD"]


def filled(path: str) -> str:
    for name, value in {
        "id": "INC-2026-0001",
        "regime": "gdpr_art33",
        "format": "json",
        "command": "x",
        "hold": "hold-0",
    }.items():
        path = path.replace(f"{{{name}}}", value)
    return path


@pytest.mark.parametrize(("path", "method"), [r for r in ROUTES if r[0] not in OPEN])
def test_no_page_without_log_in(home: House, path: str, method: str) -> None:
    with browser(home) as stranger:
        answer = stranger.request(method, filled(path))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")
    assert "INC-" not in answer.text


@pytest.mark.parametrize("name", sorted(PEOPLE))
def test_every_role_on_every_route(home: House, name: str) -> None:
    with browser(home, name) as person:
        for path, method in ROUTES:
            if path in OPEN | {"/logout"}:
                continue
            allowed = name in MAY[path]
            # an empty form changes nothing: what is allowed is answered with its own complaint
            answer = person.request(method, filled(path), data={} if method == "POST" else None)
            assert (answer.status_code != 403) is allowed, (path, method, answer.status_code)
            if not allowed:
                assert "Nothing was changed" in answer.text


def test_the_table_of_roles_names_every_role_and_every_route() -> None:
    assert {r for roles in PEOPLE.values() for r in roles} == set(ROLES)
    assert {path for path, _ in ROUTES} == set(MAY) | OPEN | {"/logout"}


def test_a_task_is_for_the_role_it_was_given_to_and_for_those_who_lead(home: House) -> None:
    file = queries.case_file(home.core.state, home.cases()[0])
    assert file is not None
    given = {t.role: t.command for t in present.tasks(file)}
    may = {"dpo": {"officer", "owner", "lead"}, "controller": {"owner", "lead"}}
    for role, people in may.items():
        for name in ALL:
            with browser(home, name) as person:
                answer = person.get(f"/incidents/{home.cases()[0]}/tasks/{given[role]}")
            assert (answer.status_code == 200) is (name in people), (role, name)
    before = home.core.journal.size
    with browser(home, "engineer") as person:
        assert person.post(f"/incidents/{home.cases()[0]}/tasks/{given['dpo']}", data={"note": "x"}).status_code == 403
    assert home.core.journal.size == before


def test_a_refusal_says_who_may(home: House) -> None:
    with browser(home, "engineer") as person:
        answer = person.get("/settings/organisation")
    assert "data protection officer, controller (owner)" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://["},
        {},
    ],
)
@pytest.mark.parametrize(("path", "method"), [r for r in ROUTES if r[1] == "POST"])
def test_no_change_from_a_foreign_page(home: House, path: str, method: str, headers: dict[str, str]) -> None:
    with browser(home, "lead") as person:
        cookies = dict(person.cookies)
    answer = httpx2.request(
        method, home.url + filled(path), cookies=cookies, headers=headers, data={"aware_at": "2026-01-01T00:00"}
    )
    assert answer.status_code == 403
    assert "did not come from a page of this console" in answer.text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8470", "127.0.0.1.evil.example", "", "["])
def test_a_foreign_host_name_is_refused(home: House, host: str) -> None:
    assert httpx2.get(home.url + "/login", headers={"Host": host}).status_code in (400, 421)


@pytest.mark.parametrize("path", ["/login", "/", "/incidents/INC-2026-0001", "/no/such/page", "/static/console.css", "/health"])
def test_every_answer_is_armoured(home: House, path: str) -> None:
    with browser(home, "owner") as person:
        headers = person.get(path).headers
    csp = headers["content-security-policy"]
    for part in ("default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in csp
    assert "unsafe" not in csp
    scripts = re.findall(r"(?:script|connect)-src [^;]*", csp)
    assert scripts == (["script-src 'self'", "connect-src 'self'"] if path in LIVE_PAGES else [])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


def test_pages_bring_no_script_no_inline_style_and_nothing_from_elsewhere(home: House) -> None:
    with browser(home, "owner") as person:
        for path, method in ROUTES:
            if method == "GET" and path not in {"/health", "/favicon.ico"} and "notices" not in path:
                text = person.get(filled(path)).text
                assert text.replace('<script src="/static/live.js" defer></script>', "").count("<script") == 0, path
                assert " style=" not in text and not re.search(r"\son[a-z]+=", text), path
                assert "<style" not in text or path == "/register", path  # a document: its style is allowed by its hash
                assert 'src="http' not in text and 'href="http' not in text, path


def test_log_in_gives_a_new_session_and_ends_the_old_one(home: House) -> None:
    with browser(home, "reader", again=True) as person:
        old = person.cookies["checkvalve"]
        assert person.post("/login", data={"name": "x", "password": "x", "next": "//["}).status_code == 403
        answer = person.post("/login", data={"name": "reader", "password": PASSWORD, "next": "//evil.example"})
        assert answer.headers["location"] == "/"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
        assert person.cookies["checkvalve"] != old
    assert home.core.accounts.who(old, home.core.now_ms()) is None


def test_a_planted_session_is_not_taken_over(home: House) -> None:
    planted = {"checkvalve": "chosen-by-the-attacker"}
    answer = httpx2.post(
        home.url + "/login", data={"name": "reader", "password": PASSWORD}, cookies=planted, headers={"Origin": home.url}
    )
    assert answer.status_code == 303
    assert "chosen-by-the-attacker" not in answer.headers["set-cookie"]
    assert httpx2.get(home.url + "/", cookies=planted).status_code == 303


def test_log_out_ends_the_session(home: House) -> None:
    with browser(home, "reader", again=True) as person:
        token = person.cookies["checkvalve"]
        assert person.post("/logout").headers["location"] == "/login"
    assert httpx2.get(home.url + "/", cookies={"checkvalve": token}).status_code == 303


def test_guessing_is_braked_and_says_how_long(fresh: House) -> None:
    with browser(fresh) as stranger:
        for _ in range(10):
            answer = stranger.post("/login", data={"name": "owner", "password": "wrong"})
            assert answer.status_code == 403 and "name or password is wrong" in answer.text.lower()
        answer = stranger.post("/login", data={"name": "owner", "password": PASSWORD})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "900"


def test_many_guesses_at_once_are_not_more_than_one_after_another(fresh: House) -> None:
    def guess(number: int) -> int:
        with browser(fresh) as stranger:
            return stranger.post("/login", data={"name": "owner", "password": f"wrong {number}"}).status_code

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(guess, range(20)))
    assert sorted(answers) == [403] * 10 + [429] * 10


def test_logging_in_is_no_failure_and_forgives_no_other_name(fresh: House) -> None:
    def log_in(name: str, password: str) -> int:
        with browser(fresh) as stranger:
            return stranger.post("/login", data={"name": name, "password": password}).status_code

    assert [log_in("reader", PASSWORD) for _ in range(11)] == [303] * 11
    assert [log_in("owner", "wrong") for _ in range(9)] == [403] * 9
    assert log_in("reader", PASSWORD) == 303
    assert [log_in("lead", "wrong") for _ in range(2)] == [403, 429]  # ten from this address


def test_the_same_answer_for_a_wrong_name_and_a_wrong_password(home: House) -> None:
    with browser(home) as stranger:
        texts = {
            stranger.post("/login", data={"name": n, "password": "wrong"}).text.replace(n, "") for n in ("admin", "nobody")
        }
    assert len(texts) == 1


def test_without_users_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    with House(tmp_path / "data", paired=False) as empty, browser(empty) as stranger:
        assert "checkvalve user add" in stranger.get("/login").text


def test_a_secure_cookie_behind_https(tmp_path: Path) -> None:
    with house(tmp_path / "data", paired=False, public_url="https://console.example.com") as built:
        host = {"Host": "console.example.com", "Origin": "https://console.example.com"}
        answer = httpx2.post(built.url + "/login", data={"name": "owner", "password": PASSWORD}, headers=host)
        assert answer.status_code == 303
        assert answer.headers["set-cookie"].startswith("__Host-checkvalve=") and "; Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"name=%ff%fe", b"a=" + b"x" * 20_000, b"&".join(b"a=%d" % i for i in range(60))]
)
def test_a_broken_form_is_one_clear_page(home: House, body: bytes) -> None:
    with browser(home) as stranger:
        answer = stranger.post("/login", content=body)
    assert answer.status_code in (400, 413)
    assert "Traceback" not in answer.text and "<h1>" in answer.text


def test_a_page_that_breaks_is_one_clear_page_in_full_armour(fresh: House) -> None:
    incident = fresh.leak()
    with fresh.core.state.begin() as db:
        db.execute(update(incidents).values(state={"severity": "high", "opened_ms": "not a number"}))
    with browser(fresh, "reader") as person:
        answer = person.get(f"/incidents/{incident}")
    assert answer.status_code == 500
    assert "This page could not be shown." in answer.text and "Traceback" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"] and answer.headers["cache-control"] == "no-store"


def test_health_tells_nothing_else(home: House) -> None:
    assert httpx2.get(home.url + "/health").json() == {"status": "ok"}
