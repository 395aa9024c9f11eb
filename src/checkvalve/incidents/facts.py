"""BreachFacts: what the law asks about a case, each fact with where it comes from.

`known` facts are computed from log entries or given by a person; `assumed` ones follow from a stated rule and want
confirmation; a `missing` one is a question to a person. No fact holds personal data of the people concerned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml

from checkvalve.incidents.case import Incident
from checkvalve.incidents.scope import Scope
from checkvalve.regimes.deadline import from_ms, rfc3339

Status = Literal["known", "assumed", "missing"]

ANONYMOUS = "anonymous"  # the recipient when neither account nor session is known
MAX_GAPS = 3  # named in a document; the scope has them all

CATEGORY_NAMES: Mapping[str, str] = {
    "email": "e-mail address",
    "name": "name",
    "phone": "telephone number",
    "address": "postal address",
    "postcode_name": "name with postcode",
    "order_number": "order number",
}


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
class Measure:
    """One containment step and what the checkout said after it."""

    at_ms: int
    text: str
    checkout: str  # "checkout worked afterwards", …
    entry: int


BreachFacts = Mapping[str, Fact]


@cache
def _consequences() -> dict[str, str]:
    text = files("checkvalve.content.letters").joinpath("consequences.yaml").read_text("utf-8")
    found: dict[str, str] = yaml.safe_load(text)
    return found


def derive(
    incident: Incident,
    scope: Scope,
    measures: list[Measure],
    organisation: Organisation,
    entries: tuple[int, ...],
) -> BreachFacts:
    """All facts of a case. `entries` are the log entries that hold its exposures."""
    facts = [
        *_timeline(incident, entries),
        _nature(incident, scope, entries),
        *_extent(scope, entries),
        _contact(organisation),
        _controller(organisation),
        _likely(scope),
        *_measures(incident, measures),
        _late_reason(incident),
        *_ai(incident, scope, entries),
    ]
    return {f.id: f for f in facts}


def _timeline(incident: Incident, entries: tuple[int, ...]) -> list[Fact]:
    logged = "from the log"
    facts = [
        Fact(id="occurred_from", status="known", value=_t(incident.first_seen_ms), provenance=logged, entries=entries[:1]),
        Fact(id="occurred_to", status="known", value=_t(incident.last_seen_ms), provenance=logged, entries=entries[-1:]),
        Fact(id="detected_at", status="known", value=_t(incident.detected_ms), provenance=logged, entries=entries[:1]),
    ]
    if incident.aware_ms is not None:
        why = f": {incident.aware_why}" if incident.aware_why else ""
        stated = f"stated by {_who(incident.aware_by)}{why}"
        at = _t(incident.aware_ms)
        facts.append(Fact(id="aware_at", status="known", value=at, provenance=stated, entries=_one(incident.aware_entry)))
    else:
        rule = "taken to be the automatic detection, the earliest possible; a person has not confirmed it"
        assumed = _t(incident.detected_ms)
        facts.append(Fact(id="aware_at", status="assumed", value=assumed, provenance=rule, entries=entries[:1]))
    return [*facts, _contained(incident)]


def _contained(incident: Incident) -> Fact:
    """A leak that went on after it was thought closed has no end yet."""
    if incident.contained_ms is None:
        return _missing("contained_at", "containment is not complete")
    at = _t(incident.contained_ms)
    if incident.last_seen_ms > incident.contained_ms:
        return _missing("contained_at", f"closed at {at}, yet data was shown again at {_t(incident.last_seen_ms)}")
    # Where there is no route to try, the gateway's report is all there is.
    source = "the way out was tried and found closed" if incident.route else "reported by the hand that closed it, not tried"
    return Fact(id="contained_at", status="known", value=at, provenance=source, entries=_one(incident.contained_entry))


def _nature(incident: Incident, scope: Scope, entries: tuple[int, ...]) -> Fact:
    if not scope.confirmed.subjects:
        return _missing("nature", "no confirmed exposure")
    way = f"the plugin {incident.plugin}" if incident.plugin else "a caller that did not identify itself"
    route = f" (route {incident.route})" if incident.route else ""
    model = f" {incident.model}" if incident.model else ""
    value = (
        f"Loss of confidentiality. Answers of the shop's own language model{model}, asked through {way}{route}, "
        f"showed customers' data to {_readers(scope)}."
    )
    if scope.prompted:
        value += f" {_prompted(scope)}."
    return Fact(id="nature", status="known", value=value, provenance="exposures in the log", entries=entries)


def _readers(scope: Scope) -> str:
    """Those who can be told apart are counted; visitors without a session are not."""
    named = len([r for r in scope.confirmed.recipients if r != ANONYMOUS])
    parts = [_count(named, "other reader", "other readers")] if named else []
    if ANONYMOUS in scope.confirmed.recipients:
        parts.append("anonymous visitors, whose number is not known")
    return " and ".join(parts) or "nobody known"


def _extent(scope: Scope, entries: tuple[int, ...]) -> list[Fact]:
    """With gaps in the log the numbers are a lower bound, which a person has to judge."""
    confirmed, worst = scope.confirmed, scope.worst_case
    if not confirmed.subjects:
        asked = ("subject_categories", "subject_count", "record_categories", "record_count")
        return [_missing(fact, "no confirmed exposure") for fact in asked]
    status: Status = "known" if scope.complete else "assumed"
    least = "" if scope.complete else "at least "
    counted = "counted from the log"
    if not scope.complete:
        counted += f", which has gaps in this window: {_first(scope.gaps)}"
    return [
        Fact(id="subject_categories", status="known", value=["customers of the shop"], provenance="register of the shop"),
        Fact(
            id="subject_count",
            status=status,
            value=f"{least}{confirmed.subjects} confirmed; {worst.subjects} if everything in the prompts was read",
            provenance=counted,
            entries=entries,
        ),
        Fact(
            id="record_categories",
            status=status,
            value=[f"{CATEGORY_NAMES.get(c, c)}: {_count(n, 'person', 'people')}" for c, n in confirmed.categories.items()],
            provenance=counted,
            entries=entries,
        ),
        Fact(
            id="record_count",
            status=status,
            value=f"{least}{confirmed.records} confirmed; {worst.records} if everything in the prompts was read",
            provenance=f"distinct pairs of person and kind of data, {counted}",
            entries=entries,
        ),
    ]


def _contact(organisation: Organisation) -> Fact:
    name, *reach = (_entered(organisation, f) for f in ("contact_name", "contact_email", "contact_phone"))
    if not name or not any(reach):
        return _missing("contact", "not entered under Settings, Organisation")
    return Fact(id="contact", status="known", value=", ".join(r for r in (name, *reach) if r), provenance="entered by the shop")


def _controller(organisation: Organisation) -> Fact:
    name, address, country = (_entered(organisation, f) for f in ("controller", "address", "country"))
    if not name or not country:
        return _missing("controller", "not entered under Settings, Organisation")
    source = "entered by the shop" if address else "entered by the shop, without an address"
    return Fact(id="controller", status="known", value=", ".join(p for p in (name, address, country) if p), provenance=source)


def _entered(organisation: Organisation, field: str) -> str:
    return str(getattr(organisation, field) or "").strip()


def _likely(scope: Scope) -> Fact:
    texts = [text for category, text in _consequences().items() if category in scope.confirmed.categories]
    if not texts:
        return _missing("consequences", "no confirmed exposure")
    rule = "proposed from the kinds of data; a person must confirm"
    return Fact(id="consequences", status="assumed", value=texts, provenance=rule)


def _measures(incident: Incident, measures: list[Measure]) -> list[Fact]:
    ordered = sorted(measures, key=lambda m: m.at_ms)
    taken = [f"{_t(m.at_ms)}: {m.text} ({m.checkout})" for m in ordered]
    done = Fact(
        id="measures_taken",
        status="known",
        value=taken,
        provenance="orders and outcomes in the log",
        entries=tuple(m.entry for m in ordered),
    )
    name = incident.plugin or "the caller of the model"
    proposed = [
        f"Keep {name} closed until its maker shows that it asks whose data a visitor may see.",
        "Remove stored conversations and caches that hold the exposed data.",
        "Decide whether the people concerned must be told (Art. 34).",
    ]
    rule = "proposed by rule; a person must confirm"
    return [
        done if taken else _missing("measures_taken", "no measure has succeeded yet"),
        Fact(id="measures_proposed", status="assumed", value=proposed, provenance=rule),
    ]


def _ai(incident: Incident, scope: Scope, entries: tuple[int, ...]) -> list[Fact]:
    """The AI-specific fields (content of the EDPB template's draft has none of them)."""
    named = Fact(id="ai_system_id", status="known", value=incident.model, provenance="named by the model server")
    path = Fact(
        id="ai_path",
        status="assumed",
        value="retrieval into the prompt without asking whose data it is (rag_retrieval)",
        provenance=_prompted(scope).lower(),
        entries=entries,
    )
    shown = Fact(
        id="ai_extraction_evidence",
        status="known",
        value=f"seen in logs: sent to {_readers(scope)}",
        provenance="answers in the log",
        entries=entries,
    )
    return [
        Fact(id="ai_involved", status="known", value="yes: a language model run by the shop", provenance="from the log"),
        named if incident.model else _missing("ai_system_id", "the model server did not name it"),
        path if scope.prompted else _missing("ai_path", "the data shown was not found in the prompts of the same requests"),
        shown if scope.confirmed.subjects else _missing("ai_extraction_evidence", "no confirmed exposure"),
    ]


def _late_reason(incident: Incident) -> Fact:
    reason = (incident.late_reason or "").strip()
    if not reason:
        return _missing("late_reason", "nobody has said")
    said = f"stated by {_who(incident.late_by)}"
    return Fact(id="late_reason", status="known", value=reason, provenance=said, entries=_one(incident.late_entry))


def _who(by: str | None) -> str:
    return (by or "an unnamed person").removeprefix("user:")


def _one(entry: int | None) -> tuple[int, ...]:
    return () if entry is None else (entry,)


def _first(gaps: tuple[str, ...]) -> str:
    more = len(gaps) - MAX_GAPS
    return ", ".join(gaps[:MAX_GAPS]) + (f" and {more} more" if more > 0 else "")


def _prompted(scope: Scope) -> str:
    return f"Records shown that stood in the prompt of the same request: {scope.prompted} of {scope.confirmed.records}"


def _missing(fact: str, why: str) -> Fact:
    return Fact(id=fact, status="missing", value=None, provenance=why)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _t(ms: int) -> str:
    return rfc3339(from_ms(ms))
