"""BreachFacts: what the law asks about a case, each fact with where it comes from.

`known` facts are computed from log entries or given by a person; `assumed` ones follow from a stated rule and want
confirmation; a `missing` one is a question to a person. No fact holds personal data of the people concerned.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from checkvalve.incidents.assessment import Assessment, Goods, assessment, readers
from checkvalve.incidents.case import Incident, Sign
from checkvalve.incidents.scope import Scope
from checkvalve.incidents.wording import Wording, wording
from checkvalve.regimes.deadline import from_ms, rfc3339

Status = Literal["known", "assumed", "missing"]

MAX_GAPS: Final = 3  # named in a document; the scope has them all
DAY_MS: Final = 86_400_000
PRESERVE_DAYS: Final = 30  # before the first exposure: how somebody came in lies before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """`value` is text or a list of texts. `provenance` is readable: log entries, a rule, or a person."""

    id: str
    status: Status
    value: str | list[str] | None
    provenance: str
    entries: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """The controller as the shop entered it. Empty strings are unknown."""

    controller: str = ""
    address: str = ""
    country: str = ""
    contact_name: str = ""
    contact_email: str = ""
    contact_phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """The shop's partners, and its profile for `regimes.applicability` and severity. Empty or None is unknown."""

    insurer: str = ""
    policy: str = ""
    acquirer: str = ""
    host: str = ""
    host_contract: str = ""
    clients: str = ""  # whose data a processor handles
    product: str = ""  # of a manufacturer: name and version
    goods: Goods = ""
    role: str = "shop"
    staff: int | None = None
    turnover_eur: float | None = None
    balance_eur: float | None = None
    multi_vendor: bool | None = None
    customers_in: tuple[str, ...] | None = None
    takes_cards: bool | None = None
    sells_software: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One containment step and what the checkout said after it. `on_model`: it changed what the model may do."""

    at_ms: int
    text: str
    checkout: str  # "a test order went through afterwards", …
    entry: int
    on_model: bool = False


BreachFacts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What facts are made from. `signals`: detections that the requests of this case tried to steer the model."""

    incident: Incident
    scope: Scope
    measures: list[Measure]
    organisation: Organisation
    shop: Particulars
    entries: tuple[int, ...]
    signals: int
    words: Wording
    severity: Assessment | None

    def say(self, key: str, /, **values: object) -> str:
        return self.words.say(key, **values)

    def known(self, fact: str, value: str | list[str], source: str, entries: tuple[int, ...] = ()) -> Fact:
        return Fact(id=fact, status="known", value=value, provenance=source, entries=entries)

    def assumed(self, fact: str, value: str | list[str], source: str, entries: tuple[int, ...] = ()) -> Fact:
        return Fact(id=fact, status="assumed", value=value, provenance=source, entries=entries)

    def missing(self, fact: str, why: str, /, **values: object) -> Fact:
        return Fact(id=fact, status="missing", value=None, provenance=self.say(f"sources.{why}", **values))

    def entered(self, field: str) -> str:
        of = self.organisation if hasattr(self.organisation, field) else self.shop
        return str(getattr(of, field) or "").strip()


def derive(
    incident: Incident,
    scope: Scope,
    measures: list[Measure],
    organisation: Organisation,
    entries: tuple[int, ...],
    words: Wording | None = None,
    signals: int = 0,
    particulars: Particulars | None = None,
) -> BreachFacts:
    """All facts of a case, in English or the words given. `entries` are the log entries that hold its exposures."""
    words, particulars = words or wording("en"), particulars or Particulars()
    case = _Case(
        incident=incident,
        scope=scope,
        measures=sorted(measures, key=lambda m: m.at_ms),
        organisation=organisation,
        shop=particulars,
        entries=entries,
        signals=signals,
        words=words,
        severity=assessment(scope, particulars.goods, signals, words),
    )
    parts = (_timeline, _nature, _extent, _people, _stated, _measures, _ai, _act, _severity, _partners, _preservation)
    return {f.id: f for part in parts for f in part(case)}


def _timeline(case: _Case) -> Iterable[Fact]:
    incident, logged = case.incident, case.say("sources.log")
    yield case.known("occurred_from", _t(incident.first_seen_ms), logged, case.entries[:1])
    yield case.known("occurred_to", _t(incident.last_seen_ms), logged, case.entries[-1:])
    yield case.known("detected_at", _t(incident.detected_ms), logged, case.entries[:1])
    if incident.aware_ms is not None:
        source = _stated_by(case, incident.aware_by, f": {incident.aware_why}" if incident.aware_why else "")
        yield case.known("aware_at", _t(incident.aware_ms), source, _one(incident.aware_entry))
    else:
        yield case.assumed("aware_at", _t(incident.detected_ms), case.say("sources.detection_rule"), case.entries[:1])
    yield _contained(case)


def _contained(case: _Case) -> Fact:
    """A leak that went on after it was thought closed has no end yet."""
    incident = case.incident
    if incident.last_closed_ms is None:
        return case.missing("contained_at", "not_contained")
    at = _t(incident.last_closed_ms)
    if incident.last_seen_ms > incident.last_closed_ms:
        return case.missing("contained_at", "reopened", at=at, again=_t(incident.last_seen_ms))
    # Where there is no route to try, the gateway's report is all there is.
    source = (
        _stated_by(case, incident.shut_by, f": {incident.shut_how}")
        if incident.shut_by
        else case.say("sources.tried_closed" if incident.route else "sources.reported_closed")
    )
    return case.known("contained_at", at, source, _one(incident.last_contained_entry or incident.contained_entry))


def _nature(case: _Case) -> Iterable[Fact]:
    incident, scope = case.incident, case.scope
    signs = _signs(case)
    if not scope.confirmed.subjects and not signs:
        yield case.missing("nature", "no_exposure")
        yield case.missing("nature_plain", "no_exposure")
        return
    value = case.say(
        "facts.nature" if scope.confirmed.subjects else "facts.nature_signs",
        model=f" {incident.model}" if incident.model else "",
        way=case.say("facts.way_plugin", plugin=incident.plugin) if incident.plugin else case.say("facts.way_unknown"),
        route=case.say("facts.route", route=incident.route) if incident.route else "",
        readers=readers(scope, case.words),
    )
    value = " ".join((value, *(f"{sign}." for sign in signs)))
    if scope.prompted:
        value += f" {_prompted(case)}."
    yield case.known("nature", value, case.say("sources.exposures"), case.entries)
    if not scope.confirmed.subjects:
        yield case.missing("nature_plain", "no_exposure")
        return
    plain = case.say("facts.nature_plain", since=_plain_t(incident.first_seen_ms), until=_plain_t(incident.last_seen_ms))
    yield case.known("nature_plain", plain, case.say("sources.exposures"), case.entries)


def _signs(case: _Case) -> list[str]:
    """What was sighted, in words: which store's canary, which key, …"""
    return [case.say(f"signs.{s.kind}", what=_sighted(case, s)) for s in case.incident.signs]


def _sighted(case: _Case, sign: Sign) -> str:
    """A secret by its name, and where it is revoked; else what it is about."""
    if sign.kind != "secret":
        return sign.what
    return case.words.texts.get(f"secrets.{sign.what}", sign.what)


def _extent(case: _Case) -> Iterable[Fact]:
    """With gaps in the log the numbers are a lower bound, which a person has to judge."""
    scope, words = case.scope, case.words
    confirmed, worst = scope.confirmed, scope.worst_case
    if not confirmed.subjects:
        asked = ("subject_categories", "subject_count", "record_categories", "record_count", "record_kinds", "groups")
        yield from (case.missing(fact, "no_exposure") for fact in asked)
        return
    status: Status = "known" if scope.complete else "assumed"
    extent = "facts.extent" if scope.complete else "facts.extent_least"
    counted = case.say("sources.counted") if scope.complete else case.say("sources.counted_gaps", gaps=_gaps(case))
    people = case.say(extent, confirmed=confirmed.subjects, worst=worst.subjects)
    records = case.say(extent, confirmed=confirmed.records, worst=worst.records)
    kinds = [
        case.say("facts.category", category=_category(case, c), people=words.count("counts.person", n))
        for c, n in confirmed.categories.items()
    ]
    groups = [
        case.say(
            "facts.group", people=words.count("counts.person", n), categories=", ".join(_category(case, c) for c in categories)
        )
        for categories, n in scope.groups
    ]
    pairs = case.say("sources.pairs", counted=counted)
    yield case.known("subject_categories", [case.say("facts.customers")], case.say("sources.register"))
    for fact, value, source in (
        ("subject_count", people, counted),
        ("record_categories", kinds, counted),
        ("record_count", records, pairs),
        ("groups", groups, counted),
    ):
        yield Fact(id=fact, status=status, value=value, provenance=source, entries=case.entries)
    yield case.known("record_kinds", [_category(case, c) for c in confirmed.categories], counted, case.entries)


def _people(case: _Case) -> Iterable[Fact]:
    name, *reach = (case.entered(f) for f in ("contact_name", "contact_email", "contact_phone"))
    if name and any(reach):
        yield case.known("contact", ", ".join(r for r in (name, *reach) if r), case.say("sources.entered"))
    else:
        yield case.missing("contact", "not_entered")
    name, address, country = (case.entered(f) for f in ("controller", "address", "country"))
    if name and country:
        source = case.say("sources.entered" if address else "sources.entered_no_address")
        yield case.known("controller", ", ".join(p for p in (name, address, country) if p), source)
    else:
        yield case.missing("controller", "not_entered")
    if name:
        yield case.known("controller_name", name, case.say("sources.entered"))
    else:
        yield case.missing("controller_name", "not_entered")
    yield from for_people(case.words, case.scope.confirmed.categories)


def for_people(words: Wording, categories: Iterable[str]) -> Iterable[Fact]:
    """What may follow for people whose data of these kinds was shown, and what they can do."""
    kinds = [c for c in words.named("categories") if c in set(categories)]
    source = words.say("sources.proposed_kinds")
    for fact in ("consequences", "advice"):
        texts = [words.say(f"{fact}.{c}") for c in kinds]
        if texts:
            yield Fact(id=fact, status="assumed", value=texts, provenance=source)
        else:
            yield Fact(id=fact, status="missing", value=None, provenance=words.say("sources.no_exposure"))
    if kinds:
        named = [words.say(f"categories.{c}") for c in kinds]
        yield Fact(id="your_data", status="known", value=named, provenance=words.say("sources.counted"))


def _stated(case: _Case) -> Iterable[Fact]:
    incident = case.incident
    reason = (incident.late_reason or "").strip()
    if reason:
        yield case.known("late_reason", reason, _stated_by(case, incident.late_by), _one(incident.late_entry))
    else:
        yield case.missing("late_reason", "nobody_said")
    yield case.missing("withdraw_reason", "only_person")


def _measures(case: _Case) -> Iterable[Fact]:
    taken = [case.say("facts.measure", at=_t(m.at_ms), what=m.text, checkout=m.checkout) for m in case.measures]
    entries = tuple(m.entry for m in case.measures)
    if held := case.scope.prevented.records:
        people = case.words.count("counts.person", case.scope.prevented.subjects)
        taken += [case.say("facts.prevented", records=held, people=people)] if taken else []
    if taken:
        yield case.known("measures_taken", taken, case.say("sources.orders"), entries)
        last = case.say("facts.service_last", checkout=case.measures[-1].checkout)
        yield case.assumed("service_impact", last, case.say("sources.orders"), entries[-1:])
    else:
        yield case.missing("measures_taken", "no_measure")
        yield case.missing("service_impact", "only_person")
    first = [case.say(f"signs.{s.kind}_do", what=_sighted(case, s)) for s in case.incident.signs]
    proposed = first + case.words.every("facts.proposed", name=case.incident.plugin or case.say("facts.caller"))
    yield case.assumed("measures_proposed", proposed, case.say("sources.proposed_rule"))
    contained = _contained(case)
    plain = "plain.closed" if contained.status == "known" else "plain.not_closed"
    yield case.known("measures_plain", case.say(plain), contained.provenance, contained.entries)


def _ai(case: _Case) -> Iterable[Fact]:
    """The AI-specific fields (content of the EDPB template's draft has none of them)."""
    incident, scope, shown = case.incident, case.scope, case.scope.confirmed
    yield case.known("ai_involved", case.say("facts.ai_yes"), case.say("sources.log"))
    if incident.model:
        yield case.known("ai_system_id", incident.model, case.say("sources.model_server"))
    else:
        yield case.missing("ai_system_id", "not_named")
    yield case.missing("ai_weights_hash", "no_fingerprint")
    if scope.prompted:
        yield case.assumed("ai_path", case.say("facts.retrieval"), _prompted(case).lower(), case.entries)
        where = "facts.location_prompt" if scope.prompted == shown.records else "facts.location_mixed"
        place = case.say(where, n=scope.prompted, all=shown.records)
        yield case.known("ai_data_location", place, case.say("sources.log"), case.entries)
    else:
        yield case.missing("ai_path", "not_in_prompts")
        yield case.missing("ai_data_location", "not_in_prompts")
    if shown.subjects:
        reached = readers(scope, case.words)
        seen = case.say("facts.seen_in_logs", readers=reached)
        yield case.known("ai_extraction_evidence", seen, case.say("sources.answers"), case.entries)
        yield case.known("ai_recipients", reached, case.say("sources.answers"), case.entries)
    else:
        yield case.missing("ai_extraction_evidence", "no_exposure")
        yield case.missing("ai_recipients", "no_exposure")
    window = case.say("facts.log_window", since=_t(scope.since_ms), until=_t(scope.until_ms))
    whole = case.say("facts.log_whole") if scope.complete else case.say("facts.log_gaps", gaps=_gaps(case))
    yield case.known("ai_log_window", [window, whole], case.say("sources.log"))
    actions = [m for m in case.measures if m.on_model]
    if actions:
        told = [case.say("facts.measure", at=_t(m.at_ms), what=m.text, checkout=m.checkout) for m in actions]
        yield case.known("ai_state_actions", told, case.say("sources.orders"), tuple(m.entry for m in actions))
    else:
        yield case.missing("ai_state_actions", "no_state_action")


def _act(case: _Case) -> Iterable[Fact]:
    """Intent, cause, signs and reach, as NIS2 Art. 23(4) and CRA Art. 14 ask them."""
    incident, detectors = case.incident, case.say("sources.detectors")
    if case.signals:
        yield case.assumed("malicious", case.say("facts.malicious_yes", n=case.signals), detectors)
    else:
        yield case.assumed("malicious", case.say("facts.malicious_no"), detectors)
    signs = [
        case.say(f"facts.indicator_{name}", **{name: value})
        for name, value in (("plugin", incident.plugin), ("route", incident.route), ("model", incident.model))
        if value
    ]
    signs += [case.say("facts.indicator_steering", n=case.signals)] if case.signals else []
    signs += _signs(case)
    yield (
        case.known("indicators", signs, case.say("sources.log"), case.entries)
        if signs
        else case.missing("indicators", "only_person")
    )
    if case.scope.prompted:
        yield case.assumed("root_cause", case.say("facts.root_cause"), case.say("sources.proposed_rule"), case.entries)
    else:
        yield case.missing("root_cause", "only_person")
    yield from _states(case)
    yield from (case.missing(fact, "only_person") for fact in ("actor", "sensitivity", "user_measures", "outside_help"))


def _states(case: _Case) -> Iterable[Fact]:
    states = sorted(case.shop.customers_in or ())
    if not states:
        yield case.missing("cross_border", "not_entered")
        yield case.missing("member_states", "not_entered")
        return
    crossing = "facts.cross_border_no" if set(states) <= {case.entered("country")} else "facts.cross_border_yes"
    yield case.assumed("cross_border", case.say(crossing, states=", ".join(states)), case.say("sources.profile"))
    yield case.assumed("member_states", states, case.say("sources.profile"))


def _severity(case: _Case) -> Iterable[Fact]:
    found, incident = case.severity, case.incident
    if found is None:
        names = ("severity_confirmed", "severity_worst_case", "severity_impact", "high_risk", "severity_reason")
        yield from (case.missing(fact, "no_exposure") for fact in names)
        return
    for name, factors in (("confirmed", found.confirmed), ("worst_case", found.worst_case)):
        why = case.say("sources.enisa", why="; ".join(f"{f.factor} {f.value:g}: {f.why}" for f in factors))
        yield case.assumed(f"severity_{name}", _scored(case, found.result[name]), why, case.entries)
    both = [_scored(case, found.result[name]) for name in ("confirmed", "worst_case")]
    yield case.assumed("severity_impact", both, case.say("sources.proposed_rule"), case.entries)
    yield case.assumed("high_risk", _high_risk(case, found), case.say("sources.proposed_rule"), case.entries)
    if (incident.severity_reason or "").strip():
        said = _stated_by(case, incident.severity_by)
        yield case.known("severity_reason", incident.severity_reason or "", said, _one(incident.severity_entry))
    elif found.result["reason_required"]:
        yield case.missing("severity_reason", "reason_needed", why="; ".join(found.result["reasons"]))
    else:
        yield case.missing("severity_reason", "reason_not_needed")


def _scored(case: _Case, result: dict[str, object]) -> str:
    factors = result["factors"]
    flags = result["flags"]
    assert isinstance(factors, dict)
    assert isinstance(flags, list)
    text = case.say(
        "facts.severity",
        level=case.say(f"levels.{result['level']}"),
        presumption=case.say(f"presumptions.{result['level']}"),
        se=f"{result['se']:g}",
        **{name: f"{factors[name]:g}" for name in ("dpc", "ei", "cb")},
    )
    named = ", ".join(case.say(f"flags.{f}") for f in flags)
    return text + (case.say("facts.severity_flags", flags=named) if named else "")


def _high_risk(case: _Case, found: Assessment) -> str:
    """GDPR Art. 34(1): the presumption of either set; the decision is the controller's."""
    levels = {name: found.result[name]["level"] for name in ("confirmed", "worst_case")}
    for name, which in (("confirmed", "which_confirmed"), ("worst_case", "which_worst")):
        if levels[name] in ("high", "very_high"):
            level = case.say(f"levels.{levels[name]}")
            return case.say("facts.high_risk_yes", level=level, which=case.say(f"facts.{which}"))
    named = {n: case.say(f"levels.{level}") for n, level in levels.items()}
    return case.say("facts.high_risk_no", confirmed=named["confirmed"], worst=named["worst_case"])


def _partners(case: _Case) -> Iterable[Fact]:
    """Those to whom a contract binds the shop, as it entered them."""
    for fact in ("clients", "acquirer"):
        value = case.entered(fact)
        yield case.known(fact, value, case.say("sources.entered")) if value else case.missing(fact, "not_entered")
    for fact, detail in (("insurer", "policy"), ("host", "host_contract")):
        name, number = case.entered(fact), case.entered(detail)
        if not name:
            yield case.missing(fact, "not_entered")
            continue
        pattern = {"insurer": ("facts.policy", "policy"), "host": ("facts.host", "contract")}[fact]
        value = case.say(pattern[0], **{fact: name, pattern[1]: number}) if number else name
        yield case.known(fact, value, case.say("sources.entered"))
    if product := case.entered("product"):
        yield case.known("product", product, case.say("sources.entered"))
    elif case.incident.plugin:
        named = case.say("facts.product_plugin", plugin=case.incident.plugin)
        yield case.assumed("product", named, case.say("sources.log"), case.entries)
    else:
        yield case.missing("product", "not_entered")
    if case.scope.confirmed.subjects:
        yield case.assumed("card_data", case.say("facts.no_cards"), case.say("sources.kinds_counted"), case.entries)
    else:
        yield case.missing("card_data", "no_exposure")


def _preservation(case: _Case) -> Iterable[Fact]:
    rule, incident = case.say("sources.proposed_rule"), case.incident
    since = incident.first_seen_ms - PRESERVE_DAYS * DAY_MS
    window = case.say("facts.window", since=_t(since), until=_t(incident.last_seen_ms))
    yield case.assumed("window", window, case.say("sources.rule_window"), case.entries)
    yield case.assumed("preserve", case.words.every("facts.preserve"), rule)
    yield case.assumed("assist", case.words.every("facts.assist"), rule)
    yield case.known("preserved", case.say("facts.preserved"), case.say("sources.log"), case.entries)


def _category(case: _Case, category: str) -> str:
    return case.words.texts.get(f"categories.{category}", category)


def _stated_by(case: _Case, by: str | None, why: str = "") -> str:
    who = by.removeprefix("user:") if by else case.say("sources.unnamed")
    return case.say("sources.stated", who=who, why=why)


def _one(entry: int | None) -> tuple[int, ...]:
    return () if entry is None else (entry,)


def _gaps(case: _Case) -> str:
    gaps = case.scope.gaps
    first, more = ", ".join(gaps[:MAX_GAPS]), len(gaps) - MAX_GAPS
    return case.say("sources.more", gaps=first, n=more) if more > 0 else first


def _prompted(case: _Case) -> str:
    return case.say("facts.prompted", n=case.scope.prompted, all=case.scope.confirmed.records)


def _t(ms: int) -> str:
    return rfc3339(from_ms(ms))


def _plain_t(ms: int) -> str:
    return from_ms(ms).strftime("%Y-%m-%d %H:%M")
