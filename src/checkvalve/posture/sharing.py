"""What model and shop share (SHARE-01 to 05): the ways out of a container that was taken over."""

import re
from collections.abc import Iterator
from typing import Final

from checkvalve.posture.roles import role
from checkvalve.posture.rule import Found, Rule
from checkvalve.posture.types import Deployment, Service, Weakness

WEB_PATHS: Final = re.compile(r"(^|/)(wp-content|wp-admin|wp-includes|uploads|var/www|htdocs|public_html)(/|$)")
USER_INFO: Final = re.compile(r"^\w+://[^/@:]*:([^/@]+)@")
CREDENTIAL: Final = re.compile(r"PASS(WORD|WD)?$|DATABASE_URL$|DB_URL$|MYSQL_PWD$", re.I)


def of(deployment: Deployment, *roles: str) -> list[Service]:
    return [s for s in deployment.services if role(s) in roles]


def _pairs(deployment: Deployment, one: str, *others: str) -> list[tuple[Service, Service]]:
    return [(a, b) for a in of(deployment, one) for b in of(deployment, *others)]


def shared_volumes(deployment: Deployment) -> Found:
    pairs = _pairs(deployment, "llm", "wordpress")
    found = [
        Weakness(
            where=llm.where,
            what=f"shares {mount.source} with {shop.name}",
            gets="whoever takes over one of both reads, and may write, what the other holds",
            fix=f"- {mount.source}:{mount.target}   # give each a volume of its own",
            hinders_containment=not mount.read_only,
        )
        for llm, shop in pairs
        for mount in llm.mounts
        if mount.source and any(mount.source == other.source for other in shop.mounts)
    ]
    return len(pairs), found


def web_mounts(deployment: Deployment) -> Found:
    models = of(deployment, "llm")
    served = {m.source for shop in of(deployment, "wordpress") for m in shop.mounts if m.source and WEB_PATHS.search(m.target)}
    found = [
        Weakness(
            where=llm.where,
            what=f"mounts {mount.source} at {mount.target}",
            gets="the model server can read the shop's files, and change its code if the mount is writable",
            fix=f"- {mount.source}:{mount.target}   # copy what the model needs to a directory of its own",
            hinders_containment=not mount.read_only,
        )
        for llm in models
        for mount in llm.mounts
        if mount.source in served or WEB_PATHS.search(mount.source) or WEB_PATHS.search(mount.target)
    ]
    return len(models), found


def _share_network(one: Service, other: Service) -> str | None:
    if one.networks is None or other.networks is None:
        return "the host's network" if one.networks is other.networks and one.container and other.container else None
    if one.file != other.file and "default" in one.networks & other.networks:
        return None
    return ", ".join(sorted(one.networks & other.networks)) or None


def _networks(pairs: list[tuple[Service, Service]], gets: str) -> Found:
    found = [
        Weakness(
            where=a.where,
            what=f"is on one network with {b.name} ({shared})",
            gets=gets,
            fix=_NETWORK_FIX,
            hinders_containment=True,
        )
        for a, b in pairs
        if (shared := _share_network(a, b))
    ]
    return len(pairs), found


_NETWORK_FIX = "put the model on a network of its own with the gateway alone, `internal: true`"


def shop_network(deployment: Deployment) -> Found:
    return _networks(_pairs(deployment, "llm", "wordpress"), "any plugin reaches the model past the gateway, unseen")


def database_network(deployment: Deployment) -> Found:
    return _networks(_pairs(deployment, "llm", "database"), "the model server reaches the database with orders and customers")


def shared_credentials(deployment: Deployment) -> Found:
    models, shops = of(deployment, "llm"), of(deployment, "wordpress", "database")
    known = {value: where for where, value in _shop_secrets(deployment, shops)}
    if not models or not known:
        return 0, []
    found = [
        Weakness(
            where=llm.where,
            what=f"{name} is also a credential of {known[value]}",
            gets="the model server's environment opens the shop's database",
            fix=f"- {name}   # a database user of its own that reads only what it needs",
        )
        for llm in models
        for name, value in _secrets(llm)
        if value in known
    ]
    return len(models), found


def _secrets(service: Service) -> Iterator[tuple[str, str]]:
    for name, value in service.environment.items():
        if CREDENTIAL.search(name) and value:
            yield name, value
            if found := USER_INFO.match(value):
                yield name, found[1]


def _shop_secrets(deployment: Deployment, shops: list[Service]) -> Iterator[tuple[str, str]]:
    for shop in shops:
        for _, value in _secrets(shop):
            yield shop.name, value
    for config in deployment.constants:
        if password := config.constants.get("DB_PASSWORD"):
            yield config.file, password


BOTH = "model server beside a WordPress service"
RULES: Final = (
    Rule(
        id="SHARE-01", title="Model and shop share a volume", reference="CIS 5.6; OWASP LLM02", needs=BOTH, look=shared_volumes
    ),
    Rule(
        id="SHARE-02",
        title="The model mounts the shop's files",
        reference="CIS 5.6; OWASP LLM04, A05",
        needs="model server",
        look=web_mounts,
    ),
    Rule(id="SHARE-03", title="Model and shop on one network", reference="OWASP LLM06, A01", needs=BOTH, look=shop_network),
    Rule(
        id="SHARE-04",
        title="Model on the database's network",
        reference="OWASP LLM06, A01",
        needs="model server beside a database",
        look=database_network,
    ),
    Rule(
        id="SHARE-05",
        title="One credential for shop and model",
        reference="OWASP A01, A07",
        needs="model server beside a shop with a database password",
        look=shared_credentials,
    ),
)
