"""`checkvalve evidence ingest`: every record once, whatever happens in between, whether core runs or not."""

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.integration.imports.conftest import Installation
from tests.wire.core_process import CoreProcess

LINE = '203.0.113.{ip} - - [24/Nov/2026:10:{m:02d}:{s:02d} +0100] "GET /item/{n} HTTP/1.1" 200 512 "-" "curl/8"\n'


def access(count: int, first: int = 0) -> str:
    """Lines of an access log, several a second; some of one second are equal."""
    numbers = range(first, first + count)
    return "".join(LINE.format(ip=n % 200, m=n // 600 % 60, s=n // 10 % 60, n=n // 2) for n in numbers)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_same_file_twice_counts_once_and_the_bytes_are_those_of_the_file(shop: Installation, tmp_path: Path) -> None:
    log = write(tmp_path / "access.log", access(1200) + "no line of a log\n")
    first, again = (shop.ingest(log, "combined") for _ in range(2))
    assert (first["entries"], first["known"], first["malformed"]) == (1201, 0, 1)
    assert (again["entries"], again["known"]) == (0, 1201)
    assert shop.rows("SELECT count(*), count(DISTINCT digest), max(seq) FROM events") == [(1201, 1201, 1201)]
    assert shop.rows("SELECT detector, summary FROM findings") == [("malformed_event", "not a line of a combined access log")]
    verified = shop.json("evidence", "verify")
    assert verified["ok"] and verified["entries"] == 1201


def test_a_file_that_grew_an_overlapping_one_and_a_packed_one_bring_only_what_is_new(
    shop: Installation, tmp_path: Path
) -> None:
    assert shop.ingest(write(tmp_path / "a", access(300)), "combined")["entries"] == 300
    assert shop.ingest(write(tmp_path / "a", access(350)), "combined")["entries"] == 50
    assert shop.ingest(write(tmp_path / "b", access(250, 200)), "combined")["entries"] == 100
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(access(460).encode()))
    assert shop.ingest(packed, "combined")["entries"] == 10
    assert shop.rows("SELECT count(*) FROM events") == [(460,)]


def test_a_line_whose_end_is_not_written_yet_waits_and_is_never_two(shop: Installation, tmp_path: Path) -> None:
    whole = access(3)
    for cut in (len(whole) - 60, len(whole) - 1):  # one reads like a whole line already
        first = shop.ingest(write(tmp_path / "access.log", whole[:cut]), "combined")
        assert first["malformed"] == 0 and any("has no end yet" in note for note in first["notes"])
    assert shop.ingest(write(tmp_path / "access.log", whole), "combined")["entries"] == 1
    assert shop.rows("SELECT count(*) FROM events") == [(3,)]
    closed = write(tmp_path / "closed.log", access(4)[:-1])
    assert shop.ingest(closed, "combined", "--whole")["entries"] == 1


def test_two_machines_with_equal_lines_are_two_sources(shop: Installation, tmp_path: Path) -> None:
    log = write(tmp_path / "a", access(10))
    assert [shop.ingest(log, "combined", "--source", name)["entries"] for name in ("web1", "web2", "web1")] == [10, 10, 0]
    assert shop.rows("SELECT DISTINCT sensor FROM events ORDER BY 1") == [("import.combined.web1",), ("import.combined.web2",)]


def test_killed_half_way_it_goes_on_and_nothing_is_lost_or_doubled(shop: Installation, tmp_path: Path) -> None:
    log = write(tmp_path / "access.log", access(12_000))
    for wait in (0.9, 1.3, 1.8):
        process = subprocess.Popen(
            shop.command("evidence", "ingest", str(log), "--format", "combined"), stderr=subprocess.DEVNULL
        )
        time.sleep(wait)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = shop.ingest(log, "combined")
    assert done["records"] == 12_000 == done["entries"] + done["known"]
    assert shop.rows("SELECT count(*), count(DISTINCT digest) FROM events") == [(12_000, 12_000)]
    assert shop.rows("SELECT count(*) FROM imported") == [(12_000,)]
    assert shop.json("evidence", "verify")["ok"]


def test_a_running_core_takes_the_file_itself(shop: Installation, core: CoreProcess, tmp_path: Path) -> None:
    core.pair("wordpress")
    log = write(tmp_path / "access.log", access(1500))
    assert shop.ingest(log, "combined")["entries"] == 1500
    assert shop.ingest(log, "combined")["known"] == 1500
    core.stop()
    assert shop.ingest(log, "combined")["known"] == 1500
    assert shop.rows("SELECT count(*) FROM events WHERE sensor = 'import.combined'") == [(1500,)]


def test_the_way_in_for_commands_is_closed_to_everybody_without_cores_key(core: CoreProcess) -> None:
    sensor = core.pair("wordpress")
    answer = sensor.client.post(f"{core.url}/v1/local/import", content=b"\x90")
    assert (answer.status_code, answer.json()["error"]) == (401, "bad_signature")
    signed = sensor.post(sensor.batch(), 1)
    assert signed.status_code == 202, "the sensor itself may speak"
    headers = {k: v for k, v in signed.request.headers.items() if k.startswith(("sig", "content-d", "checkv"))}
    answer = sensor.client.post(f"{core.url}/v1/local/import", content=signed.request.content, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "bad_signature")


def test_without_core_and_with_a_lock_the_error_says_what_to_do(shop: Installation, core: CoreProcess, tmp_path: Path) -> None:
    settings = shop.data / "settings.json"
    kept = json.loads(settings.read_text())
    settings.write_text(json.dumps(kept | {"listen": "127.0.0.1:9"}))
    refused = shop.run("evidence", "ingest", str(write(tmp_path / "a", access(3))), "--format", "combined")
    assert refused.returncode == 2 and "another Checkvalve uses" in refused.stderr and refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "more", "what"),
    [
        ('{"a": 1}\n' * 300, (), "this is no web server access log"),
        (access(2), ("--zone", "Mars/Olympus"), "no time zone"),
        (access(2), ("--site", "s-nowhere"), "name the shop"),
        (access(2), ("--source", "../x"), "small letters"),
    ],
)
def test_bad_input_is_one_line_and_stores_nothing(
    shop: Installation, tmp_path: Path, text: str, more: tuple[str, ...], what: str
) -> None:
    refused = shop.run("evidence", "ingest", str(write(tmp_path / "a", text)), "--format", "combined", *more)
    assert refused.returncode == 2 and what in refused.stderr and refused.stderr.count("\n") == 1
    assert not (shop.data / "log").exists() or shop.rows("SELECT count(*) FROM events") == [(0,)]


@pytest.mark.parametrize("name", ["missing", "cut.gz", "other.db"])
def test_a_file_that_cannot_be_read_is_one_line(shop: Installation, tmp_path: Path, name: str) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(access(50).encode())[:-20])
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE x (y)")
    refused = shop.run("evidence", "ingest", str(tmp_path / name), "--format", "wsal")
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1 and "Traceback" not in refused.stderr


# --- what it means -----------------------------------------------------------------------------------------------------


def test_addresses_and_names_are_pseudonyms_in_every_table(shop: Installation, tmp_path: Path) -> None:
    rows = [
        {
            "id": n,
            "logger": "SimpleUserLogger",
            "date": "2026-11-24 09:00:00",
            "context_message_key": "user_login_failed",
            "context": {"_user_login": "anna.schmidt", "_user_email": "anna@example.com", "_server_remote_addr": "203.0.113.7"},
        }
        for n in range(3)
    ]
    shop.ingest(write(tmp_path / "sh.json", json.dumps(rows)), "simple-history")
    shop.ingest(write(tmp_path / "a.log", access(5)), "combined")
    stored = (
        (shop.data / "state.db").read_bytes() + (shop.data / "state.db-wal").read_bytes()
        if (shop.data / "state.db-wal").exists()
        else (shop.data / "state.db").read_bytes()
    )
    assert not [word for word in (b"anna", b"203.0.113", b"schmidt") if word in stored]
    log = b"".join(p.read_bytes() for p in (shop.data / "log" / "segments").iterdir())
    assert not [word for word in (b"anna", b"203.0.113") if word in log]
    seen = {r[0] for r in shop.rows("SELECT requester FROM events WHERE sensor = 'import.simple-history'")}
    assert len(seen) == 1 and seen.pop().startswith("email:")


def test_the_rows_of_a_plugins_sqlite_database_are_taken_with_their_details(shop: Installation, tmp_path: Path) -> None:
    path = tmp_path / "wordpress.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE wp_simple_history (id, date, logger, level, message, occasionsID, initiator)")
        db.execute("CREATE TABLE wp_simple_history_contexts (context_id, history_id, key, value)")
        db.execute(
            "INSERT INTO wp_simple_history VALUES (1, '2026-11-24 09:00:00', 'SimpleUserLogger', 'info', 'x', 'y', 'wp_user')"
        )
        db.execute(
            "INSERT INTO wp_simple_history_contexts VALUES (1, 1, '_message_key', 'user_logged_in'), (2, 1, '_user_id', '7')"
        )
    assert shop.ingest(path, "simple-history")["entries"] == 1
    assert shop.ingest(path, "simple-history")["known"] == 1
    assert shop.rows("SELECT class_uid, activity_id, requester FROM events") == [(3002, 1, "customer:7")]


def test_the_tables_of_a_security_plugin_are_taken_from_a_database(shop: Installation, tmp_path: Path) -> None:
    path = tmp_path / "wordpress.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE wp_wflogins (id, hitID, ctime, fail, action, username, userID, IP, UA)")
        db.execute("CREATE TABLE wp_wfHits (id, ctime, IP, statusCode, userID, URL, action)")
        address = bytes(10) + b"\xff\xff" + bytes((203, 0, 113, 9))
        db.execute("INSERT INTO wp_wflogins VALUES (1, 0, 1795510000.25, 1, 'loginFail', 'anna', 0, ?, 'x')", (address,))
        db.execute(
            "INSERT INTO wp_wfHits VALUES (1, 1795510001.5, ?, 403, 0, 'https://shop.example/x', 'blocked:waf')", (address,)
        )
    assert [shop.ingest(path, "wordfence")["entries"] for _ in range(2)] == [2, 0]
    (login, hit) = shop.rows("SELECT class_uid, time_ms, requester FROM events ORDER BY entry")
    assert login[:2] == (3002, 1795510000250) and hit[:2] == (4002, 1795510001500)
    assert hit[2].startswith("ip:") and "203.0.113" not in str((login, hit))


PEOPLE = [
    {"ref": "customer:7", "email": "anna.schmidt@example.com", "name": "Anna Schmidt"},
    {"ref": "customer:8", "email": "bo@example.org", "name": "Bo Berg"},
]


def inference(n: int, completion: str, **more: Any) -> dict[str, Any]:
    body = {"id": f"chatcmpl-{n}", "choices": [{"message": {"content": completion}}], "model": "m"}
    question = {"messages": [{"role": "user", "content": "who bought this?"}], "model": "m"}
    return {"timestamp": f"2026-11-24T10:00:{n:02d}Z", "request": question, "response": body, **more}


def test_a_leak_in_an_old_log_of_a_model_is_in_the_scope_and_a_case(shop: Installation, tmp_path: Path) -> None:
    people = write(tmp_path / "people.jsonl", "\n".join(map(json.dumps, PEOPLE)))
    assert shop.run("subjects", "import", str(people)).returncode == 0
    lines = [
        inference(1, "That was anna.schmidt@example.com", requester={"ref": "customer:42"}),
        inference(2, "You are bo@example.org", requester={"ref": "customer:8"}),
        inference(3, "Nobody"),
    ]
    log = write(tmp_path / "llm.jsonl", "\n".join(map(json.dumps, lines)))
    for _ in range(2):
        shop.ingest(log, "openai")
    scope = shop.json("evidence", "scope", "--since", "2026-11-24T09:00:00Z", "--until", "2026-11-24T11:00:00Z")
    assert scope["confirmed"]["subjects"] == 1 and scope["confirmed"]["recipients"] == {"customer:42": 1}
    assert scope["subject_refs"] == ["customer:7"]
    (case,) = shop.json("case", "list")["cases"]
    shown = shop.json("case", "show", case["id"])
    assert shown["steps"] == [], "an old log closes nothing in a shop that works"
    assert "note" in [t["kind"] for t in shown["transitions"]]
    assert not {"containment_started", "run_started"} & {t["kind"] for t in shown["transitions"]}
