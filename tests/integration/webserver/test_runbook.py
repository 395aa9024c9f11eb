"""The printed runbook: exact paths and commands for one shop, and rules that a real server takes letter for letter."""

import http.client
import subprocess
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import insert
from tests.simulators.webservers import WebServer
from tests.simulators.wordpress import Site

from checkvalve.cli.main import run
from checkvalve.engine.identity import load_identity
from checkvalve.engine.settings import Settings
from checkvalve.store.schema import organisation, sites
from checkvalve.store.state import open_state

SHOP = {"site": "s-abcdefghijkl", "name": "Example Tea House", "site_url": "https://shop.example"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    load_identity(made)
    state = open_state(Settings(data=made).state)
    with state.begin() as db:
        db.execute(insert(sites).values(**SHOP, rest_url="https://shop.example/wp-json/", pseudonym_key=b"", created_ms=1))
        told = {
            "contact_name": "Robin Example",
            "contact_phone": "+44 20 7946 0999",
            "host": "Example Hosting, +44 20 7946 0123",
        }
        db.execute(insert(organisation).values(site=SHOP["site"], data=told))
    state.close()
    return made


def status(server: WebServer, method: str, path: str) -> int:
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        line.request(method, path)
        return line.getresponse().status
    finally:
        line.close()


@pytest.mark.parametrize("kind", ["nginx", "apache"])
def test_what_is_printed_is_typed_in_and_closes_what_it_says(
    kind: Literal["nginx", "apache"], data: Path, site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / kind
    directory.mkdir()
    server = WebServer(kind=kind, dir=directory, shop=site.url).start()
    words = ["--server", kind, "--include", str(server.include), "--root", "/srv/shop", "--call", "Owner: +44 7700 900123"]
    try:
        assert run(["host", "runbook", *words, "--data", str(data)]) == 0
        text = capsys.readouterr().out
        for line in (
            "Host: Example Hosting, +44 20 7946 0123",
            "Contact: Robin Example, +44 20 7946 0999",
            "Owner: +44 7700 900123",
        ):
            assert f"- {line}\n" in text
        assert "tar --acls --xattrs -cpf webroot.tar /srv/shop\n" in text
        assert f"rm {server.include}/checkvalve.conf\n" in text
        for section, closed in (
            ("## 3.", [("POST", "/wp-login.php", 403)]),
            ("## 4.", [("GET", "/", 503), ("POST", "/xmlrpc.php", 403)]),
        ):
            (server.include / "checkvalve.conf").write_text(typed(text, section))
            subprocess.run(server.test, check=True, capture_output=True)
            subprocess.run(server.reload, check=True, capture_output=True)
            assert all(seen(server, *each) for each in closed), section
            assert status(server, "GET", "/wp-json/wc/store/v1/cart") == 200
    finally:
        server.stop()


def typed(text: str, section: str) -> str:
    """The rules of a section as somebody types them off."""
    part = text.partition(section)[2].partition("\n## ")[0]
    lines = [line[4:] for line in part.splitlines() if line.startswith("    ")]
    return "\n".join(lines[lines.index(next(line for line in lines if line.startswith("# Written"))) : -2]) + "\n"


def seen(server: WebServer, method: str, path: str, wanted: int) -> bool:
    """Until the reload has had its effect."""
    return any(status(server, method, path) == wanted for _ in range(200))


def test_a_shop_that_is_not_known_and_lines_that_do_not_print_are_refused(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["--site", "s-unknown"], ["--call", "a\nb"], ["--page", "/../etc"], ["--root", "x" * 400]):
        assert run(["host", "runbook", "--server", "nginx", *words, "--data", str(data)]) == 2
        said = capsys.readouterr()
        assert (said.out, len(said.err.splitlines())) == ("", 1)
