"""One small case and its draft; every argument is one thing that may be different."""

from collections.abc import Sequence
from typing import Any

from checkvalve.incidents import case
from checkvalve.incidents.case import ExposureRecord, Incident
from checkvalve.incidents.facts import Measure, Organisation, derive
from checkvalve.incidents.scope import scope_of
from checkvalve.incidents.wording import wording
from checkvalve.notifications.documents import document
from checkvalve.notifications.notification import Notification, Wish, draft
from checkvalve.regimes.deadline import from_ms

START = 1_790_000_000_000  # 2026-09-21T14:13:20Z
HOUR = 3_600_000
LIMIT = 72 * HOUR
SHOP = Organisation(
    controller="Example Shop GmbH",
    address="Musterweg 1, 10115 Berlin",
    country="DE",
    contact_name="Dana Beispiel",
    contact_email="privacy@shop.example",
    contact_phone="+49 30 23125000",
)
ISOLATED = Measure(
    at_ms=START + 3000, text="the plugin was isolated in the shop", checkout="a test order went through afterwards", entry=44
)


def exposures(plugin: str, route: str) -> list[ExposureRecord]:
    """Two people's e-mail and postal addresses, in a prompt and in its answer."""
    return [
        ExposureRecord(
            inference="i1",
            subject=f"customer:{n}",
            category=category,
            recipient="session:a",
            shown=shown,
            entry=10 + n,
            site="s-a",
            seen_ms=START,
            detected_ms=START,
            plugin=plugin,
            route=route,
            session="a",
            model="SmolLM2-135M",
            trace=None,
        )
        for n in (1, 2)
        for category in ("email", "address")
        for shown in (True, False)
    ]


def incident(
    plugin: str = "shop-assistant",
    route: str = "/shop-assistant/v1/ask",
    aware_ms: int | None = None,
    late_reason: str | None = None,
    why: str = "",
) -> Incident:
    shown = [e for e in exposures(plugin, route) if e.shown]
    found = case.apply(None, case.opening("INC-2026-0001", shown, 10, START))
    for transition in case.growth(found, shown, 2, 10, START):
        found = case.apply(found, transition)
    stated: list[tuple[str, dict[str, Any]]] = []
    if aware_ms is not None:
        stated.append(("aware_set", {"aware_ms": aware_ms, "why": why}))
    if late_reason is not None:
        stated.append(("late_reason_set", {"reason": late_reason}))
    for kind, data in stated:
        found = case.apply(found, case.change(found, kind, START + 99 * HOUR, (50,), data, "user:owner"))
    return found


def prepare(
    *,
    found: Incident | None = None,
    shop: Organisation = SHOP,
    measures: Sequence[Measure] = (ISOLATED,),
    after_ms: int = HOUR,
    entries: tuple[int, ...] = (11, 12),
    gaps: Sequence[str] = (),
    regime: str = "gdpr_art33",
    wish: Wish | None = None,
    signals: int = 0,
) -> Notification:
    found, wish = found or incident(), wish or Wish()
    scope = scope_of(exposures(found.plugin or "", found.route or ""), START, START, gaps)
    facts = derive(found, scope, list(measures), shop, entries, wording(wish.lang), signals)
    return draft(document(regime), found, facts, scope, 1, from_ms(START + after_ms), wish)
