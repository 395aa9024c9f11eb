"""What is known of a case, put together for documents: exposures, measures, organisation -> facts -> draft."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import Connection, Engine, func, select

from checkvalve.engine import cases, completeness
from checkvalve.incidents.assessment import Assessment, assessment
from checkvalve.incidents.case import ExposureRecord, Incident
from checkvalve.incidents.cost import Assumptions, Cost, changed, cost
from checkvalve.incidents.escalation import Running
from checkvalve.incidents.facts import BreachFacts, Fact, Measure, Organisation, Particulars, derive
from checkvalve.incidents.scope import Scope, scope_of
from checkvalve.incidents.wording import Wording, wording
from checkvalve.notifications.documents import document, documents
from checkvalve.notifications.notification import Edit, Notification, Wish, clock_due, draft, from_json
from checkvalve.regimes.applicability import Profile, applicability
from checkvalve.regimes.deadline import Place, from_ms, place
from checkvalve.regimes.law import RegimeError, regimes
from checkvalve.store.schema import attempts, commands, exposures, findings, notifications, organisation, transitions

SCOPES_KEPT: Final = 32
_scopes: WeakKeyDictionary[Engine, dict[str, tuple[Any, Scope]]] = WeakKeyDictionary()  # of each database, by case

Entered = TypeVar("Entered", Organisation, Particulars)

# Actions at the gateway: they change what the model may do.
ON_MODEL = ("refuse", "cut", "redact", "strip_tools", "strip_context", "route", "quarantine", "flush_caches")
SIGNALS = ("prompt-injection",)  # detectors whose findings are signs of intent


def records(db: Connection, where: Any) -> list[ExposureRecord]:
    names = list(ExposureRecord.__dataclass_fields__)
    rows = db.execute(select(*(exposures.c[n] for n in names)).where(where).order_by(exposures.c.entry))
    return [ExposureRecord(**row._mapping) for row in rows]


def case_exposures(db: Connection, incident: str) -> list[ExposureRecord]:
    """What the case's answers showed, and what stood in the prompts of the same requests."""
    shown = (exposures.c.incident == incident) & exposures.c.shown
    same = select(exposures.c.inference).where(shown)
    return records(db, shown | (exposures.c.inference.in_(same) & ~exposures.c.shown))


def case_attempts(db: Connection, incident: str) -> list[ExposureRecord]:
    """What orders kept back on the way out of this case."""
    names = [n for n in ExposureRecord.__dataclass_fields__ if n != "shown"]
    rows = db.execute(select(*(attempts.c[n] for n in names)).where(attempts.c.incident == incident).order_by(attempts.c.entry))
    return [ExposureRecord(**row._mapping, shown=False) for row in rows]


def gaps(db: Connection, site: str, since_ms: int, until_ms: int) -> list[str]:
    """Why the log may not hold everything of this window."""
    query = select(findings.c.summary).where(
        findings.c.detector.in_(("sequence_gap", "undigested_entry")),
        (findings.c.site == site) | findings.c.site.is_(None),
        findings.c.at_ms.between(since_ms, until_ms + 3_600_000),
    )
    heard = completeness.statements(db, site, since_ms, until_ms)
    found = [*db.scalars(query.order_by(findings.c.entry)), *completeness.reservations(db, site, heard, since_ms, until_ms)]
    return list(dict.fromkeys(found))


def case_scope(db: Connection, incident: Incident) -> Scope:
    """What left and to whom. Worked out once for what the tables hold: exposures are added, and never changed or taken out."""
    since, until = incident.first_seen_ms, incident.last_seen_ms
    missing = gaps(db, incident.site, since, until)
    known = (*_counted(db, incident.id), since, until, *missing)
    kept = _scopes.setdefault(db.engine, {})
    before, scope = kept.get(incident.id, (None, None))
    if scope is None or before != known:
        found = case_exposures(db, incident.id)
        scope = scope_of(found, since, until, missing, case_attempts(db, incident.id))
        kept[incident.id] = (known, scope)
        for old in list(kept)[:-SCOPES_KEPT]:
            kept.pop(old, None)
    return scope


def _counted(db: Connection, incident: str) -> tuple[Any, ...]:
    """How many exposures and attempts a case has, and up to which entry."""
    shown = (exposures.c.incident == incident) & exposures.c.shown
    same = exposures.c.inference.in_(select(exposures.c.inference).where(shown).distinct()) & ~exposures.c.shown
    wanted = ((exposures, shown), (exposures, same), (attempts, attempts.c.incident == incident))
    return tuple(tuple(db.execute(select(func.count(), func.max(t.c.entry)).where(of)).one()) for t, of in wanted)


def measures(db: Connection, incident: str, words: Wording) -> list[Measure]:
    """Orders that were carried out, each with what the checkout said next."""
    rows = db.execute(select(commands).where(commands.c.incident == incident).order_by(commands.c.position)).all()
    taken = []
    for i, row in enumerate(rows):
        if row.status != "done" or row.kind not in ("order", "release"):
            continue
        action, name = str(row.data.get("action")), str(row.data.get("name"))
        if row.kind == "release":
            text, checkout = words.say("measures.release", name=name), words.say("checkout.first")
        else:
            probe = next((p for p in rows[i + 1 :] if p.kind in ("probe", "release")), None)
            text, checkout = words.say(f"measures.{action}"), _said(probe, words)
        entry, on_model = row.outcome["entry"], row.kind == "order" and action in ON_MODEL
        taken.append(Measure(at_ms=row.ended_ms, text=text, checkout=checkout, entry=entry, on_model=on_model))
    return taken


def _said(probe: Any, words: Wording) -> str:
    if probe is None or probe.outcome is None:
        return words.say("checkout.untried")
    if probe.status == "done":
        return words.say("checkout.done")
    return words.say("checkout.failed", detail=probe.outcome.get("detail", ""))


def signals(db: Connection, incident: str) -> int:
    """Findings in the requests of this case that somebody tries to steer the model."""
    mine = select(exposures.c.entry).where(exposures.c.incident == incident)
    query = select(func.count()).select_from(findings).where(findings.c.detector.in_(SIGNALS), findings.c.entry.in_(mine))
    return db.scalar(query) or 0


def undrafted(db: Connection, kinds: tuple[str, ...]) -> list[str]:
    """Cases with a logged change of these kinds that their newest draft has not seen.

    A case for which nothing is being closed (it came from another program's log) has one from its opening on.
    """
    saw = func.max(transitions.c.data["saw"].as_integer())
    newest = (
        select(transitions.c.incident, saw.label("saw"))
        .where(transitions.c.kind == "draft_ready")
        .group_by(transitions.c.incident)
        .subquery()
    )
    containing = select(transitions.c.incident).where(transitions.c.kind == "containment_started")
    told_of = (transitions.c.kind == "opened") & transitions.c.incident.not_in(containing)
    query = (
        select(transitions.c.incident)
        .distinct()
        .outerjoin(newest, newest.c.incident == transitions.c.incident)
        .where(transitions.c.kind.in_(kinds) | told_of, transitions.c.handled_ms.is_not(None))
        .where(transitions.c.position >= func.coalesce(newest.c.saw, 0))
    )
    return list(db.scalars(query.order_by(transitions.c.incident)))


def organisation_of(db: Connection, site: str) -> Organisation:
    return _entered(db, site, Organisation)


def particulars_of(db: Connection, site: str) -> Particulars:
    return _entered(db, site, Particulars)


def assumptions_of(db: Connection, site: str) -> Assumptions:
    """What this shop's costs are worked out with: its own figures over the shipped ones."""
    data = db.scalar(select(organisation.c.data).where(organisation.c.site == site)) or {}
    return changed(msgspec.json.encode(data.get("costs", {})))


def _entered(db: Connection, site: str, kind: type[Entered]) -> Entered:
    """What the shop entered, of one kind; other keys of the row are another kind's."""
    data = db.scalar(select(organisation.c.data).where(organisation.c.site == site)) or {}
    return msgspec.convert({k: v for k, v in data.items() if k in kind.__dataclass_fields__}, kind)


def known_facts(db: Connection, incident: Incident, words: Wording) -> tuple[BreachFacts, Scope]:
    """What the log and people said of a case, in these words."""
    signs = {s.entry for s in incident.signs if s.entry is not None}
    entries = tuple(sorted(signs | {r.entry for r in case_exposures(db, incident.id) if r.shown}))
    scope = case_scope(db, incident)
    shop, more = organisation_of(db, incident.site), particulars_of(db, incident.site)
    taken = measures(db, incident.id, words)
    return derive(incident, scope, taken, shop, entries, words, signals(db, incident.id), more), scope


def case_assessment(db: Connection, incident: Incident, lang: str = "en") -> Assessment | None:
    """ENISA severity from the evidence, its reasons in a language; None while no exposure is confirmed."""
    goods = particulars_of(db, incident.site).goods
    return assessment(case_scope(db, incident), goods, signals(db, incident.id), wording(lang))


def case_applicability(db: Connection, incident: Incident, now_ms: int) -> list[dict[str, Any]]:
    """Every regime: whether it applies to this case's shop, why, and what would decide it."""
    profile = profile_of(organisation_of(db, incident.site), particulars_of(db, incident.site))
    found: list[dict[str, Any]] = applicability(profile, from_ms(now_ms).date())["regimes"]
    return found


def running_clocks(db: Connection, incident: Incident, now_ms: int) -> list[Running]:
    """Every limit of the laws that apply to the shop. GDPR Art. 33 counts until somebody shows that it does not apply."""
    shop, rows = organisation_of(db, incident.site), case_applicability(db, incident, now_ms)
    binding = {r["id"] for r in rows if r["applies"] == "yes"} | {"gdpr_art33"}
    declined = {c.regime: not c.notify for c in incident.choices}  # the last word of each regime
    filed = {(f.regime, f.clock): not f.withdrawn for f in incident.filings}
    found = []
    for wanted in (d for d in documents().values() if d.id in binding):
        for clock in wanted.clocks:
            due = clock_due(wanted, clock, incident, place_of(wanted.id, shop, incident.contract_hours.get(wanted.id)))
            if due is not None:
                met = declined.get(wanted.id, False) or filed.get((wanted.id, clock.id), False)
                due_ms = int(due.timestamp() * 1000)
                found.append(Running(regime=wanted.id, clock=clock.id, due_ms=due_ms, met=met))
    return found


def case_cost(db: Connection, incident: Incident, assumptions: Assumptions, now_ms: int) -> Cost:
    """The running total of a case."""
    rows = case_applicability(db, incident, now_ms)
    binding = frozenset(r["id"] for r in rows if r["applies"] == "yes")
    turnover = particulars_of(db, incident.site).turnover_eur
    return cost(incident, incident.subjects, assumptions, turnover, binding, now_ms)


def profile_of(shop: Organisation, more: Particulars) -> Profile:
    """What `regimes.applicability` asks, as far as the shop entered it."""
    roles = ("shop", "agency", "host", "plugin_vendor")
    asked = ("staff", "turnover_eur", "balance_eur", "multi_vendor", "takes_cards", "sells_software")
    return Profile(
        role=more.role if more.role in roles else "shop",  # type: ignore[arg-type] # just checked
        seat=shop.country or None,
        customers_in=None if more.customers_in is None else list(more.customers_in),
        **{n: getattr(more, n) for n in asked},
    )


def place_of(document_id: str, shop: Organisation, contract_hours: int | None = None) -> Place | None:
    """Whose holidays count, and the hours a contract sets; a country that has no calendar counts none, which is never later."""
    if document_id not in regimes():
        return None
    try:
        return place(document_id, shop.country or None, contract_hours)
    except RegimeError:
        return None if contract_hours is None else Place(contract_hours=contract_hours)


def prepare(
    db: Connection,
    incident_id: str,
    document_id: str,
    now_ms: int,
    *,
    wish: Wish | None = None,
    reason: str | None = None,
    edits: Mapping[str, Edit] | None = None,
) -> Notification | None:
    """A fresh draft with the next version number; None when there is no such case. `reason`: why a notice is withdrawn.

    `edits`: what people wrote into it; None: what they wrote into its newest version in that language.
    """
    incident = cases.load(db, incident_id)
    if incident is None:
        return None
    wanted, wish = document(document_id), wish or Wish()
    known = select(func.max(notifications.c.version)).where(
        notifications.c.incident == incident_id, notifications.c.regime == document_id
    )
    words = wording(wish.lang)
    facts, scope = known_facts(db, incident, words)
    if reason:
        said = Fact(id="withdraw_reason", status="known", value=reason, provenance=words.say("sources.entered"))
        facts = {**facts, "withdraw_reason": said}
    wish = replace(
        wish,
        before=_filed_before(db, incident, document_id, wish.lang),
        where=place_of(document_id, organisation_of(db, incident.site), incident.contract_hours.get(document_id)),
        edits=edits_of(db, incident_id, document_id, wish.lang) if edits is None else edits,
    )
    return draft(wanted, incident, facts, scope, (db.scalar(known) or 0) + 1, from_ms(now_ms), wish)


def edits_of(db: Connection, incident: str, document_id: str, lang: str) -> Mapping[str, Edit]:
    """What people wrote into the newest version of a document in a language."""
    of_case = (notifications.c.incident == incident) & (notifications.c.regime == document_id)
    newest = select(notifications.c.data).where(of_case).order_by(notifications.c.version.desc())
    return next((from_json(d).edits for d in db.scalars(newest) if d.get("lang", "en") == lang), {})


def _filed_before(db: Connection, incident: Incident, document_id: str, lang: str) -> Notification | None:
    """The version filed last, when it is of the same language: values are compared as text."""
    filed = [f for f in incident.filings if f.regime == document_id and not f.withdrawn]
    if not filed:
        return None
    of_case = (notifications.c.incident == incident.id) & (notifications.c.regime == document_id)
    data = db.scalar(select(notifications.c.data).where(of_case, notifications.c.version == filed[-1].version))
    return from_json(data) if data and data.get("lang", "en") == lang else None
