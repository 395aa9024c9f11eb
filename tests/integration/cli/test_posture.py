"""`posture scan --probe`: what a real web server gives away; `posture watch`: what changed since the last look, in the log."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine import log

from checkvalve.cli.main import run
from checkvalve.engine.settings import load_settings
from checkvalve.engine.watching import every

SECRET = "/wp-content/uploads/training/chats.jsonl"
CLOSED = "/wp-content/uploads/closed/orders.sql"
BEHIND = "/wp-content/uploads/behind/orders.csv.gz"


class Web(http.server.SimpleHTTPRequestHandler):
    """Serves a directory; what is closed by the server's own configuration is in no file of the site."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))  # type: ignore[attr-defined]
        if self.path == CLOSED:
            self.send_error(403)
        elif self.path == BEHIND:
            self.send_response(302)
            self.send_header("Location", "/wp-login.php")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    for url in (SECRET, CLOSED, BEHIND, "/wp-config.php.bak"):
        file = root / url[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("made up\n" * 10)
    (root / "wp-load.php").write_text("<?php")
    return root


@pytest.fixture
def web(site: Path) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Web, directory=str(site)))
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_what_the_web_server_gives_is_proven_and_what_it_refuses_is_no_weakness(
    site: Path, web: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found = said(capsys, "posture", "scan", str(site))
    (data,) = [c for c in found["checks"] if c["id"] == "DATA-01"]
    assert {w["where"] for w in data["weaknesses"]} == {url[1:] for url in (SECRET, CLOSED, BEHIND)}
    _, found = said(capsys, "posture", "scan", str(site), "--probe", f"http://127.0.0.1:{web.server_port}")
    checks = {c["id"]: c["weaknesses"] for c in found["checks"]}
    assert {(w["where"], w["label"]) for w in checks["DATA-01"]} == {(SECRET[1:], "observed"), (BEHIND[1:], "declared")}
    assert "wp-config.php.bak" in [w["where"] for w in checks["SECRET-01"]]
    assert "/wp-login.php" not in [path for path, _ in web.asked], "no redirect is followed"
    assert {asked for path, asked in web.asked} == {"bytes=0-15"}


@pytest.mark.parametrize("address", ["shop.example.com", "file:///etc", "http://user:secret@127.0.0.1/", "http://127.0.0.1:9/"])
def test_an_address_that_is_none_is_one_clear_error(site: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["posture", "scan", str(site), "--probe", address]) == 2
    told = capsys.readouterr().err
    assert told.startswith("checkvalve: ")
    assert "secret" not in told


def test_what_became_weak_and_what_was_mended_are_told_once(
    site: Path, installation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(installation, data)
    look = ("posture", "watch", str(site), "--once", "--data", str(data))
    code, first = said(capsys, *look)
    assert (code, first["since_ms"], first["new"], first["entry"]) == (0, None, [], None)
    assert first["weak"] >= 4
    (site / ".user.ini").write_text("auto_prepend_file = /tmp/.cache/x.php\n")
    (site / SECRET[1:]).unlink()
    code, second = said(capsys, *look)
    assert (code, [s["check"] for s in second["new"]], [s["check"] for s in second["mended"]]) == (1, ["PHP-02"], ["DATA-01"])
    assert said(capsys, *look)[1]["new"] == []
    told = [e.body for e in log.entries(data) if e.kind == "decision" and e.body["type"] == "posture_changed"]
    assert [(len(t["new"]), t["weaker"], t["better"]) for t in told] == [(1, 1, 1)]
    assert [len(k.weak) for k in every(load_settings(data))] == [first["weak"]]
    ready = said(capsys, "readiness", "--data", str(data))[1]
    (gap,) = [g for g in ready["gaps"] if g["id"] == "containment"]
    assert "/tmp/.cache/x.php" in gap["what"]
