"""Two sessions ask real servers with each kind of cache: each leak is named, and a server that keys by session gives none."""

import json

import pytest
from tests.simulators.caches import cache_server
from tests.simulators.processes import free_port

from checkvalve.cli.main import run
from checkvalve.engine.cache_probe import Server, probe, two_sessions

SAME, OTHER, LOST, TIME = "cache: same question", "cache: re-worded question", "cache: cancelled requests", "cache: timing"


def leaks(kind: str) -> set[str]:
    with cache_server(kind) as url:
        checks = probe(Server(url, "m"), *two_sessions({}, {}))
    assert [c.name for c in checks] == [SAME, OTHER, LOST, TIME]
    assert all(bool(c.hint) != c.ok for c in checks), "what is found says what to do"
    return {c.name for c in checks if not c.ok}


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("exact", {SAME}),
        ("semantic", {SAME, OTHER}),
        ("prefix", {TIME}),
        ("pool", {LOST}),
        ("none", set()),
        ("by session", set()),
        ("prefix by session", set()),
    ],
)
def test_each_kind_of_leak_is_named_and_no_other(kind: str, found: set[str]) -> None:
    assert leaks(kind) == found


def test_the_command_says_so(capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    data = str(tmp_path_factory.mktemp("empty") / "data")
    with cache_server("exact") as url:
        words = ["doctor", "--probe-cache", url, "--session-a", "Cookie: a=1", "--session-b", "Authorization: Bearer b"]
        assert run([*words, "--json", "--data", data]) == 1
    checks = {c["name"]: c for c in json.loads(capsys.readouterr().out)["checks"]}
    assert checks[SAME]["ok"] is False
    assert "3 of 3" in checks[SAME]["found"]
    assert checks[OTHER]["ok"] is True


@pytest.mark.parametrize("given", ["no header", "Bad\nName: x", ":empty", "Name: x\r\nInjected: y"])
def test_a_header_that_is_none_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--probe-cache", "http://127.0.0.1:1", "--session-a", given]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_server_that_is_not_there_is_no_good_news() -> None:
    checks = probe(Server(f"http://127.0.0.1:{free_port()}", "m"), *two_sessions({}, {}))
    assert [c.ok for c in checks] == [False, False, False]
    assert all("cannot be reached" in c.found for c in checks)
