"""Who read what and why; what may not be erased now; what is erased by its age; whose key files lie open."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.integration.imports.conftest import Installation
from tests.wire.core_process import CoreProcess, running_core

from checkvalve.engine.core import open_core
from checkvalve.engine.settings import Settings
from checkvalve.events import event as ocsf
from checkvalve.store.journal import Draft

DAY_MS = 24 * 3_600_000
PEOPLE = {"ada": "controller", "dee": "dpo", "max": "wordpress_admin"}
PASSWORD = "correct horse battery"


@pytest.fixture
def shop(tmp_path: Path) -> Installation:
    """An installation with one person of each role and a leak of customer:7 in an imported log."""
    found = Installation(data=tmp_path / "data")
    for name, role in PEOPLE.items():
        ask(found, "user", "add", name, "--role", role)
    people = tmp_path / "people.jsonl"
    people.write_text(json.dumps({"ref": "customer:7", "email": "anna.schmidt@example.com", "name": "Anna Schmidt"}))
    assert found.run("subjects", "import", str(people)).returncode == 0
    answer = {"id": "c-1", "choices": [{"message": {"content": "That was anna.schmidt@example.com"}}]}
    line = {"timestamp": "2026-11-24T10:00:00Z", "request": {"messages": []}, "response": answer}
    (tmp_path / "llm.jsonl").write_text(json.dumps(line))
    assert found.ingest(tmp_path / "llm.jsonl", "openai")["entries"] == 1
    return found


def ask(shop: Installation, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        shop.command(*arguments), input=f"{PASSWORD}\n", capture_output=True, text=True, check=False, timeout=120
    )


def hold(shop: Installation, *arguments: str) -> dict[str, Any]:
    done = ask(shop, "evidence", "hold", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def erase(shop: Installation) -> "subprocess.CompletedProcess[str]":
    return shop.run("evidence", "erase", "--subject", "customer:7")


def test_a_reading_is_an_entry_with_reader_purpose_and_case(shop: Installation) -> None:
    found = shop.json("evidence", "find", "anna.schmidt@example.com", "--purpose", "who is it?", "--case", "inc-2026-0001")
    assert found["hits"]
    [read] = shop.json("evidence", "custody", "--case", "inc-2026-0001")["readings"]
    assert (read["what"], read["by"], read["purpose"]) == ("access", "user:cli", "who is it?")
    assert read["entry"] == found["access_entry"] and read["entries"] >= 1
    assert "anna" not in json.dumps(read)


def test_while_a_hold_stands_nothing_is_erased_and_two_people_lift_it(shop: Installation) -> None:
    put = hold(shop, "set", "--reason", "proceedings 7 O 12/26", "--by", "dee")
    assert put["what"] == "hold_set"
    refused = erase(shop)
    assert refused.returncode == 2 and put["hold"] in refused.stderr and refused.stderr.count("\n") == 1
    assert shop.run("evidence", "retention", "--keep", "imports=1", "--apply").returncode == 2
    assert hold(shop, "lift", put["hold"], "--by", "dee")["what"] == "hold_lift_asked"
    again = ask(shop, "evidence", "hold", "lift", put["hold"], "--by", "dee")
    assert again.returncode == 2 and "another person" in again.stderr
    assert erase(shop).returncode == 2, "one person has not lifted it"
    assert hold(shop, "lift", put["hold"], "--by", "ada")["what"] == "hold_lifted"
    assert erase(shop).returncode == 0
    [kept] = shop.json("evidence", "hold", "list")["holds"]
    assert (kept["set_by"], kept["lift_asked_by"], kept["lifted_by"]) == ("user:dee", "user:dee", "user:ada")
    told = [r["what"] for r in shop.json("evidence", "custody")["readings"]]
    assert told == ["hold_set", "hold_lift_asked", "hold_lifted", "access", "erased"]
    assert shop.json("evidence", "verify")["ok"]


def test_a_hold_of_one_person_covers_that_person_only(shop: Installation) -> None:
    hold(shop, "set", "--reason", "dispute", "--subject", "customer:8", "--by", "ada")
    assert erase(shop).returncode == 0
    hold(shop, "set", "--reason", "dispute", "--subject", "customer:7", "--by", "ada")
    assert erase(shop).returncode == 2


@pytest.mark.parametrize(("name", "what"), [("max", "no role"), ("nobody", "name or password is wrong")])
def test_who_has_no_such_role_sets_no_hold(shop: Installation, name: str, what: str) -> None:
    refused = ask(shop, "evidence", "hold", "set", "--reason", "x", "--by", name)
    assert refused.returncode == 2 and what in refused.stderr
    assert shop.json("evidence", "hold", "list")["holds"] == []


def test_a_hold_is_set_and_obeyed_by_a_running_core(shop: Installation) -> None:
    with running_core(shop.data):
        put = hold(shop, "set", "--reason", "proceedings", "--by", "ada")
        assert put["hold"] in erase(shop).stderr


def aged(shop: Installation, source: str, days: int, count: int) -> None:
    """Entries that came so long ago, written as core writes them."""
    core = open_core(Settings(data=shop.data))
    try:
        core.pipeline.catch_up()
        t = time.time_ns() // 1_000_000 - days * DAY_MS
        fields: dict[str, Any] = {"class_uid": ocsf.API_ACTIVITY, "activity_id": 1, "time": t, "product": "t", "version": "0"}
        lines = [ocsf.encode(uid=f"{source}-{days}-{n}", sequence=n, own={}, **fields) for n in range(1, count + 1)]
        first = (core.ingest.next_sequence(source)) - 1
        drafts = [Draft(kind="event", source=source, seq=first + n, clear=c, t=t) for n, c in enumerate(lines, start=1)]
        core.journal.append_many(drafts)
        core.pipeline.catch_up()
    finally:
        core.close()


def readable(shop: Installation, source: str) -> int:
    core = open_core(Settings(data=shop.data))
    try:
        opened = core.journal.read_many(0, core.journal.size)
    finally:
        core.close()
    return sum(o.clear is not None for o in opened if o.header.source == source)


def test_each_class_is_erased_by_its_own_age_and_the_log_verifies(shop: Installation) -> None:
    for source, days, count in (("gw.gpu-1", 100, 2500), ("gw.gpu-1", 10, 3), ("wp.s-aaaaaaaaaaaa", 100, 4)):
        aged(shop, source, days, count)
    done = shop.json("evidence", "retention", "--keep", "inferences=30", "--keep", "imports=90", "--apply")
    assert done == {"keep_days": {"inferences": 30, "imports": 90}, "erased": {"inferences": 2500, "imports": 0}}
    assert readable(shop, "gw.gpu-1") == 3 and readable(shop, "wp.s-aaaaaaaaaaaa") == 4
    assert shop.json("evidence", "retention", "--apply")["erased"] == {"inferences": 0, "imports": 0}
    assert shop.json("evidence", "verify")["ok"]
    bad = shop.run("evidence", "retention", "--keep", "everything=1")
    assert bad.returncode == 2 and "no class everything" in bad.stderr


@pytest.mark.parametrize("name", ["keys/log.key", "keys/core.key", "keys.db", "state.db"])
def test_a_key_file_that_others_may_read_is_refused_at_start(shop: Installation, name: str) -> None:
    (shop.data / name).chmod(0o640)
    refused = shop.run("core", "--listen", "127.0.0.1:0")
    assert refused.returncode == 2 and name.split("/")[-1] in refused.stderr and "chmod" in refused.stderr


def test_nothing_else_is_in_the_way_of_a_start(shop: Installation) -> None:
    process = CoreProcess(data=shop.data).start()
    process.stop()
