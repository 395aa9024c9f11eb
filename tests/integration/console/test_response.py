"""A person starts a playbook from the console; a step of it waits for the one role that may agree."""

import re
from pathlib import Path

from tests.integration.console.seed import House, browser, house


def waits(home: House) -> str | None:
    with home.core.state.read() as db:
        query = "select id from commands where kind = 'approval' and status = 'waiting'"
        found: str | None = db.exec_driver_sql(query).scalar()
        return found


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_a_playbook_is_started_and_its_step_approved_by_who_may(tmp_path: Path) -> None:
    with house(tmp_path / "data") as home:
        home.shop.breaks = False
        case = home.leak(2)
        home.respond(case)
        with browser(home, "admin") as admin, browser(home, "lead") as lead, browser(home, "owner") as owner:
            assert admin.get(f"/incidents/{case}/playbook").status_code == 403
            assert "Start another playbook" in lead.get(f"/incidents/{case}").text
            assert "Hidden instructions make the model give data away" in lead.get(f"/incidents/{case}/playbook").text
            assert lead.post(f"/incidents/{case}/playbook", data={"playbook": "../x"}).status_code == 409
            started = lead.post(f"/incidents/{case}/playbook", data={"playbook": "plugin-exposes-llm-endpoint"})
            assert started.status_code == 303
            assert "is under way" in lead.post(f"/incidents/{case}/playbook", data={"playbook": "false-alarm"}).text
            command = home.wait(lambda: waits(home))
            path = f"/incidents/{case}/approvals/{command}"
            assert "Approve or reject: Isolate the plugin from visitors." in text_of(admin.get(f"/incidents/{case}").text)
            assert owner.get(path).status_code == 403  # the role the step names, and no other
            asked = text_of(admin.get(path).text)
            assert "Isolate the plugin shop-assistant from visitors, at the shop" in asked and "it is not done" in asked
            assert admin.post(path, data={"answer": "approve", "reason": ""}).status_code == 400
            assert waits(home) == command
            given = admin.post(path, data={"answer": "approve", "reason": "<b>go</b>"})
            assert (given.status_code, given.headers["location"]) == (303, path)
            late = admin.post(path, data={"answer": "reject", "reason": "no"})
            assert late.status_code == 409 and "came too late" in late.text
            home.wait(lambda: "The step: done" in text_of(admin.get(path).text))
            said = admin.get(path).text
            assert "approved by admin: &lt;b&gt;go&lt;/b&gt;" in said and "<b>go" not in said
            assert admin.get(f"/incidents/{case}/approvals/{case}.run1.0").status_code == 404
            story = text_of(lead.get(f"/incidents/{case}/timeline").text)
            assert "Playbook started: plugin exposes llm endpoint" in story
