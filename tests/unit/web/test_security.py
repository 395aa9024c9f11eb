"""Whose request it is, read from what browsers say."""

import pytest
from starlette.datastructures import Headers

from checkvalve.web.console.security import host_name, is_own
from checkvalve.web.console.visits import own_path

HOST = {"host": "console.example.com:8470"}
OWN = "https://console.example.com:8470"


@pytest.mark.parametrize(
    ("sent", "own"),
    [
        ({"sec-fetch-site": "same-origin", "origin": OWN}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"origin": OWN}, True),
        ({"sec-fetch-site": "cross-site", "origin": OWN}, False),
        ({"sec-fetch-site": "same-site", "origin": "https://other.example.com"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://["}, False),
        ({"origin": "https://console.example.com"}, False),  # another port is another origin
        ({}, False),
    ],
)
def test_only_our_own_pages_may_change_anything(sent: dict[str, str], own: bool) -> None:
    assert is_own(Headers(HOST | sent)) is own


@pytest.mark.parametrize(("host", "name"), [("a.example:80", "a.example"), ("[::1]:8470", "::1"), ("[", ""), ("", "")])
def test_the_name_in_a_host_header(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "evil",
        "",
        "/a\nb",
        "javascript:alert(1)",
        "///evil.example",
        "//[",
        "http://[",
    ],
)
def test_log_in_never_leads_away(text: str) -> None:
    assert own_path(text) == "/"


def test_log_in_leads_back_to_the_case() -> None:
    assert own_path("/incidents/INC-2026-0001") == "/incidents/INC-2026-0001"
