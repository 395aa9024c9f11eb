"""The gate before PHP: for code that never loads WordPress, a firewall behind it, and open when anything is wrong with it."""

import http.client
from pathlib import Path

import pytest
from tests.integration.webserver.conftest import Front

pytestmark = pytest.mark.parametrize("standing", ["prepend"], indirect=True)
DAMAGES = ["", "{", "[]", '{"orders": 7}', '{"orders": ["a.b.c", {"x": 1}, "e30.e30.e30"]}', "\x00" * 64]
DIRECT = "/wp-content/plugins/leaky/direct.php"


def firewall(front: Front, target: str) -> str | None:
    """What the file behind the gate said of this request."""
    line = http.client.HTTPConnection("127.0.0.1", front.server.port, timeout=60)
    try:
        line.request("GET", target)
        answer = line.getresponse()
        answer.read()
        return answer.headers.get("X-Firewall")
    finally:
        line.close()


def test_files_that_never_load_wordpress_are_closed_and_the_firewall_goes_on(front: Front) -> None:
    assert front.ask("GET", DIRECT)[0] == 200
    assert firewall(front, DIRECT) == "awake"
    front.given(front.order("deny_path", path="/wp-content/plugins/leaky/"))
    for target in (DIRECT, "/wp-content//plugins/leaky/./direct.php", "/wp-content/plugins/%6ceaky/direct.php", f"{DIRECT}/x"):
        assert front.ask("GET", target)[0] == 403, target
    assert firewall(front, "/") == "awake"


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
def test_a_file_of_orders_that_cannot_be_believed_closes_nothing(front: Front, damage: str) -> None:
    front.given(front.order("maintenance"))
    assert front.ask("GET", "/")[0] == 503
    front.settings.place.file.write_text(damage)
    assert front.ask("GET", "/")[0] == 200
    assert firewall(front, "/") == "awake"


def test_an_order_that_was_changed_by_a_letter_closes_nothing(front: Front) -> None:
    front.given(front.order("maintenance"))
    file: Path = front.settings.place.file
    head, body, sign = file.read_text().split(".")
    file.write_text(".".join((head, body[:-3] + ("A" if body[-3] != "A" else "B") + body[-2:], sign)))
    assert front.ask("GET", "/")[0] == 200
