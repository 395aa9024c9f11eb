"""The printed runbook for one shop: what somebody does at its web server when nothing of ours can be reached.

The fragments in it are those the hand itself would put in force (actuators/webserver.py).
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal

import jinja2
from sqlalchemy import Connection, select

from checkvalve.actuators.webserver import Checkout, fragment, render
from checkvalve.engine import casework, offline
from checkvalve.engine.errors import EngineError
from checkvalve.engine.settings import Settings
from checkvalve.regimes.deadline import from_ms, rfc3339
from checkvalve.store.schema import sensors, sites

SERVERS: Final = {
    "nginx": ("/etc/nginx/checkvalve.d", "/var/log/nginx", "nginx -t", "systemctl reload nginx", "test is successful"),
    "apache": (
        "/etc/apache2/checkvalve.d",
        "/var/log/apache2",
        "apachectl configtest",
        "systemctl reload apache2",
        "Syntax OK",
    ),
}
MAX_TEXT: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`calls`: who to call, as one line each; those that the installation knows of are added."""

    site: str | None
    server: Literal["nginx", "apache"]
    root: str
    include: str | None
    checkout: Checkout
    calls: tuple[str, ...]


def text(settings: Settings, wanted: Wanted, now_ms: int) -> str:
    """Markdown. EngineError for a shop that is not known, or values that would not print."""
    given = (wanted.root, wanted.include or "", *wanted.calls)
    if any(not t.isprintable() or len(t) > MAX_TEXT for t in given):
        raise EngineError("bad_value", f"paths and calls are text in one line of at most {MAX_TEXT} characters")
    site = offline.site_of(settings, wanted.site)
    with offline.opened(settings) as state, state.read() as db:
        shop = db.execute(select(sites).where(sites.c.site == site)).one()
        paired = db.scalar(select(sensors.c.keyid).where(sensors.c.kind == "webserver", sensors.c.site == site))
        known = _known_calls(db, site)
    include, log, test, reload, good = SERVERS[wanted.server]
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True).from_string(  # noqa: S701 - Markdown
        (files("checkvalve.content.host") / "runbook.md").read_text("utf-8")
    )
    return template.render(
        shop=shop.name,
        url=shop.site_url,
        made=rfc3339(from_ms(now_ms)),
        paired=paired,
        calls=[*wanted.calls, *known],
        server=wanted.server,
        root=wanted.root,
        include=wanted.include or include,
        log=log,
        test=test,
        reload=reload,
        good=good,
        core=settings.public_url,
        read_only=_fragment(wanted, "read_only"),
        maintenance=_fragment(wanted, "maintenance"),
    )


def _fragment(wanted: Wanted, action: str) -> str:
    made = fragment([{"jti": "by hand:", "action": action, "args": {}}], wanted.checkout)
    return "".join(f"    {line}\n" for line in render(wanted.server, made).splitlines())


def _known_calls(db: Connection, site: str) -> list[str]:
    """What the shop entered of itself and its partners."""
    own, partners = casework.organisation_of(db, site), casework.particulars_of(db, site)
    person = ", ".join(t for t in (own.contact_name, own.contact_phone, own.contact_email) if t)
    lines = {
        "Host": ", contract ".join(t for t in (partners.host, partners.host_contract) if t),
        "Controller": own.controller,
        "Contact": person,
        "Payment service": partners.acquirer,
        "Insurer": ", policy ".join(t for t in (partners.insurer, partners.policy) if t),
    }
    return [f"{who}: {line}" for who, line in lines.items() if line]
