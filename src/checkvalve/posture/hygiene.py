"""Secrets, supply, logs (SECRET-01, SUPPLY-01 and 02, LOG-01)."""

import re
from typing import Final

from checkvalve.posture.roles import role
from checkvalve.posture.rule import Found, Rule
from checkvalve.posture.sharing import of
from checkvalve.posture.types import Deployment, Weakness

SECRET: Final = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_KEY|SALT|_PWD)$", re.I)
CREDENTIALS_IN_URL: Final = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
CONFIG_COPY: Final = re.compile(r"/(wp-config\.(php(~|\.\w+)|bak|old|save|txt|orig)|\.env(\.\w+)?|\.wp-config\.php\.sw[a-z])$")
PICKLED: Final = re.compile(r"[\w./-]+\.(pt|pth|ckpt|pkl|pickle|bin)\b")
READABLE_BY_OTHERS: Final = 0o004
UNLOGGED: Final = {"nginx": "- access_log off;", "apache": "- CustomLog /dev/null …"}
SWITCH: Final = frozenset(("0", "1", "yes", "no", "true", "false"))  # a setting about a secret, not the secret


def secrets(deployment: Deployment) -> Found:
    assessed = len(deployment.services) + len(deployment.constants) + len(deployment.web_files)
    found = [
        Weakness(
            where=s.where,
            what=f"{name} stands in the clear",
            gets="whoever reads the file, its backup or its repository has the secret",
            fix=f"- {name}: …\n+ {name}: ${{{name}}}   # or a Compose secret; then change the secret, it is known",
        )
        for s in deployment.services
        for name in sorted(s.literal)
        if _is_secret(name, s.environment.get(name, ""))
    ]
    found += [
        Weakness(
            where=config.file,
            what="can be read by every user of the host",
            gets="the database password and the keys of all log-ins",
            fix=f"chmod 640 {config.file}",
        )
        for config in deployment.constants
        if config.mode is not None and config.mode & READABLE_BY_OTHERS
    ]
    found += [
        Weakness(
            where=f.file,
            what="is a copy of the configuration below the web root",
            gets="a visitor downloads the database password",
            fix=f"rm {f.file}   # then change the password and the salts: they may be known",
        )
        for f in deployment.web_files
        if CONFIG_COPY.search(f.url) and f.given is not False
    ]
    return assessed, found


def _is_secret(name: str, value: str) -> bool:
    return bool(SECRET.search(name) and value.lower() not in SWITCH) or bool(CREDENTIALS_IN_URL.search(value))


def pinned(deployment: Deployment) -> Found:
    services = [s for s in deployment.services if s.image]
    found = [
        Weakness(
            where=s.where,
            what=f"{s.image} is not pinned by digest",
            gets="what runs tomorrow is what the registry says tomorrow",
            fix=f"+ image: {s.image.partition('@')[0]}@sha256:<digest>",
        )
        for s in services
        if "@sha256:" not in s.image
    ]
    return len(services), found


def trusted_code(deployment: Deployment) -> Found:
    models = of(deployment, "llm")
    found = []
    for s in models:
        said = f"{s.command} {s.environment.get('VLLM_ARGS', '')}"
        if "--trust-remote-code" in said or s.environment.get("TRUST_REMOTE_CODE", "").lower() in ("1", "true"):
            fix = "- --trust-remote-code"
            found.append(
                Weakness(
                    where=s.where, what="runs code that comes with a model", gets="the model's author runs code here", fix=fix
                )
            )
        if pickled := PICKLED.search(s.command):
            what = f"loads {pickled.group().rpartition('/')[2]}, a format that can carry code"
            found.append(
                Weakness(where=s.where, what=what, gets="the file's author runs code here", fix="use safetensors or GGUF")
            )
    return len(models), found


def logs(deployment: Deployment) -> Found:
    containers = [s for s in deployment.services if s.container]
    proxies = [loc for loc in deployment.locations if loc.proxy]
    gets = "after a leak nobody can say whose data left"
    found = []
    for s in containers:
        options = s.options.get("logging")
        if isinstance(options, dict) and options.get("driver") == "none":
            found.append(
                Weakness(where=s.where, what="keeps no log", gets=gets, fix="- driver: none", hinders_containment=True)
            )
    found += [
        Weakness(where=f"{c.file}:{c.line}", what=f"location {c.path} keeps no access log", gets=gets, fix=UNLOGGED[c.server])
        for c in proxies
        if c.value("access_log") == ("off",)
    ]
    models = of(deployment, "llm")
    if models and not any(role(s) == "gateway" for s in deployment.services):
        what = "no logging gateway stands before the model"
        found.append(
            Weakness(
                where=models[0].where,
                what=what,
                gets=gets,
                fix="checkvalve up --upstream <this model>, and point the shop there",
            )
        )
    return len(containers) + len(proxies) + len(models), found


RULES: Final = (
    Rule(
        id="SECRET-01",
        title="Secrets in the clear",
        reference="CIS 4.10; OWASP A02",
        needs="service or wp-config.php",
        look=secrets,
    ),
    Rule(id="SUPPLY-01", title="Image not pinned", reference="OWASP LLM03", needs="image", look=pinned),
    Rule(id="SUPPLY-02", title="A model that brings code", reference="OWASP LLM03", needs="model server", look=trusted_code),
    Rule(id="LOG-01", title="No log to ask after a leak", reference="OWASP A09", needs="service or proxy", look=logs),
)
