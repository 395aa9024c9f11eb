"""A signed model state as a CycloneDX 1.6 ML-BOM: what it consists of, with sums, and what each part was made from."""

import hashlib
from typing import Any, Final

from checkvalve.modelstates.description import Kind
from checkvalve.modelstates.manifest import State, Version

SPEC: Final = "1.6"
KINDS: Final[dict[Kind, dict[str, Any]]] = {
    "weights": {"type": "machine-learning-model"},
    "adapters": {"type": "machine-learning-model"},
    "index": {"type": "data", "data": [{"type": "dataset", "name": "retrieval index"}]},
    "training": {"type": "data", "data": [{"type": "dataset", "name": "training data"}]},
    "prompts": {"type": "data", "data": [{"type": "configuration", "name": "prompts and templates"}]},
}


def bom(state: State, created: str, version: str) -> dict[str, Any]:
    """`created`: RFC 3339. `version`: of this program. One state always has one serial number."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{_uuid(state.id)}",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "tools": {"components": [{"type": "application", "name": "checkvalve", "version": version}]},
            "component": {"type": "application", "bom-ref": "state", "name": "model state", "version": state.id},
        },
        "components": [_component(v) for v in state.versions],
        "dependencies": [
            {"ref": "state", "dependsOn": [v.component for v in state.versions]},
            *({"ref": v.component, "dependsOn": _sources(state, v)} for v in state.versions),
        ],
    }


def _uuid(name: str) -> str:
    """An RFC 9562 version 8 UUID out of a state's id."""
    digits = hashlib.sha256(f"checkvalve model state {name}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def _component(version: Version) -> dict[str, Any]:
    said = {
        "restic-snapshot": version.snapshot,
        "made-from": "unknown" if version.made_from is None else ", ".join(version.made_from) or "nothing of this shop",
        "not-assessed": ", ".join(version.not_assessed) or "nothing",
    }
    found: dict[str, Any] = {
        **KINDS[version.kind],
        "bom-ref": version.component,
        "name": version.component,
        "version": version.digest,
        "hashes": [{"alg": "SHA-256", "content": version.digest}],
        "properties": [{"name": f"checkvalve:{name}", "value": value} for name, value in said.items()],
        "components": [
            {
                "type": "file",
                "bom-ref": f"{version.component}/{f.path}",
                "name": f.path,
                "hashes": [{"alg": "SHA-256", "content": f.sha256}],
            }
            for f in version.files
        ],
    }
    if version.made_from and found["type"] == "machine-learning-model":
        found["modelCard"] = {"modelParameters": {"datasets": [{"ref": source} for source in version.made_from]}}
    return found


def _sources(state: State, version: Version) -> list[str]:
    needs = (version.needs[0],) if version.needs else ()
    there = {v.component for v in state.versions}
    return sorted({*needs, *(version.made_from or ())} & there)
