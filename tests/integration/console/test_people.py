"""A second factor at the door, and people who see their own shop alone."""

import time

from tests.integration.console.seed import PASSWORD, SHOP_NAME, House, browser
from tests.integration.console.test_access import ROUTES, filled

from checkvalve.engine import totp
from checkvalve.engine.offline import chosen_site

SECRET = totp.encoded(b"k" * totp.SECRET_BYTES)


def code() -> str:
    return totp.code(SECRET, time.time_ns() // 1_000_000 // totp.STEP_MS)


def test_whoever_has_a_second_factor_needs_its_code_and_each_code_opens_once(fresh: House) -> None:
    fresh.core.accounts.set_second_factor("owner", SECRET)
    with browser(fresh) as person:
        for wrong in ("", "000000", "abc"):
            answer = person.post("/login", data={"name": "owner", "password": PASSWORD, "code": wrong})
            assert answer.status_code == 403, wrong
        right = code()
        assert person.post("/login", data={"name": "owner", "password": "not the password", "code": right}).status_code == 403
        answer = person.post("/login", data={"name": "owner", "password": PASSWORD, "code": right})
        assert answer.status_code == 303
        assert person.get("/").status_code == 200
    with browser(fresh) as other:
        assert other.post("/login", data={"name": "owner", "password": PASSWORD, "code": right}).status_code == 403
    with browser(fresh) as without:  # who has none is not asked for one
        assert without.post("/login", data={"name": "lead", "password": PASSWORD}).status_code == 303


def test_a_client_sees_its_own_shop_alone(home: House) -> None:
    site, _ = chosen_site(home.core.state, None)
    roles = ("controller", "incident_lead", "wordpress_admin", "dpo")
    home.core.accounts.add("client-here", PASSWORD, roles, home.core.now_ms(), (site,))
    home.core.accounts.add("client-elsewhere", PASSWORD, roles, home.core.now_ms(), ("s-elsewhere",))
    case = home.cases()[0]
    with browser(home, "client-here") as person:
        assert case in person.get("/").text
        assert person.get(f"/incidents/{case}").status_code == 200
    with browser(home, "client-elsewhere") as person:
        for path, method in ROUTES:
            if path in ("/logout", "/login"):
                continue
            answer = person.request(method, filled(path).replace("INC-2026-0001", case), data={} if method == "POST" else None)
            if "{id}" in path:
                assert answer.status_code == 404, (path, method)
            if path == "/pair":
                assert answer.status_code == 404, "it would be a shop that is not theirs"
            assert case not in answer.text and SHOP_NAME not in answer.text, path
        assert SHOP_NAME not in person.get(f"/settings/organisation?site={site}").text
