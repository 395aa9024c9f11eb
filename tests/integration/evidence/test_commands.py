"""`checkvalve evidence find | erase | ask | scope --trace`, beside a running core and without one."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.wire.core_process import CoreProcess, running_core

from checkvalve.events import event as ocsf

TRACE = "c" * 32
ADDRESS = "anna.schmidt@example.com"


@pytest.fixture
def core(tmp_path: Path) -> Iterator[CoreProcess]:
    with running_core(tmp_path / "data") as process:
        yield process


def leak(core: CoreProcess) -> None:
    """A shop's request and the inference it led to, under one trace."""
    shop, gateway = core.pair(), core.pair("gateway")
    site = shop.keyid.removeprefix("wp.")
    caller = {
        "site": site,
        "plugin": "shop-assistant",
        "route": "/ask",
        "session": "e" * 32,
        "requester": {"ref": "customer:1"},
    }
    inference = {
        "id": "inf-1",
        "request": json.dumps({"messages": [{"role": "user", "content": "Who is it?"}]}),
        "completion": f"It is {ADDRESS}.",
        "outcome": "complete",
        "started_ms": time.time_ns() // 1_000_000 + 1000,
        "caller": caller,
    }
    for sensor, own in (
        (shop, {"plugin": "shop-assistant", "session": "e" * 32}),
        (gateway, {"site": site, "inference": inference}),
    ):
        line = ocsf.encode(
            class_uid=ocsf.API_ACTIVITY,
            activity_id=1,
            time=time.time_ns() // 1_000_000,
            uid=f"uid-{sensor.keyid}",
            sequence=1,
            product="test",
            version="0",
            own=own,
            trace=TRACE,
        )
        assert sensor.post([line], 1).status_code == 202


def said(core: CoreProcess, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = core.run("evidence", *arguments, "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("running", [True, False])
def test_the_commands_answer_alike_whether_core_runs_or_not(core: CoreProcess, running: bool) -> None:
    leak(core)
    if not running:
        core.stop()
    found = said(core, "find", ADDRESS, "--case", "CV-2026-0001")
    [hit] = found["hits"]
    assert hit.keys() == {"entry", "time", "source", "field", "session"}
    assert (hit["source"], hit["field"]) == ("llm", "unmapped.checkvalve.inference.completion")
    assert hit["time"].endswith("Z")
    story = said(core, "scope", "--trace", TRACE)
    assert [row["kind"] for row in story["story"]] == ["event", "event", "inference"]
    assert story["confirmed"]["subjects"] == 0
    rows = said(core, "ask", "trace", f"trace={TRACE}")["rows"]
    assert [(r["entry"], r["kind"], r["what"]) for r in rows] == [(r["entry"], r["kind"], r["what"]) for r in story["story"]]
    erased = said(core, "erase", "--subject", "customer:1")
    assert (erased["subject"], erased["records"]) == ("customer:1", 1)
    assert said(core, "find", ADDRESS, code=1)["hits"] == []
    assert said(core, "verify")["ok"]


def test_bad_input_is_one_clear_line(core: CoreProcess) -> None:
    leak(core)
    for arguments in (
        ("find", "--", "-!-"),
        ("erase", "--subject", "customer:404"),
        ("ask", "trace"),
        ("ask", "session", "session=x", "since=yesterday", "until=1"),
        ("scope",),
        ("scope", "--trace", "0" * 32),
    ):
        done = core.run("evidence", *arguments)
        assert done.returncode == 2, arguments
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert "Traceback" not in done.stderr


def test_the_sql_for_another_engine_is_printed(core: CoreProcess) -> None:
    printed = core.run("evidence", "ask", "trace", "trace=o'hara", "--sql", "clickhouse")
    assert printed.returncode == 0
    assert "'o''hara'" in printed.stdout or "'o\\'hara'" in printed.stdout
