"""A bad deployment gives exactly the findings it holds, the shipped good one none, and what is not there is not assessed."""

import shutil
from pathlib import Path

import pytest

from checkvalve.engine.deployment import read
from checkvalve.engine.errors import EngineError
from checkvalve.posture.scan import ALL, scan
from checkvalve.posture.types import Check

BAD = Path(__file__).parent / "bad"
GOOD = Path(__file__).parents[3] / "docs" / "deploy"
EVERY = ("wordpress", "db", "ollama", "vllm")
COMPOSE = "docker-compose.yml: "
EXPECTED = {
    "SHARE-01": {COMPOSE + "ollama"},
    "SHARE-02": {COMPOSE + "ollama"},
    "SHARE-03": {COMPOSE + "ollama"},
    "SHARE-04": {COMPOSE + "ollama"},
    "SHARE-05": {COMPOSE + "ollama"},
    "NET-01": {COMPOSE + "db", COMPOSE + "ollama", COMPOSE + "vllm"},
    "NET-02": {COMPOSE + "ollama"},
    "NET-03": {COMPOSE + "ollama"},
    "NET-04": {COMPOSE + "vllm"},
    "NET-05": {"nginx.conf:6"},
    "HOST-01": {COMPOSE + "ollama"},
    "HOST-02": {COMPOSE + "wordpress"},
    "HOST-03": {COMPOSE + "ollama"},
    "HOST-04": {COMPOSE + "ollama", COMPOSE + "vllm"},
    "HOST-05": {COMPOSE + "ollama"},
    **{f"HOST-{n:02}": {COMPOSE + s for s in EVERY} for n in (6, 7, 8, 9)},
    "SECRET-01": {COMPOSE + "wordpress", COMPOSE + "db", COMPOSE + "ollama", "www/wp-config.php", "www/wp-config.php.bak"},
    "SUPPLY-01": {COMPOSE + s for s in EVERY},
    "SUPPLY-02": {COMPOSE + "vllm"},
    "LOG-01": {COMPOSE + "ollama", "nginx.conf:6"},
    "PHP-01": {"php.ini"},
    "PHP-02": {"php.ini", "www/.user.ini", "www/wp-config.php"},
    "PHP-03": {"php.ini", "www/.user.ini"},
    "DATA-01": {"www/wp-content/uploads/training/chats.jsonl", "nginx.conf:14"},
    "RES-01": {"www/wp-content/plugins/talker/talker.php", COMPOSE + "ollama"},
    "CACHE-01": {"nginx.conf:10", COMPOSE + "vllm"},
}


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    shutil.copytree(BAD, tmp_path / "bad")
    (tmp_path / "bad" / "www" / "wp-config.php").chmod(0o644)
    return tmp_path / "bad"


def checks(directory: Path) -> dict[str, Check]:
    return {c.id: c for c in scan(read(str(directory)))}


def test_every_weakness_of_the_bad_deployment_is_found_and_nothing_else(bad: Path) -> None:
    found = {name: {w.where for w in c.weaknesses} for name, c in checks(bad).items()}
    assert found == EXPECTED
    assert set(EXPECTED) == {rule.id for rule in ALL}


def test_each_weakness_says_what_it_gives_and_how_to_mend_it(bad: Path) -> None:
    for check in checks(bad).values():
        assert check.assessed >= 1
        assert check.not_assessed is None
        for weakness in check.weaknesses:
            assert weakness.gets
            assert weakness.fix


def test_the_shipped_deployment_scans_clean() -> None:
    found = checks(GOOD)
    assert {name: c.weaknesses for name, c in found.items() if c.weaknesses} == {}
    assert {name for name, c in found.items() if c.not_assessed} == {"NET-04", "NET-05", "DATA-01", "RES-01"}


def test_no_secret_is_repeated(bad: Path) -> None:
    assert "example-password" not in str(checks(bad))


def test_an_empty_directory_is_not_assessed_and_never_good(tmp_path: Path) -> None:
    found = checks(tmp_path)
    assert all(c.assessed == 0 and c.not_assessed and not c.weaknesses for c in found.values())


def test_what_the_web_server_refuses_is_no_finding(bad: Path) -> None:
    (bad / "www" / "wp-content" / "uploads" / "training" / ".htaccess").write_text("Require all denied\n")
    assert {w.where for w in checks(bad)["DATA-01"].weaknesses} == {"nginx.conf:14"}
    (bad / "www" / "wp-content" / "uploads" / "training" / ".htaccess").unlink()
    (bad / "more.conf").write_text("server {\n location ~* \\.jsonl$ { deny all; }\n}\n")
    assert {w.where for w in checks(bad)["DATA-01"].weaknesses} == {"nginx.conf:14"}


def test_a_file_that_cannot_be_read_is_named_and_the_rest_assessed(bad: Path) -> None:
    (bad / "www" / "compose.yaml").write_text("services: [")
    (bad / "broken.conf").write_text("server { location / {")
    (bad / "latin.service").write_bytes(b"\xff\xfe")
    found = read(str(bad))
    assert {p.file for p in found.problems} == {"www/compose.yaml", "broken.conf", "latin.service"}
    assert len(found.services) == len(EVERY)


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="not a directory"):
        read(str(tmp_path / "nowhere"))


def test_a_file_outside_the_directory_is_not_read_though_a_compose_file_extends_it(tmp_path: Path) -> None:
    (tmp_path / "secret.yml").write_text("services:\n  base: {image: secret}\n")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "inner.yml").write_text("services:\n  base: {image: i, privileged: true}\n")
    text = "services:\n  a: {extends: {file: inner.yml, service: base}}\n  b: {extends: {file: ../secret.yml, service: base}}\n"
    (tmp_path / "shop" / "compose.yml").write_text(text)
    found = read(str(tmp_path / "shop"))
    assert {s.name: s.image for s in found.services} == {"a": "i", "b": ""}
    assert [p.why for p in found.problems] == ["service b extends ../secret.yml, which could not be read"]
