"""What PHP's own settings and constants say, and what a host mounts from elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.posture import mounts, php
from checkvalve.posture.scan import scan
from checkvalve.posture.types import Check, Deployment, RemoteMount, WpConfig

MOUNTINFO = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /srv/models rw - nfs4 files.example.com:/exports/models rw,vers=4.2
41 22 0:36 / /srv/with\040space rw - cifs //10.0.0.4/backup rw
42 22 0:37 / /srv/logs rw - fuse.sshfs backup@203.0.113.7:/logs rw
43 22 0:38 / /srv/near rw master:2 - nfs nas:/volume1 rw
44 22 0:39 / /sys rw - sysfs sysfs rw
a line that is none
"""


def check(name: str, deployment: Deployment) -> Check:
    return next(c for c in scan(deployment) if c.id == name)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("display_errors = On\ndisplay_errors = off", {"display_errors": "off"}),
        ("; log_errors = On\n#x = 1\n[PHP]\nLog_Errors=1 ; all", {"log_errors": "1"}),
        ("auto_prepend_file = \"/var/www/a b.php\" ; gate", {"auto_prepend_file": "/var/www/a b.php"}),
        (
            "php_admin_value[error_log] = /var/log/shop.log\nphp_flag[display_errors] = on",
            {"error_log": "/var/log/shop.log", "display_errors": "on"},
        ),
        ("", {}),
    ],
)  # fmt: skip
def test_settings_are_read_as_php_reads_them(text: str, values: dict[str, str]) -> None:
    assert php.ini("php.ini", text).values == values


@given(st.text())
def test_no_text_breaks_the_readers(text: str) -> None:
    assert isinstance(php.ini("f", text).values, dict)
    assert isinstance(mounts.remote(text), list)


@pytest.mark.parametrize(
    ("path", "weak"),
    [
        ("/var/www/wordfence-waf.php", False),
        ("/var/www/checkvalve-gate.php", False),
        ("none", False),
        ("/tmp/.x/seo.php", True),
    ],
)
def test_what_runs_before_every_request_is_a_firewall_or_is_named(path: str, weak: bool) -> None:
    found = check("PHP-02", Deployment(php=(php.ini(".user.ini", f"auto_prepend_file = {path}"),)))
    assert (found.assessed, bool(found.weaknesses)) == (1, weak)
    assert all(w.hinders_containment and path in w.what for w in found.weaknesses)


@pytest.mark.parametrize(
    ("constants", "what"),
    [
        ({"WP_DEBUG": "true"}, ["shows errors to visitors (WP_DEBUG)"]),
        ({"WP_DEBUG": "true", "WP_DEBUG_DISPLAY": "false"}, []),
        (
            {"WP_DEBUG": "true", "WP_DEBUG_DISPLAY": "false", "WP_DEBUG_LOG": "true"},
            ["keeps its log of errors below the web root"],
        ),
        ({"WP_DEBUG": "true", "WP_DEBUG_DISPLAY": "false", "WP_DEBUG_LOG": "/var/log/wp.log"}, []),
        ({"WP_DEBUG": "false", "WP_DEBUG_LOG": "true"}, []),
    ],
)
def test_debugging_of_wordpress(constants: dict[str, str], what: list[str]) -> None:
    found = check("PHP-01", Deployment(constants=(WpConfig(file="wp-config.php", constants=constants, mode=None),)))
    assert [w.what for w in found.weaknesses] == what


def test_mounts_from_elsewhere_are_told_and_those_outside_the_house_are_weak() -> None:
    found = mounts.remote(MOUNTINFO)
    assert found == [
        RemoteMount(kind="nfs4", host="files.example.com", target="/srv/models"),
        RemoteMount(kind="cifs", host="10.0.0.4", target="/srv/with space"),
        RemoteMount(kind="fuse.sshfs", host="203.0.113.7", target="/srv/logs"),
        RemoteMount(kind="nfs", host="nas", target="/srv/near"),
    ]
    check_of = check("RES-01", Deployment(mounts=tuple(found)))
    assert check_of.assessed == 4
    assert {w.where for w in check_of.weaknesses} == {"/srv/models"}  # 203.0.113.7 is of a range that documents use: not global
