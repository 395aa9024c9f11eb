"""A plugin that talks to a host outside past the gateway is named in the check of places and among a case's conflicts."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine.scene import Scene, scene, wait
from tests.wire.core_process import CoreProcess

from checkvalve.cli.main import run
from checkvalve.events import event as ocsf


def call(staged: Scene, host: Any, *, direct: bool = True, plugin: str = "helper-bot") -> None:
    request = {"http_method": "POST", "url": {"hostname": host, "path": "/v1/chat/completions"}}
    own = {"plugin": plugin} | ({"direct": True} if direct else {})
    staged.shop.sensor.record(ocsf.HTTP_ACTIVITY, 6, own, trace=staged.shop.trace, http_request=request)


def test_hosts_outside_are_named_once_and_settled_by_a_statement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"

    def said(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = run([*words, "--json", "--data", str(data)])
        return code, json.loads(capsys.readouterr().out)

    def places(holder: str) -> str:
        file = tmp_path / "places.json"
        things = ("model", "training_data", "index", "logs", "backups", "evidence", "people")
        file.write_text(json.dumps({"places": [{"what": t, "where": "DE", "holder": holder} for t in things]}))
        return str(file)

    with scene(CoreProcess(data=data)) as staged:
        for host in ("api.example.com", "API.example.com", "10.0.0.8", "gpu", "", ["x"]):
            call(staged, host)
        call(staged, "model.example.org", direct=False)
        staged.gateway.tell(ocsf.HTTP_ACTIVITY, direct=True, http_request={"url": {"hostname": "elsewhere.example.net"}})
        staged.shop.sensor.flush()
        staged.leak(0)
        case = str(staged.respond()["case"]["id"])
        wait(lambda: staged.rows("SELECT 1 FROM outside_hosts"), "the host is known")
    code, found = said("residency", "check", places("Example Hosting"))
    (host,) = found["hosts"]
    assert (code, host["host"], host["plugin"], host["calls"]) == (1, "api.example.com", "helper-bot", 2)
    _, found = said("case", "conflicts", case)
    assert [c for c in found["conflicts"] if "api.example.com" in c["what"] and c["decides"] == "controller"]
    code, found = said("residency", "check", places("Example Hosting, api.example.com"))
    assert (code, found["hosts"]) == (0, [])
