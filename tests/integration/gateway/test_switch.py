"""A model server is swapped for another one while shoppers ask: nobody is refused, nobody is cut, and it holds."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.gateway.conftest import Stack
from tests.integration.gateway.local import local_gateway
from tests.integration.gateway.test_orders import HEAD, Running, shown, token
from tests.integration.gateway.test_proxy import PATH, QUESTION, message, plain
from tests.integration.gateway.upstream import Upstream, ask, payload

from checkvalve.cli.main import run
from checkvalve.gateway import operator
from checkvalve.gateway.settings import GatewayError


@pytest.fixture
def pair() -> Iterator[tuple[Upstream, Upstream]]:
    old, new = Upstream(), Upstream()
    old.script, new.script = plain(message("old")), plain(message("new"))
    yield old, new
    old.close()
    new.close()


def said(body: bytes) -> str:
    text: str = json.loads(body)["choices"][0]["message"]["content"]
    return text


def test_no_request_is_lost_while_servers_are_swapped_under_load(tmp_path: Path, pair: tuple[Upstream, Upstream]) -> None:
    old, new = pair
    failed: list[object] = []
    heard: list[str] = []
    stop = threading.Event()
    with local_gateway(tmp_path, old.url) as gateway:

        def shopper() -> None:
            while not stop.is_set():
                status, body, whole = payload(ask(gateway.url, PATH, QUESTION)[0])
                if status != 200 or not whole:
                    failed.append((status, body))
                else:
                    heard.append(said(body))

        shoppers = [threading.Thread(target=shopper) for _ in range(8)]
        for one in shoppers:
            one.start()
        for url in (new.url, old.url) * 5:
            before = len(heard)
            operator.ask(tmp_path, {"do": "switch", "server": "default", "url": url})
            now = "new" if url == new.url else "old"
            deadline = time.monotonic() + 20
            while now not in heard[before + len(shoppers) :]:
                assert time.monotonic() < deadline, "the other server is not asked"
                time.sleep(0.01)
        stop.set()
        for one in shoppers:
            one.join(20)
        assert (failed, set(heard)) == ([], {"old", "new"})
        switched = gateway.events("switched", 10)
        assert [s["to"] for s in switched] == [new.url, old.url] * 5


def test_a_running_answer_ends_where_it_began(tmp_path: Path, pair: tuple[Upstream, Upstream]) -> None:
    old, new = pair
    go_on = threading.Event()
    old.script = [HEAD, token("one "), go_on, token("two"), b"0\r\n\r\n"]
    with local_gateway(tmp_path, old.url) as gateway:
        running = Running(gateway.url, {})
        running.until(b"one")
        told = operator.ask(tmp_path, {"do": "switch", "server": "default", "url": new.url})
        assert (told["url"], told["was"], told["running_before"]) == (new.url, old.url, 1)
        assert said(payload(ask(gateway.url, PATH, QUESTION)[0])[1]) == "new"
        go_on.set()
        status, body, whole = running.rest()
        assert (status, shown(body), whole) == (200, "one two", True)
        assert operator.ask(tmp_path, {"do": "show"})["servers"][0]["running_before"] == 0


def test_a_server_that_is_not_ready_is_not_switched_to(tmp_path: Path, pair: tuple[Upstream, Upstream]) -> None:
    old, new = pair
    new.script = plain(b'{"error": {"message": "Loading model"}}', status="503 Service Unavailable")
    with local_gateway(tmp_path, old.url) as gateway:
        for url, why in ((new.url, "503"), ("http://127.0.0.1:9", "nothing answers"), ("ftp://x", "no address")):
            with pytest.raises(GatewayError, match=why):
                operator.ask(tmp_path, {"do": "switch", "server": "default", "url": url})
        with pytest.raises(GatewayError, match="no model server 'large'"):
            operator.ask(tmp_path, {"do": "switch", "server": "large", "url": old.url})
        with pytest.raises(GatewayError, match="was not switched"):
            operator.ask(tmp_path, {"do": "back", "server": "default"})
        with pytest.raises(GatewayError, match="does not know"):
            operator.ask(tmp_path, {"do": "open"})
        assert said(payload(ask(gateway.url, PATH, QUESTION)[0])[1]) == "old"
        assert gateway.events("switched", 0) == []


def test_nobody_else_can_reach_the_operators_socket(tmp_path: Path, pair: tuple[Upstream, Upstream]) -> None:
    with local_gateway(tmp_path, pair[0].url):
        assert (tmp_path / operator.SOCKET).stat().st_mode & 0o777 == 0o600
    with pytest.raises(GatewayError, match="no gateway runs"):
        operator.ask(tmp_path, {"do": "show"})
    with pytest.raises(GatewayError, match="no gateway runs"):
        operator.ask(tmp_path / "nowhere", {"do": "show"})


def test_a_switch_holds_after_a_restart_until_the_settings_say_something_else(
    tmp_path: Path, pair: tuple[Upstream, Upstream]
) -> None:
    old, new = pair
    with local_gateway(tmp_path, old.url) as first:
        operator.ask(tmp_path, {"do": "switch", "server": "default", "url": new.url})
    for configured, answering in ((old.url, "new"), ("http://127.0.0.1:9", None), (old.url, "new")):
        with local_gateway(tmp_path, configured, core=first.core) as again:
            status, body, _ = payload(ask(again.url, PATH, QUESTION)[0])
            assert (status, said(body) if status == 200 else None) == (200 if answering else 502, answering)
    with local_gateway(tmp_path, old.url, core=first.core) as again:
        operator.ask(tmp_path, {"do": "back", "server": "default"})
        assert said(payload(ask(again.url, PATH, QUESTION)[0])[1]) == "old"
    with local_gateway(tmp_path, old.url, core=first.core) as again:
        assert said(payload(ask(again.url, PATH, QUESTION)[0])[1]) == "old"
    (tmp_path / "servers.json").write_text("{")
    with pytest.raises(GatewayError, match="cannot be read"), local_gateway(tmp_path, old.url, core=first.core):
        pass


def test_the_operator_switches_a_running_gateway_with_a_command(
    stack: Stack, pair: tuple[Upstream, Upstream], capsys: pytest.CaptureFixture[str]
) -> None:
    stack.upstream.script, new = plain(message("old")), pair[1]
    where = ("--data", str(stack.data))
    assert run(["upstream", "switch", new.url, *where]) == 0
    assert "it may be stopped" in capsys.readouterr().out
    assert said(payload(ask(stack.url, PATH, QUESTION, stack.context())[0])[1]) == "new"
    assert run(["upstream", "show", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)["servers"][0] == {
        "name": "default",
        "url": new.url,
        "was": stack.upstream.url,
        "running": 0,
        "running_before": 0,
    }
    assert run(["upstream", "back", *where]) == 0
    assert said(payload(ask(stack.url, PATH, QUESTION, stack.context())[0])[1]) == "old"
    assert run(["upstream", "switch", "http://127.0.0.1:9", *where]) == 2
    assert "Nothing was changed" in capsys.readouterr().err
