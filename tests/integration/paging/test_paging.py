"""People are paged over real channels until one acknowledges by link; each page and answer is an entry of the log."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.engine import log
from tests.integration.engine.scene import CoreHere, Scene, scene, wait
from tests.integration.paging.conftest import Mailbox, Webhook

from checkvalve.cli.main import run
from checkvalve.engine import paging, paging_rota
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import load_settings

LINK = re.compile(r"Acknowledge: (\S+)")
MINUTE = 60_000


def rota(*rungs: tuple[str, list[str]], wait_minutes: int = 10) -> bytes:
    contacts = {name: {"urls": urls} for name, urls in rungs}
    order = [{"contacts": [name], "wait_minutes": wait_minutes} for name, _ in rungs]
    return json.dumps({"contacts": contacts, "rungs": order, "repeat_minutes": 15, "repeats": 1}).encode()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How far core's clock is moved forward, in ms."""
    moved = [0]
    monkeypatch.setattr(paging, "LOOK_S", 0.1)
    return iter([moved])


def paged(staged: Scene) -> list[dict[str, Any]]:
    shown = staged.case()
    return [t["data"] for t in shown["transitions"] if t["kind"] == "paged"] if shown else []


def test_a_leak_climbs_the_rungs_over_mail_and_webhook_until_somebody_presses_the_button(
    tmp_path: Path, mailbox: Mailbox, webhook: Webhook, clock: Iterator[list[int]]
) -> None:
    moved = next(clock)
    with scene(CoreHere(tmp_path / "data", moved)) as staged:
        settings = load_settings(staged.core.data)
        paging_rota.install(settings, rota(("owner", [mailbox.url]), ("agency", [webhook.url])))
        staged.leak(0, 1)
        wait(lambda: mailbox.letters, "the owner is paged")
        assert webhook.posts == []
        letter = mailbox.letters[0]
        assert "INC-" in letter
        assert "shown to others" in letter
        moved[0] = 11 * MINUTE
        wait(lambda: webhook.posts, "after ten minutes the agency is paged")
        link = LINK.search(webhook.posts[0]["message"])
        assert link
        said = webhook.posts[0]["title"] + webhook.posts[0]["message"] + letter
        for person in staged.people:  # no person concerned, by no name
            assert person.email not in said
            assert person.last_name not in said
        assert "customer:" not in said

        opened = httpx2.get(link[1])
        assert (opened.status_code, opened.headers["cache-control"]) == (200, "no-store")
        assert "page_acknowledged" not in staged.kinds(), "opening a link, as a scanner does, acknowledges nothing"
        pressed = httpx2.post(link[1])
        assert (pressed.status_code, "Acknowledged" in pressed.text) == (200, True)
        assert httpx2.post(link[1]).status_code == 200
        wait(lambda: "page_acknowledged" in staged.kinds(), "the case knows")
        assert staged.kinds().count("page_acknowledged") == 1

        sent = len(paged(staged))
        moved[0] = 120 * MINUTE
        time.sleep(1.0)
        assert len(paged(staged)) == sent, "who has acknowledged is left in peace"
        shown = staged.case()
        assert shown is not None
        (by,) = [t["by"] for t in shown["transitions"] if t["kind"] == "page_acknowledged"]
        assert by == "page:agency"

    kinds = [e.body.get("type") for e in log.entries(staged.core.data) if e.kind == "decision"]
    assert kinds.index("page_ordered") < kinds.index("paged") < kinds.index("page_acknowledged")


def test_a_channel_that_fails_is_said_and_the_next_rung_is_not_kept_waiting(
    tmp_path: Path, mailbox: Mailbox, webhook: Webhook, clock: Iterator[list[int]]
) -> None:
    moved = next(clock)
    mailbox.refuse = True
    with scene(CoreHere(tmp_path / "data", moved)) as staged:
        paging_rota.install(load_settings(staged.core.data), rota(("owner", [mailbox.url]), ("agency", [webhook.url])))
        staged.leak(0)
        wait(lambda: webhook.posts, "the agency is paged at once")
        wait(lambda: len(paged(staged)) >= 2, "both are in the case")
        first, second = paged(staged)[:2]
        assert (first["rung"], first["reached"], first["failed"]) == (0, [], ["owner by mailto"])
        assert (second["rung"], second["reached"], second["failed"]) == (1, ["agency by json"], [])
        assert "hook-secret" not in json.dumps(staged.case())


def test_a_running_out_limit_is_a_new_alarm_although_the_leak_was_acknowledged(
    tmp_path: Path, webhook: Webhook, clock: Iterator[list[int]]
) -> None:
    moved = next(clock)
    with scene(CoreHere(tmp_path / "data", moved)) as staged:
        paging_rota.install(load_settings(staged.core.data), rota(("owner", [webhook.url])))
        staged.leak(0)
        wait(lambda: webhook.posts, "the owner is paged")
        link = LINK.search(webhook.posts[0]["message"])
        assert link
        httpx2.post(link[1]).raise_for_status()
        moved[0] = 49 * 60 * MINUTE
        wait(lambda: any("gdpr_72h" in p["message"] for p in webhook.posts), "less than 24 hours are left")
        assert any("hours left" in p["message"] for p in webhook.posts)


def test_links_that_were_not_made_here_or_are_old_do_nothing(tmp_path: Path, clock: Iterator[list[int]]) -> None:
    moved = next(clock)
    with scene(CoreHere(tmp_path / "data", moved)) as staged:
        assert isinstance(staged.core, CoreHere)
        token = paging.acknowledge_token(staged.core.core, "INC-2026-0001", "leak", "owner")
        head, body, signature = token.split(".")
        for forged in (f"{head}.{body}.{signature[:-4]}AAAA", "nonsense", "a.b.c", f"{head}.{body}x.{signature}"):
            assert httpx2.post(f"{staged.core.url}/ack/{forged}").status_code == 403
        moved[0] = 8 * 24 * 60 * MINUTE
        assert httpx2.post(f"{staged.core.url}/ack/{token}").status_code == 410


def test_a_test_page_says_who_was_reached(
    tmp_path: Path, mailbox: Mailbox, webhook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    with scene(CoreHere(data)):
        file = tmp_path / "rota.json"
        file.write_bytes(rota(("owner", [mailbox.url]), ("agency", [webhook.url])))
        assert run(["page", "test", "--data", str(data)]) == 2
        assert run(["page", "rota", str(file), "--data", str(data)]) == 0
        assert "hook-secret" not in capsys.readouterr().out
        assert (data / "paging.json").stat().st_mode & 0o077 == 0
        assert run(["page", "test", "--json", "--data", str(data)]) == 0
        assert json.loads(capsys.readouterr().out)["reached"] == ["owner by mailto", "agency by json"]
        webhook.status = 500
        assert run(["page", "test", "--contact", "agency", "--json", "--data", str(data)]) == 1
        assert json.loads(capsys.readouterr().out)["failed"] == ["agency by json"]
        assert "This is a test" in mailbox.letters[0]


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"[]",
        b'{"contacts": {}, "rungs": []}',
        b'{"contacts": {"Dana Beispiel": {"urls": ["json://127.0.0.1"]}}, "rungs": [{"contacts": ["Dana Beispiel"]}]}',
        b'{"contacts": {"owner": {"urls": []}}, "rungs": [{"contacts": ["owner"]}]}',
        b'{"contacts": {"owner": {"urls": ["nosuch://token-1234"]}}, "rungs": [{"contacts": ["owner"]}]}',
        b'{"contacts": {"owner": {"urls": ["json://127.0.0.1"]}}, "rungs": [{"contacts": ["other"]}]}',
        b'{"contacts": {"owner": {"urls": ["json://127.0.0.1"]}}, "rungs": [{"contacts": ["owner"], "wait_minutes": 0}]}',
        b'{"contacts": {"owner": {"urls": ["json://127.0.0.1"], "away": [["x", "y"]]}}, "rungs": [{"contacts": ["owner"]}]}',
    ],
)
def test_a_rota_that_would_reach_nobody_is_refused_in_one_line_without_its_urls(tmp_path: Path, file: bytes) -> None:
    with pytest.raises(EngineError, match="the rota cannot be used") as caught:
        paging_rota.install(load_settings(tmp_path / "data"), file)
    assert "token-1234" not in str(caught.value)
    assert not (tmp_path / "data" / "paging.json").exists()
