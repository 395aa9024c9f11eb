"""php.ini, .user.ini, pools of PHP-FPM, and the constants of wp-config.php that PHP obeys (PHP-01 to PHP-03)."""

import re
from collections.abc import Iterator
from typing import Final

from checkvalve.posture.rule import Found, Rule
from checkvalve.posture.types import Deployment, PhpSettings, Weakness

_LINE: Final = re.compile(
    r"^\s*(?:php_(?:admin_)?(?:value|flag)\[(?P<pool>[\w.]+)\]|(?P<name>[A-Za-z_][\w.]*))\s*=\s*(?P<value>.*)$"
)
ON: Final = frozenset(("1", "on", "yes", "true", "stdout"))
# A gate of ours, and of the firewalls that are known to put themselves before WordPress.
KNOWN_GATES: Final = re.compile(
    r"(checkvalve[\w-]*|wordfence-waf|nfwlog|ninjafirewall|firewall|sucuri[\w-]*|aios-bootstrap|rsssl[\w-]*)[^/]*\.php$", re.I
)


def ini(file: str, text: str) -> PhpSettings:
    """The settings of a file in php.ini's form; the last of a name counts. Paths keep their case."""
    values: dict[str, str] = {}
    for raw in text.splitlines():
        line = _LINE.match(raw)
        if line and not raw.lstrip().startswith((";", "#", "[")):
            values[(line["pool"] or line["name"]).lower()] = _value(line["value"])
    return PhpSettings(file=file, values=values)


def _value(text: str) -> str:
    text = text.strip()
    if text[:1] in ("'", '"') and (end := text.find(text[0], 1)) > 0:
        return text[1:end]
    return text.split(";")[0].strip()


def _on(settings: PhpSettings, name: str) -> bool:
    return settings.values.get(name, "").lower() in ON


def shown_errors(deployment: Deployment) -> Found:
    """Errors that visitors read, and logs of errors that they may download."""
    found = [
        Weakness(
            where=s.file,
            what="shows errors to visitors",
            gets="paths, queries and pieces of personal data stand in the page when something fails",
            fix="- display_errors = On\n+ display_errors = Off\n+ log_errors = On",
        )
        for s in deployment.php
        if _on(s, "display_errors")
    ]
    for config in deployment.constants:
        said = {name: value.lower() in ON for name, value in config.constants.items()}
        log = config.constants.get("WP_DEBUG_LOG", "").lower()
        if said.get("WP_DEBUG") and said.get("WP_DEBUG_DISPLAY", True):
            fix = "+ define( 'WP_DEBUG_DISPLAY', false );"
            gets = "paths, queries and pieces of personal data stand in the page when something fails"
            found.append(Weakness(where=config.file, what="shows errors to visitors (WP_DEBUG)", gets=gets, fix=fix))
        if said.get("WP_DEBUG") and log in ON:
            fix = "- define( 'WP_DEBUG_LOG', true );\n+ define( 'WP_DEBUG_LOG', '/var/log/wordpress/debug.log' );"
            gets = "a visitor downloads wp-content/debug.log, in which plugins write what they ask a model"
            found.append(Weakness(where=config.file, what="keeps its log of errors below the web root", gets=gets, fix=fix))
    return len(deployment.php) + len(deployment.constants), found


def foreign_code(deployment: Deployment) -> Found:
    """Code that is fetched, put before every request, or typed into wp-admin."""
    found = []
    for s in deployment.php:
        if _on(s, "allow_url_include"):
            gets = "one hole in one plugin runs code from anywhere"
            found.append(
                Weakness(where=s.file, what="lets PHP include code from addresses", gets=gets, fix="- allow_url_include = On")
            )
        for name in ("auto_prepend_file", "auto_append_file"):
            path = s.values.get(name, "")
            if path and path.lower() != "none" and not KNOWN_GATES.search(path):
                found.append(
                    Weakness(
                        where=s.file,
                        what=f"runs {path} in every request, and it is no firewall that is known",
                        gets="a back door that survives every update of plugins and WordPress",
                        fix=f"look into {path}; if nobody knows it, keep a copy as evidence, then take out {name}",
                        hinders_containment=True,
                    )
                )
    found += [
        Weakness(
            where=c.file,
            what="lets administrators edit code in wp-admin",
            gets="a stolen session of one administrator is code on the server",
            fix="+ define( 'DISALLOW_FILE_EDIT', true );",
        )
        for c in deployment.constants
        if c.constants.get("DISALLOW_FILE_EDIT", "").lower() not in ON
        and c.constants.get("DISALLOW_FILE_MODS", "").lower() not in ON
    ]
    return len(deployment.php) + len(deployment.constants), found


def lost_errors(deployment: Deployment) -> Found:
    whole = [s for s in deployment.php if "log_errors" in s.values]
    found = [
        Weakness(
            where=s.file,
            what="logs no errors",
            gets="after a leak nobody can say what failed, and when",
            fix="- log_errors = Off\n+ log_errors = On",
        )
        for s in whole
        if not _on(s, "log_errors")
    ]
    found += [
        Weakness(
            where=s.file,
            what=f"keeps its log of errors below the web root ({path})",
            gets="a visitor downloads it",
            fix="+ error_log = /var/log/php/error.log",
        )
        for s, path in _logs(deployment)
        if re.search(r"(^|/)(wp-content|public_html|htdocs|www/html|uploads)(/|$)", path)
    ]
    return len(whole) + len(list(_logs(deployment))), found


def _logs(deployment: Deployment) -> Iterator[tuple[PhpSettings, str]]:
    yield from ((s, s.values["error_log"]) for s in deployment.php if s.values.get("error_log"))


RULES: Final = (
    Rule(
        id="PHP-01",
        title="Errors shown to visitors",
        reference="OWASP A05",
        needs="php.ini or wp-config.php",
        look=shown_errors,
    ),
    Rule(id="PHP-02", title="Code from elsewhere", reference="OWASP A08", needs="php.ini or wp-config.php", look=foreign_code),
    Rule(id="PHP-03", title="Errors that nobody finds", reference="OWASP A09", needs="log settings of PHP", look=lost_errors),
)
