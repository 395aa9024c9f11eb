"""The case of an exercise in the forms in which cases are shared: VERIS 1.4 and STIX 2.1. Both say that it is an exercise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from checkvalve.exercises.measures import Measures
from checkvalve.exercises.scenario import Scenario
from checkvalve.exercises.signs import Mark
from checkvalve.incidents.case import Incident
from checkvalve.regimes.deadline import from_ms, rfc3339

VICTIM: Final = "EXERCISE Example Tea House"
# TLP 2.0 in STIX 2.1: fixed ids of the OASIS extension
TLP_EXTENSION: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
TLP_AMBER: Final = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
TLP_CREATED: Final = "2022-10-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`case`: the first one; None when none was opened."""

    exercise: str
    scenario: Scenario
    case: Incident | None
    measures: Measures
    marks: Sequence[Mark]


def veris(told: Told) -> dict[str, Any]:
    """One VERIS incident. What VERIS has no word for stands in `plus`."""
    case, said, scenario = told.case, told.scenario.classification, told.scenario
    begun = from_ms(case.first_seen_ms if case else told.marks[0].at_ms)
    action: dict[str, Any] = {"variety": [said.variety], "vector": [said.vector]}
    if said.action == "social":
        action["target"] = ["Helpdesk"]
    actor: dict[str, Any] = {"motive": ["NA" if said.action == "error" else "Unknown"]}
    actor |= {"country": ["Unknown"]} if said.actor == "partner" else {"variety": [said.actor_variety]}
    found: dict[str, Any] = {
        "schema_version": "1.4.0",
        "incident_id": told.exercise,
        "source_id": "checkvalve",
        "security_incident": "Confirmed" if scenario.real else "False positive",
        "confidence": "High",
        "summary": f"EXERCISE. {scenario.summary}",
        "victim": {
            "victim_id": VICTIM,
            "employee_count": "1 to 10",
            "industry": "454110",
            "government": ["NA"],
            "country": ["Unknown"],
        },
        "actor": {said.actor: actor},
        "action": {said.action: action},
        "asset": {"assets": [{"variety": said.asset}], "cloud": ["Unknown"]},
        "attribute": {"confidentiality": _disclosed(told.measures, real=scenario.real)},
        "discovery_method": {"internal": {"variety": ["Data loss prevention"]}},
        "timeline": {
            "incident": {"year": begun.year, "month": begun.month, "day": begun.day},
            "discovery": _lasted(told.measures.detect),
            "containment": _lasted(told.measures.contain),
        },
        "plus": {"exercise": f"EXERCISE {told.exercise}", "atlas": list(said.atlas)},
    }
    return found


def _disclosed(measures: Measures, *, real: bool) -> dict[str, Any]:
    disclosed = real and measures.people_exposed > 0
    data: dict[str, Any] = {"variety": "Personal"} | ({"amount": measures.people_exposed} if disclosed else {})
    return {"data_disclosure": "Yes" if disclosed else "No", "data": [data], "data_victim": ["Customer"]}


def _lasted(ms: int | None) -> dict[str, Any]:
    return {"unit": "Never"} if ms is None else {"unit": "Minutes", "value": round(ms / 60_000, 2)}


def stix(told: Told, new_id: Callable[[str], str]) -> dict[str, Any]:
    """A STIX 2.1 bundle. `new_id` gives the UUID of a name; the same for the same exercise."""

    def ref(kind: str, name: str) -> str:
        return f"{kind}--{new_id(f'{kind}/{name}')}"

    case, scenario = told.case, told.scenario
    at = rfc3339(from_ms(told.marks[-1].at_ms if told.marks else 0)).replace("Z", "")
    at = (at if "." in at else f"{at}.000") + "Z"
    author, statement, incident = ref("identity", "shop"), ref("marking-definition", "exercise"), ref("incident", "case")
    common: dict[str, Any] = {
        "spec_version": "2.1",
        "created": at,
        "modified": at,
        "created_by_ref": author,
        "object_marking_refs": [statement, TLP_AMBER],
        "labels": ["exercise"],
    }
    title = f"EXERCISE: {scenario.title}"
    techniques: list[dict[str, Any]] = [
        {
            "type": "attack-pattern",
            "id": ref("attack-pattern", technique),
            **common,
            "name": f"EXERCISE: {technique}",
            "external_references": [{"source_name": "mitre-atlas", "external_id": technique}],
        }
        for technique in scenario.classification.atlas
    ]
    measures: list[dict[str, Any]] = [
        {
            "type": "course-of-action",
            "id": ref("course-of-action", str(m.entry)),
            **common,
            "name": f"EXERCISE: {m.data['order']['action']} by the {m.data['order']['hand']}",
        }
        for m in told.marks
        if m.kind == "order_issued" and m.data["order"]["action"] != "release"
    ]
    links = [
        {
            "type": "relationship",
            "id": ref("relationship", item["id"]),
            **common,
            "relationship_type": "related-to",
            "source_ref": item["id"],
            "target_ref": incident,
        }
        for item in (*techniques, *measures)
    ]
    described = f"{scenario.summary} {case.title}; {case.subjects} people." if case else scenario.summary
    body = [
        {"type": "incident", "id": incident, **common, "name": title, "description": f"EXERCISE. {described}"},
        *techniques,
        *measures,
        *links,
    ]
    report = {
        "type": "report",
        "id": ref("report", "case"),
        **common,
        "name": title,
        "report_types": ["threat-report"],
        "published": at,
        "object_refs": [item["id"] for item in body],
    }
    head = [
        {
            "type": "identity",
            "spec_version": "2.1",
            "id": author,
            "created": at,
            "modified": at,
            "name": VICTIM,
            "identity_class": "organization",
        },
        _statement(statement, at, told.exercise),
        TLP,
    ]
    return {"type": "bundle", "id": ref("bundle", "all"), "objects": [*head, *body, report]}


def _statement(marking: str, at: str, exercise: str) -> dict[str, Any]:
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": marking,
        "created": at,
        "definition_type": "statement",
        "definition": {"statement": f"EXERCISE {exercise}: nothing of this has happened; do not act on it."},
    }


TLP: Final[dict[str, Any]] = {
    "type": "marking-definition",
    "spec_version": "2.1",
    "id": TLP_AMBER,
    "created": TLP_CREATED,
    "name": "TLP:AMBER",
    "extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": "amber"}},
}
