"""Getting the shop ready: what is missing is named, what is fetched is checked, two at once do no harm."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulators import downloads, prepare, wordpress


def test_without_php_the_packages_to_install_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(wordpress.MissingPHP, match="apt-get install -y php-cli php-sqlite3 php-mbstring php-xml php-curl"):
        wordpress.build(tmp_path / "shop")
    assert prepare.missing(["php"]) == {"php": "A real WordPress needs PHP, and php is not installed"}


def test_a_php_without_an_extension_is_not_good_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    php = tmp_path / "php"
    php.write_text("#!/bin/sh\nprintf 'curl\\ndom\\nmbstring\\nsodium\\nxml\\n'\n")
    php.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(wordpress.MissingPHP, match="lacks the extensions pdo_sqlite"):
        wordpress.require_php()


def test_a_package_that_is_not_the_pinned_one_is_refused_and_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text(
        f'#!{sys.executable}\nimport sys, pathlib\np = pathlib.Path(sys.argv[-2])\n(p / "x-1.tgz").write_text("other")\n'
    )
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(downloads, "CACHE", tmp_path / "cache")
    with pytest.raises(downloads.DownloadError, match="pinned is sha512-AAAA"):
        downloads.npm_package(downloads.NpmPackage(name="x", version="1", integrity="sha512-AAAA"))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".x-1.tgz.lock"]


def test_two_first_builds_at_once_end_in_one_good_template(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for package in (downloads.WORDPRESS, downloads.SQLITE_DRIVER):
        (cache / package.filename).symlink_to(downloads.npm_package(package))
    code = "import sys; from pathlib import Path; from tests.simulators import wordpress;"
    code += "print(wordpress.build(Path(sys.argv[1]), woocommerce=None).php('echo get_bloginfo(\"version\");'))"
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": f"{downloads.ROOT}", "CHECKVALVE_CACHE": str(cache)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / name)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for name in ("one", "two")
    ]
    said = [process.communicate(timeout=300) for process in running]
    assert [out.decode().strip() for out, _ in said] == ["6.5.5", "6.5.5"], said
    assert sorted(path.name for path in cache.iterdir() if path.is_dir()) == [wordpress.TEMPLATE]


def test_an_unknown_need_is_bad_usage() -> None:
    assert prepare.main(["nonsense"]) == 2
