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
        _given("late_reason", incident.late_reason, incident.aware_by),
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
        who = (incident.aware_by or "").removeprefix("user:")
        facts.append(Fact(id="aware_at", status="known", value=_t(incident.aware_ms), provenance=f"stated by {who}"))
    else:
        rule = "taken to be the automatic detection, the earliest possible; a person has not confirmed it"
        facts.append(Fact(id="aware_at", status="assumed", value=_t(incident.detected_ms), provenance=rule))
    if incident.contained_ms is not None:
        facts.append(Fact(id="contained_at", status="known", value=_t(incident.contained_ms), provenance=logged))
    else:
        facts.append(_missing("contained_at", "containment is not complete"))
    return facts


def _nature(incident: Incident, scope: Scope, entries: tuple[int, ...]) -> Fact:
    way = f"the plugin {incident.plugin}" if incident.plugin else "a caller of the model that did not identify itself"
    route = f" (route {incident.route})" if incident.route else ""
    value = (
        f"Loss of confidentiality. The shop's assistant, {way}{route}, put customers' data into the prompt of the shop's own "
        f"language model {incident.model or ''}".rstrip()
        + f", and the answers showed it to {_count(len(scope.confirmed.recipients), 'other reader', 'other readers')}."
    )
    return Fact(id="nature", status="known", value=value, provenance="exposures in the log", entries=entries)


def _extent(scope: Scope, entries: tuple[int, ...]) -> list[Fact]:
    confirmed, worst = scope.confirmed, scope.worst_case
    complete = "" if scope.complete else "; the log has gaps in this window: " + ", ".join(scope.gaps)
    counted = f"counted from the log{complete}"
    return [
        Fact(id="subject_categories", status="known", value=["customers of the shop"], provenance="register of the shop"),
        Fact(
            id="subject_count",
            status="known",
            value=f"{confirmed.subjects} confirmed; at most {worst.subjects} if everything in the prompts was seen",
            provenance=counted,
            entries=entries,
        ),
        Fact(
            id="record_categories",
            status="known",
            value=[f"{CATEGORY_NAMES.get(c, c)}: {_count(n, 'person', 'people')}" for c, n in confirmed.categories.items()],
            provenance=counted,
            entries=entries,
        ),
        Fact(
            id="record_count",
            status="known",
            value=f"{confirmed.records} confirmed; at most {worst.records}",
            provenance=f"distinct pairs of person and kind of data, {counted}",
            entries=entries,
        ),
    ]


def _contact(organisation: Organisation) -> Fact:
    reach = [organisation.contact_name, organisation.contact_email, organisation.contact_phone]
    if not organisation.contact_name or not (organisation.contact_email or organisation.contact_phone):
        return _missing("contact", "not entered under Settings, Organisation")
    return Fact(id="contact", status="known", value=", ".join(r for r in reach if r), provenance="entered by the shop")


def _controller(organisation: Organisation) -> Fact:
    if not organisation.controller or not organisation.country:
        return _missing("controller", "not entered under Settings, Organisation")
    parts = (organisation.controller, organisation.address, organisation.country)
    return Fact(id="controller", status="known", value=", ".join(p for p in parts if p), provenance="entered by the shop")


def _likely(scope: Scope) -> Fact:
    texts = [text for category, text in _consequences().items() if category in scope.confirmed.categories]
    if not texts:
        return _missing("consequences", "no confirmed exposure")
    rule = "proposed from the kinds of data; a person must confirm"
    return Fact(id="consequences", status="assumed", value=texts, provenance=rule)


def _measures(incident: Incident, measures: list[Measure]) -> list[Fact]:
    taken = [f"{_t(m.at_ms)}: {m.text} ({m.checkout})" for m in measures]
    done = Fact(
        id="measures_taken",
        status="known",
        value=taken,
        provenance="orders and outcomes in the log",
        entries=tuple(m.entry for m in measures),
    )
    name = incident.plugin or "the leaking plugin"
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
    readers = len(scope.confirmed.recipients)
    return [
        Fact(id="ai_involved", status="known", value="yes: a language model run by the shop", provenance="from the log"),
        Fact(id="ai_system_id", status="known", value=incident.model or "unknown", provenance="named by the model server"),
        Fact(
            id="ai_path",
            status="assumed",
            value="retrieval into the prompt without asking whose data it is (rag_retrieval)",
            provenance="the data stood in the prompts of the same requests",
        ),
        Fact(
            id="ai_extraction_evidence",
            status="known",
            value=f"seen in logs: sent to {_count(readers, 'reader', 'readers')}",
            provenance="answers in the log",
            entries=entries,
        ),
    ]


def _given(fact: str, value: str | None, by: str | None) -> Fact:
    if not value:
        return _missing(fact, "nobody has said")
    return Fact(id=fact, status="known", value=value, provenance=f"stated by {(by or '').removeprefix('user:')}")


def _missing(fact: str, why: str) -> Fact:
    return Fact(id=fact, status="missing", value=None, provenance=why)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _t(ms: int) -> str:
    return rfc3339(from_ms(ms))
